"""`halt`: throw the kill switch by every way there is. Works with everything else broken, and with no engine.

It imports nothing that can fail: the standard library, the kill switch, and what says where a root is.

Exit codes: 0 at least one way reached; 1 none did.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from runtime import kill_switch
from tui.commands import engine, exits
from tui.commands.place import add_root, root_of

SCHEMA = 1


class _Way(NamedTuple):
    """What became of one way."""

    way: str
    reached: bool
    text: str


def add(subparsers: Any) -> None:
    """Register `halt`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "halt",
        help="throw the kill switch: no entries any more",
        description="Throws the kill switch: entries are cancelled and none leave any more; stops, targets "
        "and exits stay. `resume` lifts it. Needs no engine, no database and no broker.",
    )
    parser.add_argument(
        "--flatten", action="store_true", help="also cancel our orders and close our positions"
    )
    parser.add_argument(
        "--all",
        action="store_true",
        dest="everything",
        help="with --flatten: also what is not ours in the account (EXTERNAL), positions and orders",
    )
    parser.add_argument(
        "--reason", default="", metavar="TEXT", help="why; it is kept in the file and the books"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask before --flatten")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    add_root(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Throw the switch; with `--flatten` on a terminal, halt first and ask then."""
    root = root_of(arguments)
    by = f"user {os.getuid()} on the command line"
    reason = arguments.reason.strip() or f"halt by {by}"
    everything: bool = arguments.everything
    if everything and not arguments.flatten:
        print("error: --all goes with --flatten: it closes what is not ours too", file=sys.stderr)
        return exits.USAGE
    if not arguments.flatten:
        return _halt(root, reason, by, flatten=False, as_json=arguments.json)
    if not arguments.yes and not arguments.json and _is_terminal():
        if _halt(root, reason, by, flatten=False) != exits.OK:
            print("trying again, with --flatten", file=sys.stderr)
        elif not _agreed(root, everything):
            print("halted; positions stay, with their stops")
            return exits.OK
    return _halt(root, reason, by, flatten=True, everything=everything, as_json=arguments.json)


def _halt(
    root: Path, reason: str, by: str, *, flatten: bool, everything: bool = False, as_json: bool = False
) -> int:
    """File, socket and signal, each tried whatever became of the others."""
    words: dict[str, object] = {"reason": reason, "flatten": flatten, "by": by}
    if everything:
        words["everything"] = True
    tell = _keep_quiet if as_json else _show
    file = _try("file", lambda: _file(root, reason, flatten, everything), tell)
    line = _try("socket", lambda: _socket(root, words), tell)
    hint = _try("signal", lambda: _signal(root), tell)
    ways = [file, line, hint]
    told = file.reached or line.reached
    if as_json:
        found = {"schema": SCHEMA, "halted": told or hint.reached, "flatten": flatten and told}
        found["everything"] = everything and told
        _say(json.dumps({**found, "ways": [way._asdict() for way in ways]}))
    elif flatten and hint.reached and not told:
        _say("only the signal reached the engine: it halts, but does not know that it is to flatten")
    if told or hint.reached:
        return exits.OK
    print(
        "error: nothing could be reached: stop the engine, or suspend trading at the broker", file=sys.stderr
    )
    return exits.FAILED


def _show(way: _Way) -> None:
    _say(f"{way.way:<7} {way.text}" if way.reached else f"{way.way:<7} not reached: {way.text}")


def _keep_quiet(_: _Way) -> None:
    """It is told with the others."""


def _try(name: str, way: Callable[[], str], tell: Callable[[_Way], None]) -> _Way:
    """Go one way; say what it reached. Whatever fails here must not keep the other ways from being tried."""
    try:
        found = _Way(name, True, way())
    except Exception as error:  # noqa: BLE001 - see above
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        found = _Way(name, False, words)
    tell(found)
    return found


def _file(root: Path, reason: str, flatten: bool, everything: bool) -> str:
    now = time.time_ns()  # noqa: TID251 - there is no engine here whose clock could be read
    trouble = kill_switch.throw(root, reason, flatten=flatten, everything=everything, at=now)
    order = kill_switch.read(root)
    if flatten > order.flatten or everything > order.everything:
        raise OSError(trouble or "the wish to flatten could not be written")
    return trouble or f"reached: {root / kill_switch.DIRECTORY / kill_switch.FILE} is written"


def _socket(root: Path, words: dict[str, object]) -> str:
    try:
        return f"reached: {engine.ask(root, {'command': 'halt', **words}) or 'the engine knows'}"
    except (FileNotFoundError, ConnectionRefusedError):
        raise OSError("no engine listens there") from None


def _signal(root: Path) -> str:
    holder = engine.holder_of(root)
    if holder is None:
        raise OSError("no engine is at work in this root")
    if not holder.pid or not engine.catches(holder.pid, signal.SIGUSR1):
        raise OSError(f"{holder} is no engine, or one that still starts and will look at the file")
    os.close(engine.send(holder.pid, signal.SIGUSR1))
    return f"reached: SIGUSR1 to {holder}"


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _agreed(root: Path, everything: bool) -> bool:
    others = _others(root)
    word = "FLATTENALL" if everything else "FLATTEN"
    if everything:
        _say(f"not ours, and closed too: {others}")
        print("type FLATTENALL to close every position of the account at the market: ", end="", flush=True)
    else:
        _say(f"not ours, and left: {others}")
        print("type FLATTEN to close all positions of ours at the market: ", end="", flush=True)
    try:
        return sys.stdin.readline().strip() == word
    except (OSError, ValueError):
        return False


def _others(root: Path) -> str:
    """What the account has beside ours, by the engine; it alone knows."""
    try:
        return engine.ask(root, {"command": "external"}) or "nothing that the engine knows of"
    except Exception:  # noqa: BLE001 - it only informs: nothing may keep the switch from being thrown
        return "unknown, no engine answers"


def _say(text: str) -> None:
    """Print, and survive a reader that has gone away: the next way is tried all the same."""
    with suppress(OSError):
        print("".join(letter if letter.isprintable() else "?" for letter in text))
