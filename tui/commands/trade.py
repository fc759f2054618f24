"""`run`: trade the account that the keys belong to, on paper unless told otherwise.

Exit codes: 0 the engine was stopped in order; 3 a setting is refused; 5 a halt was
carried out, and the settings end the engine then; 7 an engine is at work in this root already; 8 the keys are
missing or refused; 9 files or tape cannot be used.
"""

import argparse
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from runtime.errors import first_of
from tui.commands import exits
from tui.commands.config import add_settings_arguments
from tui.commands.place import add_root, default_root
from tui.commands.serving import add_ready, end_when_told, teller
from tui.commands.shown import add_palette, start_and_show, wants_screen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from actors.broker.market_time import MarketTime
    from actors.broker.rest import Rest
    from actors.engine import Engine
    from actors.live_asking import Asks
    from config.live_money import Addresses
    from config.load import Loaded
    from runtime.error_sink import ErrorSink
    from runtime.kernel.clock import Clock
    from runtime.kernel.paced_clock import PacedClock
    from runtime.strays import Strays

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_BROKERS = "broker"
_MOST_SPEED = 86_400.0
"""A day a second: beyond, timers alone fill the processor and nothing that is asked is answered."""
_AT_START = 30_000_000_000
"""Most that driven market time waits for the broker's answer, ns."""
_TRIES = 5
_FIRST_WAIT = 500_000_000
"""Tries to reach the broker at a start, and the wait before the second, ns; it doubles."""

NO_KEYS = """\
no broker keys: {missing} not set, so there is nothing to trade with.
To see the system at work without keys or a network:

    python -m runtime demo
"""

Answer = TypeVar("Answer")


class _Start(NamedTuple):
    """What a start has found out before it asks the broker.

    Attributes:
        account: The live account that may trade, or empty: paper.
        clock: Market time; None: the broker's own clock is to tell where it stands.
        speed: Of such a clock. ready: a pipe to tell that the engine can be reached.
        accepts: Whether settings or code may have changed in the middle of a session.
    """

    root: Path
    loaded: "Loaded"
    where: "Addresses"
    account: str
    clock: "Clock | None"
    real: "Clock"
    speed: float
    ready: int | None
    accepts: bool = False


def add(subparsers: Any) -> None:
    """Register `run`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "run",
        help="trade through the broker, on paper unless told otherwise",
        description="Trades the session that the present moment belongs to, then the next, until stopped.",
    )
    add_options(parser)
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `run`, which the program without a command takes too."""
    add_settings_arguments(parser)
    add_root(parser)
    parser.add_argument(
        "--headless", action="store_true", help="no screen; the engine itself, as where there is no terminal"
    )
    parser.add_argument(
        "--live", action="store_true", help="real money; needs the setting and the account too"
    )
    parser.add_argument(
        "--clock",
        metavar="TIME",
        help="market time to begin at, ISO, or `broker`: the broker's own; loopback broker only",
    )
    parser.add_argument(
        "--accept-change",
        action="store_true",
        help="go on with a session that began under other settings or code: what was decided stays, only "
        "the market is heard again",
    )
    parser.add_argument("--speed", type=float, default=1.0, help="market seconds a second, with --clock")
    add_palette(parser)
    add_ready(parser)


def run(arguments: argparse.Namespace) -> int:
    """Start, trade, stop."""
    from config.secrets import API_KEY, ENV_FILE, SECRET_KEY, with_env_file

    root = Path(arguments.root) if arguments.root is not None else default_root()
    environ = with_env_file(os.environ, root / ENV_FILE)
    missing = [name for name in (API_KEY, SECRET_KEY) if not environ.get(name, "").strip()]
    if missing:
        import sys

        verb = "are" if len(missing) > 1 else "is"
        print(NO_KEYS.format(missing=f"{' and '.join(missing)} {verb}"), end="", file=sys.stderr)
        return exits.AUTH
    if wants_screen(arguments):
        found = _prepare(arguments, root, environ)
        return start_and_show(arguments.words, found.root, palette=arguments.palette)
    return _run(arguments, root, environ)


