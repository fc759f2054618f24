"""The ensemble's rounds: exits first, one lot per signal, caps and slots respected, nothing forgotten."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ensemble import Carried, Ensemble
from config.load import load
from config.schema import Settings
from runtime.messages.base import Message
from runtime.messages.broker import OrderEnded
from runtime.messages.market import Bars
from runtime.messages.risk import (
    BreakerTripped,
    EquityMarked,
    HaltThrown,
    PhaseChanged,
    PortfolioDay,
    RegimeChanged,
    StrategyDay,
    TaskDue,
)
from runtime.messages.trading import (
    EntryStyle,
    LotChanged,
    OrderDenied,
    OrderProposed,
    SignalDropped,
    SignalRaised,
)
from tests.actors.days import MINUTE, Stage, at, header

SYMBOLS = ("AAPL", "IBM", "SPY", "XOM")
NOON = at(12)


def settings(*overrides: str) -> Settings:
    return load(None, environ={}, overrides=overrides).settings


class Round(Stage):
    """An ensemble on its own: a round is a frame, some signals, and the settling."""

    def __init__(
        self, *overrides: str, carried: Carried | None = None, idle: dict[str, str] | None = None
    ) -> None:
        ensemble = Ensemble(
            settings(*overrides),
            header(symbols=SYMBOLS, sectors=("",) * 4),
            np.full(4, np.nan),
            np.full(4, np.nan),
            NOT_BUILT if idle is None else idle,
            carried,
        )
        super().__init__(ensemble, "ensemble")
        self.count = 0

    def signal(self, strategy: str = "mean_reversion", symbol: str = "AAPL", **fields: Any) -> SignalRaised:
        self.count += 1
        facts: dict[str, Any] = {
            "ts_event": NOON,
            "cause": 1,
            "id": f"{strategy}-20180305-{self.count}",
            "strategy": strategy,
            "symbol": symbol,
            "signal_type": "BUY",
            "direction": "long",
            "strength": 0.8,
            "confidence": 0.8,
            "price": 100.0,
            "stop_loss": 92.0,
            "take_profit": 120.0,
            "expires_at": NOON + 5 * MINUTE,
            "reason": "test",
            "params_hash": "",
        }
        return SignalRaised(**(facts | fields))

    def play(self, *messages: Message, now: int = NOON, closes: float = 100.0) -> list[Message]:
        prices = [[closes] * 4] * 4 + [[1_000.0] * 4]
        out = self.tell(Bars.of([0, 1, 2, 3], prices, ts_event=now - MINUTE), now)
        for message in messages:
            out += self.tell(message, now)
        return out + list(self.actor.settle() or ())


NOT_BUILT = dict.fromkeys(
    (
        "vol_managed_momentum",
        "vix_regime_rotation",
        "pairs_trading",
        "quality_smallcap_value",
        "factor_momentum",
        "orb",
        "vwap_reversion",
    ),
    "NOT_BUILT",
)


def fill(order: OrderProposed, quantity: int, state: str = "open", price: float = 100.0) -> LotChanged:
    held = quantity if state == "open" else 0
    return LotChanged(
        ts_event=NOON,
        cause=1,
        lot_id=order.lot_id,
        signal_id=order.signal_id,
        strategy=order.strategy,
        symbol=order.symbol,
        direction="long",
        state=state,  # type: ignore[arg-type]
        quantity=held,
        entry_quantity=quantity,
        entry_price=price,
        entry_ts=NOON,
        stop_loss=None,
        take_profit=None,
        intraday=order.intraday,
        fill_quantity=quantity,
        fill_price=price,
        execution_id="e",
        client_order_id=order.client_order_id,
        role="entry" if state == "open" else "exit",
        realised=0.0,
        commission=0.0,
        slippage=0.0,
    )


def only(messages: list[Message], kind: type[Message]) -> list[Any]:
    return [message for message in messages if isinstance(message, kind)]


def test_a_signal_becomes_one_sized_bracket_with_the_ids_it_answers() -> None:
    stage = Round()
    signal = stage.signal()
    (order,) = stage.play(signal)
    assert isinstance(order, OrderProposed)
    assert order.signal_id == order.lot_id == signal.id
    assert order.client_order_id == f"{signal.id}:e1"
    assert (order.side, order.order_class, order.time_in_force) == ("buy", "bracket", "gtc")
    assert (order.quantity, order.binding) == (48, "PCT")  # 5 % of 97,000 at 100
    assert order.sizing["PCT"] == 4_850.0


def test_the_regime_scales_down_after_the_caps_and_a_drawdown_halves() -> None:
    stage = Round()
    high = RegimeChanged(
        ts_event=1, cause=1, fast="high", slow="high", scalar=0.7, vix=30.0, previous="normal"
    )
    half = BreakerTripped(
        ts_event=1, cause=1, breaker="drawdown", action="REDUCE", target="", reason="", value=0.15, limit=0.15
    )
    (order,) = stage.play(high, half, stage.signal())
    assert order.quantity == int(4_850 * 0.7 * 0.5 / 100)


def test_a_weak_signal_is_refused_by_the_quality_gate() -> None:
    stage = Round()
    (dropped,) = stage.play(stage.signal(strength=0.3, confidence=0.4))
    assert (dropped.status, dropped.reason) == ("rejected", "LOW_QUALITY")


def test_the_same_side_twice_is_a_duplicate_until_the_entry_has_failed() -> None:
    stage = Round()
    (order,) = stage.play(stage.signal())
    (dropped,) = stage.play(stage.signal())
    assert dropped.reason == "DUPLICATE"
    denied = OrderDenied(
        ts_event=1,
        cause=1,
        client_order_id=order.client_order_id,
        signal_id=order.signal_id,
        lot_id=order.lot_id,
        strategy=order.strategy,
        symbol=order.symbol,
        rule="daily_loss",
        reason="",
    )
    (told,) = stage.play(denied)
    assert (told.signal_id, told.reason) == (order.signal_id, "daily_loss")
    assert only(stage.play(stage.signal()), OrderProposed)


def test_an_entry_against_anothers_holding_is_refused() -> None:
    stage = Round("account.allow_short=true")
    (order,) = stage.play(stage.signal())
    stage.play(fill(order, 48))
    short = stage.signal(
        "gap_fill", signal_type="SELL", direction="short", stop_loss=110.0, take_profit=90.0, intraday=True
    )
    (dropped,) = stage.play(short)
    assert dropped.reason == "OPPOSES_HOLDING"


def test_two_strategies_in_one_direction_keep_their_own_lots_within_one_symbol_cap() -> None:
    stage = Round()
    orders = stage.play(stage.signal(), stage.signal("relative_volume_breakout", strength=0.5, intraday=True))
    assert [(order.strategy, order.quantity) for order in orders] == [
        ("mean_reversion", 24),  # each alone would have 48 shares; the symbol's 4,850 USD are shared
        ("relative_volume_breakout", 24),
    ]
    assert len({order.lot_id for order in orders}) == 2
    assert orders[0].contributions == pytest.approx(
        {"mean_reversion": 0.30 * 0.64, "relative_volume_breakout": 0.25 * 0.40}
    )


def with_cash(cash: float) -> EquityMarked:
    return EquityMarked(ts_event=1, cause=1, equity=97_000.0, cash=cash, gross=97_000.0 - cash, positions=1)


def test_an_entry_on_its_way_has_taken_its_cash_from_the_next() -> None:
    stage = Round()
    cash = with_cash(4_850.0 + 5_150.0)  # the buffer, and what is left above it
    first, second = stage.play(cash, stage.signal(), stage.signal(symbol="IBM"))
    assert (first.quantity, first.binding) == (48, "PCT")
    assert (second.quantity, second.binding) == (3, "CASH")  # 350 USD
    assert second.sizing["CASH"] == pytest.approx(350.0)


def test_of_two_in_one_symbol_the_second_gets_the_cash_that_the_first_left() -> None:
    stage = Round()
    orders = stage.play(
        with_cash(4_850.0 + 3_000.0),
        stage.signal(),
        stage.signal("relative_volume_breakout", strength=0.5, intraday=True),
    )
    assert [order.quantity for order in orders] == [24, 6]  # 24 each of 4,850 USD, but 600 USD are left


@pytest.mark.parametrize(
    ("style", "price", "shares", "left"),
    [
        (EntryStyle(type="stop_limit", stop=110.0, limit=111.0), 110.0, 44, 310.0),
        (EntryStyle(type="stop", stop=110.0), 110.0, 44, 310.0),
        (EntryStyle(type="limit", limit=95.0), 95.0, 51, 305.0),
        (EntryStyle(type="market"), 100.0, 48, 350.0),
    ],
    ids=lambda one: one.type if isinstance(one, EntryStyle) else None,
)
def test_a_resting_entry_is_counted_at_its_own_price(
    style: EntryStyle, price: float, shares: int, left: float
) -> None:
    stage = Round()
    resting = stage.signal(entry=style, strength=0.9)
    first, second = stage.play(with_cash(4_850.0 + 5_150.0), resting, stage.signal(symbol="IBM"))
    assert (first.signal_id, first.reference_price, first.quantity) == (resting.id, price, shares)
    assert second.sizing["CASH"] == pytest.approx(left)


def test_the_same_strategy_speaks_once_for_a_side() -> None:
    stage = Round()
    weak, strong = stage.signal(strength=0.5), stage.signal(strength=0.9)
    out = stage.play(weak, strong)
    assert [order.signal_id for order in only(out, OrderProposed)] == [strong.id]
    assert [(d.signal_id, d.reason) for d in only(out, SignalDropped)] == [(weak.id, "DUPLICATE")]


def test_a_drawdown_may_sell_half_of_what_is_held_the_largest_lots_first() -> None:
    stage = Round("breakers.drawdown_action=all")
    orders = []
    for symbol, shares in (("AAPL", 20), ("IBM", 48), ("SPY", 30)):
        (order,) = stage.play(stage.signal(symbol=symbol))
        stage.play(fill(order, shares))
        orders.append(order)
    tripped = BreakerTripped(
        ts_event=1, cause=1, breaker="drawdown", action="REDUCE", target="", reason="", value=0.15, limit=0.15
    )
    out = stage.play(tripped)  # half of 98 shares at one price: 48 are too few, so the next largest goes too
    assert [(m.symbol, m.reason) for m in out] == [("IBM", "drawdown"), ("SPY", "drawdown")]
    assert stage.play() == []


def test_the_adaptive_sizer_shrinks_a_loser_in_a_drawdown() -> None:
    day = StrategyDay(
        ts_event=1, cause=1, date="2018-03-02", strategy="mean_reversion", trades_opened=0, trades_closed=0,
        wins=0, losses=0, gross_pnl=0.0, net_pnl=0.0, commission=0.0, is_enabled=True, total_trades=50,
        winning_trades=20, losing_trades=30, total_pnl=-1.0, avg_win=10.0, avg_loss=-10.0, recent_sharpe=-1.0,
    )  # fmt: skip
    book = PortfolioDay(
        ts_event=1, cause=1, date="2018-03-02", equity=90_000.0, cash=90_000.0, positions_value=0.0,
        num_positions=0, exposure_pct=0.0, daily_pnl=0.0, daily_pnl_pct=0.0, cumulative_pnl=0.0,
        cumulative_pnl_pct=0.0, drawdown=-11_000.0, drawdown_pct=-0.11, high_water_mark=101_000.0,
    )  # fmt: skip
    (plain,) = Round().play(day, book, Round().signal())
    stage = Round("ensemble.adaptive_sizing=true")
    (careful,) = stage.play(day, book, stage.signal())
    assert plain.quantity == 48
    # SLOT = 0.30 * 0.95 * 97,000 / 5 slots * 0.5 for the Sharpe = 2,764.50; times 0.6 for the drawdown
    assert (careful.binding, careful.quantity) == ("SLOT", int(2_764.50 * 0.6 / 100))
    assert careful.sizing["RISK"] == pytest.approx(0.25 * 0.02 * 97_000 * 100 / 8)


def test_nothing_is_sent_before_its_time_and_nothing_after_its_end() -> None:
    stage = Round()
    later = stage.signal(not_before=NOON + 2 * MINUTE)
    assert stage.play(later) == []
    assert stage.play(now=NOON + MINUTE) == []
    (order,) = stage.play(now=NOON + 2 * MINUTE)
    assert order.signal_id == later.id
    expiring = stage.signal(symbol="IBM", not_before=NOON + 20 * MINUTE)
    stage.play(expiring, now=NOON + 3 * MINUTE)
    (dropped,) = stage.play(now=NOON + 6 * MINUTE)
    assert (dropped.signal_id, dropped.status) == (expiring.id, "expired")


def test_a_pending_signal_waits_for_the_first_bar_of_its_symbol() -> None:
    stage = Round()
    stage.tell(Bars.of([1], [[100.0]] * 5, ts_event=NOON), NOON)
    stage.tell(stage.signal(), NOON)
    assert stage.actor.settle() == []
    assert only(stage.play(), OrderProposed)


def test_exits_come_before_entries_and_only_for_ones_own_lots() -> None:
    stage = Round()
    (order,) = stage.play(stage.signal())
    stage.play(fill(order, 48))
    close = stage.signal(signal_type="CLOSE", stop_loss=None, take_profit=None, reason="time")
    foreign = stage.signal("gap_fill", signal_type="CLOSE", stop_loss=None, take_profit=None)
    out = stage.play(stage.signal(symbol="IBM"), close, foreign)
    assert [type(m).__name__ for m in out] == ["OrderProposed", "SignalDropped", "OrderProposed"]
    leaving, refused, entering = out
    assert (leaving.intent, leaving.lot_id, leaving.side, leaving.quantity) == (
        "exit",
        order.lot_id,
        "sell",
        48,
    )
    assert refused.reason == "NOTHING_TO_CLOSE"
    assert entering.symbol == "IBM"


def test_a_lot_is_not_closed_twice_unless_its_exit_has_failed() -> None:
    stage = Round()
    (order,) = stage.play(stage.signal())
    stage.play(fill(order, 48))
    close = stage.signal(signal_type="CLOSE", stop_loss=None, take_profit=None)
    (leaving,) = stage.play(close)
    (dropped,) = stage.play(close)
    assert dropped.reason == "ALREADY_CLOSING"
    failed = OrderEnded(
        ts_event=1,
        cause=1,
        client_order_id=leaving.client_order_id,
        broker_order_id="b",
        lot_id=order.lot_id,
        strategy=order.strategy,
        symbol="AAPL",
        side="sell",
        role="exit",
        type="market",
        status="rejected",
        quantity=48,
        filled=0,
    )
    stage.play(failed)
    (again,) = stage.play(close)
    assert again.client_order_id != leaving.client_order_id


def test_closing_time_takes_every_intraday_lot_whoever_forgot_it() -> None:
    stage = Round()
    (order,) = stage.play(stage.signal("gap_fill", intraday=True))
    stage.play(fill(order, 24))
    out = stage.play(
        PhaseChanged(ts_event=1, cause=1, phase="MARKET_CLOSE", previous="TRADING"),
        TaskDue(ts_event=1, cause=1, task="close_intraday_positions", phase="MARKET_CLOSE"),
    )
    leaving, done = out
    assert (leaving.intent, leaving.reason) == ("exit", "session_end")
    assert done.detail == "1 intraday lots are being closed"


def test_a_halt_with_flatten_closes_everything() -> None:
    stage = Round()
    (order,) = stage.play(stage.signal())
    stage.play(fill(order, 48))
    (leaving,) = stage.play(HaltThrown(ts_event=1, reason="test", flatten=True))
    assert (leaving.intent, leaving.lot_id) == ("exit", order.lot_id)


def test_what_is_pending_and_held_survives_the_session() -> None:
    stage = Round()
    (order,) = stage.play(stage.signal())
    stage.play(fill(order, 48), stage.signal(symbol="IBM", not_before=NOON + 3 * MINUTE))
    raw = msgspec.msgpack.encode(stage.actor.carry())
    later = Round(carried=msgspec.msgpack.decode(raw, type=Carried))
    later.count = 90
    (dropped, proposed) = later.play(later.signal(), now=NOON + 3 * MINUTE)
    assert (dropped.reason, proposed.symbol) == ("DUPLICATE", "IBM")


@pytest.mark.parametrize("kind", ["limit", "stop_limit", "marketable", "market"])
def test_entry_styles_reach_the_order(kind: Any) -> None:
    stage = Round()
    style = EntryStyle(type=kind, stop=101.0 if kind == "stop_limit" else None, limit=101.5)
    (order,) = stage.play(stage.signal(entry=style, take_profit=150.0))
    assert order.type == ("limit" if kind == "marketable" else kind)
    if kind == "marketable":
        assert order.limit_price == pytest.approx(100.3)
    if kind == "stop_limit":
        assert (order.stop_price, order.limit_price, order.reference_price) == (101.0, 101.5, 101.0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["mean_reversion", "relative_volume_breakout", "gap_fill"]),
            st.sampled_from(SYMBOLS),
            st.sampled_from(["long", "short"]),
            st.floats(0, 1),
            st.floats(0, 1),
        ),
        max_size=12,
    ),
    st.integers(1, 10),
    st.floats(5_000, 500_000),
)
def test_every_signal_is_answered_and_no_account_limit_is_passed(
    rows: list[tuple[Any, ...]], slots: int, equity: float
) -> None:
    stage = Round("account.allow_short=true", f"account.max_positions={slots}")
    mark = EquityMarked(ts_event=1, cause=1, equity=equity, cash=equity, gross=0.0, positions=0)
    signals = [
        stage.signal(
            strategy,
            symbol,
            signal_type="BUY" if side == "long" else "SELL",
            direction=side,
            strength=strength,
            confidence=confidence,
            stop_loss=90.0 if side == "long" else 110.0,
            take_profit=120.0 if side == "long" else 80.0,
        )
        for strategy, symbol, side, strength, confidence in rows
    ]
    out = stage.play(mark, *signals)
    orders, dropped = only(out, OrderProposed), only(out, SignalDropped)
    assert sorted([o.signal_id for o in orders] + [d.signal_id for d in dropped]) == sorted(
        s.id for s in signals
    )
    assert len({o.symbol for o in orders}) <= slots
    for symbol in SYMBOLS:
        mine = [o for o in orders if o.symbol == symbol]
        assert len({o.side for o in mine}) <= 1
        assert sum(o.quantity for o in mine) * 100.0 <= min(0.05 * equity, 15_000) + 1e-6
    assert sum(o.quantity for o in orders) * 100.0 <= 0.95 * equity + 1e-6
