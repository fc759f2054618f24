"""`demo`: a made-up market, no keys, no network, all the machinery."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands.replay import add_run_options, default_runs, discard, play

if TYPE_CHECKING:
    from actors.playback import ClosableRecorder
    from runtime.messages.session import SessionHeader

SEED = 7
DEMO_SETTINGS = Path(__file__).resolve().parents[2] / "config" / "demo.toml"


def add(subparsers: Any) -> None:
    """Register `demo`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "demo",
        help="trade a made-up market: no keys, no network",
        description="Plays a seeded synthetic market through the whole system: calm, volatile and crash "
        "days, a strategy that crashes on purpose, and books to look at afterwards. Each run starts afresh "
        "and records its tapes, which `replay` and `replay --verify` take.",
    )
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the made-up market (default {SEED})")
    add_run_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the market, trade it, print the summary."""
    from storage.loaders.synthetic import synthetic_sessions

    from actors.gateways.replay_feed import MadeSession
    from actors.market.calendar import session_times
    from config.load import load
    from config.snapshot import snapshot
    from storage.panels import PanelStore
    from storage.tape import TapeWriter

    root: Path = arguments.root or default_runs() / "demo"
    base = snapshot(load(DEMO_SETTINGS, environ={}).settings)
    loaded = load(arguments.config, environ={}, overrides=arguments.set, base=base)
    if arguments.root is None and not arguments.no_books:
        discard(root)
    tapes = root / "tapes"
    store = None if arguments.no_books else PanelStore(tapes / "blobs")
    sessions = [
        MadeSession(made, store) for made in synthetic_sessions(seed=arguments.seed, times=session_times)
    ]

    def record(header: "SessionHeader") -> "ClosableRecorder":
        return TapeWriter(tapes / f"{header.session}.tape", header, durable=False)

    return play(
        arguments,
        loaded,
        sessions,
        len(sessions),
        root,
        f"replay:demo-{arguments.seed}",
        record=None if arguments.no_books else record,
        extra=True,
    )
