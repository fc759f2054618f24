"""Fills, busts and doubled events over restarts: what was told always sums to what the broker has."""

from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.broker import executions, wire
from actors.broker.directory import Directory
from actors.broker.translate import activity_told, order_told, settled, update_told
from actors.execution import order_state
from actors.execution.order_state import OrderState
from runtime.messages.base import Input
from runtime.messages.broker import FillCorrected, OrderAccepted, OrderFilled, OrderReplaced
from tests.actors.broker.wire_samples import ENTRY, NOW, activity, fill, order, update

WHOLE = 100
Step = Literal["fill", "bust", "silent bust", "again", "restart", "next session", "catch up"]


class Broker:
    """One order at a broker that takes fills back, and all that we know of it.

    Args:
        follows: Whether the order's own figure follows a bust. listed: whether activities keep what was
            taken back.
    """

    def __init__(self, *, follows: bool, listed: bool) -> None:
        self.follows, self.listed = follows, listed
        self.count = 0
        self.own = 0
        self.live: dict[str, tuple[int, int]] = {}
        self.gone: dict[str, tuple[int, int]] = {}
        self.events: list[wire.TradeUpdate] = []
        self.directory = Directory()
        self.tape: list[OrderFilled | FillCorrected | OrderReplaced] = []
        self.state = OrderState(
            client_order_id=ENTRY, lot_id="a", strategy="s", symbol="SPY", side="buy", role="entry",
            type="limit", quantity=WHOLE,
        )  # fmt: skip
        self.hear(order_told(self.now(), self.directory, NOW).inputs)

    @property
    def held(self) -> int:
        """Shares that it has."""
        return sum(shares for shares, _ in self.live.values())

    def now(self) -> wire.Order:
        """The order as REST shows it."""
        return order(qty=str(WHOLE), filled_qty=str(self.own), filled_avg_price="100", status="new")

    def activities(self) -> list[wire.Activity]:
        """Its FILL activities."""
        rows = (self.live | self.gone) if self.listed else self.live
        return [
            activity(shares, total, whole=WHOLE, id=f"20260724104250129::{name}", type="partial_fill")
            for name, (shares, total) in rows.items()
        ]

    def hear(self, inputs: list[Input]) -> None:
        """What executor and tape make of it."""
        for one in inputs:
            match one:
                case OrderAccepted():
                    self.state = order_state.accepted(self.state, one)
                case OrderFilled():
                    self.state = order_state.filled(self.state, one)
                    self.tape.append(one)
                case FillCorrected():
                    self.state = order_state.corrected(self.state, one)
                    self.tape.append(one)

    def tell(self, event: wire.TradeUpdate) -> None:
        """An event, and what it asks to be read."""
        told = update_told(event, self.directory, NOW)
        self.hear(told.inputs)
        if told.lookups:
            self.hear(settled(self.now(), self.activities(), self.directory, NOW))

    def act(self, step: Step) -> None:
        """Let one thing happen."""
        of: dict[str, Any] = {"qty": str(WHOLE), "status": "partially_filled", "filled_avg_price": "100"}
        if step == "fill" and self.own < WHOLE - 10:
            self.count += 1
            shares = 1 + self.count % 4
            self.own += shares
            name = f"x-{self.count}"
            self.live[name] = shares, self.own
            event = update(
                "partial_fill", of={**of, "filled_qty": str(self.own)}, price="100", qty=str(shares),
                execution_id=name,
            )  # fmt: skip
            self.events.append(event)
            self.tell(event)
        elif step in ("bust", "silent bust") and self.live:
            name, (shares, total) = self.live.popitem()
            self.gone[name] = shares, total
            if self.follows:
                self.own -= shares
            if step == "silent bust":
                if not self.follows:
                    self.live[name] = self.gone.pop(name)  # it shows nowhere: nobody could know
                return
            event = update(
                "trade_bust", of={**of, "filled_qty": str(self.own)}, price="100", qty=str(-shares),
                execution_id=f"bust-{name}", previous_execution_id=name,
            )  # fmt: skip
            self.events.append(event)
            self.tell(event)
        elif step == "again":
            for event in self.events:
                self.tell(event)
        elif step in ("restart", "next session"):
            self.directory = Directory()
            self.directory.seed([self.state])
            if step == "restart":
                self.directory.recall(self.tape)
            else:
                self.tape.clear()
        elif step == "catch up":
            self.catch_up()

    def catch_up(self) -> None:
        """Read everything, as after a reconnection and a comparison that differs."""
        for one in self.activities():
            self.hear(activity_told(one, self.directory, NOW).inputs)
        self.hear(settled(self.now(), self.activities(), self.directory, NOW))
        known = self.directory.named(ENTRY)
        assert known is not None
        self.hear(list(executions.unmade(known, self.now(), self.activities(), NOW)))


