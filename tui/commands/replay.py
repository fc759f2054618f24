"""`replay`: recorded sessions once more, through the actors that trade live.

Exit codes: 0 done, or identical; 1 a verification found a difference; 2 words that do not go together; 3 a
setting is wrong; 7 another run is at work in the root; 9 a tape or the books cannot be used; 130 stopped.
"""

import argparse
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands import exits
from tui.commands.paced import add_paced_options, serve
from tui.commands.roots import REPLAYED, books_in, default_runs, discard_books
from tui.commands.run import SCHEMA, add_run_options, play, print_summary, settings_of
from tui.commands.shown import add_palette, start_and_show, wants_screen

if TYPE_CHECKING:
    from actors.gateways.replay_feed import TapeSession
    from config.load import Loaded
    from runtime.messages.session import SessionHeader
    from storage.books import Books
    from storage.readers.difference import Taken


def add(subparsers: Any) -> None:
    """Register `replay`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "replay",
        help="play recorded sessions through the same actors",
        description="Plays tapes, oldest first: the market's part against the simulated broker. The first "
        "tape's settings and carried state count; after that the run's own state goes on. Run again with the "
        "same tapes and root after a crash or Ctrl-C, it completes the books it left. The tapes of a session "
        "in several parts are given one after the other and played as one. --verify instead feeds every "
        "record of each tape under the tape's own settings and names the first difference.",
    )
    parser.add_argument("tapes", nargs="+", type=Path, metavar="TAPE", help="a .tape or .tape.zst file")
    parser.add_argument("--verify", action="store_true", help="feed every record and compare what it caused")
    add_run_options(parser)
    add_paced_options(parser)
    add_palette(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Replay the tapes, or verify them."""
    if arguments.verify:
        return _verify(arguments)
    from storage.lock import RootLock

    sessions = _checked(arguments.tapes)
    first = sessions[0][0]
    loaded = settings_of(arguments, first.settings or None)
    name, books = identity(arguments.tapes, loaded)
    if wants_screen(arguments):
        words = [*arguments.words, "--serve"]
        return start_and_show(words, _played(arguments, name), palette=arguments.palette)
    if arguments.serve:
        return _serve(arguments, loaded, name, books, [paths for _, paths in sessions])
    root = None if arguments.no_books else arguments.root or default_runs() / name
    warnings: list[str] = []
    with RootLock(root) if root is not None else nullcontext():
        if root is not None:
            _make_room(root, books, arguments.fresh)
        tapes = [paths for _, paths in sessions]
        before = _as_recorded(arguments, first, tapes) if arguments.set or arguments.config else None
        after: list[Taken] = []
        try:
            summary, seconds = play(
                arguments, loaded, _sessions(tapes, warnings), len(tapes), root, books, look=_keeper(after)
            )
        except KeyboardInterrupt as stop:
            if root is not None:
                stop.args = (f"{str(stop) or 'stopped'}; the same command goes on from there",)
            raise
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    changed = None
    if before is not None:
        from storage.readers.difference import difference

        changed = difference(before, after[0])
    return print_summary(
        arguments, summary, seconds, root, regimes=False, torn=bool(warnings), changed=changed
    )


def _keeper(into: "list[Taken]") -> "Callable[[Books], None]":
    """Takes a run's orders and trades out of its books."""
    from storage.readers.difference import taken

    return lambda books: into.append(taken(books.connection("trades")))


def _as_recorded(
    arguments: argparse.Namespace, first: "SessionHeader", tapes: Sequence[Sequence[Path]]
) -> "Taken":
    """The same tapes under the first one's own settings, with books in memory: what is compared with."""
    from config.load import load

    found: list[Taken] = []
    plain = load(None, environ={}, overrides=[], base=first.settings or None)
    play(
        arguments, plain, _sessions(tapes, []), len(tapes), None, f"{REPLAYED}before",
        look=_keeper(found),
    )  # fmt: skip
    return found[0]


def _serve(
    arguments: argparse.Namespace, loaded: "Loaded", name: str, books: str, tapes: Sequence[Sequence[Path]]
) -> int:
    """Play at a person's pace, into books of its own: what a person does to it is no part of a replay's."""
    from actors.gateways.replay_feed import TapeSession
    from storage.lock import RootLock

    if arguments.no_books:
        raise exits.WrongUse("--serve needs a folder for its socket: leave out --no-books")
    root = _played(arguments, name)
    with RootLock(root):
        discard_books(root)
        afresh = [partial(TapeSession, *paths) for paths in tapes]
        return serve(arguments, loaded, afresh, root, f"{books}-played", "REPLAY")


