"""One run of sessions into the books of a root, as replay and demo share it: options, playing, summary."""

import argparse
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands import exits
from tui.commands.roots import folder
from tui.commands.whatif import as_json, print_difference

if TYPE_CHECKING:
    from actors.gateways.bookkeeper import Bookkeeper
    from actors.playback import ClosableRecorder, Playback, Session, Summary
    from config.load import Loaded
    from runtime.messages.session import SessionHeader
    from storage.books import Books
    from storage.readers.difference import Difference

SCHEMA = 1
_ERRORS = "SELECT count(*) FROM error_log"


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options that `replay` and `demo` share."""
    parser.add_argument("--root", type=folder, help="where the run's books go (default: runs/<name>)")
    parser.add_argument("--fresh", action="store_true", help="delete the books an earlier run left there")
    parser.add_argument("--headless", action="store_true", help="no screen, no progress bar")
    parser.add_argument("--json", action="store_true", help="one JSON object last on stdout")
    parser.add_argument(
        "-c", "--config", type=Path, metavar="FILE", help="settings laid over those of the tape"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="one setting; may be repeated"
    )
    parser.add_argument("--no-books", action="store_true", help="keep the books in memory only")


def settings_of(arguments: argparse.Namespace, base: dict[str, Any] | None) -> "Loaded":
    """The settings of a run, its strategies looked at before anything is deleted or written.

    Args:
        base: What `--config` and `--set` are laid over; None: the defaults. The environment has no say, or
            the run could not be repeated.

    Raises:
        ConfigError: A setting or a strategy is refused.
    """
    from config.load import load
    from tui.commands.config import check_strategies

    loaded = load(arguments.config, environ={}, overrides=arguments.set, base=base)
    check_strategies(loaded.settings)
    return loaded


def play(
    arguments: argparse.Namespace,
    loaded: "Loaded",
    sessions: "Iterable[Session]",
    count: int,
    root: Path | None,
    books: str,
    record: "Callable[[SessionHeader], ClosableRecorder] | None" = None,
    look: "Callable[[Books], None] | None" = None,
) -> "tuple[Summary, float]":
    """Run the sessions into the root's books; the caller holds the root's lock.

    Args:
        count: How many sessions there are, for the progress bar.
        root: None keeps the books in memory.
        books: Whose books they are.
        look: Called with the books when the run has come to its end.

    Returns:
        The summary, its `errors` counted in the books, and the seconds it took.

    Raises:
        Stopped: Ctrl-C; everything up to that input is in the books.
        BooksRefused: The books are another run's.
        StorageUnavailable: They cannot be written.
    """
    from actors.gateways.bookkeeper import Bookkeeper
    from actors.playback import Playback
    from runtime.errors import StorageUnavailable
    from runtime.kernel.clock import LiveClock
    from runtime.log import get_logger
    from runtime.process_log import FALLBACK, logging_to
    from tui.commands.progress import Progress

    begun = time.perf_counter()
    log = loaded.settings.log
    path = root / log.dir / "run.log" if root is not None else None
    try:
        with (
            logging_to(path, clock=LiveClock().now, level=log.level) as (errors, _),
            Progress(count, shown=not (arguments.headless or arguments.json)) as progress,
        ):
            fallback = path.with_name(FALLBACK) if path is not None else None
            keeper = Bookkeeper(root, books, errors, fallback, loaded.settings.alerts)
            player = Playback(
                loaded.settings,
                projection=keeper,
                record=record,
                books=books,
                progress=progress.update if progress.shown else None,
            )
            said = get_logger("tui.commands.run").bind(component="run", books=books)
            said.info("a run begins", sessions=count)
            summary = _kept(player, sessions, keeper, look)
            said.info("the run has ended", sessions=summary.sessions, bars=summary.bars)
    except sqlite3.Error as error:
        raise StorageUnavailable(f"the books in {root or 'memory'} cannot be written: {error}") from error
    return summary, time.perf_counter() - begun


def _kept(
    player: "Playback",
    sessions: "Iterable[Session]",
    keeper: "Bookkeeper",
    look: "Callable[[Books], None] | None",
) -> "Summary":
    """Play, and keep what was projected unless the run ended inside an input."""
    from tui.commands.interrupt import Interrupt, Stopped

    whole = False
    try:
        with Interrupt() as interrupt:
            summary = player.run(interrupt.watched(sessions))
            keeper.end()
            (summary.errors,) = keeper.books.connection("performance").execute(_ERRORS).fetchone()
            if look is not None:
                look(keeper.books)
        whole = True
    except (Stopped, Exception):
        whole = True
        raise
    finally:
        keeper.take_errors()
        keeper.books.close(commit=whole)
    return summary


def print_summary(
    arguments: argparse.Namespace,
    summary: "Summary",
    seconds: float,
    root: Path | None,
    *,
    regimes: bool,
    torn: bool | None = None,
    changed: "Difference | None" = None,
) -> int:
    """Print what a run did.

    Args:
        root: Where its books are; None: nowhere.
        regimes: Whether the JSON object names them.
        torn: Whether a tape's end was missing; None: no tape was played.
        changed: What differs from a run under other settings; None: there was none.
    """
    import msgspec

    from runtime.text import one_line

    if arguments.json:
        result: dict[str, Any] = {"schema": SCHEMA, **msgspec.structs.asdict(summary)}
        seen = result.pop("regimes_seen")
        result["seconds"] = round(seconds, 3)
        result["bars_per_second"] = round(summary.bars / seconds) if seconds else 0
        if regimes:
            result["regimes_seen"] = seen
        if torn is not None:
            result["torn"] = torn
        if changed is not None:
            result["difference"] = as_json(changed)
        if root is not None:
            result["root"] = one_line(str(root), 4_000)
        print(msgspec.json.encode(result).decode())
        return exits.OK
    print(f"{summary.sessions} sessions, {summary.bars:,} bars in {seconds:.1f} s")
    print(
        f"{summary.signals:,} signals, {summary.orders:,} orders, {summary.fills:,} fills, "
        f"{summary.trades_closed:,} trades closed"
    )
    print(f"equity {summary.equity_start:,.2f} -> {summary.equity_end:,.2f} USD")
    print(
        f"{summary.breaker_trips} breaker trips, {summary.errors} rows in the error log, "
        f"regimes {', '.join(summary.regimes_seen) or 'unchanged'}"
    )
    print(f"decisions {summary.decisions_sha256}")
    if changed is not None:
        print_difference(changed)
    if root is not None:
        print(f"\nbooks in {root}; look at them with\n    python -m runtime report --root {root}")
    return exits.OK
