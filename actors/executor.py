"""Carries approved orders to the broker and looks after them until their lots are flat.

What a lot needs next is decided in `execution.lot_orders`, what an order's events mean in
`execution.order_state`; this actor keeps the two together and speaks with the broker.
"""

from collections.abc import Iterable, Iterator

import msgspec

from actors.execution import ids, lot_commands, order_state, refusals
from actors.execution.account_side import READ, STUCK
from actors.execution.executor_state import ExecutorCarried
from actors.execution.lot_keeper import AGAIN, AGAIN_NS, EXPIRY, PARTIAL, RETRY, SECOND_NS
from actors.execution.lot_orders import (
    KILL_SWITCH,
    MOST_CANCELS,
    LotOrders,
    entry_prices,
    opened,
)
from actors.execution.order_state import OrderState
from actors.execution.split_keeper import SplitKeeper
from actors.execution.split_watch import DayFacts
from config.schema import Orders
from runtime.messages.account import ReadAccount
from runtime.messages.base import Decision
from runtime.messages.broker import (
    CancelRejected,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderUnknown,
)
from runtime.messages.machine import SessionStarted, TimerFired
from runtime.messages.market import TradingStatus
from runtime.messages.risk import HaltConfirmed, HaltLifted, HaltThrown, Noted
from runtime.messages.trading import OrderApproved, OrderProposed

__all__ = ["Executor", "ExecutorCarried"]


