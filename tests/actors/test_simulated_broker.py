import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.execution import simulated_book
from actors.simulated_broker import SimulatedBroker
from config.schema import Execution
from runtime.kernel.actor import Actor
from runtime.kernel.cell import ActorSpec
from runtime.messages.broker import OrderAccepted, OrderCanceled, OrderExpired, OrderFilled, OrderRejected
from runtime.messages.codec import encode
from runtime.messages.market import SymbolAdded, TradingStatus, VixClose
from runtime.messages.risk import StrategyPaused
from tests.actors.trading_floor import FREE, MINUTE, OPEN, Floor, cancel, submit

FLAT = (100.0, 100.0, 100.0, 100.0)
BRACKET = {"order_class": "bracket", "take_profit": 105.0, "stop_loss": 95.0}


def started(**options):
    floor = Floor(with_executor=False, **options)
    floor.minute(0, AAA=FLAT)
    return floor


def test_an_order_never_trades_in_a_bar_that_began_before_it():
    floor = started()
    floor.say(submit("a", "buy", 10), at=OPEN + 65_000_000_000)  # five seconds into minute 1
    floor.minute(1, AAA=FLAT)
    assert floor.fills == []
    floor.minute(2, AAA=(101, 101, 101, 101))
    assert [(fill.price, fill.ts_event) for fill in floor.fills] == [(101.0, OPEN + 2 * MINUTE)]


def test_a_minute_without_a_bar_of_the_symbol_fills_nothing():
    floor = started()
    floor.say(submit("a", "buy", 10))
    floor.minute(1, BBB=(50, 50, 50, 50))
    assert floor.fills == []
    floor.minute(2, AAA=FLAT)
    assert len(floor.fills) == 1


def test_in_the_entry_bar_exits_count_only_after_an_entry_at_the_open():
    floor = started()
    floor.say(submit("a", "buy", 10, **BRACKET))
    floor.minute(1, AAA=(100, 101, 94, 96))
    assert [fill.price for fill in floor.fills] == [100.0, 95.0]
    floor.say(submit("b", "buy", 10, type="limit", limit_price=98.0, **BRACKET))
    floor.minute(2, AAA=(100, 101, 94, 96))
    assert [fill.price for fill in floor.fills[2:]] == [98.0]
    floor.minute(3, AAA=(96, 97, 94, 96))
    assert [fill.price for fill in floor.fills[3:]] == [95.0]


def test_fills_at_the_open_carry_the_bars_start_and_others_half_a_minute_more():
    floor = started()
    floor.say(
        submit("low", "buy", 1, type="limit", limit_price=99.0),
        submit("now", "buy", 1),
        submit("bbb", "buy", 1, symbol="BBB"),
    )
    floor.minute(1, AAA=(100, 100, 98, 99), BBB=(50, 50, 50, 50))
    assert [(fill.client_order_id, fill.ts_event - OPEN - MINUTE) for fill in floor.fills] == [
        ("now", 0),
        ("bbb", 0),
        ("low", 30_000_000_000),
    ]


def test_a_stop_limit_entry_fills_at_the_trigger_or_the_open_beyond_it():
    """Strategies 3.2: the first bar that reaches the trigger fills at max(open, trigger)."""
    for row, price in (((167.4, 167.6, 167.3, 167.5), 167.53), ((167.55, 167.6, 167.5, 167.5), 167.55)):
        floor = Floor(with_executor=False)
        floor.minute(0, AAA=(167.4, 167.5, 167.3, 167.4))
        floor.say(submit("a", "buy", 10, type="stop_limit", stop_price=167.53, limit_price=167.61))
        floor.minute(1, AAA=row)
        assert [fill.price for fill in floor.fills] == [price]


def test_a_bar_fills_at_most_its_share_of_volume_and_the_target_shrinks_the_stop():
    costs = msgspec.structs.replace(FREE, partial_fills=True, volume_frac=0.1)
    floor = started(costs=costs)
    floor.say(submit("a", "buy", 100, **BRACKET))
    floor.minute(1, AAA=(100, 106, 94, 100, 600))
    assert [(fill.quantity, fill.done) for fill in floor.fills] == [(60, False)]  # legs stay held
    floor.minute(2, AAA=(101, 101, 101, 101, 1_000))
    assert [(fill.quantity, fill.cumulative, fill.done) for fill in floor.fills[1:]] == [(40, 100, True)]
    floor.minute(3, AAA=(104, 106, 104, 104, 300))
    assert [(fill.quantity, fill.position) for fill in floor.fills[2:]] == [(30, 70)]
    floor.minute(4, AAA=(96, 96, 94, 95, 10_000))
    assert [(fill.quantity, fill.price, fill.position) for fill in floor.fills[3:]] == [(70, 95.0, 0)]
    assert [done.cumulative for done in floor.all(OrderCanceled)] == [30]


