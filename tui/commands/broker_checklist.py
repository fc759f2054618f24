"""What only the broker can say before a start: account, clock, calendar, data plan. It is only asked."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, time, timedelta
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import msgspec

from actors.broker import wire
from actors.broker.http import Connection
from actors.broker.rest import Rest
from actors.broker.stream_symbols import BASIC_LIMIT
from actors.market.calendar import NEW_YORK, eastern, session_times, sessions_between
from config.errors import ConfigError
from config.live_money import LIVE_ACCOUNT, Addresses, addresses, confirm
from config.secrets import from_environment
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused
from runtime.kernel.clock import Clock
from runtime.text import one_line
from tui.commands.checklist import Line, Start, unchecked

NAMES = ("account", "clock", "broker calendar", "data plan")

SLIGHT_SKEW, GREAT_SKEW = 500_000_000, 2_000_000_000
"""ns between our clock and the broker's: worth a word; entries would be blocked (faults 67)."""

_TIMEOUT = 3.0, 5.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_AHEAD = timedelta(days=10)
_SIMULATED = 3_600_000_000_000
"""ns by which the clock of a broker on this machine is off if its market is a simulated one."""


def broker_lines(start: Start, clock: Clock) -> list[Line]:
    """Ask the broker; one line each, whatever it answers."""
    settings = start.loaded.settings
    try:
        where = addresses(settings.endpoints, settings.broker.mode, settings.data.feed)
    except ConfigError as error:
        return [Line("account", "FAIL", str(error), "mend the setting, or the variable that gave it")]
    if not from_environment(start.environ).complete:
        return [Line(name, "SKIP", "not asked: the keys are not set") for name in NAMES]
    return anyio.run(_ask, start, where, clock)


async def _ask(start: Start, where: Addresses, clock: Clock) -> list[Line]:
    rest = Rest(where.trading, from_environment(start.environ), clock)
    is_loopback = urlsplit(where.trading).hostname in _LOOPBACK
    try:
        lines = [
            await _line("account", lambda: account(rest, start)),
            await _line("clock", lambda: skew(rest, clock, is_loopback)),
        ]
        if is_loopback:
            start = await _at_its_time(rest, start)
        return [
            *lines,
            await _line("broker calendar", lambda: calendar(rest, start)),
            await _line("data plan", lambda: plan(where.data, start)),
        ]
    finally:
        await rest.aclose()


async def _at_its_time(rest: Rest, start: Start) -> Start:
    """A simulated market is asked for the days and bars of its own time."""
    try:
        theirs = wire.nanoseconds((await rest.clock()).timestamp)
    except (BrokerUnavailable, BrokerRejected, KeysRefused):
        return start  # the line about the clock has said so
    if theirs is None or abs(theirs - start.now) < _SIMULATED:
        return start
    return msgspec.structs.replace(start, now=theirs)


async def _line(name: str, check: Callable[[], Awaitable[Line]]) -> Line:
    try:
        return await check()
    except KeysRefused as error:
        fix = "see that the keys belong to this mode: paper and live have their own"
        return Line(name, "FAIL", f"the keys were refused: {error}", fix)
    except BrokerUnavailable as error:
        return Line(name, "FAIL", f"no answer: {error}", "see to the network, or use --offline")
    except BrokerRejected as error:
        fix = "see the broker's own pages for what the account and its keys may do"
        return Line(name, "FAIL", f"refused: {one_line(str(error), 200)}", fix)
    except Exception as error:  # noqa: BLE001 - the other lines are asked all the same
        return unchecked(name, error)


async def account(rest: Rest, start: Start) -> Line:
    """It may trade, it is the one meant, and it has the money the settings count on."""
    found = await rest.account()
    blocks = {
        "trading_blocked": found.trading_blocked,
        "account_blocked": found.account_blocked,
        "trade_suspended_by_user": found.trade_suspended_by_user,
    }
    number = one_line(found.account_number or "without a number", 40)
    blocked = [name for name, is_set in blocks.items() if is_set]
    if found.status != "ACTIVE" or blocked:
        words = f"{number} may not trade: status {one_line(str(found.status), 40)} {', '.join(blocked)}"
        return Line(
            "account", "FAIL", words.rstrip(), "see the broker's own pages; suspend_trade is set there"
        )
    settings = start.loaded.settings
    if settings.broker.mode == "live" and start.live:
        try:
            confirm(start.environ.get(LIVE_ACCOUNT, "").strip(), found.account_number)
        except ConfigError as error:
            return Line("account", "FAIL", error.problem, f"correct {LIVE_ACCOUNT}, or the keys")
    equity, capital = wire.number(found.equity), settings.account.trading_capital
    if equity is None:
        return Line("account", "FAIL", f"{number} tells no equity", "ask again; then ask the broker")
    words = f"{number}, equity {equity:,.2f} USD"
    if equity < capital:
        fix = "lower account.trading_capital, or fund the account"
        return Line("account", "WARN", f"{words}, less than account.trading_capital {capital:,.2f}", fix)
    if settings.account.allow_short and found.shorting_enabled is not True:
        return Line("account", "WARN", f"{words}, may not sell short", "set account.allow_short = false")
    return Line("account", "PASS", words)