def _run(arguments: argparse.Namespace, root: Path, environ: "Mapping[str, str]") -> int:
    import anyio

    from actors.notify.delivery import tell_of_the_end
    from config.secrets import to_hide
    from runtime import memory
    from runtime.process_log import logging_to
    from storage.lock import RootLock

    memory.keep_small()
    start = _prepare(arguments, root, environ)
    log = start.loaded.settings.log
    path = start.root / log.dir / "engine.log"
    with (
        RootLock(start.root),
        logging_to(
            path,
            clock=start.real.now,
            level=log.level,
            secrets=to_hide(start.loaded.secrets),
            most_bytes=log.most_bytes,
            kept=log.kept,
        ) as (errors, strays),
    ):
        try:
            return anyio.run(_trade, start, errors, strays)
        except Exception as error:  # noqa: BLE001 - whatever ends it, a person is told
            first = first_of(error)
            settings = start.loaded.settings
            tell_of_the_end(settings.alerts, start.loaded.secrets, settings.broker.mode, first)
            raise first from None


def _prepare(arguments: argparse.Namespace, root: Path, environ: "Mapping[str, str]") -> _Start:
    """Everything that can be refused without asking anybody."""
    from config.live_money import addresses, permit
    from config.load import load
    from runtime.kernel.clock import LiveClock
    from tui.commands.config import check_strategies

    loaded = load(arguments.config, environ=environ, overrides=arguments.overrides)
    settings = loaded.settings
    check_strategies(settings)
    mode = settings.broker.mode
    source = loaded.sources.get("broker.mode", "default")
    account = permit(mode, source, live=arguments.live, environ=environ)
    where = addresses(settings.endpoints, mode, settings.data.feed)
    if arguments.root is None and settings.paths.root:
        root = Path(settings.paths.root)
    real = LiveClock()
    clock = real if arguments.clock is None else _driven(arguments, where, real)
    return _Start(
        root, loaded, where, account, clock, real, arguments.speed, arguments.ready_fd,
        arguments.accept_change,
    )  # fmt: skip


def _driven(arguments: argparse.Namespace, where: "Addresses", real: "Clock") -> "Clock | None":
    """Market time that begins where it is told to; None: where the broker says.

    Raises:
        WrongUse: An address is not of this machine, or the time is none.
    """
    from urllib.parse import urlsplit

    from runtime.kernel.paced_clock import PacedClock

    if any(urlsplit(each).hostname not in _LOOPBACK for each in where):
        raise exits.WrongUse("--clock is for a loopback broker: all four addresses must be of this machine")
    try:
        if arguments.speed > _MOST_SPEED:
            raise ValueError(f"a clock's speed must be at most {_MOST_SPEED:,g}")
        if arguments.clock == _BROKERS:
            PacedClock(real, 0, arguments.speed)  # is the speed one
            return None
        moment = datetime.fromisoformat(arguments.clock)
        if moment.tzinfo is None:
            raise ValueError("it has no offset")
        clock = PacedClock(real, round(moment.timestamp() * 1e6) * 1_000, arguments.speed)
        clock.stand(_AT_START)
        return clock
    except ValueError as error:
        raise exits.WrongUse(f"--clock {arguments.clock} --speed {arguments.speed:g}: {error}") from None


async def _trade(start: _Start, errors: "ErrorSink", strays: "Strays") -> int:
    import asyncio

    from actors.live_days import LiveDays
    from actors.live_plan import Plan
    from actors.live_session import make_start

    asyncio.get_running_loop().set_exception_handler(strays.loop)
    settings, secrets = start.loaded.settings, start.loaded.secrets
    account, clock, market_time = await _greet(start)
    books = f"{settings.broker.mode}:{account}"
    asks = _asker(start)

    def plan(session: str) -> Plan:
        return Plan(
            root=start.root,
            session=session,
            books=books,
            settings=settings,
            addresses=start.where,
            secrets=secrets,
            make=lambda: make_start(
                start.root,
                session,
                settings,
                books=books,
                now=clock.now(),
                **asks(),
            ),
            speed=1.0 if clock is start.real else start.speed,
            market_time=market_time,
            accept=_say if start.accepts else None,
        )

    def begins(session: str) -> None:
        how = "; Ctrl-C stops it in order" if start.ready is None else ""  # with a screen its keys do
        print(f"session {session}, books {books}, root {start.root}{how}", flush=True)

    days = LiveDays(
        plan, clock=clock, real=start.real, errors=errors, listening=teller(start.ready), begins=begins
    )
    end_when_told(days.stop)
    await days.run()
    _say_goodbye(days.engine)
    return exits.HALTED if days.engine.is_ended_by_halt else exits.OK


