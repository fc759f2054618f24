"""`demo` and `replay` as an engine that a screen attaches to: paced, and open at the end."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import first_of
from tui.commands import exits
from tui.commands.serving import add_ready, end_when_told, teller

if TYPE_CHECKING:
    from actors.paced_reel import Plan
    from actors.playback import ClosableRecorder, Session
    from config.load import Loaded
    from runtime.error_sink import ErrorSink
    from runtime.kernel.clock import Clock
    from runtime.messages.screen import Mode
    from runtime.messages.session import SessionHeader
    from runtime.strays import Strays

SPEED = 60.0
"""Market seconds a second, unless told otherwise."""
SLOWEST, FASTEST = 0.1, 100_000.0


def add_paced_options(parser: argparse.ArgumentParser) -> None:
    """How fast it goes on a screen, and the hidden options of whoever starts it as an engine."""
    parser.add_argument(
        "--speed",
        type=_speed,
        default=SPEED,
        metavar="N",
        help=f"market seconds a second on a screen, which its keys change (default {SPEED:g}; 0: at once)",
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    add_ready(parser)


def serve(
    arguments: argparse.Namespace,
    loaded: "Loaded",
    sessions: "Sequence[Callable[[], Session]]",
    root: Path,
    books: str,
    mode: "Mode",
    record: "Callable[[SessionHeader], ClosableRecorder] | None" = None,
) -> int:
    """Play at a person's pace until stopped; the caller holds the root's lock.

    Args:
        sessions: Make each session afresh.

    Returns:
        The exit code.

    Raises:
        DataError: A session cannot be used. BooksRefused: the books are another run's.
    """
    import anyio

    from actors.paced_reel import Plan
    from runtime.kernel.clock import LiveClock
    from runtime.process_log import logging_to

    log, real = loaded.settings.log, LiveClock()
    plan = Plan(
        sessions=sessions,
        settings=loaded.settings,
        root=root,
        books=books,
        mode=mode,
        record=record,
        speed=arguments.speed,
    )
    path = root / log.dir / "run.log"
    with logging_to(path, clock=real.now, level=log.level) as (errors, strays):
        try:
            anyio.run(_play, plan, real, errors, strays, arguments.ready_fd)
        except ExceptionGroup as group:
            raise first_of(group) from None
    return exits.OK


async def _play(
    plan: "Plan", real: "Clock", errors: "ErrorSink", strays: "Strays", ready: int | None
) -> None:
    import asyncio

    from actors.paced_playback import PacedPlayback

    asyncio.get_running_loop().set_exception_handler(strays.loop)
    playback = PacedPlayback(plan, real=real, errors=errors, ready=teller(ready))
    end_when_told(playback.stop)
    if ready is None:  # with a screen of its own, that tells how it ends
        where = f"{plan.mode.lower()} in {plan.root}"
        print(f"{where}; `tui --root {plan.root}` shows it, Ctrl-C ends it", flush=True)
    await playback.run()
    print(f"books in {plan.root}; look at them with\n    python -m runtime report --root {plan.root}")


def _speed(text: str) -> float:
    from math import isfinite

    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not (speed == 0 or (isfinite(speed) and SLOWEST <= speed <= FASTEST)):
        raise argparse.ArgumentTypeError(f"must be 0 or from {SLOWEST:g} to {FASTEST:g}, was {text!r}")
    return speed
