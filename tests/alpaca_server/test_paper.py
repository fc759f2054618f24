"""The paper broker's rules against alpaca.md 2.3, 2.4, 3.2 to 3.5 and 5, without a socket."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alpaca_server.clock import MINUTE, MarketClock, ns
from tests.alpaca_server.faults import Faults
from tests.alpaca_server.market import Market
from tests.alpaca_server.options import Options
from tests.alpaca_server.paper import PaperBroker
from tests.alpaca_server.refusals import Refused
from tests.alpaca_server.server import made_bar

FLAT = (100, 100, 100, 100)
BRACKET = {
    "order_class": "bracket",
    "take_profit": {"limit_price": "105"},
    "stop_loss": {"stop_price": "95"},
}
OPEN = "2026-11-20T09:30:00-05:00"


class Floor:
    """A broker and the minutes that pass over it; says each event as (event, client id or role)."""

    def __init__(self, start=OPEN, **options):
        self.clock = MarketClock(start)
        self.market = Market()
        self.faults = Faults()
        self.broker = PaperBroker(Options(**options), self.clock, self.market, self.faults)
        for symbol in ("AAA", "BBB"):
            self.broker.assets.put(symbol)
        self.minute(AAA=FLAT, BBB=(50, 50, 50, 50))

    def name(self, order):
        if order["client_order_id"][:4] != "c11e":
            return order["client_order_id"]
        return "stop" if order["stop_price"] else "target"

    def told(self):
        events, self.broker.teller.outbox = self.broker.teller.outbox, []
        return [(one["event"], self.name(one["order"])) for one in events]

    def submit(self, name, side, qty, **fields):
        body = {"symbol": "AAA", "type": "market", "time_in_force": "day"} | fields
        qty = None if qty is None else str(qty)
        order = self.broker.submit({"client_order_id": name, "side": side, "qty": qty} | body)
        self.broker.acknowledge(order)
        return order

    def buy(self, name, qty, **fields):
        return self.submit(name, "buy", qty, **fields)

    def refused(self, name, side, qty, **fields):
        with pytest.raises(Refused) as refusal:
            self.submit(name, side, qty, **fields)
        return refusal.value.status, refusal.value.body["code"], refusal.value.body["message"]

    def minute(self, **rows):
        begins = self.clock.now()
        for symbol, row in rows.items():
            bar = made_bar(symbol, row, begins)
            self.broker.on_bars([bar])
            self.market.put(bar)
        self.broker.move_to(begins + MINUTE)
        return self.told()

    def held(self, symbol="AAA"):
        return self.broker.account.held(symbol)


@pytest.fixture
def floor():
    return Floor()


def test_a_market_order_fills_at_the_next_open(floor):
    order = floor.buy("a", 10)
    assert floor.told() == [("pending_new", "a"), ("new", "a")]
    assert floor.minute(AAA=(101, 102, 100, 101)) == [("fill", "a")]
    assert (order.average, floor.held()) == (101, 10)
    assert floor.broker.account.cash == 100_000 - 1_010


def test_a_bracket_waits_for_its_entry_and_one_exit_ends_the_other(floor):
    entry = floor.buy("a", 10, type="limit", limit_price="98", **BRACKET)
    assert [leg.status for leg in entry.legs] == ["held", "held"]
    floor.told()
    assert floor.minute(AAA=(100, 110, 99, 100)) == []  # the target's price, but nothing is held
    assert floor.minute(AAA=(99, 106, 97, 98)) == [("fill", "a"), ("new", "target"), ("new", "stop")]
    assert floor.minute(AAA=(99, 106, 99, 104)) == [("fill", "target"), ("canceled", "stop")]
    assert (entry.legs[0].average, floor.held()) == (105, 0)


def test_legs_stay_held_while_their_entry_has_filled_in_part(floor):
    floor.faults.add("partial_fill", quantity=4)
    entry = floor.buy("a", 10, type="limit", limit_price="100", **BRACKET)
    floor.told()
    assert floor.minute(AAA=FLAT) == [("partial_fill", "a")]
    assert floor.minute(AAA=(100, 100, 90, 99)) == [("fill", "a"), ("new", "target"), ("new", "stop")]
    assert entry.average == 100


def test_a_partly_filled_entry_that_is_cancelled_leaves_naked_shares(floor):
    floor.faults.add("partial_fill", quantity=4)
    entry = floor.buy("a", 10, type="limit", limit_price="100", **BRACKET)
    floor.minute(AAA=FLAT)
    floor.broker.cancel(entry.id)
    assert floor.told() == [("canceled", "a"), ("canceled", "target"), ("canceled", "stop")]
    assert (entry.status, entry.filled_qty, floor.held()) == ("canceled", 4, 4)


def test_a_target_that_fills_in_part_takes_its_shares_off_the_stop(floor):
    entry = floor.buy("a", 10, **BRACKET)
    floor.minute(AAA=FLAT)
    floor.faults.add("partial_fill", quantity=3)
    assert floor.minute(AAA=(100, 105, 100, 104)) == [("partial_fill", "target")]
    assert [leg.qty for leg in entry.legs] == [10, 7]
    assert floor.minute(AAA=(96, 96, 90, 91)) == [("fill", "stop"), ("canceled", "target")]
    assert floor.held() == 0


def test_in_one_bar_the_open_comes_first_then_stops_then_limits(floor):
    floor.buy("a", 10, **BRACKET)
    floor.minute(AAA=FLAT)
    assert floor.minute(AAA=(100, 106, 94, 100))[0] == ("fill", "stop")
    entry = floor.buy("b", 10, **BRACKET)
    floor.minute(AAA=FLAT)
    assert floor.minute(AAA=(106, 107, 94, 100))[0] == ("fill", "target")
    assert entry.legs[0].average == 106  # jumped over: it trades at the open


def test_an_oco_is_its_own_target(floor):
    floor.buy("a", 10)
    floor.minute(AAA=FLAT)
    exits = {"type": "limit", "order_class": "oco", "time_in_force": "gtc",
             "take_profit": {"limit_price": "105"}, "stop_loss": {"stop_price": "95"}}  # fmt: skip
    order = floor.submit("o", "sell", 10, **exits)
    assert (order.limit_price, [leg.stop_price for leg in order.legs]) == (105, [95])
    assert floor.told() == [("pending_new", "o"), ("new", "o"), ("new", "stop")]
    assert floor.minute(AAA=(100, 105, 99, 104)) == [("fill", "o"), ("canceled", "stop")]
    assert floor.refused("p", "sell", 10, **exits)[1:] == (42210000, "oco orders must be exit orders")


def test_an_oto_has_one_leg(floor):
    order = floor.buy("a", 10, order_class="oto", stop_loss={"stop_price": "95", "limit_price": "94.5"})
    assert [(leg.type, leg.limit_price) for leg in order.legs] == [("stop_limit", Decimal("94.5"))]
    floor.minute(AAA=FLAT)
    assert floor.minute(AAA=(96, 96, 90, 92)) == [("fill", "stop")]


def test_a_stop_limit_that_is_jumped_over_rests_at_its_limit(floor):
    floor.buy("a", 10, type="stop_limit", stop_price="102", limit_price="103")
    floor.told()
    assert floor.minute(AAA=(104, 106, 103.5, 105)) == []
    assert floor.minute(AAA=(105, 105, 102.5, 103)) == [("fill", "a")]
    assert floor.broker.orders[0].average == 103


def test_a_buy_stop_has_the_brokers_limit_above_it(floor):
    order = floor.buy("a", 10, type="stop", stop_price="102")
    assert order.effective_limit == Decimal("104.55")  # 2.5 % above
    floor.told()
    assert floor.minute(AAA=(110, 112, 109, 110)) == []
    assert floor.minute(AAA=(110, 112, 104, 110)) == [("fill", "a")]
    cheap = floor.buy("b", 10, symbol="BBB", type="stop", stop_price="49.99")
    assert cheap.effective_limit == Decimal("51.9896")  # 4 % below 50 dollars


def test_cancelling_one_of_a_group_cancels_all(floor):
    entry = floor.buy("a", 10, **BRACKET)
    floor.minute(AAA=FLAT)
    floor.broker.cancel(entry.legs[1].id)
    assert floor.told() == [("canceled", "stop"), ("canceled", "target")]
    floor.broker.cancel(entry.legs[1].id)  # a second time: taken, without effect
    assert floor.told() == []
    with pytest.raises(Refused, match='order is already in "filled" state'):
        floor.broker.cancel(entry.id)
    with pytest.raises(Refused, match="order not found for nobody"):
        floor.broker.cancel("nobody")


def test_a_stuck_cancel_may_still_fill(floor):
    floor.faults.add("stuck_cancel")
    order = floor.buy("a", 10, type="limit", limit_price="99")
    floor.told()
    floor.broker.cancel(order.id)
    assert (order.status, floor.told()) == ("pending_cancel", [])
    assert floor.minute(AAA=(99, 99, 99, 99)) == [("fill", "a"), ("order_cancel_rejected", "a")]
    other = floor.buy("b", 10, type="limit", limit_price="90")
    floor.faults.add("stuck_cancel")
    floor.broker.cancel(other.id)
    floor.broker.settle_cancels()
    assert floor.told()[-1] == ("canceled", "b")


def test_a_cancel_can_be_rejected_and_the_order_works_on(floor):
    floor.faults.add("cancel_rejected")
    order = floor.buy("a", 10, type="limit", limit_price="99")
    floor.told()
    floor.broker.cancel(order.id)
    assert (order.status, floor.told()) == ("new", [("order_cancel_rejected", "a")])


def test_a_replacement_takes_the_old_ones_place_and_fills(floor):
    floor.faults.add("partial_fill", quantity=4)
    old = floor.buy("a", 10, type="limit", limit_price="100")
    floor.minute(AAA=FLAT)
    new = floor.broker.replace(old.id, {"limit_price": "101", "client_order_id": "b"})
    floor.broker.settle_replace(new)
    assert (old.status, old.replaced_by, new.replaces) == ("replaced", new.id, old.id)
    assert floor.told() == [("replaced", "a"), ("new", "b")]
    assert floor.minute(AAA=(101, 101, 101, 101)) == [("fill", "b")]
    assert (new.filled_qty, new.average, floor.held()) == (10, Decimal("100.6"), 10)


def test_a_fresh_replacement_forgets_the_fills():
    floor = Floor(replacement="fresh")
    floor.faults.add("partial_fill", quantity=4)
    old = floor.buy("a", 10, type="limit", limit_price="100")
    floor.minute(AAA=FLAT)
    floor.broker.settle_replace(floor.broker.replace(old.id, {"limit_price": "101"}))
    floor.minute(AAA=(101, 101, 101, 101))
    assert floor.held() == 14  # more than was ever wanted


def test_a_leg_moves_by_price_only(floor):
    entry = floor.buy("a", 10, **BRACKET)
    floor.minute(AAA=FLAT)
    target = entry.legs[0]
    with pytest.raises(Refused, match="qty cannot be changed for advanced orders"):
        floor.broker.replace(target.id, {"qty": "5"})
    with pytest.raises(Refused, match="order parameters are not changed"):
        floor.broker.replace(target.id, {"limit_price": "105.00"})
    with pytest.raises(Refused, match="sub-penny"):
        floor.broker.replace(target.id, {"limit_price": "104.999"})
    floor.broker.settle_replace(floor.broker.replace(target.id, {"limit_price": "103"}))
    floor.told()
    assert floor.minute(AAA=(100, 104, 99, 104)) == [("fill", "target"), ("canceled", "stop")]
    with pytest.raises(Refused, match="order already replaced"):
        floor.broker.replace(target.id, {"limit_price": "103"})


def test_a_replacement_can_lose_the_race(floor):
    floor.faults.add("replace_race")
    old = floor.buy("a", 10, type="limit", limit_price="99")
    floor.told()
    new = floor.broker.replace(old.id, {"limit_price": "98", "client_order_id": "b"})
    floor.broker.settle_replace(new)
    assert floor.told() == [("fill", "a"), ("order_replace_rejected", "a"), ("rejected", "b")]
    assert floor.held() == 10


def test_a_replacement_can_be_rejected(floor):
    floor.faults.add("replace_rejected")
    old = floor.buy("a", 10, type="limit", limit_price="99")
    floor.told()
    new = floor.broker.replace(old.id, {"limit_price": "98", "client_order_id": "b"})
    floor.broker.settle_replace(new)
    assert floor.told() == [("order_replace_rejected", "a"), ("rejected", "b")]
    assert old.status == "new"


def test_an_order_that_is_not_new_yet_is_not_replaced(floor):
    floor.faults.add("stuck_new")
    order = floor.buy("a", 10, type="limit", limit_price="99")
    assert (order.status, floor.told()) == ("pending_new", [("pending_new", "a")])
    with pytest.raises(Refused, match="cannot replace order in pending_new status"):
        floor.broker.replace(order.id, {"limit_price": "98"})
    floor.broker.acknowledge(order, again=True)
    assert floor.told() == [("new", "a")]


def test_a_rejection_may_come_after_the_answer(floor):
    floor.faults.add("async_reject")
    order = floor.buy("a", 10, **BRACKET)
    assert floor.told()[:2] == [("pending_new", "a"), ("rejected", "a")]
    assert not order.is_live
    assert not any(leg.is_live for leg in order.legs)


def test_one_leg_may_be_rejected_when_the_entry_fills(floor):
    floor.faults.add("leg_rejected", role="stop")
    floor.buy("a", 10, **BRACKET)
    floor.told()
    assert floor.minute(AAA=FLAT) == [("fill", "a"), ("rejected", "stop"), ("new", "target")]


def test_day_orders_expire_at_the_close_and_gtc_orders_rest():
    floor = Floor(start="2026-11-27T12:58:00-05:00")  # the day after Thanksgiving closes at 13:00
    floor.buy("d", 10, type="limit", limit_price="90")
    gtc = floor.buy("g", 10, type="limit", limit_price="90", time_in_force="gtc")
    floor.told()
    assert floor.minute(AAA=FLAT) == [("expired", "d")]
    assert gtc.expires_at == ns("2027-02-25T16:15:00-05:00")  # 90 days on
    assert floor.minute(AAA=(80, 80, 80, 80)) == []  # closed: nothing trades


def test_an_order_sent_at_night_is_accepted_and_works_from_the_open():
    floor = Floor(start="2026-11-20T18:00:00-05:00")
    order = floor.buy("a", 10)
    assert (order.status, floor.told()) == ("accepted", [("accepted", "a")])
    assert order.expires_at == ns("2026-11-23T16:00:00-05:00")
    with pytest.raises(Refused, match="cannot replace order in accepted status"):
        floor.broker.replace(order.id, {"qty": "5"})
    floor.broker.move_to(ns("2026-11-23T09:30:00-05:00"))
    assert floor.told() == [("new", "a")]
    assert floor.minute(AAA=FLAT) == [("fill", "a")]


def test_quotes_trade_what_is_marketable_at_once():
    floor = Floor(fills="quote", spread=Decimal("0.02"))
    floor.buy("a", 10)
    assert floor.told() == [("pending_new", "a"), ("new", "a"), ("fill", "a")]
    assert floor.broker.orders[0].average == Decimal("100.01")
    floor.buy("b", 10, type="limit", limit_price="100")
    assert floor.told() == [("pending_new", "b"), ("new", "b")]
    floor.submit("c", "sell", 5, type="limit", limit_price="99.99", symbol="BBB")
    floor.told()
    floor.submit("d", "sell", 5, type="limit", limit_price="50.01", symbol="BBB")
    assert ("fill", "d") not in floor.told()


def test_a_quote_may_take_its_time():
    floor = Floor(fills="quote", fill_latency_s=0.8)
    floor.buy("a", 10)
    assert floor.told() == [("pending_new", "a"), ("new", "a")]
    floor.broker.move_to(floor.clock.now() + 800_000_000)
    assert floor.told() == [("fill", "a")]
    assert floor.broker.executions[0].at - floor.broker.orders[0].created_at >= 800_000_000


def test_immediate_orders_do_not_outlive_the_next_bar(floor):
    floor.buy("a", 10, type="limit", limit_price="99", time_in_force="ioc")
    floor.told()
    assert floor.minute(AAA=FLAT) == [("canceled", "a")]


def test_a_replacement_takes_no_more_than_the_account_has():
    floor = Floor(multiplier=1)
    order = floor.buy("a", 900, type="limit", limit_price="99")
    with pytest.raises(Refused, match="insufficient buying power"):
        floor.broker.replace(order.id, {"qty": "1100"})
    floor.buy("b", 10, symbol="BBB")
    floor.minute(BBB=(50, 50, 50, 50))
    exit_ = floor.submit("c", "sell", 6, symbol="BBB", type="limit", limit_price="60")
    with pytest.raises(Refused, match="insufficient qty available"):
        floor.broker.replace(exit_.id, {"qty": "11"})
    floor.broker.replace(exit_.id, {"qty": "10"})


def test_part_fills_by_chance_are_the_same_for_the_same_seed():
    def run():
        floor = Floor(partial_chance=0.5, seed=7)
        floor.buy("a", 100)
        return [event for _ in range(6) for event, _ in floor.minute(AAA=FLAT)]

    assert run() == run()
    assert run().count("fill") == 1


def test_held_legs_may_be_told_and_a_stop_may_stay_held():
    floor = Floor(held_events=True, stop_leg_status="held", announce_pending=True)
    entry = floor.buy("a", 10, **BRACKET)
    assert floor.told()[2:] == [("held", "target"), ("held", "stop")]
    assert floor.minute(AAA=FLAT) == [("fill", "a"), ("new", "target")]
    assert entry.legs[1].status == "held"
    assert floor.minute(AAA=(100, 100, 94, 95)) == [("fill", "stop"), ("canceled", "target")]
    other = floor.buy("b", 10, type="limit", limit_price="90")
    floor.told()
    floor.broker.cancel(other.id)
    assert floor.told() == [("pending_cancel", "b"), ("canceled", "b")]


def test_a_bust_takes_a_fill_back_and_a_correction_changes_its_price(floor):
    order = floor.buy("a", 10)
    floor.minute(AAA=FLAT)
    (execution,) = floor.broker.executions
    floor.broker.correct(execution.id, Decimal(99))
    assert (order.average, floor.broker.account.cash) == (99, 100_000 - 990)
    (event,) = floor.broker.teller.outbox
    assert (event["event"], event["price"], event["previous_execution_id"]) == (
        "trade_correct", "99", execution.id,
    )  # fmt: skip
    floor.told()
    floor.broker.bust(execution.id)
    (event,) = floor.broker.teller.outbox
    assert (event["event"], event["qty"], event["position_qty"]) == ("trade_bust", "-10", "0")
    assert (floor.held(), floor.broker.account.cash) == (0, 100_000)


def test_an_overfill_is_possible_by_force(floor):
    order = floor.buy("a", 10)
    floor.broker.trade(order, Decimal(15), Decimal(100), force=True)
    assert (order.filled_qty, order.remaining, floor.held()) == (15, 0, 15)


def test_refusals_in_alpacas_words(floor):
    for fields, expected in [
        ({"symbol": "NOPE"}, (422, 42210000, 'asset "NOPE" not found')),
        ({"qty": "0"}, (422, 42210000, "qty must be > 0")),
        ({"qty": None}, (422, 40010001, "qty or notional is required")),
        ({"notional": "5"}, (422, 40010001, "qty or notional is required")),
        ({"qty": None, "notional": "0.5"}, (422, 42210000, "notional must be >= 1.00")),
        ({"type": "limit"}, (422, 40010001, "limit orders require a limit price")),
        ({"limit_price": "5"}, (422, 40010001, "market orders require no stop or limit price")),
        ({"time_in_force": "forever"}, (422, 40010001, "invalid time_in_force")),
        ({"qty": "0.5", "time_in_force": "gtc"}, (422, 42210000, "fractional orders must be DAY orders")),
        ({"qty": "0.5", **BRACKET}, (422, 42210000, "fractional orders must be simple orders")),
        (
            {"type": "limit", "limit_price": "290.123"},
            (422, 42210000, "invalid limit_price 290.123. sub-penny increment does not fulfill minimum "
             "pricing criteria"),
        ),
        ({"extended_hours": True}, (422, 42210000, "extended hours order must be DAY or GTC limit orders")),
        (
            BRACKET | {"stop_loss": {"stop_price": "100"}},
            (422, 42210000, "stop_loss.stop_price must be <= base_price - 0.01"),
        ),
        (
            BRACKET | {"take_profit": {"limit_price": "94"}},
            (422, 42210000, "take_profit.limit_price must be > stop_loss.stop_price"),
        ),
        ({"qty": "1000000"}, (403, 40310000, "insufficient buying power")),
    ]:  # fmt: skip
        assert floor.refused("a", "buy", **({"qty": "1"} | fields)) == expected
    assert floor.told() == []
    assert floor.broker.orders == []


def test_a_sub_dollar_price_has_four_decimals(floor):
    floor.buy("a", 1, type="limit", limit_price="0.1234")
    assert floor.refused("b", "buy", 1, type="limit", limit_price="0.12345")[1] == 42210000


def test_a_client_id_is_taken_once_even_after_a_cancel(floor):
    order = floor.buy("a", 1, type="limit", limit_price="90")
    floor.broker.cancel(order.id)
    assert floor.refused("a", "buy", 1) == (422, 40010001, "client_order_id must be unique")
    assert floor.refused("x" * 129, "buy", 1)[1] == 40010001


def test_shares_are_promised_once(floor):
    floor.buy("a", 10, **BRACKET)
    floor.minute(AAA=FLAT)
    with pytest.raises(Refused) as refusal:
        floor.submit("x", "sell", 5)
    assert refusal.value.body == {
        "code": 40310000, "message": "insufficient qty available for order (requested: 5, available: 0)",
        "symbol": "AAA", "existing_qty": "10", "held_for_orders": "10", "available": "0",
    }  # fmt: skip


def test_wash_trades_and_opposite_openings(floor):
    floor.buy("a", 10)
    floor.minute(AAA=FLAT)
    resting = floor.buy("b", 10, type="limit", limit_price="98")
    with pytest.raises(Refused) as refusal:
        floor.submit("x", "sell", 5)
    assert refusal.value.body["message"] == "potential wash trade detected. use complex orders"
    assert refusal.value.body["existing_order_id"] == resting.id
    floor.submit("y", "sell", 5, type="limit", limit_price="99")
    assert floor.refused("z", "buy", 5, type="limit", limit_price="99")[1] == 40310000
    floor.buy("c", 10, symbol="BBB", type="limit", limit_price="45")
    assert floor.refused("d", "sell", 5, symbol="BBB")[2] == (
        "cannot open a short sell while a long buy order is open"
    )


def test_a_resting_bracket_may_count_as_the_other_side():
    floor = Floor(wash_exempts_existing=False)
    floor.buy("a", 10, **BRACKET)
    floor.minute(AAA=FLAT)
    assert "wash trade" in floor.refused("b", "buy", 10)[2]
    floor.buy("c", 10, **BRACKET)


def test_shorts_need_a_share_to_borrow_and_permission(floor):
    floor.broker.assets["AAA"].borrow_status = "hard_to_borrow"
    assert floor.refused("a", "sell", 5)[2] == 'asset "AAA" cannot be sold short'
    assert floor.refused("a", "sell", "0.5", symbol="BBB")[2] == "fractional orders cannot be sold short"
    floor.broker.account.configurations["no_shorting"] = True
    assert floor.refused("a", "sell", 5)[2] == "account is not allowed to short"


def test_a_short_bracket_is_the_mirror_image(floor):
    exits = {"take_profit": {"limit_price": "95"}, "stop_loss": {"stop_price": "105"}}
    floor.submit("a", "sell", 10, order_class="bracket", **exits)
    floor.minute(AAA=FLAT)
    assert floor.held() == -10
    assert floor.minute(AAA=(100, 106, 94, 100))[0] == ("fill", "stop")
    assert floor.held() == 0


def test_blocks_of_the_account(floor):
    floor.broker.account.configurations["suspend_trade"] = True
    assert floor.refused("a", "buy", 1)[0] == 403
    floor.broker.account.configurations["suspend_trade"] = False
    floor.broker.account.trading_blocked = True
    assert floor.refused("a", "buy", 1)[2] == "account is not authorized to trade"
    floor.broker.account.trading_blocked = False
    floor.broker.assets["AAA"].tradable = False
    assert floor.refused("a", "buy", 1)[2] == 'asset "AAA" is not tradable'


def test_open_orders_tie_up_buying_power():
    floor = Floor(multiplier=1)
    first = floor.buy("a", 900, type="limit", limit_price="99")
    assert floor.refused("b", "buy", 900, type="limit", limit_price="99")[0] == 403
    floor.broker.cancel(first.id)
    floor.buy("c", 900, type="limit", limit_price="99")


PRICES = st.integers(90, 110)
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "bracket", "oco", "limit", "cancel", "replace", "minute", "part"]),
        st.integers(1, 20),
        PRICES,
    ),
    max_size=40,
)


@given(deeds=DEEDS)
def test_whatever_happens_positions_are_the_sum_of_fills_and_shares_are_promised_once(deeds):
    floor = Floor()
    for number, (deed, qty, price) in enumerate(deeds):
        name = f"n{number}"
        live = floor.broker.live
        try:
            match deed:
                case "buy" | "sell":
                    floor.submit(name, deed, qty)
                case "bracket":
                    floor.buy(name, qty, **BRACKET)
                case "oco":
                    exits = {"take_profit": {"limit_price": "105"}, "stop_loss": {"stop_price": "95"}}
                    floor.submit(name, "sell", qty, type="limit", order_class="oco", **exits)
                case "limit":
                    floor.buy(name, qty, type="limit", limit_price=str(price))
                case "cancel" if live:
                    floor.broker.cancel(live[qty % len(live)].id)
                case "replace" if live:
                    body = {"limit_price": str(price)}
                    floor.broker.settle_replace(floor.broker.replace(live[qty % len(live)].id, body))
                case "part":
                    floor.faults.add("partial_fill", quantity=qty)
                case "minute":
                    floor.minute(AAA=(price, price + 2, price - 2, price))
        except Refused:
            pass
    fills = floor.broker.executions
    assert floor.held() == sum(one.quantity * one.order.sign for one in fills)
    assert floor.broker.account.cash == 100_000 - sum(o.quantity * o.price * o.order.sign for o in fills)
    exits = [one for one in floor.broker.live if one.sign * floor.held() < 0]
    for order in floor.broker.orders:
        carried = order.replaces is not None
        assert carried or sum(f.quantity for f in fills if f.order is order) == order.filled_qty <= order.qty
    assert floor.broker.account.available("AAA", exits) >= 0
    told = floor.broker.teller.told
    assert [one["event_id"] for one in told] == sorted(one["event_id"] for one in told)


@pytest.mark.parametrize(
    ("held", "side", "intent", "inferred"),
    [
        (0, "sell", "sell_to_close", "sell_to_open"),
        (10, "sell", "sell_to_open", "sell_to_close"),
        (-10, "buy", "buy_to_open", "buy_to_close"),
    ],
)
def test_an_order_that_says_something_else_than_it_does_to_the_position_is_refused(
    held, side, intent, inferred
):
    floor = Floor()
    floor.broker.account.hold("AAA", held, 100)
    assert floor.refused("x", side, 10, position_intent=intent) == (
        422,
        42210000,
        f"position intent mismatch, inferred: {inferred}, specified: {intent}",
    )
    floor.submit("y", side, 10, position_intent=inferred)
    lenient = Floor(intents="ignored")
    lenient.submit("x", "sell", 10, position_intent="sell_to_close")
    assert Floor(intents="refused").refused("x", side, 10, position_intent=intent)[1] == 40010001
