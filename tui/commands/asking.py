"""Has a running engine do something; where it says no or does not listen, says which."""

from pathlib import Path

from tui.commands import engine, exits


def ask(root: Path, words: dict[str, object]) -> str:
    """Ask the engine of a root on its socket; what it says, perhaps nothing.

    Raises:
        EngineRefused: It said no. EngineDeaf: it does not listen.
    """
    try:
        return engine.ask(root, words)
    except OSError as error:
        holder = engine.holder_of(root)
        raise exits.EngineDeaf(
            f"{holder or 'a process'} is at work in {root} and does not listen ({error.strerror or error}): "
            "try again when it has started, or after its end"
        ) from error
    except ValueError as error:
        raise exits.EngineRefused(f"the engine {error}") from error