def _say(text: str) -> None:
    print(exits.plain(text), flush=True)


def _asker(start: _Start) -> "Callable[[], Asks]":
    """What asks the broker for minutes of earlier sessions, and for the daily bars of a root without any."""
    from actors.broker.bar_history import BarHistory, data_gate
    from actors.live_asking import asker
    from actors.live_minutes import LINES

    settings, real = start.loaded.settings, start.real
    gate = data_gate(settings.requests.per_minute, real)

    def history() -> BarHistory:
        keys, feed = start.loaded.secrets, settings.data.feed
        return BarHistory(start.where.data, keys, real, feed=feed, lines=LINES, gate=gate)

    return asker(history, settings.data.history_fetch_s, real)


async def _greet(start: _Start) -> "tuple[str, Clock, MarketTime | None]":
    """The number of the account the keys belong to, market time, and what keeps it if it is driven.

    Raises:
        LiveRefused: Another account was named. BrokerUnavailable, BrokerRejected, KeysRefused: no answer.
    """
    from actors.broker import wire
    from actors.broker.rest import Rest
    from config.live_money import confirm
    from runtime.errors import BrokerUnavailable
    from runtime.kernel.paced_clock import PacedClock

    rest, clock = Rest(start.where.trading, start.loaded.secrets, start.real), start.clock
    try:
        found = await _answer(rest.account, start.real)
        confirm(start.account, found.account_number)
        if clock is None:
            told = wire.nanoseconds((await _answer(rest.clock, start.real)).timestamp)
            if told is None:
                raise BrokerUnavailable("the broker tells no time that can be read")
            clock = PacedClock(start.real, told, start.speed)
        market_time = await _driven_by(start, clock, rest) if isinstance(clock, PacedClock) else None
    finally:
        await rest.aclose()
    return found.account_number or found.id or "unnamed", clock, market_time


async def _driven_by(start: _Start, clock: "PacedClock", rest: "Rest") -> "MarketTime":
    """What keeps a driven clock at the broker's, once it is there."""
    from actors.broker.market_time import MarketTime
    from actors.live_waits import minute_waits

    late, early = minute_waits(start.loaded.settings.streams, start.speed)
    kept = MarketTime(clock, start.real, speed=start.speed, late=late, early=early)
    kept.ask = rest.clock
    if start.clock is not None:
        await kept.begin()
    return kept


async def _answer(ask: "Callable[[], Awaitable[Answer]]", real: "Clock") -> "Answer":
    """Ask the broker, a few times if it does not answer: a start shall not fail at one bad moment.

    Raises:
        BrokerUnavailable: It did not answer. BrokerRejected, KeysRefused: it did, with a no.
    """
    from runtime.errors import BrokerUnavailable
    from runtime.kernel.clock import sleep_until
    from runtime.kernel.supervisor import back_off
    from runtime.log import get_logger

    attempt = 0
    while True:
        attempt += 1
        try:
            return await ask()
        except BrokerUnavailable as error:
            if attempt >= _TRIES:
                raise
            get_logger(__name__).warning("the broker does not answer", attempt=attempt, error=str(error))
        await sleep_until(real, real.now() + back_off("start", attempt, _FIRST_WAIT))


def _say_goodbye(engine: "Engine") -> None:
    print(f"session {engine.session}: stopped after {engine.sequencer.inputs:,} inputs")
    for each in engine.open_ends():
        print(f"warning: {each}; the next start asks the broker")
    for line in engine.left_behind():
        print(line)
