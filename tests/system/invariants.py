"""Runs sessions through the whole chain and checks, after every input, what must never be broken.

The books are kept a second time here, in whole micro-dollars and from broker messages alone, and compared
with the portfolio, the executor and the simulated broker (faults 2: I1, I3, I4, I6, I7, I10).
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from actors import system
from actors.execution.ticks import MICRO, micros
from actors.gateways.bookkeeper import Bookkeeper
from actors.gateways.replay_feed import MadeSession
from config.schema import Settings
from config.snapshot import settings_hash, snapshot
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Input, Message, parts_of
from runtime.messages.broker import (
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    SubmitOrder,
)
from runtime.messages.machine import ActorCrashed, SessionEnded, SessionStarted
from runtime.messages.risk import EquityMarked, HaltLifted, HaltThrown, Noted
from runtime.messages.trading import LotChanged, OrderApproved, SignalDropped, SignalRaised
from storage.loaders.sessions import SessionData

MINUTE = 60_000_000_000
BOOKS = "replay:invariants"


class Order:
    """One order as the broker's messages tell of it."""

    def __init__(self, lot_id: str, symbol: str, sign: int, quantity: int, price: float, entry: bool) -> None:
        self.lot_id, self.symbol, self.sign, self.entry = lot_id, symbol, sign, entry
        self.quantity, self.price = quantity, price
        self.filled = 0
        self.live = True