def _played(arguments: argparse.Namespace, name: str) -> Path:
    """Where a replay on a screen keeps its books."""
    return arguments.root or default_runs() / f"{name}-played"


def _make_room(root: Path, books: str, fresh: bool) -> None:
    """Delete an earlier run's books if that was asked for.

    Raises:
        BooksRefused: It was not, and they are another run's; or they are no replay's.
    """
    from runtime.errors import BooksRefused

    if fresh:
        discard_books(root)
    found = books_in(root)
    if found not in ("", books) and found.startswith(REPLAYED):
        raise BooksRefused(
            f"{root} holds the books of another run ({found!r}, this one is {books!r}): choose another "
            "--root, or delete them with --fresh"
        )


def identity(tapes: Sequence[Path], loaded: "Loaded") -> tuple[str, str]:
    """(folder name, whose books) of a run: the same tapes, settings and code make the same run."""
    from config.snapshot import settings_hash
    from storage.environment import environment

    content = hashlib.sha256()
    for path in tapes:
        with path.open("rb") as file:
            content.update(hashlib.file_digest(file, "sha256").digest())
    content.update(settings_hash(loaded.settings).encode())
    content.update(environment().code_version.encode())
    names = [path.name.split(".")[0] for path in tapes]
    span = names[0] if len(names) == 1 else f"{names[0]}_{names[-1]}"
    digest = content.hexdigest()[:12]
    return f"replay-{span}-{digest}", f"replay:{digest}"


def _checked(tapes: Sequence[Path]) -> "list[tuple[SessionHeader, list[Path]]]":
    """The sessions: each its first tape's header and its tapes, once every byte has been checked.

    Nothing of a damaged tape is used. Checking takes a twentieth of the time that playing takes.

    Raises:
        DataError: One is missing, damaged or no tape. WrongUse: they are not in order of time, or a part of
            a session is given without the one before it.
    """
    from storage.tape import verify

    sessions: list[tuple[SessionHeader, list[Path]]] = []
    chain = ""
    for path in tapes:
        _check_file(path)
        reader = verify(path)
        header = reader.header
        if header.parts:
            if not sessions or chain != header.parts[-1].chain:
                raise exits.WrongUse(
                    f"{path} is part {header.part} of the session {header.session}: name the parts before it "
                    "first, " + ", ".join(part.name for part in header.parts)
                )
            sessions[-1][1].append(path)
        elif sessions and header.session <= sessions[-1][0].session:
            raise exits.WrongUse(
                f"tapes must be given oldest first, each session once: {path} ({header.session}) stands "
                f"after {sessions[-1][0].session}"
            )
        else:
            sessions.append((header, [path]))
        chain = reader.chain.hex()
    return sessions


def _check_file(path: Path) -> None:
    """Refuse what cannot be read twice, as a tape is; one that is not there is told by its reader."""
    from runtime.errors import DataError

    if path.is_dir():
        raise DataError(f"{path} is a directory: name the tapes in it")
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is no plain file")


def _sessions(tapes: Sequence[Sequence[Path]], warnings: list[str]) -> "Iterator[TapeSession]":
    """The tapes as sessions; an end that is missing is told when it has been reached, and logged."""
    from actors.gateways.replay_feed import TapeSession
    from runtime.log import get_logger

    for paths in tapes:
        session = TapeSession(*paths)
        yield session
        for reader in session.readers:
            if reader.torn is not None:
                warning = f"{reader.path}: {reader.torn}; played up to it"
            elif not reader.closed:
                warning = f"{reader.path}: the recording was not closed; played up to input {reader.seq}"
            else:
                continue
            warnings.append(warning)
            get_logger(__name__).warning(warning)


def _verify(arguments: argparse.Namespace) -> int:
    """Feed every record of each tape under its own header; say where the first difference is."""
    import msgspec

    from actors.verification import verify
    from runtime.errors import DataError

    if arguments.config or arguments.set:
        raise exits.WrongUse("--verify takes each tape's own settings: leave out --config and --set")
    same = True
    for path in arguments.tapes:
        _check_file(path)
        verdict = verify(path)
        if verdict.identical and not verdict.inputs:
            raise DataError(
                f"{path} has nothing to compare: it was made from files, no actor has handled its inputs"
            )
        same = same and verdict.identical
        if arguments.json:
            print(msgspec.json.encode({"schema": SCHEMA, **msgspec.structs.asdict(verdict)}).decode())
        else:
            print(verdict.text(), file=sys.stdout if verdict.identical else sys.stderr)
    return exits.OK if same else exits.FAILED