class Executor(SplitKeeper):
    """Sends what the breaker approved; sees to it that no share stands without a stop or an exit.

    Args:
        settings: How long a partly filled entry may stand, how soon a refusal is tried again.
        halt_rest: No entries in a symbol for so long after its halt ended, ns (strategies 0).
        cancel_protective: Whether the kill switch cancels stops and targets too (seed 6).
        reconciles: Whether there is a broker whose account can differ from our books: a real one.
        day: What is known of the session beforehand; None: splits are not looked for.
    """

    def __init__(
        self,
        settings: Orders,
        carried: ExecutorCarried | None = None,
        *,
        halt_rest: int = 300 * SECOND_NS,
        cancel_protective: bool = False,
        reconciles: bool = False,
        day: DayFacts | None = None,
    ) -> None:
        super().__init__(
            settings,
            carried.lots if carried else (),
            is_halted=carried is not None and carried.is_halted,
            cancel_protective=cancel_protective,
            halt_rest=halt_rest,
            reconciles=reconciles,
            external=carried.external if carried else (),
            doubted=carried.doubted if carried else (),
            day=day,
        )
        self._is_flattening = carried is not None and carried.is_flattening
        self._is_confirmed = carried is not None and carried.is_confirmed
        self._unannounced = carried.unannounced if carried is not None else ""
        self.unsettled = self._is_halted and not self._is_confirmed
        if carried and carried.account is not None:
            self._account.restore(carried.account)
            self._stand_in(carried.account.phase)

    def standing(self) -> ExecutorCarried:
        lots = list(self._lots.values())
        return msgspec.structs.replace(self.carry(), lots=lots, account=self._account.state())

    def carry(self) -> ExecutorCarried:
        lots = [lot for lot in self._lots.values() if not lot.is_over]
        return ExecutorCarried(
            lots=lots,
            is_halted=self._is_halted,
            is_flattening=self._is_flattening,
            is_confirmed=self._is_confirmed,
            external=self._account.watch.external,
            doubted=self._account.watch.doubted,
            unannounced=self._unannounced,
        )

    # ---- what is wanted ---------------------------------------------------------------------

    def on_session_started(self, started: SessionStarted) -> Iterator[Decision]:
        """Timers do not outlive a session: set them again, and go on where the last one stopped."""
        yield from self._account.watch.told(self.now, self.seq)
        yield from self._set_expiry()
        lots = [lot for lot in self._lots.values() if not lot.is_over]
        if started.part > 1:
            working = any(lot.live for lot in lots)
            yield from self._account.goes_on(working, started.unbroken, self.now, self.seq)
        for lot in lots:
            if lot.entry.is_live and lot.entry.filled and not lot.closing:
                yield self._timer(PARTIAL + lot.lot_id, self._protect_ns)
            if self._is_flattening and lot.held > 0 and not lot.closing:
                yield from self._try_again(lot, flattens=True)  # refused until the timer that is gone
            else:
                yield from self._advance(lot)

    def on_order_approved(self, approved: OrderApproved) -> Iterable[Decision]:
        order = approved.order
        return self._exit(order) if order.intent == "exit" else self._enter(order)

    def _enter(self, order: OrderProposed) -> Iterable[Decision]:
        if order.lot_id in self._lots:
            return (self._noted("ERROR", f"lot {order.lot_id} was approved a second time; not sent"),)
        state = lot_commands.proposed_state(order)
        try:
            prices = entry_prices(order)
        except ValueError as error:
            text = f"order {order.client_order_id} was not sent: {error}"
            return self._noted("ERROR", text), self._unsent(state, str(error))
        refusal = self._gate.refusal(order.symbol, order.side, self.moment.now)
        if refusal:
            return (self._unsent(state, refusal),)
        if prices.limit is not None or prices.stop is not None:
            state = msgspec.structs.replace(state, limit_price=prices.limit, stop_price=prices.stop)
        lot = opened(order, state, prices, self._session)
        self._lots[lot.lot_id] = self._lot_of[state.client_order_id] = lot
        now, seq = self.moment.now, self.moment.seq
        sent: tuple[Decision, ...] = (lot_commands.enter(order, prices, now, seq),)
        if self._account.reconciles:
            sent += self._account.sent(now, seq)
        if lot.expires_at:
            self._expiring[lot.lot_id] = lot.expires_at
            if not self._expiry_due or lot.expires_at < self._expiry_due:
                return *sent, *self._set_expiry()
        return sent

    def _exit(self, order: OrderProposed) -> Iterable[Decision]:
        lot = self._lots.get(order.lot_id)
        if lot is None or lot.is_over:
            return (self._unsent(lot_commands.proposed_state(order, "exit"), "nothing is held"),)
        if lot.closing:
            return ()  # the exit under way serves this wish too; calling it dead would have it wished again
        lot.closing, lot.exit_id, lot.exit_reason = True, order.client_order_id, order.reason
        if lot.refused_exits:
            lot.refused_exits = 0
        return self._advance(lot)

    def on_halt_thrown(self, halt: HaltThrown) -> Iterator[Decision]:
        """Entries are cancelled, exits pass; `flatten` sells everything too."""
        self._is_halted, self._is_confirmed = True, False
        self._gate.halt(True)
        self.unsettled = True
        self._is_flattening = self._is_flattening or halt.flatten
        for lot in self._lots.values():
            yield from self._end_entry(lot, KILL_SWITCH)
            if lot.is_over:
                continue
            if halt.flatten and not lot.closing:
                lot.closing, lot.exit_reason, lot.refused_exits = True, KILL_SWITCH, 0
            yield from self._advance(lot)

    def settle(self) -> Iterator[HaltConfirmed | ReadAccount | Noted]:
        """Tell once that what the kill switch asked for is done, and have the account compared with that."""
        if not self._is_halted or self._is_confirmed:
            return
        # Shares that somebody else sold are a person's matter, and none that we can close.
        lots = [lot for lot in self._lots.values() if lot.live or lot.to_exit]
        if any(lot.entry.is_live for lot in lots) or (self._is_flattening and lots):
            return
        live = [one for lot in lots for one in lot.orders.values() if one.is_live]
        if any(one.status == "pending_cancel" for one in live):
            return
        if self._cancel_protective and any(one.role != "exit" for one in live):
            return
        self._is_confirmed, self.unsettled = True, False
        flat = not any(lot.to_exit for lot in lots)
        yield HaltConfirmed(ts_event=self.now, cause=self.seq, flat=flat, working=len(live))
        if self._is_flattening and (others := self.external_words()):
            yield self._noted("WARNING", f"our lots are closed; not ours, and not closed with them: {others}")
        if self._account.reconciles:
            yield ReadAccount(ts_event=self.now, cause=self.seq)

    def on_trading_status(self, status: TradingStatus) -> Iterator[Decision]:
        """A halted symbol takes no entries, those that work are cancelled; its exits stay where they are."""
        self._gate.symbol_halted(status.symbol, status.halted, self.now)
        if status.halted:
            for lot in self._lots.values():
                if lot.symbol == status.symbol:
                    yield from self._end_entry(lot, "trading halted")

    def on_halt_lifted(self, _: HaltLifted) -> Iterator[Decision]:
        """Entries may leave again; what the halt left without stop or target gets them back."""
        self._is_halted = self._is_flattening = self.unsettled = False
        self._gate.halt(False)
        for lot in self._lots.values():
            yield from self._advance(lot)

    def on_timer_fired(self, timer: TimerFired) -> Iterator[Decision]:
        if timer.key == EXPIRY:
            self._expiry_due = 0
            for lot_id, due in list(self._expiring.items()):
                if due <= timer.ts_event:
                    del self._expiring[lot_id]
                    yield from self._end_entry(self._lots[lot_id], "expired")
            yield from self._set_expiry()
            return
        if timer.key == READ:
            yield from self._account.read(self.now, self.seq)
            return
        if timer.key == STUCK:
            yield from self._account.look_up_stuck(self._lots.values(), self.now, self.seq)
            return
        kind, _, lot_id = timer.key.partition(":")
        lot = self._lots.get(lot_id)
        if lot is None:
            return
        if kind == "partial":
            yield from self._end_entry(lot, "partly filled and unprotected")
        elif kind == "again":
            yield from self._try_again(lot, flattens=self._is_flattening)
        else:
            is_halted = self._is_halted or self._gate.is_symbol_halted(lot.symbol)
            if lot.is_timed or 0 < lot.expires_at <= self.now or is_halted:
                yield from self._end_entry(lot, "cancelled again")
            yield from self._advance(lot)

    # ---- what the broker says ---------------------------------------------------------------

    def on_order_accepted(self, event: OrderAccepted) -> Iterable[Decision]:
        name = event.client_order_id
        lot = self._lot_of.get(name) or self._adopted(name, event.symbol)
        if lot is None:
            return (self._stranger(name, event.symbol),)
        parent = lot.orders[name]
        after = order_state.accepted(parent, event)
        told = self._told(lot, parent, after)
        is_plain = not event.legs and after.status == "accepted" and not self._is_halted
        if is_plain and after.role == ("exit" if lot.closing else "entry"):
            return told  # nothing can be wanted beside an order that just works
        now, seq = self.moment.now, self.moment.seq
        said = [*told]
        for leg in event.legs:
            if leg.client_order_id in lot.orders:
                continue
            state = lot_commands.leg_state(lot, parent, leg)
            self._lot_of[leg.client_order_id] = lot
            lot.orders[leg.client_order_id] = state
            said.append(order_state.changed(state, now, seq))
        said += self._advance(lot)
        return said

    def on_order_filled(self, event: OrderFilled) -> Iterable[Decision]:
        name = event.client_order_id
        lot = self._lot_of.get(name) or self._lot_of.get(event.parent_id) or self._adopted(name, event.symbol)
        if lot is None:
            if ids.parse(name) is None:
                return self._others_traded(event)
            return (self._stranger(name, event.symbol),)
        if self._account.reconciles:
            self._account.watch.traded(event.symbol, self.moment.now)
        before = lot.orders.get(name)
        if before is None:
            before = lot_commands.unannounced_leg_state(lot, event)
            self._lot_of[name] = lot
        after = order_state.filled(before, event)
        if after is before:
            return ()
        told = self._told(lot, before, after)
        said: list[Decision] = []
        if after.role == "entry":
            was_plain = before.status in order_state.PLAINLY_LIVE
            if not was_plain or after.status != "filled" or after.filled > after.quantity:
                said = self._entry_traded(lot, before, after)
        elif lot.is_over and not (lot.waits or lot.exit_id):
            lot.closing = False  # the usual end: what `_advance` would find is that nothing is left to sell
            return told
        elif lot.held < 0 and not lot.entry.is_live:  # else the entry's own fill is still to be told
            text = f"lot {lot.lot_id} was oversold: {lot.held} shares of {lot.symbol}"
            said.append(self._noted("CRITICAL", text))
        wanted = self._advance(lot)
        return (*told, *said, *wanted) if said or wanted else told

    def _entry_traded(self, lot: LotOrders, before: OrderState, after: OrderState) -> list[Decision]:
        """See to an entry's fill that is not simply its last: a part, one too late or one too much."""
        said: list[Decision] = []
        if before.status in order_state.TERMINAL or after.filled > after.quantity:
            lot.is_corrected = True  # what rests was made for fewer shares
        if before.status == "pending_cancel" and after.status == "filled":
            # The cancellation came too late, and with it that of the exits, which work from now on.
            for leg in lot.group_of(after.client_order_id):
                said += self._told(lot, leg, order_state.cancel_refused(leg))
        elif (
            after.status not in order_state.TERMINAL
            and not lot.is_timed
            and (lot.stop_loss or lot.take_profit)
        ):
            lot.is_timed = True
            said.append(self._timer(PARTIAL + lot.lot_id, self._protect_ns))
        return said

    def on_order_ended(self, event: OrderCanceled | OrderExpired) -> Iterable[Decision]:
        lot = self._lot_of.get(event.client_order_id)
        if lot is None:
            return ()
        before = lot.orders[event.client_order_id]
        told = self._told(lot, before, order_state.ended(before, event))
        return *told, *self._advance(lot), *self._withdrawn(lot)

    def on_order_rejected(self, event: OrderRejected) -> Iterator[Decision]:
        lot = self._lot_of.get(event.client_order_id)
        if lot is None:
            yield self._stranger(event.client_order_id, event.symbol)
            return
        before = lot.orders[event.client_order_id]
        after = order_state.rejected(before, event)
        if after is before:
            return
        if after.role == "entry":
            self._gate.refused_asset(lot.symbol, event.reason)
            closed = self._gate.refusal(lot.symbol, lot.side, self.now)
            refusal = refusals.of_entry(lot, before, after, event, closed)
            yield from self._told(lot, before, after, goes_on=refusal.plainly)
            yield from self._refused(lot, refusal)
            return
        yield from self._told(lot, before, after)
        yield from self._refused_reduction(event)
        if after.role == "exit":
            yield from self._refused(lot, refusals.of_exit(lot, after, event))
            if self._is_flattening and not lot.closing:
                yield self._timer(AGAIN + lot.lot_id, AGAIN_NS)
        elif after.quantity > lot.to_exit:
            # It was sent before somebody else's sale was known: what is left can still be protected.
            yield from self._refused(lot, refusals.of_outdated(lot, after))
        elif (given_up := refusals.of_protection(lot, after)) is not None:
            yield from self._refused(lot, given_up)
        else:
            yield self._noted("CRITICAL", refusals.unprotected(lot, after))
            yield self._timer(AGAIN + lot.lot_id, AGAIN_NS)

    def on_order_unknown(self, event: OrderUnknown) -> Iterator[Decision]:
        lot = self._lot_of.get(event.client_order_id)
        if lot is not None:
            before = lot.orders[event.client_order_id]
            yield from self._told(lot, before, order_state.unknown(before, event.reason))
        yield self._noted("ERROR", f"fate of order {event.client_order_id} is unknown: {event.reason}")

    def on_order_replaced(self, event: OrderReplaced) -> Iterator[Decision]:
        lot = self._lot_of.get(event.client_order_id)
        if lot is not None:
            before = lot.orders[event.client_order_id]
            yield from self._told(lot, before, order_state.replaced(before, event))
            if event.base != before.base and before.role != "entry" and not self._gate.is_deaf:
                yield from self._account.soon(self.now, self.seq, at_once=True)  # it may be for too many
            yield from self._advance(lot)  # the other exit may have to follow the fill too

    def on_cancel_rejected(self, event: CancelRejected) -> Iterator[Decision]:
        lot = self._lot_of.get(event.client_order_id)
        if lot is not None:
            was_pending = lot.orders[event.client_order_id].status == "pending_cancel"
            for before in lot.group_of(event.client_order_id):
                yield from self._told(lot, before, order_state.cancel_refused(before))
            if not was_pending:
                yield from self._advance(lot)
                return
            lot.refused_cancels += 1
            if lot.refused_cancels <= MOST_CANCELS or self._is_halted:
                yield self._timer(RETRY + lot.lot_id, self._retry_ns)
            if lot.refused_cancels == MOST_CANCELS + 1:
                text = f"order {event.client_order_id} cannot be cancelled: {event.reason}"
                yield self._noted("CRITICAL", text)
