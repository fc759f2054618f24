"""Carries approved orders to the broker and looks after them until their lots are flat.

What a lot needs next is decided in `execution.lot_orders`, what an order's events mean in
`execution.order_state`; this actor keeps the two together and speaks with the broker.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from actors.execution import lot_commands, order_state
from actors.execution.lot_orders import (
    MOST_CANCELS,
    MOST_EXITS,
    Cancel,
    Exit,
    Follow,
    LotOrders,
    NothingToExit,
    Protect,
    Step,
    entry_prices,
    followed_stop,
    followed_target,
    next_step,
    opened,
)
from actors.execution.order_state import OrderState
from config.schema import Orders
from runtime.kernel.actor import Actor
from runtime.messages.base import Decision
from runtime.messages.machine import SessionStarted, SetTimer, TimerFired
from runtime.messages.market import TradingStatus
from runtime.messages.risk import HaltConfirmed, HaltLifted, HaltThrown, Noted
from runtime.messages.trading import (
    BrokerStreamChanged,
    CancelRejected,
    OrderAccepted,
    OrderApproved,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderProposed,
    OrderRejected,
    OrderReplaced,
    OrderUnknown,
    Role,
)

_EXPIRY = "expiry"
_PARTIAL, _RETRY = "partial:", "retry:"
Level = Literal["WARNING", "ERROR", "CRITICAL"]

_SECOND_NS = 1_000_000_000
_FOR_NOW = 2**62
"""ns UTC; later than any session: a halt whose end is not known."""


class ExecutorCarried(msgspec.Struct, frozen=True, kw_only=True):
    """Lots that are not flat or have a working order, and how the kill switch stands.

    Attributes:
        is_flattening: Whether the halt wants everything sold. is_confirmed: whether it was told as done.
    """

    lots: list[LotOrders]
    is_halted: bool
    is_flattening: bool = False
    is_confirmed: bool = False


class Executor(Actor):
    """Sends what the breaker approved; sees to it that no share stands without a stop or an exit.

    Args:
        settings: How long a partly filled entry may stand, how soon a refusal is tried again.
        halt_rest: No entries in a symbol for so long after its halt ended, ns (strategies 0).
        cancel_protective: Whether the kill switch cancels stops and targets too (seed 6).
    """

    def __init__(
        self,
        settings: Orders,
        carried: ExecutorCarried | None = None,
        *,
        halt_rest: int = 300 * _SECOND_NS,
        cancel_protective: bool = False,
    ) -> None:
        self._protect_ns = round(settings.partial_entry_protect_s * _SECOND_NS)
        self._retry_ns = round(settings.retry_s * _SECOND_NS)
        self._halt_rest = halt_rest
        self._no_entries_until: dict[str, int] = {}
        self._lots: dict[str, LotOrders] = {}
        self._lot_of: dict[str, LotOrders] = {}
        self._expiring: dict[str, int] = {}
        self._expiry_due = 0
        self._cancel_protective = cancel_protective
        self._is_halted = carried is not None and carried.is_halted
        self._is_flattening = carried is not None and carried.is_flattening
        self._is_confirmed = carried is not None and carried.is_confirmed
        self.unsettled = self._is_halted and not self._is_confirmed
        self._deaf = ""
        for lot in carried.lots if carried else ():
            self._lots[lot.lot_id] = lot
            for name in lot.orders:
                self._lot_of[name] = lot
            if lot.expires_at and lot.entry.is_live:
                self._expiring[lot.lot_id] = lot.expires_at

    def carry(self) -> ExecutorCarried:
        lots = [lot for lot in self._lots.values() if not lot.is_over]
        return ExecutorCarried(
            lots=lots,
            is_halted=self._is_halted,
            is_flattening=self._is_flattening,
            is_confirmed=self._is_confirmed,
        )

    # ---- what is wanted ---------------------------------------------------------------------

    def on_session_started(self, _: SessionStarted) -> Iterator[Decision]:
        """Timers do not outlive a session: set them again, and go on where the last one stopped."""
        yield from self._set_expiry()
        for lot in self._lots.values():
            if lot.entry.is_live and lot.entry.filled and not lot.closing:
                yield self._timer(_PARTIAL + lot.lot_id, self._protect_ns)
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
        if self._is_halted:
            return (self._unsent(state, "the kill switch is thrown"),)
        if self._deaf:
            return (self._unsent(state, self._deaf),)
        if self._no_entries_until.get(order.symbol, 0) > self.now:
            return (self._unsent(state, f"{order.symbol} is halted, or resumed too short a while ago"),)
        if prices.limit is not None or prices.stop is not None:
            state = msgspec.structs.replace(state, limit_price=prices.limit, stop_price=prices.stop)
        lot = opened(order, state, prices)
        self._lots[lot.lot_id] = self._lot_of[state.client_order_id] = lot
        now, seq = self.moment.now, self.moment.seq
        sent = lot_commands.enter(order, prices, now, seq)
        if lot.expires_at:
            self._expiring[lot.lot_id] = lot.expires_at
            if not self._expiry_due or lot.expires_at < self._expiry_due:
                return sent, *self._set_expiry()
        return (sent,)

    def _exit(self, order: OrderProposed) -> Iterable[Decision]:
        lot = self._lots.get(order.lot_id)
        if lot is None or lot.is_over:
            return (self._unsent(lot_commands.proposed_state(order, "exit"), "nothing is held"),)
        if lot.closing:
            return ()  # the exit under way serves this wish too; calling it dead would have it wished again
        lot.closing, lot.exit_id, lot.exit_reason = True, order.client_order_id, order.reason
        lot.refused_exits = 0
        return self._advance(lot)

    def on_halt_thrown(self, halt: HaltThrown) -> Iterator[Decision]:
        """Entries are cancelled, exits pass; `flatten` sells everything too."""
        self._is_halted, self._is_confirmed = True, False
        self.unsettled = True
        self._is_flattening = self._is_flattening or halt.flatten
        for lot in self._lots.values():
            yield from self._end_entry(lot, "kill switch")
            if lot.is_over:
                continue
            if halt.flatten and not lot.closing:
                lot.closing, lot.exit_reason = True, "kill switch"
            yield from self._advance(lot)

    def settle(self) -> Iterator[HaltConfirmed]:
        """Tell once that what the kill switch asked for is done at the broker."""
        if not self._is_halted or self._is_confirmed:
            return
        lots = [lot for lot in self._lots.values() if not lot.is_over]
        if any(lot.entry.is_live for lot in lots) or (self._is_flattening and lots):
            return
        live = [one for lot in lots for one in lot.orders.values() if one.is_live]
        if any(one.status == "pending_cancel" for one in live):
            return
        if self._cancel_protective and any(one.role != "exit" for one in live):
            return
        self._is_confirmed, self.unsettled = True, False
        flat = not any(lot.held for lot in lots)
        yield HaltConfirmed(ts_event=self.now, cause=self.seq, flat=flat, working=len(live))

    def on_trading_status(self, status: TradingStatus) -> Iterator[Decision]:
        """A halted symbol takes no entries, those that work are cancelled; its exits stay where they are."""
        if not status.halted:
            self._no_entries_until[status.symbol] = self.now + self._halt_rest
            return
        self._no_entries_until[status.symbol] = _FOR_NOW
        for lot in self._lots.values():
            if lot.symbol == status.symbol:
                yield from self._end_entry(lot, "trading halted")

    def on_broker_stream_changed(self, change: BrokerStreamChanged) -> None:
        """No entry while its events may not reach us; exits and cancellations never wait.

        Without such an input (a simulated broker tells everything) the stream counts as ready.
        """
        self._deaf = "" if change.ready else f"the order stream is not ready: {change.reason}"

    def on_halt_lifted(self, _: HaltLifted) -> Iterator[Decision]:
        """Entries may leave again; what the halt left without stop or target gets them back."""
        self._is_halted = self._is_flattening = self.unsettled = False
        for lot in self._lots.values():
            yield from self._advance(lot)

    def on_timer_fired(self, timer: TimerFired) -> Iterator[Decision]:
        if timer.key == _EXPIRY:
            self._expiry_due = 0
            for lot_id, due in list(self._expiring.items()):
                if due <= timer.ts_event:
                    del self._expiring[lot_id]
                    yield from self._end_entry(self._lots[lot_id], "expired")
            yield from self._set_expiry()
            return
        kind, _, lot_id = timer.key.partition(":")
        lot = self._lots.get(lot_id)
        if lot is None:
            return
        if kind == "partial":
            yield from self._end_entry(lot, "partly filled and unprotected")
        else:
            is_halted = self._is_halted or self._no_entries_until.get(lot.symbol) == _FOR_NOW
            if lot.is_timed or 0 < lot.expires_at <= self.now or is_halted:
                yield from self._end_entry(lot, "cancelled again")
            yield from self._advance(lot)

    def _end_entry(self, lot: LotOrders, reason: str) -> Iterator[Decision]:
        if lot.entry.is_live and lot.entry.status != "pending_cancel":
            yield from self._cancel(lot, lot.entry, reason)

    def _set_expiry(self) -> Iterator[SetTimer]:
        """Keep one timer, for the entry that expires next."""
        if self._expiring:
            self._expiry_due = min(self._expiring.values())
            yield SetTimer(
                ts_event=self.now, cause=self.seq, actor=self.name, key=_EXPIRY, due=self._expiry_due
            )

    # ---- what the broker says ---------------------------------------------------------------

    def on_order_accepted(self, event: OrderAccepted) -> Iterable[Decision]:
        lot = self._lot_of.get(event.client_order_id)
        if lot is None:
            return (self._stranger(event.client_order_id, event.symbol),)
        parent = lot.orders[event.client_order_id]
        after = order_state.accepted(parent, event)
        is_plain = not (event.legs or lot.closing or self._is_halted)
        if is_plain and after.role == "entry" and after.status == "accepted":
            return self._told(lot, parent, after)  # nothing can be wanted of an entry that just works
        now, seq = self.moment.now, self.moment.seq
        said = [*self._told(lot, parent, after)]
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
        lot = self._lot_of.get(event.client_order_id) or self._lot_of.get(event.parent_id)
        if lot is None:
            return (self._stranger(event.client_order_id, event.symbol),)
        before = lot.orders.get(event.client_order_id)
        if before is None:
            before = lot_commands.unannounced_leg_state(lot, event)
            self._lot_of[event.client_order_id] = lot
        after = order_state.filled(before, event)
        if after is before:
            return ()
        said = [*self._told(lot, before, after)]
        if after.role == "entry":
            if after.is_live and not lot.is_timed and (lot.stop_loss or lot.take_profit):
                lot.is_timed = True
                said.append(self._timer(_PARTIAL + lot.lot_id, self._protect_ns))
        elif lot.held < 0:
            text = f"lot {lot.lot_id} was oversold: {lot.held} shares of {lot.symbol}"
            said.append(self._noted("CRITICAL", text))
        said += self._advance(lot)
        return said

    def on_order_ended(self, event: OrderCanceled | OrderExpired) -> Iterable[Decision]:
        lot = self._lot_of.get(event.client_order_id)
        if lot is None:
            return ()
        before = lot.orders[event.client_order_id]
        told = self._told(lot, before, order_state.ended(before, event))
        return *told, *self._advance(lot)

    def on_order_rejected(self, event: OrderRejected) -> Iterator[Decision]:
        lot = self._lot_of.get(event.client_order_id)
        if lot is None:
            yield self._stranger(event.client_order_id, event.symbol)
            return
        before = lot.orders[event.client_order_id]
        after = order_state.rejected(before, event)
        if after is before:
            return
        yield from self._told(lot, before, after)
        text = f"{lot.symbol} {after.role} {after.client_order_id} was rejected: {after.reason}"
        if after.role == "entry":
            yield self._noted("WARNING", text)
        elif after.role == "exit":
            lot.refused_exits += 1
            if lot.refused_exits < MOST_EXITS:
                yield self._noted("WARNING", text)
                yield self._timer(_RETRY + lot.lot_id, self._retry_ns)
                return
            yield self._noted("CRITICAL", text + "; given up, protecting what is held")
            lot.closing = False
        else:
            lot.refused_protections += 1
            if lot.refused_exits >= MOST_EXITS:
                yield self._noted("CRITICAL", text + "; the position is UNPROTECTED and needs a person")
                return
            yield self._noted("CRITICAL", text + "; selling at the market")
            lot.closing, lot.exit_reason = True, "protection rejected"
        yield from self._advance(lot)

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
                yield self._timer(_RETRY + lot.lot_id, self._retry_ns)
            if lot.refused_cancels == MOST_CANCELS + 1:
                text = f"order {event.client_order_id} cannot be cancelled: {event.reason}"
                yield self._noted("CRITICAL", text)

    # ---- carrying it out --------------------------------------------------------------------

    def _advance(self, lot: LotOrders) -> Iterable[Decision]:
        """Do the one thing the lot needs now."""
        if self._is_halted and self._cancel_protective and not lot.closing:
            return self._strip(lot)
        step = next_step(lot)
        return () if step is None else self._do(lot, step)

    def _strip(self, lot: LotOrders) -> Iterator[Decision]:
        """Cancel whatever rests: the kill switch as the seed has it."""
        for name in list(lot.orders):
            order = lot.orders[name]  # cancelling one has changed its group
            if order.is_live and order.role != "exit" and order.status != "pending_cancel":
                yield from self._cancel(lot, order, "kill switch")

    def _do(self, lot: LotOrders, step: Step) -> Iterable[Decision]:
        match step:
            case Cancel(order, reason):
                return self._cancel(lot, order, reason)
            case Exit(quantity):
                name = lot.exit_id if lot.exit_id and lot.exit_id not in lot.orders else lot.next_id("exit")
                lot.exit_id = ""
                return self._submit(lot, name, "exit", quantity)
            case Protect(quantity):
                return self._protect(lot, quantity)
            case Follow(order, price):
                if order.role == "stop":
                    lot.stop_loss = price
                else:
                    lot.take_profit = price
                return (lot_commands.follow(order, price, self.now, self.seq),)
            case NothingToExit():
                name, lot.closing, lot.exit_id = lot.exit_id, False, ""
                if name:
                    state = lot_commands.reducing_state(lot, name, "exit", lot.entry.quantity)
                    return (self._unsent(state, "nothing is held any more"),)
        return ()

    def _protect(self, lot: LotOrders, quantity: int) -> Iterable[Decision]:
        lot.take_profit, lot.stop_loss = followed_target(lot), followed_stop(lot)
        role: Role = "stop" if lot.take_profit is None else "target"
        return self._submit(lot, lot.next_id(role), role, quantity)

    def _submit(self, lot: LotOrders, name: str, role: Role, quantity: int) -> tuple[Decision]:
        """Send an order that only reduces the lot."""
        state = lot_commands.reducing_state(lot, name, role, quantity)
        lot.orders[name] = state
        self._lot_of[name] = lot
        return (lot_commands.reduce(lot, state, self.moment.now, self.moment.seq),)

    def _cancel(self, lot: LotOrders, order: OrderState, reason: str) -> list[Decision]:
        """Cancel an order; its group goes with it."""
        said: list[Decision] = [lot_commands.cancel(order, reason, self.now, self.seq)]
        for before in lot.group_of(order.client_order_id):
            said += self._told(lot, before, order_state.cancelling(before))
        return said

    def _told(self, lot: LotOrders, before: OrderState, after: OrderState) -> tuple[Decision, ...]:
        """Remember an order's new state and tell of it, if it is one."""
        if after is before:
            return ()
        lot.orders[after.client_order_id] = after
        if after.role == "entry" and not after.is_live:
            self._expiring.pop(lot.lot_id, None)
        return (order_state.changed(after, self.moment.now, self.moment.seq),)

    def _unsent(self, state: OrderState, reason: str) -> Decision:
        ended = msgspec.structs.replace(state, status="canceled", reason=f"not sent: {reason}")
        return order_state.changed(ended, self.now, self.seq)

    def _stranger(self, name: str, symbol: str) -> Noted:
        return self._noted("WARNING", f"the broker speaks of an order that is not ours: {name} in {symbol}")

    def _timer(self, key: str, delay: int) -> SetTimer:
        return SetTimer(ts_event=self.now, cause=self.seq, actor=self.name, key=key, due=self.now + delay)

    def _noted(self, level: Level, text: str) -> Noted:
        return Noted(
            ts_event=self.now,
            cause=self.seq,
            level=level,
            component=self.name,
            text=text,
        )