async def skew(rest: Rest, clock: Clock, is_loopback: bool) -> Line:
    """Our clock and the broker's agree; half the round trip is not counted against us."""
    asked = clock.now()
    reading = await rest.clock()
    answered = clock.now()
    theirs = wire.nanoseconds(reading.timestamp)
    if theirs is None:
        return Line("clock", "FAIL", "the broker tells no time that can be read", "ask again")
    off = max(0, theirs - answered, asked - theirs)
    words = f"within {max(off, answered - asked) / 1e9:.1f} s of the broker's"
    if off <= SLIGHT_SKEW:
        return Line("clock", "PASS", words)
    words = f"{off / 1e9:,.1f} s {'behind' if theirs > answered else 'ahead of'} the broker's"
    if is_loopback:
        return Line("clock", "WARN", f"{words}, which is on this machine", "fine for a simulated market")
    fix = "let NTP set the clock (timedatectl set-ntp true)"
    return Line("clock", "FAIL" if off > GREAT_SKEW else "WARN", words, fix)


async def calendar(rest: Rest, start: Start) -> Line:
    """The broker's next days are ours."""
    today = datetime.fromtimestamp(start.now // 1_000_000_000, NEW_YORK).date()
    first, last = today.isoformat(), (today + _AHEAD).isoformat()
    told = await rest.calendar(first, last)
    theirs = {day.date: (day.open, day.close) for day in told if first <= day.date <= last}
    if not theirs:
        return Line("broker calendar", "WARN", f"the broker names no day from {first} to {last}", "ask again")
    ours, later = sessions_between(first, last), []
    for day in sorted({*theirs, *ours}):
        if day not in theirs or day not in ours:
            who = "the broker" if day in theirs else "our calendar"
            return Line(
                "broker calendar",
                "FAIL",
                f"only {who} trades on {day}",
                "update the package exchange_calendars",
            )
        times = session_times(day)
        opens, closes = (_at(day, said) if said is not None else None for said in theirs[day])
        if opens == times.open and closes is not None and times.early_close and closes > times.close:
            later.append(day)  # a simulated calendar has none; ours only ends the day too soon
        elif (opens, closes) != (times.open, times.close):
            words = f"the broker's hours on {day} are {theirs[day]}, ours differ"
            return Line("broker calendar", "FAIL", words, "update the package exchange_calendars")
    if later:
        words = f"the broker names no early close on {', '.join(later)}: by our calendar that day ends early"
        return Line("broker calendar", "WARN", words, "see who is right: the engine goes by ours")
    return Line("broker calendar", "PASS", f"agrees until {max(theirs)}")


async def plan(data: str, start: Start) -> Line:
    """The plan gives the feed asked for, and as many symbols."""
    keys, wanted = from_environment(start.environ), start.loaded.settings.data
    minute = (start.now // 60_000_000_000 - 10) * 60
    since = _rfc3339(minute)

    def ask(feed: str) -> None:
        connection = Connection(data, keys, _TIMEOUT)
        try:
            connection.get(
                "/stocks/bars",
                {"symbols": "SPY", "timeframe": "1Min", "start": since, "limit": "1", "feed": feed},
            )
        finally:
            connection.close()

    try:
        await anyio.to_thread.run_sync(ask, wanted.feed)
    except BrokerRejected as refusal:
        fix = 'set data.feed = "iex", or buy the plan' if wanted.feed == "sip" else "see the broker's pages"
        return Line("data plan", "FAIL", f"feed {wanted.feed} is refused: {refusal}", fix)
    is_paid = wanted.feed == "sip"
    if not is_paid:
        try:
            await anyio.to_thread.run_sync(ask, "sip")
            is_paid = True
        except BrokerRejected:
            pass
    most = "no limit" if wanted.stream_symbols == 0 else f"{wanted.stream_symbols} symbols"
    words = f"feed {wanted.feed}, {'a paid plan' if is_paid else 'the free plan'}, {most}"
    if not is_paid and not 1 <= wanted.stream_symbols <= BASIC_LIMIT:
        return Line("data plan", "FAIL", words, f"set data.stream_symbols to at most {BASIC_LIMIT}")
    if is_paid and wanted.feed == "iex":
        return Line("data plan", "WARN", words, 'the plan has data.feed = "sip" too: all exchanges')
    return Line("data plan", "PASS", words)


def _at(day: str, said: str) -> int | None:
    try:
        return eastern(day, time.fromisoformat(said))
    except ValueError:
        return None


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
