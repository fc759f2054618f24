"""The executor's hands: it keeps the lots and their orders, and carries out what a lot needs next.

What that is, `lot_orders` decides; `lot_commands` puts it in words. Handlers are the executor's.
"""

from collections.abc import Iterable, Iterator

import msgspec

from actors.execution import ids, lot_commands, order_state
from actors.execution.lot_orders import (
    KILL_SWITCH,
    Cancel,
    Exit,
    LotOrders,
    NothingToExit,
    Protect,
    Step,
    followed_stop,
    followed_target,
    next_step,
)
from actors.execution.order_state import TERMINAL, OrderState
from actors.execution.refusals import Level, Refusal
from config.schema import Orders
from runtime.kernel.actor import Actor
from runtime.messages.base import Decision
from runtime.messages.machine import SetTimer
from runtime.messages.risk import Noted
from runtime.messages.trading import Role

EXPIRY = "expiry"
PARTIAL, RETRY, AGAIN = "partial:", "retry:", "again:"
"""Keys of timers; the last three go before a lot id."""

AGAIN_NS = 60 * 1_000_000_000
"""How long the broker's refusals of a lot's exits, or of its protection, are taken to be its last word."""

SECOND_NS = 1_000_000_000


class LotKeeper(Actor):
    """Lots, their orders, and what is done for them.

    Args:
        cancel_protective: Whether the kill switch cancels stops and targets too (seed 6).
    """

    def __init__(
        self, settings: Orders, lots: Iterable[LotOrders], *, is_halted: bool, cancel_protective: bool
    ) -> None:
        self._protect_ns = round(settings.partial_entry_protect_s * SECOND_NS)
        self._retry_ns = round(settings.retry_s * SECOND_NS)
        self._is_halted = is_halted
        self._cancel_protective = cancel_protective
        self._lots: dict[str, LotOrders] = {}
        self._lot_of: dict[str, LotOrders] = {}
        self._expiring: dict[str, int] = {}
        self._expiry_due = 0
        for lot in lots:
            self._lots[lot.lot_id] = lot
            for name in lot.orders:
                self._lot_of[name] = lot
            if lot.expires_at and lot.entry.is_live:
                self._expiring[lot.lot_id] = lot.expires_at

    # ---- ending entries ---------------------------------------------------------------------

    def _end_entry(self, lot: LotOrders, reason: str) -> Iterator[Decision]:
        if lot.entry.is_live and lot.entry.status != "pending_cancel":
            yield from self._cancel(lot, lot.entry, reason)

    def _set_expiry(self) -> Iterator[SetTimer]:
        """Keep one timer, for the entry that expires next."""
        if self._expiring:
            self._expiry_due = min(self._expiring.values())
            yield SetTimer(
                ts_event=self.now, cause=self.seq, actor=self.name, key=EXPIRY, due=self._expiry_due
            )

    # ---- refusals ---------------------------------------------------------------------------

    def _refused(self, lot: LotOrders, refusal: Refusal) -> Iterator[Decision]:
        """Do what follows from a refusal."""
        yield self._noted(refusal.level, refusal.text)
        if refusal.plainly:
            yield self._enter_plainly(lot)
            yield from self._awaits_news()
            return
        if refusal.is_beside:
            for other in self._lots.values():
                if other.symbol == lot.symbol and other is not lot:
                    yield from self._end_entry(other, f"in the way of lot {lot.lot_id}'s exit")
        if refusal.retry:
            yield self._timer(RETRY + lot.lot_id, self._retry_ns)
        else:
            yield from self._advance(lot)

    def _enter_plainly(self, lot: LotOrders) -> Decision:
        """Send the entry once more without exits; they follow its fill."""
        former = lot.entry
        state = OrderState(
            client_order_id=lot.next_id("entry"), lot_id=lot.lot_id, strategy=lot.strategy,
            symbol=lot.symbol, side=lot.side, role="entry", type=former.type, quantity=former.quantity,
            limit_price=former.limit_price, stop_price=former.stop_price,
        )  # fmt: skip
        lot.is_plain, lot.entry_id = True, state.client_order_id
        lot.orders[state.client_order_id] = state
        self._lot_of[state.client_order_id] = lot
        if lot.expires_at:
            self._expiring[lot.lot_id] = lot.expires_at
        return lot_commands.enter_plainly(lot, state, self.now, self.seq)

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
        if isinstance(step, Exit):
            name = lot.exit_id if lot.exit_id and lot.exit_id not in lot.orders else lot.next_id("exit")
            lot.exit_id = ""
            return self._submit(lot, name, "exit", step.quantity)
        if isinstance(step, NothingToExit):
            name, lot.closing, lot.exit_id = lot.exit_id, False, ""
            if not name:
                return ()
            state = lot_commands.reducing_state(lot, name, "exit", lot.entry.quantity)
            return (self._unsent(state, "nothing is held any more"),)
        if isinstance(step, Cancel):
            return self._cancel(lot, step.order, step.reason)
        if isinstance(step, Protect):
            return self._protect(lot, step.quantity)
        if step.order.role == "stop":
            lot.stop_loss = step.price
        else:
            lot.take_profit = step.price
        return (lot_commands.follow(step.order, step.price, self.now, self.seq),)

    def _protect(self, lot: LotOrders, quantity: int) -> Iterable[Decision]:
        lot.take_profit, lot.stop_loss = followed_target(lot), followed_stop(lot)
        lot.is_uncovered = False
        role: Role = "stop" if lot.take_profit is None else "target"
        return self._submit(lot, lot.next_id(role), role, quantity)

    def _awaits_news(self) -> tuple[Decision, ...]:
        """Follows whatever is sent: where there is a broker, see that news of it comes."""
        return ()

    def _submit(self, lot: LotOrders, name: str, role: Role, quantity: int) -> tuple[Decision, ...]:
        """Send an order that only reduces the lot."""
        state = lot_commands.reducing_state(lot, name, role, quantity)
        lot.orders[name] = state
        self._lot_of[name] = lot
        return lot_commands.reduce(lot, state, self.moment.now, self.moment.seq), *self._awaits_news()

    def _cancel(self, lot: LotOrders, order: OrderState, reason: str) -> list[Decision]:
        """Cancel an order; its group goes with it."""
        said: list[Decision] = [lot_commands.cancel(order, reason, self.now, self.seq)]
        for before in lot.group_of(order.client_order_id):
            said += self._told(lot, before, order_state.cancelling(before))
        said += self._awaits_news()
        return said

    def _told(
        self, lot: LotOrders, before: OrderState, after: OrderState, *, goes_on: bool = False
    ) -> tuple[Decision, ...]:
        """Remember an order's new state and tell of it, if it is one.

        Args:
            goes_on: Whether another order takes its place, so that its end is not the entry's.
        """
        if after is before:
            return ()
        lot.orders[after.client_order_id] = after
        if self._expiring and after.role == "entry" and after.status in TERMINAL:
            self._expiring.pop(lot.lot_id, None)
        moment = self.moment
        return (order_state.changed(after, moment.now, moment.seq, goes_on=goes_on),)

    def _adopted(self, name: str, symbol: str) -> LotOrders | None:
        """The lot of an exit that was sent past us, by a kill switch in a session in which we were given up.

        Its name says whose it is. The lot is being closed then; the order is taken to be for all of it.
        """
        told = ids.parse(name)
        lot = self._lots.get(told.lot_id) if told is not None and told.role == "exit" else None
        if lot is None or lot.symbol != symbol or lot.held <= 0:
            return None
        lot.orders[name] = lot_commands.reducing_state(lot, name, "exit", lot.held)
        self._lot_of[name] = lot
        lot.closing, lot.exit_reason = True, lot.exit_reason or KILL_SWITCH
        return lot

    def _try_again(self, lot: LotOrders, *, flattens: bool) -> Iterable[Decision]:
        """What the broker has refused for good a while ago it may take now.

        Args:
            flattens: Whether the lot is to be sold, not only protected.
        """
        if lot.held <= 0:
            return ()
        lot.refused_exits = 0
        if flattens and not lot.closing:
            lot.closing, lot.exit_reason = True, KILL_SWITCH
        return self._advance(lot)

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
