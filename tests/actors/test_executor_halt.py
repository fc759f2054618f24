"""What the kill switch makes of single lots: cancellations refused, orders on their way, lots half filled."""

from collections.abc import Iterator

from actors.executor import Executor
from actors.simulated_broker import SimulatedBroker
from config.schema import Execution
from runtime.messages.broker import CancelOrder, CancelRejected, OrderCanceled, OrderUnknown, SubmitOrder
from runtime.messages.risk import HaltConfirmed, HaltLifted, HaltThrown, Noted
from tests.actors.trading_floor import Floor, approve

FLAT = (100.0, 100.0, 100.0, 100.0)
EXITS = {"stop_loss": 95.0, "take_profit": 110.0}
RESTING = {"type": "limit", "limit_price": 90.0, "stop_loss": 80.0, "take_profit": 110.0}


class Stubborn(SimulatedBroker):
    """Refuses cancellations until a moment."""

    until = 0

    def on_cancel_order(self, order: CancelOrder) -> Iterator[object]:
        if self.now < self.until:
            return iter(
                [
                    CancelRejected(
                        ts_event=self.now,
                        client_order_id=order.client_order_id,
                        broker_order_id=order.broker_order_id,
                        symbol=order.symbol,
                        reason="try again",
                    )
                ]
            )
        return super().on_cancel_order(order)  # type: ignore[misc]


class Stripping(Executor):
    """As with `kill_switch.cancel_protective`."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments, cancel_protective=True)  # type: ignore[arg-type]


def started(**more: object) -> Floor:
    floor = Floor(symbols=("AAA", "BBB"), **more)  # type: ignore[arg-type]
    floor.minute(0, AAA=FLAT, BBB=FLAT)
    return floor


def thrown(floor: Floor, *, flatten: bool = False) -> int:
    """Throw the switch; which message was the first after it."""
    before = len(floor.seen)
    floor.later(HaltThrown(ts_event=floor.now, reason="test", flatten=flatten))
    return before


def lift(floor: Floor) -> None:
    floor.later(HaltLifted(ts_event=floor.now, by="test"))


def confirmed(floor: Floor) -> list[tuple[bool, int]]:
    return [(one.flat, one.working) for one in floor.all(HaltConfirmed)]


def test_with_nothing_at_work_it_is_done_at_once_and_told_once() -> None:
    floor = started()
    thrown(floor)
    floor.minute(1, AAA=FLAT)
    assert confirmed(floor) == [(True, 0)]
    thrown(floor)
    assert confirmed(floor) == [(True, 0), (True, 0)]


def test_a_refused_cancellation_is_repeated_for_as_long_as_the_halt_lasts() -> None:
    Stubborn.until = 2**62
    floor = started(broker_class=Stubborn)
    floor.say(approve("a", **RESTING))
    thrown(floor)
    for minute in range(1, 4):  # a try every five seconds
        floor.minute(minute, AAA=FLAT)
    asked = [one for one in floor.commands if type(one) is CancelOrder]
    assert len(asked) > 30
    assert [note.level for note in floor.all(Noted)] == ["CRITICAL"]  # said once, at the sixth refusal
    assert confirmed(floor) == []
    Stubborn.until = 0
    floor.minute(5, AAA=FLAT)
    assert floor.states()["a:e1"].status == "canceled"
    assert confirmed(floor) == [(True, 0)]


def test_it_is_not_done_while_the_fate_of_an_entry_is_unknown() -> None:
    floor = started(broker_class=Silent)
    floor.say(approve("a", **RESTING))
    floor.later(OrderUnknown(ts_event=floor.now, client_order_id="a:e1", symbol="AAA", reason="no answer"))
    thrown(floor)
    assert confirmed(floor) == []
    floor.later(OrderCanceled(ts_event=floor.now, client_order_id="a:e1", broker_order_id="b", symbol="AAA"))
    assert confirmed(floor) == [(True, 0)]


class Silent(SimulatedBroker):
    """Answers nothing."""

    def on_submit_order(self, order: SubmitOrder) -> Iterator[object]:
        return iter(())

    def on_cancel_order(self, order: CancelOrder) -> Iterator[object]:
        return iter(())


def test_the_filled_part_of_an_entry_is_protected_after_its_rest_is_cancelled() -> None:
    floor = started(costs=Execution(apply_costs=False, partial_fills=True, volume_frac=0.1))
    floor.say(approve("a", quantity=100, **EXITS))
    floor.minute(1, AAA=(*FLAT, 400.0))  # 40 of 100 fill
    before = thrown(floor)
    sent = [one for one in floor.seen[before:] if isinstance(one, SubmitOrder)]
    assert [(one.role, one.quantity, one.adds_exposure) for one in sent] == [("target", 40, False)]
    assert confirmed(floor) == [(False, 1)]  # the stop beside it is told of a moment later


def test_stripped_lots_stay_naked_until_a_person_resumes() -> None:
    floor = started(executor_class=Stripping)
    floor.say(approve("a", **EXITS))
    floor.minute(1, AAA=FLAT)
    thrown(floor)
    assert confirmed(floor) == [(False, 0)]
    floor.minute(2, AAA=FLAT)
    assert not any(one.status == "accepted" for one in floor.states().values())
    assert floor.account.position("AAA") == 100
    lift(floor)
    working = {
        one.role: one.quantity for one in floor.states().values() if one.status in ("accepted", "held")
    }
    assert working == {"target": 100, "stop": 100}


def test_flattening_a_stripped_lot_sells_it_once() -> None:
    floor = started(executor_class=Stripping)
    floor.say(approve("a", **EXITS))
    floor.minute(1, AAA=FLAT)
    thrown(floor)
    thrown(floor, flatten=True)
    floor.minute(2, AAA=FLAT)
    assert floor.account.position("AAA") == 0
    exits = [one for one in floor.commands if isinstance(one, SubmitOrder) and one.role == "exit"]
    assert [one.quantity for one in exits] == [100]
    assert confirmed(floor) == [(False, 0), (True, 0)]


def test_what_was_to_be_flattened_is_still_to_be_after_the_night() -> None:
    floor = started()
    floor.say(approve("a", **EXITS, time_in_force="gtc"))
    floor.minute(1, AAA=FLAT)
    thrown(floor, flatten=True)
    assert confirmed(floor) == []
    second = Floor(carried=floor.end(), day=1)
    second.minute(0, AAA=FLAT)
    second.minute(1, AAA=FLAT)
    assert second.account.position("AAA") == 0
    assert confirmed(second) == [(True, 0)]
    second.say(approve("b", **EXITS))
    assert second.states()["b:e1"].reason == "not sent: the kill switch is thrown"