STEPS: list[Step] = ["fill", "fill", "bust", "silent bust", "again", "restart", "next session", "catch up"]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(STEPS), max_size=14), st.booleans(), st.booleans())
def test_whatever_is_taken_back_told_twice_or_forgotten_the_shares_are_the_brokers(
    steps: list[Step], follows: bool, listed: bool
) -> None:
    broker = Broker(follows=follows, listed=listed)
    silent = False
    for step in steps:
        broker.act(step)
        # What was missed may have been told as part of what came after: it takes a comparison to mend that.
        silent = silent or step == "silent bust"
        if not silent:
            assert broker.state.filled == broker.held, (step, broker.tape)
    broker.catch_up()
    known = broker.directory.named(ENTRY)
    assert known is not None
    assert broker.state.filled == known.filled == broker.held
    assert broker.directory.held() == ({"SPY": broker.held} if broker.held else {})


@given(st.sampled_from((1, -1)), st.integers(1, 20), st.integers(0, 20), st.integers(0, 20))
def test_what_turns_out_to_have_been_closed_by_our_own_order_is_not_counted_as_closed_twice(
    sign: int, held: int, left: int, entered: int
) -> None:
    """Its fill was told after the shares had been found to be gone; so may be one of an entry."""
    sides = ("buy", "sell") if sign > 0 else ("sell", "buy")
    directory = Directory()
    entry = directory.add(ENTRY, "SPY", filled=held, side=sides[0])
    directory.were_closed()
    exit_order = directory.add(f"{ENTRY.rpartition(':')[0]}:x1", "SPY")
    exit_order.filled, exit_order.side = left, sides[1]
    assert directory.held() == ({"SPY": sign * (held - left)} if left > held else {})
    exit_order.filled = 0
    entry.filled += entered
    assert directory.held() == ({"SPY": sign * entered} if entered else {})


def test_a_replacement_on_the_tape_is_known_by_its_new_id_to_whom_did_not_hear_of_it() -> None:
    """Else its shares of before would be added to the count of the order that has them already."""
    told = Directory()
    update_told(fill(4, 4), told, NOW)
    gone = {"status": "replaced", "replaced_by": "b-2", "filled_qty": "4"}
    update_told(update("replaced", of=gone), told, NOW)
    heir = {"id": "b-2", "replaces": "b-1", "client_order_id": "uuid-9", "filled_qty": "0"}
    (replaced,) = update_told(update("new", of=heir), told, NOW).inputs
    assert isinstance(replaced, OrderReplaced)
    assert (replaced.new_broker_order_id, replaced.base) == ("b-2", 4)
    after = Directory()
    after.add(ENTRY, "SPY", broker_order_id="b-1", filled=4, is_accepted=True, side="buy")
    after.recall([replaced])
    known = after.named(ENTRY)
    assert known is not None
    assert (known.broker_order_id, known.base) == ("b-2", 4)
    assert after.of_broker("b-1") is known
    assert settled(order(status="replaced", filled_qty="4", replaced_by="b-2"), [], after, NOW) == []
    assert after.held() == {"SPY": 4}
