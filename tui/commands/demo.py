"""`demo`: a made-up market, no keys, no network, all the machinery.

Exit codes: 0 done; 3 a setting is wrong; 7 another run is at work in the root; 9 the root holds something
else or cannot be written; 130 stopped.
"""

import argparse
import shutil
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands import exits
from tui.commands.paced import add_paced_options, serve
from tui.commands.roots import books_in, default_runs, discard_books
from tui.commands.run import add_run_options, play, print_summary, settings_of
from tui.commands.shown import add_palette, start_and_show, wants_screen

if TYPE_CHECKING:
    from actors.playback import Summary
    from config.load import Loaded

SEED = 7
DEMO_SETTINGS = Path(__file__).resolve().parents[2] / "config" / "demo.toml"
_BOOKS = "replay:demo-"


def add(subparsers: Any) -> None:
    """Register `demo`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "demo",
        help="trade a made-up market: no keys, no network",
        description="Plays a seeded synthetic market through the whole system: calm, volatile and crash "
        "days, a strategy that crashes on purpose, and books to look at afterwards. Each run starts afresh, "
        "in the place of an earlier demo's books, and records its tapes, which `replay` and "
        "`replay --verify` take.",
    )
    parser.add_argument("--seed", type=_seed, default=SEED, help=f"of the made-up market (default {SEED})")
    add_run_options(parser)
    add_paced_options(parser)
    add_palette(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the market, trade it, print the summary."""
    from config.load import load
    from config.snapshot import snapshot
    from storage.lock import RootLock

    base = snapshot(load(DEMO_SETTINGS, environ={}).settings)
    loaded = settings_of(arguments, base)
    root = None if arguments.no_books else arguments.root or default_runs() / "demo"
    books = f"{_BOOKS}{arguments.seed}"
    if root is not None and wants_screen(arguments):
        return start_and_show([*arguments.words, "--serve"], root, palette=arguments.palette)
    if arguments.serve and root is None:
        raise exits.WrongUse("--serve needs a folder for its socket: leave out --no-books")
    with RootLock(root) if root is not None else nullcontext():
        if root is not None:
            discard(root)
            if arguments.serve:
                return _serve(arguments, loaded, root, books)
        summary, seconds = _play(arguments, loaded, root, books)
    return print_summary(arguments, summary, seconds, root, regimes=True)


def _serve(arguments: argparse.Namespace, loaded: "Loaded", root: Path, books: str) -> int:
    from actors.gateways.replay_feed import MadeSession
    from actors.market.calendar import session_times
    from storage.loaders.synthetic import synthetic_sessions
    from storage.panels import PanelStore
    from tui.commands.recording import Recordings

    tapes = root / "tapes"
    store, record = PanelStore(tapes / "blobs"), Recordings(tapes)
    made = synthetic_sessions(seed=arguments.seed, times=session_times)
    try:
        afresh = [partial(MadeSession, session, store) for session in made]
        return serve(arguments, loaded, afresh, root, books, "DEMO", record)
    finally:
        record.abandon()


def _play(
    arguments: argparse.Namespace, loaded: "Loaded", root: Path | None, books: str
) -> "tuple[Summary, float]":
    from actors.gateways.replay_feed import MadeSession
    from actors.market.calendar import session_times
    from storage.loaders.synthetic import synthetic_sessions
    from storage.panels import PanelStore
    from tui.commands.recording import Recordings

    made = synthetic_sessions(seed=arguments.seed, times=session_times)
    if root is None:
        plain = [MadeSession(session) for session in made]
        return play(arguments, loaded, plain, len(plain), None, books)
    tapes = root / "tapes"
    store = PanelStore(tapes / "blobs")
    sessions = [MadeSession(session, store) for session in made]
    record = Recordings(tapes)
    try:
        return play(arguments, loaded, sessions, len(sessions), root, books, record)
    finally:
        record.abandon()


def discard(root: Path) -> None:
    """Delete what an earlier demo left in a root: its tapes and books.

    Raises:
        BooksRefused: The books or a tape are not a demo's.
    """
    from runtime.errors import BooksRefused
    from storage.tape import TapeReader

    books = books_in(root)
    if books and not books.startswith(_BOOKS):
        raise BooksRefused(f"{root} holds the books of {books!r}, not a demo's: choose another --root")
    tapes = root / "tapes"
    for path in sorted(tapes.glob("*.tape*")):
        if not TapeReader(path).header.books.startswith(_BOOKS):
            raise BooksRefused(f"{path} is no demo's tape: choose another --root, or move it away")
    if tapes.is_dir():
        shutil.rmtree(tapes)
    discard_books(root)


def _seed(text: str) -> int:
    try:
        seed = int(text)
    except ValueError:
        seed = -1
    if seed < 0:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, was {text!r}")
    return seed
