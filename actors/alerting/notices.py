"""What in a message may be worth telling a person: its level, whose it is, and the words for it.

Nothing is decided here: `router` knows the rules. Text of others (a broker's reason, a strategy's) is made
harmless on the way. Levels are those of the rows that the same messages leave in `error_log`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from config.alerts import AlertEvent, AlertLevel
from runtime.messages.base import Input, Message
from runtime.messages.broker import BrokerStreamChanged, OrderRejected, OrderUnknown
from runtime.messages.corporate import SplitApplied, SplitAwaited
from runtime.messages.machine import ActorCrashed, ActorStopped
from runtime.messages.market import BarsQuarantined, FeedChanged
from runtime.messages.risk import (
    BreakerCleared,
    BreakerTripped,
    HaltConfirmed,
    HaltLifted,
    HaltThrown,
    Noted,
    PortfolioDay,
    StrategyChanged,
    StrategyDay,
    TaskDone,
)
from runtime.messages.trading import PositionMismatched
from runtime.text import one_line

_LONGEST = 400
_ORDER_STREAM = "orders"
_WITH_NOTES = (PositionMismatched, SplitAwaited, SplitApplied)


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened.

    Attributes:
        component: Whose it is. subject: what it is about; the same event of the same subject is told once.
        title: One line. body: what a person needs to know beyond it.
    """

    event: AlertEvent
    level: AlertLevel
    component: str
    title: str
    body: str = ""
    subject: str = ""


class StreamNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A stream is up or down; whether that is told depends on how long."""

    stream: str
    is_up: bool
    reason: str = ""


def notices(message: Input, caused: Sequence[Message]) -> Iterator[Notice | StreamNotice]:
    """Everything in an input and what it caused, in order."""
    for said in (message, *caused):
        if (make := _NOTICES.get(type(said))) is not None and (found := make(said, caused)) is not None:
            yield found


def worth_a_look(message: Input, caused: Iterable[Message]) -> bool:
    """Whether `notices` may find any: asked of every input."""
    return type(message) in _NOTICES or any(type(said) in _NOTICES for said in caused)


def of_error(level: str, component: str, text: str, place: str) -> Notice:
    """A row of `error_log` that belongs to no decision.

    Args:
        place: The line of code it comes from.
    """
    known: AlertLevel = "CRITICAL" if level == "CRITICAL" else "ERROR" if level == "ERROR" else "WARNING"
    title, _, rest = text.strip().partition("\n")
    return Notice(
        event="error", level=known, component=component, subject=place,
        title=one_line(f"{component}: {title}", _LONGEST), body=one_line(rest, 2 * _LONGEST),
    )  # fmt: skip


# ---- one function per type of message ------------------------------------------------------------

Caused = Sequence[Message]


def _tripped(m: BreakerTripped, _: Caused) -> Notice:
    scope = m.target or "all strategies"
    is_disabled = m.action == "DISABLE" and bool(m.target)
    return Notice(
        event="strategy_disabled" if is_disabled else "breaker_tripped",
        level="CRITICAL" if m.action == "HALT" else "WARNING",
        component=m.target or "breaker",
        subject=f"{m.breaker} {m.target}",
        title=one_line(f"breaker {m.breaker}: {m.action} {scope}", _LONGEST),
        body=one_line(f"{m.reason} ({m.value:.6g}, limit {m.limit:.6g})", _LONGEST),
    )


def _cleared(m: BreakerCleared, _: Caused) -> Notice:
    return Notice(
        event="strategy_enabled" if m.breaker == "strategy_loss" else "breaker_cleared",
        level="INFO",
        component=m.target or "breaker",
        subject=f"{m.breaker} {m.target}",
        title=one_line(f"breaker {m.breaker} cleared for {m.target or 'all strategies'}", _LONGEST),
        body=one_line(m.reason, _LONGEST),
    )


def _halt(m: HaltThrown, _: Caused) -> Notice:
    more = "; everything held is to be closed" if m.flatten else ""
    more = "; the whole account is to be closed, what is not ours too" if m.everything else more
    return Notice(
        event="halt_thrown", level="CRITICAL", component="kill_switch",
        title="HALT: trading is halted", body=one_line(f"{m.reason}{more}", _LONGEST),
    )  # fmt: skip


def _confirmed(m: HaltConfirmed, _: Caused) -> Notice:
    rest = "nothing is held" if m.flat else f"{m.working} stops, targets and exits rest at the broker"
    return Notice(
        event="halt_confirmed", level="WARNING", component="kill_switch",
        title="halt carried out: no entry works", body=rest,
    )  # fmt: skip


def _lifted(m: HaltLifted, _: Caused) -> Notice:
    return Notice(
        event="halt_lifted", level="WARNING", component="kill_switch",
        title=one_line(f"trading resumed by {m.by}", _LONGEST),
    )  # fmt: skip


def _strategy(m: StrategyChanged, _: Caused) -> Notice | None:
    if m.state != "DISABLED":
        return None
    return Notice(
        event="strategy_disabled", level="WARNING", component=m.strategy, subject=m.strategy,
        title=one_line(f"{m.strategy} is disabled", _LONGEST), body=one_line(m.reason, _LONGEST),
    )  # fmt: skip


def _stopped(m: ActorStopped, _: Caused) -> Notice:
    return Notice(
        event="actor_stopped", level="CRITICAL", component=m.actor, subject=m.actor,
        title=one_line(f"{m.actor} stopped for the session", _LONGEST), body=one_line(m.reason, _LONGEST),
    )  # fmt: skip


def _rejected(m: OrderRejected, _: Caused) -> Notice:
    return Notice(
        event="order_rejected", level="WARNING", component="execution", subject=str(m.code),
        title=one_line(f"the broker rejected {m.client_order_id} ({m.symbol})", _LONGEST),
        body=one_line(f"{m.code} {m.reason}", _LONGEST),
    )  # fmt: skip


def _unknown(m: OrderUnknown, _: Caused) -> Notice:
    return Notice(
        event="order_unknown", level="ERROR", component="execution",
        title=one_line(f"the fate of {m.client_order_id} ({m.symbol}) is unknown", _LONGEST),
        body=one_line(m.reason, _LONGEST),
    )  # fmt: skip


def _feed(m: FeedChanged, _: Caused) -> StreamNotice:
    return StreamNotice(stream=m.stream, is_up=m.up, reason=one_line(m.reason, _LONGEST))


def _orders(m: BrokerStreamChanged, _: Caused) -> StreamNotice:
    return StreamNotice(stream=_ORDER_STREAM, is_up=m.ready, reason=one_line(m.reason, _LONGEST))


def _noted(m: Noted, caused: Caused) -> Notice | None:
    if any(isinstance(one, _WITH_NOTES) and _is_about(m, one.symbol) for one in caused):
        return None  # the mismatch or the split is told, with these words
    return of_error(m.level, m.component, m.text, m.text[:_LONGEST])


def _crashed(m: ActorCrashed, _: Caused) -> Notice:
    return of_error("ERROR", m.actor, f"crashed on {m.message_type}: {m.error}", m.error[:_LONGEST])


def _task(m: TaskDone, _: Caused) -> Notice | None:
    if m.status != "failed":
        return None
    return of_error("ERROR", "phase_clock", f"task {m.task} failed: {m.detail}", m.task)


def _quarantined(m: BarsQuarantined, _: Caused) -> Notice:
    return of_error("WARNING", "data", f"{m.count} bars of {m.source} refused: {m.reason}", m.reason)


def _mismatched(m: PositionMismatched, caused: Caused) -> Notice:
    """The note that goes with it is its body, and is not told beside it."""
    if m.ours == m.broker:
        return Notice(
            event="mismatch", level="INFO", component="portfolio", subject=f"{m.symbol} again",
            title=one_line(f"{m.symbol}: books and broker agree again, {m.ours} shares", _LONGEST),
        )  # fmt: skip
    notes = [one.text for one in caused if type(one) is Noted and _is_about(one, m.symbol)]
    return Notice(
        event="mismatch",
        level="CRITICAL",
        component="portfolio",
        subject=m.symbol,
        title=one_line(f"{m.symbol}: our lots sum to {m.ours}, the broker holds {m.broker}", _LONGEST),
        body=one_line("; ".join([*notes, "entries in it are blocked"]), 2 * _LONGEST),
    )


def _awaited(m: SplitAwaited, caused: Caused) -> Notice:
    what = "lots wait until it is known whether they were split" if m.waits else "its lots were not split"
    return _of_split(m, "awaited" if m.waits else "over", what, caused)


def _applied(m: SplitApplied, caused: Caused) -> Notice:
    what = f"split {m.numerator} for {m.denominator}, {len(m.lots)} lots are in new shares"
    return _of_split(m, "split", what, caused)


def _of_split(m: SplitAwaited | SplitApplied, subject: str, what: str, caused: Caused) -> Notice:
    """The note that goes with it is its body, and is not told beside it."""
    notes = [one.text for one in caused if type(one) is Noted and _is_about(one, m.symbol)]
    return Notice(
        event="mismatch", level="WARNING", component="executor", subject=f"{m.symbol} {subject}",
        title=one_line(f"{m.symbol}: {what}", _LONGEST), body=one_line("; ".join(notes), 2 * _LONGEST),
    )  # fmt: skip


def _is_about(note: Noted, symbol: str) -> bool:
    return note.text.startswith((f"{symbol}:", f"{symbol} "))


def _day(m: PortfolioDay, caused: Caused) -> Notice:
    days = [one for one in caused if type(one) is StrategyDay]
    opened, closed = sum(one.trades_opened for one in days), sum(one.trades_closed for one in days)
    won, lost = sum(one.wins for one in days), sum(one.losses for one in days)
    lines = [
        f"equity {m.equity:,.2f} USD, {m.cumulative_pnl:+,.2f} ({m.cumulative_pnl_pct:+.2%}) in all",
        f"drawdown {m.drawdown_pct:.2%}, {m.num_positions} positions, exposure {m.exposure_pct:.1%}",
        f"trades: {opened} opened, {closed} closed ({won} won, {lost} lost), "
        f"commission {math.fsum(one.commission for one in days):,.2f} USD",
    ]
    lines += [
        one_line(f"{one.strategy} {one.net_pnl:+,.2f} USD", _LONGEST)
        for one in sorted(days, key=lambda day: (day.net_pnl, day.strategy))
        if one.trades_closed
    ]
    return Notice(
        event="day_summary", level="INFO", component="portfolio", subject=m.date,
        title=f"{m.date}: {m.daily_pnl:+,.2f} USD ({m.daily_pnl_pct:+.2%})", body="\n".join(lines),
    )  # fmt: skip


_NOTICES: dict[type[Message], Callable[[Any, Caused], Notice | StreamNotice | None]] = {
    BreakerTripped: _tripped,
    BreakerCleared: _cleared,
    HaltThrown: _halt,
    HaltConfirmed: _confirmed,
    HaltLifted: _lifted,
    StrategyChanged: _strategy,
    ActorStopped: _stopped,
    OrderRejected: _rejected,
    OrderUnknown: _unknown,
    FeedChanged: _feed,
    BrokerStreamChanged: _orders,
    Noted: _noted,
    ActorCrashed: _crashed,
    TaskDone: _task,
    BarsQuarantined: _quarantined,
    PositionMismatched: _mismatched,
    SplitAwaited: _awaited,
    SplitApplied: _applied,
    PortfolioDay: _day,
}
