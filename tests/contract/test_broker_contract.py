"""What every broker must do, whoever it is: one suite over all factories."""

from collections.abc import Iterator

import pytest

from runtime.messages.broker import (
    CancelRejected,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
)
from tests.contract.brokers import FACTORIES, BrokerUnderTest

FLAT = (100.0, 100.0, 100.0, 100.0)
BRACKET = {"order_class": "bracket", "take_profit": 105.0, "stop_loss": 95.0}


@pytest.fixture(params=FACTORIES)
def broker(request: pytest.FixtureRequest) -> Iterator[BrokerUnderTest]:
    made = FACTORIES[request.param]()
    yield made
    made.end()


def names(events):
    return [type(event).__name__ for event in events]


def refusal(events):
    (event,) = events
    assert type(event) is OrderRejected
    return event.code, event.reason


def test_a_market_order_is_accepted_then_filled_in_the_next_minute(broker):
    (accepted,) = broker.submit("a", "buy", 10)
    assert type(accepted) is OrderAccepted
    assert accepted.broker_order_id
    (fill,) = broker.minute(AAA=(101, 102, 100, 101))
    assert (fill.client_order_id, fill.quantity, fill.price, fill.cumulative, fill.done, fill.position) == (
        "a", 10, 101.0, 10, True, 10,
    )  # fmt: skip
    assert broker.minute(AAA=FLAT) == []


def test_a_bracket_tells_its_legs_and_they_work_only_after_the_entry(broker):
    (accepted,) = broker.submit("a", "buy", 10, type="limit", limit_price=98.0, **BRACKET)
    assert {(leg.role, leg.price) for leg in accepted.legs} == {("stop", 95.0), ("target", 105.0)}
    assert broker.minute(AAA=(100, 110, 99, 100)) == []  # the target's price, but nothing is held
    assert names(broker.minute(AAA=(99, 99, 97, 98))) == ["OrderFilled"]
    fill, canceled = broker.minute(AAA=(99, 106, 99, 104))
    assert (fill.price, fill.position, fill.parent_id) == (105.0, 0, "a")
    assert type(canceled) is OrderCanceled
    assert {fill.client_order_id, canceled.client_order_id} == {leg.client_order_id for leg in accepted.legs}


def test_the_stop_comes_before_the_target_and_a_gap_trades_at_the_open(broker):
    broker.submit("a", "buy", 10, **BRACKET)
    broker.minute(AAA=FLAT)
    fill, _ = broker.minute(AAA=(100, 106, 94, 100))
    assert fill.price == 95.0
    broker.submit("b", "buy", 10, **BRACKET)
    broker.minute(AAA=FLAT)
    fill, _ = broker.minute(AAA=(93, 106, 92, 100))
    assert fill.price == 93.0


def test_an_oto_has_one_leg(broker):
    (accepted,) = broker.submit("a", "buy", 10, order_class="oto", stop_loss=95.0)
    assert [leg.role for leg in accepted.legs] == ["stop"]
    broker.minute(AAA=FLAT)
    (fill,) = broker.minute(AAA=(96, 96, 90, 92))
    assert (fill.price, fill.position) == (95.0, 0)


def test_an_oco_exits_by_either_side_and_cancels_the_other(broker):
    broker.submit("a", "buy", 10)
    broker.minute(AAA=FLAT)
    (accepted,) = broker.submit(
        "o",
        "sell",
        10,
        type="limit",
        order_class="oco",
        limit_price=105.0,
        stop_loss=95.0,
        time_in_force="gtc",
    )
    assert [leg.role for leg in accepted.legs] == ["stop"]
    fill, canceled = broker.minute(AAA=(100, 105, 99, 104))
    assert (fill.client_order_id, fill.price) == ("o", 105.0)
    assert canceled.client_order_id == accepted.legs[0].client_order_id


def test_cancelling_one_leg_cancels_the_group(broker):
    (accepted,) = broker.submit("a", "buy", 10, **BRACKET)
    broker.minute(AAA=FLAT)
    events = broker.cancel(accepted.legs[0].client_order_id)
    assert {event.client_order_id for event in events} == {leg.client_order_id for leg in accepted.legs}
    assert names(events) == ["OrderCanceled"] * 2
    assert broker.minute(AAA=(100, 110, 90, 100)) == []


def test_cancelling_a_working_bracket_cancels_its_held_legs(broker):
    broker.submit("a", "buy", 10, type="limit", limit_price=90.0, **{**BRACKET, "stop_loss": 85.0})
    assert names(broker.cancel("a")) == ["OrderCanceled"] * 3


def test_a_late_cancel_is_rejected(broker):
    broker.submit("a", "buy", 10)
    broker.minute(AAA=FLAT)
    late = broker.cancel("a")
    if broker.is_gateway:  # it has told of the fill and does not even ask
        assert late == []
    else:
        (event,) = late
        assert type(event) is CancelRejected
        assert "filled" in event.reason
    (event,) = broker.cancel("never")
    assert type(event) is CancelRejected
    assert ("does not know" if broker.is_gateway else "not found") in event.reason


