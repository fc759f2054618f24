"""`status --watch`: the same again whenever the books, the kill switch or the engine's place change.

The kernel tells of changes; nothing is asked in between. On a terminal the picture is drawn over itself, line
by line, so it does not flicker and leaves nothing to restore; elsewhere each change is one line.
"""

import contextlib
import io
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tui.commands.output import new_york, print_json, text
from tui.commands.standing import Standing, standing
from tui.commands.watching import MODIFIED, FolderWatch

_PLACES = ("db", "killswitch", "run")
"""Folders of a root in which something can change how it stands."""
_CLEAR, _HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[2J", "\x1b[H", "\x1b[K", "\x1b[J"


def watch(root: Path, least: float, schema: int, show: Callable[[Standing], None], *, as_json: bool) -> int:
    """Show until Ctrl-C.

    Args:
        least: Seconds between two pictures.

    Raises:
        DatabaseRefused: There are no books. KeyboardInterrupt: Ctrl-C.
    """
    tell = _json(schema) if as_json else _picture(show) if _is_screen() else _line
    before: Standing | None = None
    watched: list[Path] = []
    with contextlib.ExitStack() as stack:
        while True:
            if (there := _folders(root)) != watched:  # the kill switch's folder may be made only now
                stack.close()
                changes = stack.enter_context(FolderWatch(there, matters=_matters))
                watched = there
            found = standing(root)
            if found != before:
                tell(found)
                sys.stdout.flush()
                before = found
            until = time.monotonic() + least
            changes.wait()
            while (left := until - time.monotonic()) > 0 and changes.wait(left):
                pass


def _folders(root: Path) -> list[Path]:
    return [each for each in (root, *(root / name for name in _PLACES)) if each.is_dir()]


def _matters(kind: int, path: str) -> bool:
    """Whether a change can be one of the books: reading them makes and removes files beside them."""
    folder, name = os.path.split(path)
    if os.path.basename(folder) == "db":
        return kind == MODIFIED and name.endswith((".db", ".db-wal"))
    return os.path.basename(folder) in _PLACES or name in _PLACES


def _is_screen() -> bool:
    return sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _json(schema: int) -> Callable[[Standing], None]:
    return lambda found: print_json(schema, found)


def _line(found: Standing) -> None:
    """How it stands on one line."""
    equity = found["equity"] or {}
    parts = [
        new_york(equity.get("minute")),
        f"phase {text(found['phase'])}",
        f"equity {text(equity.get('equity'))}",
        f"positions {len(found['positions'])}",
        f"orders {len(found['orders'])}",
        f"breakers {len(found['breakers'])}",
        f"errors {sum(each['rows'] for each in found['error_counts'])}",
        f"engine {'runs' if found['engine']['running'] else 'stopped'}",
    ]
    if found["halted"]:
        parts.append(f"HALTED {text(found['halt_reason'])}")
    print("  ".join(parts))


def _picture(show: Callable[[Standing], None]) -> Callable[[Standing], None]:
    """Draw over what is there, cut to the terminal as it is now."""
    begun = False

    def tell(found: Standing) -> None:
        nonlocal begun
        size = shutil.get_terminal_size()
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            show(found)
        lines = said.getvalue().splitlines()
        if len(lines) > size.lines - 1:
            hidden = len(lines) - size.lines + 2
            lines = [*lines[: size.lines - 2], f"({hidden} more lines: make the terminal taller)"]
        drawn = "".join(f"{line[: size.columns]}{_REST_OF_LINE}\n" for line in lines)
        sys.stdout.write(("" if begun else _CLEAR) + _HOME + drawn + _REST_OF_SCREEN)
        begun = True

    return tell
