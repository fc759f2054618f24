"""Whatever order a broker's events come in: executor, portfolio and executions tell one story.

The broker here is a made-up one that does what is drawn: it takes commands late, fills in parts, takes fills
back, tells things twice. What it executed is the truth that everything is compared with.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from actors.executor import Executor
from actors.portfolio import Portfolio
from config.load import load
from config.schema import Orders
from runtime.kernel.cell import ActorSpec
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Decision, Input, Message
from runtime.messages.broker import (
    CancelOrder,
    CancelRejected,
    FillCorrected,
    Leg,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    ReplaceOrder,
    SubmitOrder,
)
from runtime.messages.machine import SessionStarted
from runtime.messages.market import FeedChanged
from runtime.messages.risk import HaltThrown, Noted
from tests.actors.trading_floor import MINUTE, Desk, approve, header

SECOND = 1_000_000_000
SETTINGS = load(None, environ={}).settings
EXITS = {"stop_loss": 95.0, "take_profit": 105.0}


class Working(msgspec.Struct, kw_only=True):
    """An order at the broker."""

    name: str
    side: Any
    role: str
    group: str
    left: int
    filled: int = 0
    parent: str = ""
    is_live: bool = True
    is_held: bool = False


class Execution(msgspec.Struct, kw_only=True):
    """A fill, as it counts now."""

    order: Working
    name: str
    quantity: int
    price: float


class Venue:
    """Executor and portfolio, and a broker that does what is drawn."""

    def __init__(self) -> None:
        self.script: dict[str, list[Callable[[int, int], Decision]]] = {}
        self.commands: list[Message] = []
        self.orders: dict[str, Working] = {}
        self.executions: list[Execution] = []
        self.told: list[Input] = []
        self.notes: list[Noted] = []
        self.sent: list[SubmitOrder] = []
        self.lots = 0
        self.is_halted = False
        day = header()
        self.executor = Executor(Orders())
        self.portfolio = Portfolio(SETTINGS.account, SETTINGS.strategies, day, None)
        self.now = day.open + MINUTE
        specs = [
            ActorSpec(name="portfolio", rank=20, build=lambda _: self.portfolio),
            ActorSpec(name="script", rank=500, build=lambda _: Desk(self.script)),
            ActorSpec(name="executor", rank=600, build=lambda _: self.executor),
        ]
        self.machine = Sequencer(specs, observers=[self._see])
        self.post(SessionStarted(ts_event=self.now, session=day.session))

    def _see(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        self.notes += [one for one in caused if type(one) is Noted]
        for one in caused:
            if type(one) is SubmitOrder:
                self.sent.append(one)
                assert not (one.adds_exposure and self.is_halted), "an entry left after the halt"
        self.commands += [one for one in caused if type(one) in (SubmitOrder, CancelOrder, ReplaceOrder)]

    def post(self, message: Input) -> None:
        self.machine.post("broker", message, self.now)

    def tell(self, kind: Any, order: Working, **fields: Any) -> None:
        message = kind(
            ts_event=self.now, client_order_id=order.name, broker_order_id=f"b-{order.name}", symbol="AAA",
            **fields,
        )  # fmt: skip
        self.told.append(message)
        self.post(message)

    # ---- what we want -----------------------------------------------------------------------

    def say(self, make: Callable[[int, int], Decision]) -> None:
        name = f"call {len(self.script)}"
        self.script[name] = [make]
        self.post(FeedChanged(ts_event=self.now, stream=name, up=True))

    def enter(self, number: int) -> None:
        self.lots += 1
        self.say(approve(f"mr-20180301-{self.lots}", "buy", 2 + number % 9, **EXITS))

    def leave(self, number: int) -> None:
        if self.lots:
            lot = f"mr-20180301-{1 + number % self.lots}"
            self.say(approve(lot, "sell", 1, intent="exit", name=f"{lot}:x1"))

    def halt(self, number: int) -> None:
        if number % 4 == 0:
            self.is_halted = True
            self.post(HaltThrown(ts_event=self.now, reason="drawn", flatten=number % 8 == 0))

    def wait(self, number: int) -> None:
        self.now += (1 + number % 10) * SECOND
        self.machine.advance(self.now)

    # ---- what the broker does ---------------------------------------------------------------

    def take(self, number: int) -> None:
        """Take one command, the oldest, and answer it."""
        if not self.commands:
            return
        command = self.commands.pop(0)
        if isinstance(command, SubmitOrder):
            self._submit(command)
        elif isinstance(command, CancelOrder):
            order = self.orders.get(command.client_order_id)
            if order is None or not order.is_live:
                reason = "not cancelable"
                self.post(
                    CancelRejected(
                        ts_event=self.now, client_order_id=command.client_order_id, broker_order_id="",
                        symbol="AAA", reason=reason,
                    )
                )  # fmt: skip
                return
            for one in [one for one in self.orders.values() if one.group == order.group and one.is_live]:
                self._end(one)

    def _submit(self, command: SubmitOrder) -> None:
        name = command.client_order_id
        group = name
        order = Working(
            name=name, side=command.side, role=command.role, group=group, left=command.quantity
        )  # fmt: skip
        if command.role == "entry" and len(self.orders) % 7 == 6:
            self.tell_rejected(order)
            return
        self.orders[name] = order
        made: list[Leg] = []
        exits = {"bracket": ("stop", "target"), "oco": ("stop",)}.get(command.order_class, ())
        for role in exits:
            leg = Working(
                name=f"{name}/{role}", side="sell", role=role, group=group, left=command.quantity,
                parent=name, is_held=command.order_class == "bracket",
            )  # fmt: skip
            self.orders[leg.name] = leg
            price = command.stop_loss if role == "stop" else command.take_profit
            made.append(
                Leg(broker_order_id=f"b-{leg.name}", client_order_id=leg.name, role=role, price=price or 0.0)
            )  # type: ignore[arg-type]
        self.tell(OrderAccepted, order, legs=tuple(made))

    def tell_rejected(self, order: Working) -> None:
        self.post(
            OrderRejected(
                ts_event=self.now, client_order_id=order.name, symbol="AAA", code=40310000, reason="no"
            )
        )

    def _end(self, order: Working) -> None:
        order.is_live = False
        self.tell(OrderCanceled, order, cumulative=order.filled)

    def fill(self, number: int) -> None:
        """Trade some of one order; its sibling shrinks with it."""
        able = [one for one in self.orders.values() if one.is_live and not one.is_held and one.left]
        if not able:
            return
        self._trade(able[number % len(able)], number)

    def late(self, number: int) -> None:
        """Tell a fill of an entry only after its end."""
        able = [one for one in self.orders.values() if one.role == "entry" and not one.is_live and one.left]
        if able:
            self._trade(able[number % len(able)], number)

    def _trade(self, order: Working, number: int) -> None:
        was_live = order.is_live
        quantity = 1 + number // 7 % order.left
        if order.role != "entry" and quantity > self.held(order):
            return  # the broker does not sell what the account has not
        order.left -= quantity
        order.filled += quantity
        price = 95.0 + number % 11
        siblings = [one for one in self.orders.values() if one.group == order.group and one is not order]
        if order.role != "entry":
            for one in siblings:
                if one.role != "entry":
                    one.left = max(0, one.left - quantity)
        order.is_live = was_live and order.left > 0
        done = Execution(order=order, name=f"ex-{len(self.executions)}", quantity=quantity, price=price)
        self.executions.append(done)
        self.tell(
            OrderFilled, order, execution_id=done.name, side=order.side, quantity=quantity, price=price,
            cumulative=order.filled, done=order.left == 0, position=None, parent_id=order.parent,
        )  # fmt: skip
        if order.is_live or not was_live:
            return
        for one in siblings:
            if order.role == "entry":
                one.is_held = False
            elif one.is_live and one.role != "entry":
                self._end(one)

    def correct(self, number: int) -> None:
        """Take a fill of an entry back, or change the price of any."""
        able = [one for one in self.executions if one.quantity]
        if not able:
            return
        past = able[number % len(able)]
        is_bust = number % 3 == 0 and past.order.role == "entry" and self.held(past.order) >= past.quantity
        before = past.quantity, past.price
        if is_bust:
            past.order.filled -= past.quantity
            if past.order.is_live:
                past.order.left += past.quantity
            past.quantity = 0
        else:
            past.price = 90.0 + number % 20
        name, past.name = past.name, f"{past.name}'"
        self.tell(
            FillCorrected, past.order, execution_id=past.name, previous_execution_id=name,
            side=past.order.side, quantity_before=before[0], price_before=before[1], quantity=past.quantity,
            price=past.price, cumulative=past.order.filled, parent_id=past.order.parent,
        )  # fmt: skip

    def twice(self, number: int) -> None:
        """Tell something once more; of orders that were corrected the `Directory` lets nothing through."""
        corrected = {one.client_order_id for one in self.told if type(one) is FillCorrected}
        able = [one for one in self.told if getattr(one, "client_order_id", "") not in corrected]
        if able:
            self.post(able[number % len(able)])

    # ---- the truth --------------------------------------------------------------------------

    def held(self, order: Working) -> int:
        """Shares of the order's lot."""
        lot = order.group.partition(":")[0]
        return self.by_lot().get(lot, 0)

    def by_lot(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for one in self.executions:
            lot = one.order.group.partition(":")[0]
            found[lot] = found.get(lot, 0) + (one.quantity if one.order.side == "buy" else -one.quantity)
        return {lot: shares for lot, shares in found.items() if shares}

    def cash(self) -> int:
        spent = sum(
            (1 if one.order.side == "buy" else -1) * one.quantity * round(one.price * 1_000_000)
            for one in self.executions
        )
        return round(SETTINGS.account.trading_capital * 1_000_000) - spent

    def settle(self) -> None:
        """Let everything that is on its way arrive; market exits trade."""
        for _ in range(60):
            while self.commands:
                self.take(0)
            for order in list(self.orders.values()):
                for _ in range(order.left if order.role == "exit" and order.is_live else 0):
                    self._trade(order, 0)
            self.wait(9)


MOVES = ("enter", "leave", "halt", "wait", "take", "take", "fill", "fill", "correct", "twice", "late")
RUNS, STEPS = 300, 30


def played(seed: int) -> Venue:
    """A lot of some shares, then thirty things that happen by chance, then rest."""
    chance = random.Random(seed)
    venue = Venue()
    chosen = [chance.choice(MOVES) for _ in range(STEPS)]
    for what in ("enter", "take", "fill", *chosen):
        venue.now += SECOND // 10
        getattr(venue, what)(chance.randrange(1000))
    venue.settle()
    return venue


@pytest.mark.parametrize("batch", range(6))
def test_books_executor_and_executions_agree_and_what_is_held_has_its_stop(batch: int) -> None:
    for seed in range(batch * RUNS // 6, (batch + 1) * RUNS // 6):
        check(played(seed), seed)


def check(venue: Venue, seed: int) -> None:
    """What must hold once nothing is on its way."""
    there = venue.by_lot()
    lots = {lot.lot_id: lot for lot in venue.executor.carry().lots}
    assert {name: lot.held for name, lot in lots.items() if lot.held} == there, seed
    carried = venue.portfolio.carry()
    assert {lot.id: lot.quantity for lot in carried.lots} == there, seed
    assert carried.cash == venue.cash(), seed
    for name, shares in there.items():
        stops = [one for one in venue.orders.values() if one.role == "stop" and one.is_live]
        covered = sum(one.left for one in stops if one.group.partition(":")[0] == name and not one.is_held)
        assert covered == shares, (seed, name, lots[name])
    assert len({one.client_order_id for one in venue.sent}) == len(venue.sent)