def test_a_leg_can_be_moved_and_gets_a_new_broker_id(broker):
    (accepted,) = broker.submit("a", "buy", 10, **BRACKET)
    broker.minute(AAA=FLAT)
    target = next(leg for leg in accepted.legs if leg.role == "target")
    (event,) = broker.replace(target.client_order_id, limit_price=103.0)
    assert type(event) is OrderReplaced
    assert event.new_broker_order_id != event.broker_order_id == target.broker_order_id
    again = broker.replace(target.client_order_id, limit_price=103.0)
    unchanged = ["order parameters are not changed"]
    assert [event.reason for event in again] == ([] if broker.is_gateway else unchanged)
    fill, _ = broker.minute(AAA=(100, 104, 99, 104))
    assert fill.price == 103.0


def test_day_orders_expire_at_the_close_and_gtc_orders_do_not(broker):
    broker.submit("d", "buy", 10, type="limit", limit_price=90.0)
    broker.submit("g", "buy", 10, type="limit", limit_price=90.0, time_in_force="gtc")
    events = broker.close()
    assert [(type(event), event.client_order_id) for event in events] == [(OrderExpired, "d")]


def test_refusals_in_alpacas_words(broker):
    assert refusal(broker.submit("a", "buy", 10, symbol="NOPE")) == (42210000, 'asset "NOPE" not found')
    assert refusal(broker.submit("a", "buy", 0)) == (42210000, "qty must be > 0")
    assert refusal(broker.submit("a", "buy", 1, type="limit")) == (
        40010001, "limit orders require a limit price",
    )  # fmt: skip
    assert refusal(broker.submit("a", "buy", 1, limit_price=5.0)) == (
        40010001, "market orders require no stop or limit price",
    )  # fmt: skip
    assert refusal(broker.submit("a", "buy", 100_000)) == (40310000, "insufficient buying power")
    assert refusal(broker.submit("a", "buy", 1, order_class="bracket", stop_loss=95.0))[0] == 40010001
    assert refusal(broker.submit("a", "buy", 1, **{**BRACKET, "stop_loss": 100.0})) == (
        42210000, "stop_loss.stop_price must be <= base_price - 0.01",
    )  # fmt: skip
    assert refusal(broker.submit("a", "buy", 1, **{**BRACKET, "take_profit": 100.0})) == (
        42210000, "take_profit.limit_price must be >= base_price + 0.01",
    )  # fmt: skip
    assert refusal(broker.submit("a", "buy", 1, **{**BRACKET, "take_profit": 94.0})) == (
        42210000, "take_profit.limit_price must be > stop_loss.stop_price",
    )  # fmt: skip


def test_a_price_off_the_grid_is_refused_if_it_gets_that_far(broker):
    told = broker.submit("a", "buy", 1, type="limit", limit_price=290.123)
    if broker.is_gateway:  # it lets none leave: the price goes to the grid first
        assert names(told) == ["OrderAccepted"]
    else:
        assert refusal(told) == (
            42210000,
            "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria",
        )


def test_an_id_is_never_taken_twice_even_when_the_first_order_is_over(broker):
    def again():
        # A gateway looks the order up that has the id, and has told all of it.
        told = broker.submit("a", "buy", 10)
        if broker.is_gateway:
            assert told == []
        else:
            assert refusal(told) == (40010001, "client_order_id must be unique")

    broker.submit("a", "buy", 10, type="limit", limit_price=90.0)
    again()
    broker.cancel("a")
    again()
    assert broker.minute(AAA=(100, 100, 80, 80)) == []


def test_shares_are_promised_once(broker):
    broker.submit("a", "buy", 10, **BRACKET)
    broker.minute(AAA=FLAT)
    assert refusal(broker.submit("x", "sell", 5)) == (
        40310000, "insufficient qty available for order (requested: 5, available: 0)",
    )  # fmt: skip


def test_more_than_is_held_is_refused_rather_than_flipped(broker):
    broker.submit("a", "buy", 10)
    broker.minute(AAA=FLAT)
    assert refusal(broker.submit("x", "sell", 11))[1].endswith("(requested: 11, available: 10)")


def test_wash_trades_and_opposite_openings_are_refused(broker):
    broker.submit("a", "buy", 10)
    broker.minute(AAA=FLAT)
    broker.submit("b", "buy", 10, type="limit", limit_price=98.0)
    code, reason = refusal(broker.submit("x", "sell", 5))
    words = "potential wash trade detected. use complex orders"
    assert code == 40310000
    assert reason.startswith(words) if broker.is_gateway else reason == words
    assert names(broker.submit("y", "sell", 5, type="limit", limit_price=99.0)) == ["OrderAccepted"]
    broker.submit("c", "buy", 10, symbol="BBB", type="limit", limit_price=45.0)
    assert refusal(broker.submit("z", "sell", 5, symbol="BBB"))[1] == (
        "cannot open a short sell while a long buy order is open"
    )


def test_open_orders_reserve_buying_power_and_give_it_back(broker):
    broker.submit("a", "buy", 900, type="limit", limit_price=99.0)
    assert refusal(broker.submit("b", "buy", 900, type="limit", limit_price=99.0))[0] == 40310000
    broker.cancel("a")
    assert names(broker.submit("c", "buy", 900, type="limit", limit_price=99.0)) == ["OrderAccepted"]


def test_a_short_is_sold_stopped_and_covered(broker):
    broker.submit("a", "sell", 10, order_class="bracket", take_profit=95.0, stop_loss=105.0)
    (fill,) = broker.minute(AAA=FLAT)
    assert fill.position == -10
    fill, _ = broker.minute(AAA=(100, 106, 94, 100))
    assert (type(fill), fill.side, fill.price, fill.position) == (OrderFilled, "buy", 105.0, 0)