def test_a_target_jumped_over_by_the_open_fills_there_though_the_bar_touches_the_stop_later():
    for side, row in (("buy", (120, 120, 90, 95)), ("sell", (80, 110, 80, 105))):
        sign = 1 if side == "buy" else -1
        floor = started()
        floor.say(
            submit(
                "a", side, 10, order_class="bracket", take_profit=100.0 + 5 * sign, stop_loss=100.0 - 5 * sign
            )
        )
        floor.minute(1, AAA=FLAT)
        floor.minute(2, AAA=row)
        assert [(fill.price, fill.ts_event) for fill in floor.fills[1:]] == [(row[0], OPEN + 2 * MINUTE)]
        assert [gone.ts_event for gone in floor.all(OrderCanceled)] == [OPEN + 2 * MINUTE]


def test_of_stop_and_target_inside_one_bar_the_stop_is_assumed_first():
    costs = msgspec.structs.replace(FREE, partial_fills=True, volume_frac=0.1)
    floor = started(costs=costs)
    floor.say(submit("a", "buy", 10, **BRACKET))
    floor.minute(1, AAA=(*FLAT, 100))
    floor.minute(2, AAA=(100, 106, 94, 100, 60))  # too little volume: what is left of the stop keeps its turn
    assert [(fill.price, fill.quantity) for fill in floor.fills[1:]] == [(95.0, 6)]
    floor.minute(3, AAA=(110, 110, 110, 110, 20))  # at this open both trade: the stop, long reached, does
    assert [(fill.price, fill.quantity) for fill in floor.fills[2:]] == [(110.0, 2)]
    floor.minute(4, AAA=(100, 106, 100, 100, 20))
    assert [(fill.price, fill.quantity) for fill in floor.fills[3:]] == [(100.0, 2)]
    assert [fill.client_order_id for fill in floor.fills[1:]] == ["sim-1.stop"] * 3


def test_a_bar_told_late_does_not_touch_the_exits_of_an_entry_that_came_after_it():
    for entry in ({}, {"type": "limit", "limit_price": 99.0}):
        floor = started()
        floor.say(submit("a", "buy", 10, **entry, **BRACKET))
        floor.minute(3, AAA=(100, 100, 98, 100))
        floor.minute(2, AAA=(90, 110, 90, 90))
        assert len(floor.fills) == 1
        floor.minute(4, AAA=(90, 90, 90, 90))
        assert [fill.price for fill in floor.fills[1:]] == [90.0]


def test_a_halted_symbol_does_not_trade():
    floor = started()
    floor.say(submit("a", "buy", 10))
    floor.later(TradingStatus(ts_event=floor.now, symbol="AAA", halted=True))
    floor.minute(1, AAA=FLAT)
    assert floor.fills == []
    floor.later(TradingStatus(ts_event=floor.now, symbol="AAA", halted=False))
    floor.minute(2, AAA=FLAT)
    assert len(floor.fills) == 1


def test_nothing_fills_outside_the_session_and_an_order_after_the_close_waits_for_the_next():
    floor = Floor(with_executor=False)
    floor.minute(-30, AAA=FLAT)
    floor.say(submit("a", "buy", 10))
    floor.minute(-1, AAA=FLAT)
    assert floor.fills == []
    floor.minute(0, AAA=FLAT)
    assert len(floor.fills) == 1
    floor.minute(389, AAA=FLAT)
    floor.say(submit("late", "sell", 10))
    floor.minute(390, AAA=FLAT)
    carried = floor.end()
    assert len(floor.fills) == 1
    assert floor.all(OrderExpired) == []
    second = Floor(with_executor=False, carried=carried, day=1, symbols=("NEW", "AAA"))
    second.minute(0, AAA=(103, 103, 103, 103))
    assert [(fill.client_order_id, fill.price, fill.position) for fill in second.fills] == [
        ("late", 103.0, 0)
    ]
    assert second.account.cash == 100_030_000_000


