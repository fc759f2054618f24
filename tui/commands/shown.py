"""An engine on this terminal: started if need be, shown, stopped or left running when its screen is left."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tui.commands import engine as engines
from tui.commands import exits
from tui.commands.launch import EngineProcess, NotStarted, start_engine_process

_STOPS_WITHIN = 20.0
_SIGNALLED = 128
PALETTES = ("desk", "desk-cb", "light")


def add_palette(parser: argparse.ArgumentParser) -> None:
    """The colours of a screen."""
    parser.add_argument(
        "--palette",
        choices=PALETTES,
        default=PALETTES[0],
        help="of the screen: desk, desk-cb (blue and orange) or light; NO_COLOR takes all colours away",
    )


def is_terminal() -> bool:
    """Whether a person sits here: where one of the three streams is no terminal, the engine is run bare.

    The screen is painted through stderr, so a file there would take the picture away.
    """
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(stream is not None and not stream.closed and stream.isatty() for stream in streams)


def wants_screen(arguments: argparse.Namespace) -> bool:
    """Whether a command that can run bare is to be shown: on a terminal, unless a word speaks against it."""
    bare = ("headless", "json", "no_books", "serve")
    return is_terminal() and not any(getattr(arguments, name, False) for name in bare)


def start_and_show(words: Sequence[str], root: Path, *, palette: str = PALETTES[0]) -> int:
    """Start `python -m runtime WORDS` as an engine of its own for a root and show it; the exit code.

    The code is the engine's where it has ended, 0 where it is left running, 128 and the signal's number
    where this screen was ended by a signal, with the engine left running.
    """
    print("starting the engine ...", file=sys.stderr)
    try:
        engine = start_engine_process(words, root)
    except NotStarted as error:
        said = error.output.strip()
        if said:
            print(said, file=sys.stderr)
        else:
            print(f"error: {error}", file=sys.stderr)
        return error.code if error.code > 0 else exits.FAILED
    chosen, code = show(root, palette=palette, engine=engine)
    if chosen == "stop":
        return _stopped(engine)
    if chosen == "ended":
        return _ended(engine)
    _tell_how_to_return(root, engine)
    engine.leave()
    return code


def show(
    root: Path, *, read_only: bool = False, palette: str = PALETTES[0], engine: EngineProcess | None = None
) -> tuple[str, int]:
    """Show the engine of a root until its screen is left.

    Args:
        engine: Started with this screen, which is over when it is.

    Returns:
        `stop`, `leave` or `ended`, and the exit code of the screen.
    """
    from tui.app import Desk

    has_ended = (lambda: engine.ended() is not None) if engine is not None else None
    desk = Desk(root, read_only=read_only, palette=palette, has_ended=has_ended)
    chosen = desk.run() or "leave"
    code = desk.return_code or exits.OK
    return ("leave" if code > _SIGNALLED else chosen), code


def _stopped(engine: EngineProcess) -> int:
    """End the engine in order and wait for it."""
    print("stopping the engine in order ...", file=sys.stderr)
    if engine.ended() is None:
        engines.send(engine.pid, signal.SIGTERM)
    if engine.wait(_STOPS_WITHIN) is None:
        print(f"it has not ended within {_STOPS_WITHIN:g} s: process {engine.pid} is still at work")
        engine.leave()
        return exits.UNHEALTHY
    return _ended(engine)


def _ended(engine: EngineProcess) -> int:
    """Print what the engine said last; its exit code."""
    from runtime.text import one_line

    for line in engine.last_words().splitlines()[-40:]:
        print(one_line(line, 1_000))
    code = engine.ended() or exits.OK
    if code >= 0:
        return code
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    print(f"error: the engine was killed ({name}); the same command goes on with its books", file=sys.stderr)
    return _SIGNALLED - code


def _tell_how_to_return(root: Path, engine: EngineProcess) -> None:
    where = f" --root {root}"
    print(f"the engine goes on as process {engine.pid}:")
    print(f"    python -m runtime tui{where}     shows it again")
    print(f"    python -m runtime stop{where}    ends it in order")
