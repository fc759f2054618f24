"""`replay`: recorded sessions once more, through the actors that trade live."""

import argparse
import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands import exits

if TYPE_CHECKING:
    from actors.playback import Summary
    from config.load import Loaded
    from runtime.messages.session import SessionHeader

SCHEMA = 1


def add(subparsers: Any) -> None:
    """Register `replay`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "replay",
        help="play recorded sessions through the same actors",
        description="Plays tapes in the order given: the market's part against the simulated broker. "
        "The first tape's carried state counts; after that the run's own goes on. Run again with the same "
        "tapes and root after a crash, it completes the books it left.",
    )
    parser.add_argument("tapes", nargs="+", type=Path, metavar="TAPE", help="a .tape or .tape.zst file")
    parser.add_argument("--verify", action="store_true", help="feed every record and compare what it caused")
    add_run_options(parser)
    parser.set_defaults(run=run)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options that `replay` and `demo` share."""
    parser.add_argument("--root", type=Path, help="where the run's books go (default: runs/<name>)")
    parser.add_argument("--fresh", action="store_true", help="delete the books an earlier run left there")
    parser.add_argument("--headless", action="store_true", help="no screen, no progress bar")
    parser.add_argument("--json", action="store_true", help="one JSON object last on stdout")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings laid over those of the tape")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="one setting; may be repeated"
    )
    parser.add_argument("--no-books", action="store_true", help="keep the books in memory only")


def run(arguments: argparse.Namespace) -> int:
    """Replay the tapes, or verify them."""
    for path in arguments.tapes:
        if not path.is_file():
            raise FileNotFoundError(f"no tape at {path}")
    if arguments.verify:
        return _verify(arguments)
    from actors.gateways.replay_feed import TapeSession
    from config.load import load

    first = TapeSession(arguments.tapes[0])
    loaded = load(arguments.config, environ={}, overrides=arguments.set, base=first.header.settings or None)
    name, books = identity(arguments.tapes, loaded)
    root = arguments.root or default_runs() / name
    sessions = (TapeSession(path) for path in arguments.tapes)
    return play(arguments, loaded, sessions, len(arguments.tapes), root, books)


def default_runs() -> Path:
    """Where runs keep their books unless told otherwise."""
    from tui.commands.main import default_root

    return default_root() / "runs"


def identity(tapes: list[Path], loaded: "Loaded") -> tuple[str, str]:
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


def play(
    arguments: argparse.Namespace,
    loaded: "Loaded",
    sessions: Any,
    count: int,
    root: Path,
    books: str,
    record: "Callable[[SessionHeader], Any] | None" = None,
    extra: bool = False,
) -> int:
    """Run the sessions into the root's books and print the summary."""
    from actors.gateways.bookkeeper import Bookkeeper
    from actors.playback import Playback
    from tui.commands.progress import Progress

    if arguments.fresh and not arguments.no_books:
        discard(root)
    keeper = Bookkeeper(None if arguments.no_books else root, books)
    begun = time.perf_counter()
    with Progress(count, shown=not (arguments.headless or arguments.json)) as progress:
        try:
            playback = Playback(
                loaded.settings,
                projection=keeper,
                record=record,
                books=books,
                progress=progress.update if progress.shown else None,
            )
            summary = playback.run(sessions)
        finally:
            keeper.close()
    seconds = time.perf_counter() - begun
    _print(arguments, summary, seconds, root, extra)
    return exits.OK


def discard(root: Path) -> None:
    """Delete the books an earlier run left: its databases and tapes, nothing else."""
    import shutil

    for database in ("trades", "performance"):
        for suffix in ("", "-wal", "-shm"):
            (root / "db" / f"{database}.db{suffix}").unlink(missing_ok=True)
    if (root / "tapes").is_dir():
        shutil.rmtree(root / "tapes")


def _print(
    arguments: argparse.Namespace, summary: "Summary", seconds: float, root: Path, extra: bool
) -> None:
    import msgspec

    result: dict[str, Any] = {"schema": SCHEMA, **msgspec.structs.asdict(summary)}
    regimes = result.pop("regimes_seen")
    result["seconds"] = round(seconds, 3)
    result["bars_per_second"] = round(summary.bars / seconds) if seconds else 0
    if extra:
        result["regimes_seen"] = regimes
    if not arguments.no_books:
        result["root"] = str(root)
    if arguments.json:
        print(msgspec.json.encode(result).decode())
        return
    print(f"{summary.sessions} sessions, {summary.bars:,} bars in {seconds:.1f} s")
    print(
        f"{summary.signals:,} signals, {summary.orders:,} orders, {summary.fills:,} fills, "
        f"{summary.trades_closed:,} trades closed"
    )
    print(f"equity {summary.equity_start:,.2f} -> {summary.equity_end:,.2f} USD")
    print(f"{summary.breaker_trips} breaker trips, {summary.errors} errors, regimes {', '.join(regimes)}")
    print(f"decisions {summary.decisions_sha256}")
    if not arguments.no_books:
        print(f"\nbooks in {root}; look at them with\n    python -m runtime report --root {root}")


def _verify(arguments: argparse.Namespace) -> int:
    """Feed every record of each tape under its own header; say where the first difference is."""
    import msgspec

    from actors.verification import verify

    same = True
    for path in arguments.tapes:
        verdict = verify(path)
        same = same and verdict.identical
        if arguments.json:
            print(msgspec.json.encode({"schema": SCHEMA, **msgspec.structs.asdict(verdict)}).decode())
        else:
            print(verdict.text(), file=sys.stdout if verdict.identical else sys.stderr)
    return exits.OK if same else exits.FAILED