def test_protection_that_is_good_till_cancelled_crosses_the_night_and_day_orders_do_not():
    floor = started()
    floor.say(submit("a", "buy", 10, **BRACKET, time_in_force="gtc"), submit("d", "buy", 10, **BRACKET))
    floor.minute(1, AAA=FLAT)
    carried = floor.end()
    assert len(floor.all(OrderExpired)) == 2
    second = Floor(with_executor=False, carried=carried, day=1)
    second.minute(0, AAA=(90, 91, 89, 90))
    assert [(fill.price, fill.quantity, fill.position) for fill in second.fills] == [(90.0, 10, 10)]


def test_what_rested_through_a_minute_may_still_trade_in_it_though_its_cancel_is_due_on_the_minute():
    floor = started()
    floor.say(submit("a", "buy", 10, type="limit", limit_price=99.0))
    floor.say(submit("b", "buy", 10, type="limit", limit_price=90.0))
    floor.say(cancel("a"), cancel("b"), at=OPEN + 2 * MINUTE)  # minute 1 has not been told yet
    floor.minute(1, AAA=(100, 100, 98, 99))
    assert [fill.client_order_id for fill in floor.fills] == ["a"]
    assert [gone.client_order_id for gone in floor.all(OrderCanceled)] == ["b"]


def test_costs_move_the_price_against_us_and_double_when_the_vix_is_extreme():
    costs = Execution(partial_fills=False, sell_fee_frac=0.00002, sell_fee_per_share=0.0)
    floor = started(costs=costs)
    floor.say(submit("a", "buy", 100))
    floor.minute(1, AAA=FLAT)
    floor.later(VixClose(ts_event=floor.now, session="", level=35.1))
    floor.say(submit("b", "sell", 100))
    floor.minute(2, AAA=FLAT)
    buy, sell = floor.fills
    assert (buy.price, round(buy.slippage, 6), buy.commission) == (100.03, 3.0, 0.0)
    assert (sell.price, round(sell.slippage, 6)) == (99.94, 6.0)
    assert sell.commission == 0.19988  # 9,994 USD of proceeds
    assert floor.account.cash == 100_000_000_000 - 9_000_000 - 199_880


def test_shorts_need_permission():
    floor = started(costs=msgspec.structs.replace(FREE, shorting=False))
    floor.say(submit("a", "sell", 10))
    assert [no.reason for no in floor.all(OrderRejected)] == ["account is not allowed to short"]


def test_a_symbol_that_came_during_the_session_can_be_traded():
    floor = started()
    floor.later(SymbolAdded(ts_event=floor.now, symbol="CCC", id=2))
    floor.header = msgspec.structs.replace(floor.header, symbols=("AAA", "BBB", "CCC"))
    floor.say(submit("c", "buy", 10, symbol="CCC"))
    floor.minute(1, CCC=(20, 20, 20, 20))
    assert [fill.price for fill in floor.fills] == [20.0]


# ---- properties -----------------------------------------------------------------------------

prices = st.integers(90, 110)


@st.composite
def rows(draw):
    low, first, last, high = sorted(draw(st.lists(prices, min_size=4, max_size=4)))
    opened, closed = (first, last) if draw(st.booleans()) else (last, first)
    return (opened, high, low, closed, draw(st.integers(1, 400)))


@st.composite
def requests(draw):
    side = draw(st.sampled_from(["buy", "sell"]))
    sign = 1 if side == "buy" else -1
    fields = {"symbol": draw(st.sampled_from(["AAA", "BBB"]))}
    kind = draw(st.sampled_from(["market", "limit", "stop", "stop_limit"]))
    base = draw(prices)
    if kind in ("limit", "stop_limit"):
        fields["limit_price"] = float(base)
    if kind in ("stop", "stop_limit"):
        fields["stop_price"] = float(base - sign)
    group = draw(st.sampled_from(["simple", "bracket", "oto", "oco"]))
    if group in ("bracket", "oco"):
        fields["take_profit"] = None if group == "oco" else float(base + 4 * sign)
    if group != "simple":
        fields["stop_loss"] = float(base - 4 * sign * (-1 if group == "oco" else 1))
    tif = draw(st.sampled_from(["day", "gtc"]))
    return (
        side,
        draw(st.integers(1, 60)),
        {"type": kind, "order_class": group, "time_in_force": tif, **fields},
    )


acts = st.lists(
    st.tuples(st.just("minute"), rows(), rows())
    | st.tuples(st.just("order"), requests())
    | st.tuples(st.just("cancel"), st.integers(0, 20)),
    max_size=25,
)
COSTLY = Execution(volume_frac=0.2, commission_per_share=0.005)