class Ledger:
    """What the commands and the broker's answers amount to; raises at the first contradiction."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.cash = micros(settings.account.trading_capital)
        self.orders: dict[str, Order] = {}
        self.lots: dict[str, int] = {}
        self.symbol_of: dict[str, str] = {}
        self.executions: set[str] = set()
        self.signals: dict[str, SignalRaised] = {}
        self.dropped: dict[str, SignalDropped] = {}
        self.entered: set[str] = set()
        self.sent: list[int] = []
        self.halted = False
        self.last_entry_fill: dict[str, int] = {}
        self.equity = settings.account.trading_capital
        self.kinds: set[str] = set()

    def __call__(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        for part in parts_of(message):
            self._came(part, at)
        for said in caused:
            self._said(said, at)

    def _came(self, message: Message, at: int) -> None:
        if isinstance(message, HaltThrown):
            self.halted = True
        elif isinstance(message, HaltLifted):
            self.halted = False
        elif isinstance(message, OrderFilled):
            self._filled(message, at)
        elif isinstance(message, OrderCanceled | OrderExpired | OrderRejected):
            if message.client_order_id in self.orders:
                self.orders[message.client_order_id].live = False
                self.kinds.add(type(message).__name__)
        elif isinstance(message, OrderAccepted):
            self._accepted(message)

    def _said(self, said: Message, at: int) -> None:
        assert not isinstance(said, ActorCrashed), said
        match said:
            case Noted():
                # A fill beyond its own stop cannot be protected by it; the executor sells, and says so.
                assert said.level != "CRITICAL" or said.text.endswith("; selling at the market"), said.text
            case SignalRaised():
                assert said.id not in self.signals
                self.signals[said.id] = said
            case SignalDropped():
                assert said.signal_id not in self.dropped, f"{said} after {self.dropped[said.signal_id]}"
                self.dropped[said.signal_id] = said
            case OrderApproved() if said.order.intent == "entry":
                self._approved(said)
            case EquityMarked():
                self.equity = said.equity
            case SubmitOrder():
                self._submitted(said, at)
            case LotChanged(role="entry"):
                self.entered.add(said.signal_id)

    # ---- what happens -----------------------------------------------------------------------

    def _submitted(self, order: SubmitOrder, at: int) -> None:
        assert order.client_order_id not in self.orders, "a client order id was used twice"
        sign = 1 if order.side == "buy" else -1
        price = max(p for p in (order.limit_price, order.stop_price, 0.0) if p is not None)
        mine = Order(order.lot_id, order.symbol, sign, order.quantity, price, order.adds_exposure)
        self.orders[order.client_order_id] = mine
        self.kinds.add(f"{order.role} {order.type} {order.order_class}")
        if not order.adds_exposure:
            held = self.lots.get(order.lot_id, 0)
            assert held * sign < 0, f"{order.client_order_id} reduces nothing"
            assert order.quantity <= abs(held), f"{order.client_order_id} is for more than the lot holds"
            return
        assert not self.halted, f"{order.client_order_id} left after the kill switch"
        self.sent = [ts for ts in self.sent if ts > at - MINUTE] + [at]
        assert len(self.sent) <= self.settings.limits.max_messages_per_minute
        for lot_id, held in self.lots.items():
            if held and self.symbol_of[lot_id] == order.symbol:
                assert held * sign > 0, f"{order.client_order_id} opposes lot {lot_id}"
        for other in self.orders.values():
            if other.entry and other.live and other.symbol == order.symbol:
                assert other.sign == sign, f"{order.client_order_id} opposes an entry of {other.lot_id}"
        self.symbol_of[order.lot_id] = order.symbol

    def _approved(self, approved: OrderApproved) -> None:
        order, account, limits = approved.order, self.settings.account, self.settings.limits
        price = order.reference_price
        committed = sum(
            abs(held) * price for lot, held in self.lots.items() if self.symbol_of[lot] == order.symbol
        ) + sum(
            (o.quantity - o.filled) * price
            for o in self.orders.values()
            if o.entry and o.live and o.symbol == order.symbol
        )
        cap = min(account.max_position_size, account.max_position_pct * self.equity)
        assert committed + order.quantity * price <= cap * (1 + 1e-9)
        assert order.quantity * price <= limits.max_order_value
        assert order.quantity <= limits.max_order_quantity

    def _accepted(self, accepted: OrderAccepted) -> None:
        parent = self.orders[accepted.client_order_id]
        sign = -parent.sign if parent.entry else parent.sign
        for leg in accepted.legs:
            self.orders[leg.client_order_id] = Order(
                parent.lot_id, parent.symbol, sign, parent.quantity, leg.price, entry=False
            )

    def _filled(self, fill: OrderFilled, at: int) -> None:
        assert fill.execution_id not in self.executions, "an execution came twice"
        self.executions.add(fill.execution_id)
        order = self.orders[fill.client_order_id]
        assert order.live
        assert order.symbol == fill.symbol
        assert (fill.side == "buy") == (order.sign > 0)
        order.filled += fill.quantity
        assert order.filled == fill.cumulative <= order.quantity
        order.live = not fill.done
        self.kinds.add("partial fill" if not fill.done else "fill")
        signed = order.sign * fill.quantity
        before = self.lots.get(order.lot_id, 0)
        after = before + signed
        if not order.entry:
            assert before * order.sign < 0
            assert before * after >= 0, "an exit turned the lot over"
        else:
            self.last_entry_fill[order.lot_id] = at
        self.lots[order.lot_id] = after
        self.cash -= signed * micros(fill.price) + micros(fill.commission)

    # ---- what must hold ---------------------------------------------------------------------

    def positions(self) -> dict[str, int]:
        """Net shares by symbol; flat ones left out."""
        net: dict[str, int] = {}
        for lot_id, held in self.lots.items():
            symbol = self.symbol_of[lot_id]
            net[symbol] = net.get(symbol, 0) + held
        return {symbol: shares for symbol, shares in net.items() if shares}

    def check(self, machine: Sequencer, at: int) -> None:
        """Compare with the portfolio, the executor and the broker, once nothing is on its way."""
        broker, portfolio = machine.actor("simulated_broker").carry(), machine.actor("portfolio").carry()
        held = {lot: shares for lot, shares in self.lots.items() if shares}
        assert {lot.id: lot.quantity for lot in portfolio.lots} == held
        positions = self.positions()
        assert {symbol: one.quantity for symbol, one in broker.holdings.items()} == positions
        assert portfolio.cash == broker.cash == self.cash
        executor = {
            lot.lot_id: lot.held * (1 if lot.side == "buy" else -1)
            for lot in machine.actor("executor").carry().lots
        }
        assert {lot: shares for lot, shares in executor.items() if shares} == held
        self._check_slots(positions)
        self._check_cash()
        self._check_exits(broker.orders, held, at)

    def _check_slots(self, positions: dict[str, int]) -> None:
        entering = {o.symbol for o in self.orders.values() if o.entry and o.live}
        assert len(entering | set(positions)) <= self.settings.account.max_positions

    def _check_cash(self) -> None:
        """Settled cash covers what entries on their way will cost (I6)."""
        promised = sum(
            (o.quantity - o.filled) * o.price
            for o in self.orders.values()
            if o.entry and o.live and o.sign > 0
        )
        assert self.cash / MICRO - promised >= 0

    def _check_exits(self, resting: Sequence[Any], held: dict[str, int], at: int) -> None:
        """Working exits never exceed the lot; every share has a stop or an exit on its way."""
        by_lot: dict[str, dict[str, list[Any]]] = {}
        for one in resting:
            mine = self.orders[one.client_order_id]
            assert mine.live, f"{one.client_order_id} rests though it is over"
            if not mine.entry and not one.held:
                by_lot.setdefault(mine.lot_id, {}).setdefault(one.group, []).append(one)
        for lot_id, groups in by_lot.items():
            working = sum(max(one.remaining for one in group) for group in groups.values())
            assert working <= abs(held.get(lot_id, 0)), (
                f"{lot_id}: exits for {working}, held {held.get(lot_id, 0)}"
            )
        for lot_id, shares in held.items():
            covered = sum(
                one.remaining
                for group in by_lot.get(lot_id, {}).values()
                for one in group
                if one.stop is not None or one.type == "market"
            )
            if covered >= abs(shares):
                continue
            entering = any(o.entry and o.live for o in self.orders.values() if o.lot_id == lot_id)
            # Bars come by the minute: what filled in the last one is protected before the next.
            assert entering and self.last_entry_fill[lot_id] > at - MINUTE, f"{lot_id} stands unprotected"

    def settle(self, machine: Sequencer) -> None:
        """At the end: every signal was executed, expired, rejected or is pending (I10)."""
        waiting = {signal.id for signal in machine.actor("ensemble").carry().pending}
        working = {o.lot_id for o in self.orders.values() if o.entry and o.live}
        for name, signal in self.signals.items():
            if signal.signal_type == "CLOSE":
                continue
            fates = [
                name in self.entered,
                name in self.dropped,
                name in waiting,
                name in working - self.entered,
            ]
            assert sum(fates) == 1, f"{name}: executed, dropped, pending, working = {fates}"


class Chain:
    """The whole machine over several sessions, checked after every input.

    Attributes:
        ledger: What the broker's messages amount to.
        keeper: The books, in memory.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ledger = Ledger(settings)
        self.keeper = Bookkeeper(None, BOOKS)
        self.carried: dict[str, bytes] = {}
        self.decisions = hashlib.sha256()

    def play(self, data: SessionData) -> None:
        """Play one session from what the last one carried."""
        session = MadeSession(data)
        header = msgspec.structs.replace(
            session.header,
            settings=snapshot(self.settings),
            settings_hash=settings_hash(self.settings),
            carried=self.carried,
            books=BOOKS,
        )
        self.keeper.begin(header)
        machine = Sequencer(
            system.build(self.settings, header, session.panels, simulated=True),
            carried=self.carried,
            observers=[self.ledger, self.keeper],
            decisions=self.decisions,
        )
        machine.post("machine", SessionStarted(ts_event=header.starts, session=header.session), header.starts)
        self.ledger.check(machine, header.starts)
        for at, source, message in session.inputs():
            machine.post(source, message, at)
            self.ledger.check(machine, at)
        machine.post("machine", SessionEnded(ts_event=header.ends, session=header.session), header.ends)
        self.ledger.check(machine, header.ends)
        self.ledger.settle(machine)
        self.keeper.end()
        self.carried = machine.carry()

    def check_books(self) -> None:
        """The databases say what the ledger says."""
        ledger = self.ledger
        trades = self.keeper.books.connection("trades")
        assert self.keeper.books.refused == 0
        rows = trades.execute("SELECT id, sum(cash_micros) OVER () FROM executions").fetchall()
        assert sorted(row[0] for row in rows) == sorted(ledger.executions)
        if rows:
            assert micros(self.settings.account.trading_capital) + rows[0][1] == ledger.cash
        held = {lot: shares for lot, shares in ledger.lots.items() if shares}
        assert dict(trades.execute("SELECT id, quantity FROM lots WHERE quantity != 0").fetchall()) == held
        net = dict(trades.execute("SELECT symbol, quantity FROM positions WHERE quantity != 0").fetchall())
        assert net == ledger.positions()
        status = dict(
            trades.execute("SELECT id, status FROM signals WHERE signal_type != 'CLOSE'").fetchall()
        )
        assert {name for name, state in status.items() if state == "executed"} == ledger.entered
        dropped = {name for name, state in status.items() if state in ("expired", "rejected")}
        assert dropped == {n for n in ledger.dropped if n in status}
