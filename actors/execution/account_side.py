"""The executor's side that faces the account: may an entry leave, do our books agree, is an order silent?

It keeps the entry gate, the comparisons and their schedule, and the look-ups of stuck orders together; what
it says is the executor's. Against a simulated broker, which tells everything, none of it costs anything.
Source: architecture 4; faults.md C 36, D 39 and 44.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from actors.execution.account_watch import AccountWatch, WatchState
from actors.execution.entry_gate import EntryGate, GateState
from actors.execution.lot_orders import LotOrders
from actors.execution.order_state import OrderState
from actors.execution.stuck import StuckOrders
from config.schema import Orders
from runtime.messages.account import ExternalChanged, ReadAccount
from runtime.messages.base import Decision
from runtime.messages.broker import BrokerSnapshot, LookUpOrder
from runtime.messages.machine import SetTimer
from runtime.messages.risk import Noted, Phase, PhaseChanged

ACTOR = "executor"
READ, STUCK = "reconcile", "stuck"
"""Keys of its timers."""

_MARKET_PHASES = frozenset(("MARKET_OPEN", "TRADING", "MARKET_CLOSE"))
_SECOND_NS = 1_000_000_000
_MINUTE_NS, _HALF_MINUTE_NS = 60 * _SECOND_NS, 30 * _SECOND_NS


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """What the executor knows of the account in the middle of a session."""

    gate: GateState
    watch: WatchState
    in_market: bool
    phase: Phase | None = None


class AccountSide:
    """Everything between our lots and the account they live in.

    Args:
        rest: No entries in a symbol for so long after its halt ended, ns.
        reconciles: Whether there is a broker whose account can differ from our books: a real one.
        external, doubted: As carried.
    """

    def __init__(
        self,
        settings: Orders,
        *,
        is_halted: bool,
        rest: int,
        reconciles: bool,
        external: Iterable[ExternalChanged] = (),
        doubted: Iterable[str] = (),
    ) -> None:
        self.reconciles = reconciles
        self.gate = EntryGate(is_halted=is_halted, reconciles=reconciles, rest=rest)
        self.watch = AccountWatch(self.gate, external, doubted)
        self._retry_ns = round(settings.retry_s * _SECOND_NS)
        self._reconcile_ns = round(settings.reconcile_s * _SECOND_NS)
        self._stuck = StuckOrders(round(settings.stuck_s * _SECOND_NS))
        self._in_market = self._is_armed = self._is_doubtful = False
        self._differ: list[tuple[str, str, str]] = []
        self.entered: Phase | None = None
        """The phase that was entered last."""
        self.awaits = False
        """Whether something waits for the next comparison, in the market's hours or not."""
        self.unsure: list[str] = []
        """Symbols whose positions are not judged: it is known, and told, that they may differ."""

    # ---- in another part of the session ------------------------------------------------------

    def state(self) -> AccountState:
        """What counts later in the session."""
        return AccountState(
            gate=self.gate.state(), watch=self.watch.state(), in_market=self._in_market, phase=self.entered
        )

    def restore(self, state: AccountState) -> None:
        """Know what another instance knew."""
        self.gate.restore(state.gate)
        self.watch.restore(state.watch)
        self._in_market, self.entered = state.in_market, state.phase

    def goes_on(self, has_orders: bool, unbroken: bool, now: int, cause: int) -> Iterator[Decision]:
        """Timers do not outlive a part of a session: set them again; entries wait for a comparison.

        Args:
            has_orders: Whether any works. unbroken: whether nothing went by meanwhile: entries need not wait.
        """
        if not unbroken:
            self.started()
        if self.reconciles and self._in_market:
            yield _timer(READ, now, cause, self._until_next(now))
        if has_orders:
            yield from self.sent(now, cause)

    # ---- comparing --------------------------------------------------------------------------

    def started(self) -> None:
        """A process begins: entries wait for the first comparison."""
        if self.reconciles:
            self.gate.wait("our books have not been compared with the broker's since the start")

    def compare(
        self, snapshot: BrokerSnapshot, lots: Iterable[LotOrders], now: int, cause: int
    ) -> Iterator[Decision]:
        """Compare positions and open orders with ours; while entries wait, soon once more.

        While events may be missing only the stream's own catch-up is compared with, which tells them first.
        """
        self.watch.found = None
        if self.is_blind(snapshot):
            return
        orders: list[OrderState] = []
        held: dict[str, int] = {}
        for lot in lots:
            orders += lot.orders.values()
            held[lot.symbol] = held.get(lot.symbol, 0) + lot.net
        yield from self.watch.compare(snapshot, orders, held, now, cause, ACTOR, self.unsure)
        unexplained = self._unexplained()
        for one in orders:
            if one.symbol in unexplained and one.filled and not one.is_live:
                yield _look_up(one, "the position differs", now, cause)
        if self.gate.is_waiting or unexplained:
            yield _timer(READ, now, cause, self._retry_ns)

    def _unexplained(self) -> list[str]:
        """Symbols whose position was seen to differ for the first time: a fill may have been taken back."""
        before, self._differ = self._differ, []
        for one in self.watch.found.differences if self.watch.found else ():
            if one.kind == "position":
                self._differ.append((one.symbol, one.ours, one.broker))
        self._is_doubtful = any(one not in before for one in self._differ)
        return [one[0] for one in self._differ if one not in before]

    def is_blind(self, snapshot: BrokerSnapshot) -> bool:
        """Whether a snapshot says too little: events that explain it may be missing."""
        return snapshot.reason == "schedule" and self.gate.is_deaf

    def soon(self, now: int, cause: int, *, at_once: bool = False) -> Iterator[Decision]:
        """Have the account compared again soon, and until nothing waits for it."""
        yield _timer(READ, now, cause, self._retry_ns if at_once else self._until_next(now))
        if at_once and not self.gate.is_deaf:
            yield self._asked(now, cause)

    def phase(self, change: PhaseChanged, now: int, cause: int) -> Iterator[Decision]:
        """Between the open and the close the account is compared on a schedule."""
        self.entered = change.phase
        was, self._in_market = self._in_market, change.phase in _MARKET_PHASES
        if self.reconciles and self._in_market and not was:
            yield _timer(READ, now, cause, self._until_next(now))

    def read(self, now: int, cause: int) -> Iterator[Decision]:
        """The time to read the account has come."""
        if not (self._in_market or self.gate.is_waiting or self._is_doubtful or self.awaits):
            return
        yield _timer(READ, now, cause, self._until_next(now))
        if not self.gate.is_deaf:  # else the stream has it compared once it is ready
            yield self._asked(now, cause)

    def _until_next(self, now: int) -> int:
        """How long until the schedule's next comparison, ns.

        A schedule of whole minutes keeps to the middle of the minute: at its turn orders leave and fill, and
        lists that are read meanwhile are older or newer than what the stream has told. To get there the first
        time takes half a minute less or more.
        """
        if self._reconcile_ns % _MINUTE_NS:
            return self._reconcile_ns
        due = now + self._reconcile_ns
        past = due % _MINUTE_NS
        is_at_its_turn = past < _HALF_MINUTE_NS // 6  # timers fire a little late
        return due - past + (-_HALF_MINUTE_NS if is_at_its_turn else _HALF_MINUTE_NS) - now

    def _asked(self, now: int, cause: int) -> ReadAccount:
        reason: Literal["start", "schedule"] = "start" if self.gate.is_waiting else "schedule"
        return ReadAccount(ts_event=now, cause=cause, reason=reason)

    # ---- orders without news ----------------------------------------------------------------

    def sent(self, now: int, cause: int) -> tuple[Decision, ...]:
        """A command left: see that news of it comes."""
        if self._is_armed or not self.reconciles:
            return ()
        self._is_armed = True
        return (_timer(STUCK, now, cause, self._stuck.patience // 2),)

    def look_up_stuck(self, lots: Iterable[LotOrders], now: int, cause: int) -> Iterator[Decision]:
        """Have orders looked up that ought to have news."""
        orders = [one for lot in lots for one in lot.live]
        for one in self._stuck.look(orders, now, is_open=self._in_market):
            if self._stuck.is_first(one):
                text = f"no news of {one.role} {one.client_order_id} in {one.symbol}, {one.status}: looked up"
                yield Noted(ts_event=now, cause=cause, level="WARNING", component=ACTOR, text=text)
            yield _look_up(one, f"no news while {one.status}", now, cause)
        self._is_armed = False
        if self._stuck.is_watching:
            yield from self.sent(now, cause)


def _look_up(one: OrderState, reason: str, now: int, cause: int) -> LookUpOrder:
    return LookUpOrder(
        ts_event=now, cause=cause, client_order_id=one.client_order_id, broker_order_id=one.broker_order_id,
        symbol=one.symbol, reason=reason, filled=one.filled, cancelling=one.status == "pending_cancel",
    )  # fmt: skip


def _timer(key: str, now: int, cause: int, delay: int) -> SetTimer:
    return SetTimer(ts_event=now, cause=cause, actor=ACTOR, key=key, due=now + delay)