def play(script, **options):
    floor = Floor(with_executor=False, costs=COSTLY, cash=20_000.0, **options)
    number = 0
    for act in script:
        if act[0] == "minute":
            floor.minute(number, AAA=act[1], BBB=act[2])
            number += 1
        elif act[0] == "crash":
            floor.later(StrategyPaused(ts_event=floor.now, strategy="x", paused=True))
        elif act[0] == "order":
            side, quantity, fields = act[1]
            floor.say(submit(f"o{len(floor.script)}", side, quantity, **fields))
        else:
            known = [
                name
                for told in floor.all(OrderAccepted)
                for name in (told.client_order_id, *(leg.client_order_id for leg in told.legs))
            ]
            if known:
                floor.say(cancel(known[act[1] % len(known)]))
    return floor


@settings(max_examples=150, deadline=None)
@given(acts)
def test_cash_positions_and_orders_are_the_sum_of_the_fills(script):
    floor = play(script)
    cash, held, filled = 20_000_000_000, {}, {}
    for fill in floor.fills:
        signed = fill.quantity if fill.side == "buy" else -fill.quantity
        cash -= signed * round(fill.price * 1e6) + round(fill.commission * 1e6)
        held[fill.symbol] = held.get(fill.symbol, 0) + signed
        assert fill.position == held[fill.symbol]
        filled[fill.client_order_id] = filled.get(fill.client_order_id, 0) + fill.quantity
        assert fill.cumulative == filled[fill.client_order_id]
        assert fill.slippage >= -1e-9
    assert floor.account.cash == cash
    assert len({fill.execution_id for fill in floor.fills}) == len(floor.fills)
    for symbol in ("AAA", "BBB"):
        assert floor.account.position(symbol) == held.get(symbol, 0)
    book = floor.machine.actor("broker")._book
    assert floor.account.reserved == sum(one.reserve * one.remaining for one in book.orders.values())
    assert all(one.remaining > 0 for one in book.orders.values())


@settings(max_examples=100, deadline=None)
@given(acts)
def test_live_exits_never_promise_more_than_is_held(script):
    floor = play(script)
    book = floor.machine.actor("broker")._book
    for symbol in ("AAA", "BBB"):
        position = floor.account.position(symbol)
        promised = {}
        for one in book.orders.values():
            if one.symbol == symbol and not one.held and one.sign * position < 0 and one.reserve == 0:
                promised[one.group] = max(promised.get(one.group, 0), one.remaining)
        assert sum(promised.values()) <= abs(position)


class Clumsy(Actor):
    """Crashes on every fill: the broker must not notice."""

    def on_order_filled(self, fill: OrderFilled) -> None:
        raise RuntimeError("clumsy")


@settings(max_examples=50, deadline=None)
@given(acts)
def test_the_same_script_gives_the_same_bytes_crash_or_not(script):
    def told(floor):
        kinds = ("OrderAccepted", "OrderRejected", "OrderFilled", "OrderCanceled", "CancelRejected")
        return [encode(one) for one in floor.seen if type(one).__name__ in kinds]

    clumsy = ActorSpec(name="clumsy", rank=300, build=lambda _: Clumsy(), intensity=1_000)
    assert told(play(script)) == told(play(script)) == told(play(script, extra=(clumsy,)))


class Fragile(SimulatedBroker):
    """Wrecks itself on an input that it would have ignored."""

    def on_strategy_paused(self, _: StrategyPaused) -> None:
        self._account.cash = 0
        self._book.orders.clear()
        raise RuntimeError("wrecked")


@settings(max_examples=50, deadline=None)
@given(acts, st.integers(0, 25))
def test_a_broker_that_crashed_on_the_way_ends_where_an_unharmed_one_does(script, crash):
    whole = play(script)
    broken = play([*script[:crash], ("crash",), *script[crash:]], broker_class=Fragile)
    assert broken.machine.figures()["broker"].crashes == 1
    assert msgspec.msgpack.encode(broken.machine.actor("broker").carry()) == msgspec.msgpack.encode(
        whole.machine.actor("broker").carry()
    )
    assert [encode(one) for one in broken.fills] == [encode(one) for one in whole.fills]


@settings(max_examples=100, deadline=None)
@given(acts, st.sampled_from([-1, 1_000]))
def test_sorting_out_untouched_symbols_changes_nothing(script, few):
    plain = play(script)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated_book, "_FEW", few)
        other = play(script)
    assert [encode(one) for one in plain.fills] == [encode(one) for one in other.fills]
