"""What the executor does about splits: entries stay out, exits in old terms are withdrawn, lots are restated.

From the announcement to the moment in which the broker's shares agree with it, nothing of a lot rests and
nothing of it is sold, unless a person's halt wants it: an order in old shares at new prices would trade at
once, or trade more than is held. Then the lot is restated, whatever still rests is cancelled, adjusted by the
broker or not, and stop and target rest anew. A lot of an earlier session whose exits the broker ended while
the market was closed gets new ones only after the account was compared.
Source: strategies 0; faults.md G 65.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any

from actors.execution import rescale
from actors.execution.account_keeper import AccountKeeper
from actors.execution.lot_orders import LotOrders, followed_stop, followed_target
from actors.execution.refusals import Level
from actors.execution.split_watch import DayFacts, SplitWatch, Verdict
from config.schema import Orders
from runtime.messages.account import ExternalChanged
from runtime.messages.base import Decision, Message
from runtime.messages.broker import BrokerSnapshot
from runtime.messages.corporate import (
    CorporateAction,
    CorporateActionsRead,
    RescaledLot,
    SplitApplied,
    SplitAwaited,
)
from runtime.messages.market import Bars
from runtime.messages.risk import Phase, PhaseChanged

_SAID_AGAIN_DAYS = 7
_BEFORE_CLOSE = frozenset(("PRE_MARKET", "MARKET_OPEN", "TRADING", "MARKET_CLOSE"))
_TRADES = frozenset(("TRADING", "MARKET_CLOSE"))


class SplitKeeper(AccountKeeper):
    """Lots and their orders through corporate actions, and each comparison with the account.

    Args:
        day: What is known of the session beforehand; None, and against a simulated broker: splits are not
            looked for. The rest: as for `AccountKeeper`.
    """

    def __init__(
        self,
        settings: Orders,
        lots: Iterable[LotOrders],
        *,
        is_halted: bool,
        cancel_protective: bool,
        halt_rest: int,
        reconciles: bool,
        external: Iterable[ExternalChanged],
        doubted: Iterable[str],
        day: DayFacts | None,
    ) -> None:
        super().__init__(
            settings, lots, is_halted=is_halted, cancel_protective=cancel_protective, halt_rest=halt_rest,
            reconciles=reconciles, external=external, doubted=doubted,
        )  # fmt: skip
        self._session = day.session if day is not None else ""
        self._unannounced = ""
        self._splits = SplitWatch(day if reconciles else None, self._lots.values())
        self._announced: dict[tuple[str, str, str], None] = {}
        """Announcements that were told: kind, symbol, ex date."""
        self._awaited: dict[str, tuple[str, str]] = {}
        """Symbols whose lots may have been split: why, and the level at which it was told."""
        self._unprotected: dict[str, None] = {}
        """Lots that get stop and target back after the next comparison."""
        self._is_day = self._is_comparing = False
        for lot in self._lots.values():
            if lot.waits and self._splits.is_on:
                self._awaited[lot.symbol] = "", ""

    def bound_handlers(self) -> dict[type[Message], Callable[[Any], Iterable[Message] | None]]:
        """Bars matter only while a lot may have been split since it was entered."""
        handlers = super().bound_handlers()
        return handlers if self._splits.is_on else {k: v for k, v in handlers.items() if k is not Bars}

    # ---- what is told -----------------------------------------------------------------------

    def on_corporate_actions_read(self, read: CorporateActionsRead) -> Iterator[Decision]:
        """Keep entries out of symbols whose shares or name change today; lots of theirs wait."""
        self._splits.announce(read.actions)
        if not read.available and not (read.absent and self._was_told(read.session)):
            text = f"corporate actions could not be read ({read.reason}); the market alone tells of splits"
            if read.absent:
                self._unannounced = read.session
                text = f"{text}; that this account has none is said again in {_SAID_AGAIN_DAYS} days"
            yield self._noted("WARNING", text)
        for action in read.actions:
            if action.ex_date != read.session:
                continue
            self._gate.freeze(action.symbol, f"{action.symbol} is frozen today: {_words(action)}")
            key = action.kind, action.symbol, action.ex_date
            if key not in self._announced:
                self._announced[key] = None
                yield self._noted("WARNING", f"{action.symbol}: {_words(action)}; no entries in it today")
            for lot in self._lots.values():
                if lot.symbol == action.symbol:
                    yield from self._end_entry(lot, "a corporate action")
        if self._splits.is_on:
            yield from self._await_announced()

    def _was_told(self, session: str) -> bool:
        """Whether it was warned in the last days that there are none."""
        before = self._unannounced
        return (
            bool(before)
            and (date.fromisoformat(session) - date.fromisoformat(before)).days < _SAID_AGAIN_DAYS
        )

    def _await_announced(self) -> Iterator[Decision]:
        for symbol in dict.fromkeys(lot.symbol for lot in self._elder()):
            due = self._splits.due(symbol)
            if due is not None and not self._has_had(symbol):
                reason = f"a split of {symbol} by {due.numerator} for {due.denominator} takes effect today"
                yield from self._await(symbol, reason)
        if self._awaited:
            yield from self._account.soon(self.now, self.seq, at_once=True)

    def on_bars(self, bars: Bars) -> Iterable[Decision]:
        """The first price of a symbol is evidence for or against a split."""
        if any(symbol in self._awaited for symbol in self._splits.see(bars)):
            return self._account.soon(self.now, self.seq, at_once=True)
        return ()

    def on_phase_changed(self, change: PhaseChanged) -> Iterator[Decision]:
        """Exits are withdrawn before the market can reach them, and not before it is worth it."""
        self._stand_in(change.phase)
        yield from super().on_phase_changed(change)
        for symbol in list(self._awaited):
            yield from self._withdraw(symbol)
        self._account.awaits = self._waits
        if self._waits and not self._gate.is_waiting:  # else a timer is set already
            yield from self._account.soon(self.now, self.seq)

    def _stand_in(self, phase: Phase | None) -> None:
        """The day is in this phase, whether its beginning was told or another part of the session saw it."""
        self._is_day, self._splits.is_open = phase in _BEFORE_CLOSE, phase in _TRADES

    # ---- a comparison -----------------------------------------------------------------------

    def on_broker_snapshot(self, snapshot: BrokerSnapshot) -> Iterator[Decision]:
        """Weigh splits, then compare with ours what the broker has."""
        if not self._account.is_blind(snapshot):
            watch = self._account.watch
            moved = watch.moved_since(snapshot.ts_event)
            for verdict in self._splits.judge(snapshot, self._lots.values(), watch.shares_beside(), moved):
                yield from self._act_on(verdict)
        self._account.unsure = list(self._awaited)
        yield from super().on_broker_snapshot(snapshot)
        unprotected, self._unprotected = self._unprotected, {}
        self._is_comparing = True
        for name in unprotected:
            yield from self._advance(self._lots[name])
        self._is_comparing = False
        self._account.awaits = self._waits

    def _act_on(self, verdict: Verdict) -> Iterator[Decision]:
        if verdict.kind == "split":
            yield from self._restate(verdict)
        elif verdict.kind == "wait":
            yield from self._await(verdict.symbol, verdict.reason)
        else:
            yield from self._release(verdict)

    def _await(self, symbol: str, reason: str) -> Iterator[Decision]:
        """Let nothing of the symbol's lots rest or be sold until it is known what they are."""
        before = self._awaited.get(symbol)
        level: Level = "CRITICAL" if self._splits.is_open else "WARNING"
        self._awaited[symbol] = reason, level
        self._gate.freeze(symbol, reason)
        if before != (reason, level):
            text = f"{symbol}: {reason}; stops and targets are withdrawn, exits wait until both agree"
            yield self._noted(level, text)
        if before is None or not before[0]:
            yield SplitAwaited(ts_event=self.now, cause=self.seq, symbol=symbol, waits=True, reason=reason)
        yield from self._withdraw(symbol)

    def _withdraw(self, symbol: str) -> Iterator[Decision]:
        if self._is_day:
            for lot in self._elder(symbol):
                lot.waits = True
                yield from self._advance(lot)

    def _withdrawn(self, lot: LotOrders) -> Iterable[Decision]:
        """Once nothing of a lot that waits rests any more, what the broker holds can be judged."""
        if lot.waits and lot.symbol in self._awaited and not lot.live:
            return self._account.soon(self.now, self.seq, at_once=True)
        return ()

    def _release(self, verdict: Verdict) -> Iterator[Decision]:
        """Their shares are the old ones after all: stop and target rest as they were."""
        symbol = verdict.symbol
        if self._awaited.pop(symbol, None) is None:
            return
        if self._splits.due(symbol) is None:
            self._gate.freeze(symbol, "")
        text = verdict.reason or f"its shares are what they were: {sum(lot.net for lot in verdict.lots)}"
        yield self._noted("WARNING", f"{symbol}: {text}; stops and targets rest again as they were")
        yield SplitAwaited(ts_event=self.now, cause=self.seq, symbol=symbol, waits=False)
        for lot in verdict.lots:
            lot.waits = False
            yield from self._advance(lot)

    def _restate(self, verdict: Verdict) -> Iterator[Decision]:
        """Both sides agree: lots in new shares, stop and target in new terms."""
        by, symbol = verdict.ratio, verdict.symbol
        before = {lot.lot_id: lot.net for lot in verdict.lots}
        after = rescale.shares(before, by, verdict.total)
        for lot in verdict.lots:
            _restate_lot(lot, after[lot.lot_id] - before[lot.lot_id], verdict)
        self._awaited.pop(symbol, None)
        self._gate.freeze(symbol, f"{symbol} was split: no entries in it today")
        self._account.watch.was_split(symbol, verdict.external)
        yield SplitApplied(
            ts_event=self.now,
            cause=self.seq,
            symbol=symbol,
            numerator=by.numerator,
            denominator=by.denominator,
            source=verdict.source,
            ex_date=verdict.ex_date,
            lots=tuple(
                RescaledLot(
                    lot_id=lot.lot_id, before=before[lot.lot_id], after=after[lot.lot_id],
                    stop_loss=lot.stop_loss, take_profit=lot.take_profit,
                )
                for lot in verdict.lots
            ),
        )  # fmt: skip
        how = "as announced" if verdict.source == "announced" else "not announced, shares and price show it"
        text = f"split {by.numerator} for {by.denominator}, {how}"
        moved = ", ".join(f"{name} {before[name]} to {after[name]} shares" for name in before)
        yield self._noted("WARNING", f"{symbol}: {text}; {moved}; stops and targets are placed anew")
        for lot in verdict.lots:
            for name in list(lot.orders):
                order = lot.orders[name]  # cancelling one has changed its group
                if order.is_live and order.role != "exit" and order.status != "pending_cancel":
                    yield from self._cancel(lot, order, "split")
            yield from self._advance(lot)

    # ---- protection -------------------------------------------------------------------------

    def _protect(self, lot: LotOrders, quantity: int) -> Iterable[Decision]:
        """Place stop and target; where they may be in old terms, only after the account was compared."""
        if self._splits.is_on and lot.lot_id in self._splits.elder:
            if lot.symbol in self._awaited:
                return ()
            is_early = self._gate.is_waiting or not self._splits.is_open
            if is_early and not self._is_comparing and self._session not in _days(lot):
                self._unprotected[lot.lot_id] = None
                self._account.awaits = True
                if self._gate.is_waiting:
                    return ()
                return self._account.soon(self.now, self.seq, at_once=True)
        return super()._protect(lot, quantity)

    # ---- asking -----------------------------------------------------------------------------

    @property
    def _waits(self) -> bool:
        return bool(self._unprotected) or (self._is_day and bool(self._awaited))

    def _elder(self, symbol: str = "") -> list[LotOrders]:
        """Lots of earlier sessions that are not over; of one symbol, or all."""
        lots = (self._lots[name] for name in self._splits.elder)
        return [lot for lot in lots if symbol in ("", lot.symbol) and not lot.is_over]

    def _has_had(self, symbol: str) -> bool:
        """Whether the symbol's lots had their split of today."""
        return any(self._session in _days(lot) for lot in self._elder(symbol))


def _restate_lot(lot: LotOrders, change: int, verdict: Verdict) -> None:
    """Restate one lot; `change` in signed shares."""
    stop, target = followed_stop(lot), followed_target(lot)
    lot.stop_loss, lot.take_profit = rescale.stop_and_target(lot.side, stop, target, verdict.ratio)
    lot.stop_distance = lot.target_distance = None  # the fill they followed was in old terms
    lot.adjusted += change if lot.side == "buy" else -change
    lot.splits = (*lot.splits, verdict.name)
    lot.is_corrected, lot.waits, lot.missing = True, False, 0
    lot.refused_exits = lot.refused_cancels = 0


def _days(lot: LotOrders) -> list[str]:
    """Ex dates of the splits that a lot has had."""
    return [name.partition(" ")[0] for name in lot.splits]


def _words(action: CorporateAction) -> str:
    """An announcement in words."""
    if action.numerator and action.denominator:
        return f"{action.kind.replace('_', ' ')} {action.numerator} for {action.denominator} takes effect"
    into = f" ({action.into})" if action.into else ""
    return f"{action.kind.replace('_', ' ')}{into} takes effect"
