"""Thresholds of the two intraday strategies, one tick to either side, on made mornings."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.strategies.base import Strategy, scaled
from actors.strategies.gap_fill import GapFillStrategy
from actors.strategies.relative_volume_breakout import RelativeVolumeBreakout
from actors.strategies.shadow import PaperTrade, Record, learn
from actors.strategy import StrategyActor, StrategyCarried
from runtime.messages.machine import SessionStarted
from runtime.messages.market import Bars
from runtime.messages.risk import RegimeChanged
from runtime.messages.trading import LotChanged, SignalRaised
from tests.actors.days import MINUTE, Stage, at, header

from .recorded import Section

OPEN = at(9.5)
NAMES = ("AAA", "BBB", "CCC", "SPY")
RANGE = 2.0
"""Daily range of the made history: ATR14 is 2 exactly."""


def history(price: float = 100.0, volume: float = 2e6, opening: float = 1000.0) -> dict[str, Any]:
    daily = np.full((6, 4, 40), price)
    daily[1] += RANGE / 2
    daily[2] -= RANGE / 2
    daily[4] = volume
    return {
        "daily": daily,
        "daily_sessions": np.arange(20180101, 20180141, dtype=np.int32),
        "price_ratio": np.ones(4),
        "opening_volume": np.full((4, 4, 20), opening),
    }


def stage(
    kind: type[Strategy],
    carried: StrategyCarried | None = None,
    panels: dict[str, Any] | None = None,
    *,
    short: bool = True,
    **params: Any,
) -> Stage:
    facts = header(symbols=NAMES, sectors=("", "", "", ""))
    section = Section(name=kind.name, intraday=True, max_positions=5, params=params)
    return Stage(
        StrategyActor(kind, section, facts, panels or history(), carried, allow_short=short), kind.name
    )


def frame(minute: int, rows: dict[int, tuple[float, float, float, float, float]]) -> Bars:
    ids = sorted(rows)
    return Bars.of(
        ids,
        [list(column) for column in zip(*(rows[i] for i in ids), strict=True)],
        ts_event=OPEN + minute * MINUTE,
    )


def morning(
    told: Stage, rows: dict[int, tuple[float, float, float, float, float]], skip: tuple[int, ...] = ()
) -> list[Any]:
    """The same bar in each of the minutes 0 to 4; the first opens, the last closes the range."""
    said: list[Any] = []
    for minute in range(5):
        if minute in skip:
            continue
        bars = frame(minute, rows)
        said += told.tell(bars, bars.ts_event + MINUTE)
    return said


def rising(volume: float = 400.0, price: float = 100.0) -> tuple[float, float, float, float, float]:
    return (price, price + 1.0, price, price + 1.0, volume)


def regime(told: Stage, name: Any) -> None:
    told.tell(
        RegimeChanged(ts_event=0, cause=1, fast=name, slow=name, scalar=0.4, vix=40.0, previous="low"),
        OPEN - MINUTE,
    )


# ---- relative volume ----------------------------------------------------------------------------


def test_the_entry_waits_at_the_top_of_the_range_with_the_stop_a_tenth_of_atr_behind() -> None:
    (said,) = morning(stage(RelativeVolumeBreakout), {0: rising()})
    assert (said.price, said.entry.type, said.entry.stop) == (101.0, "stop_limit", 101.0)
    assert said.entry.limit == pytest.approx(101.0 + 0.05 * RANGE)
    assert said.stop_loss == pytest.approx(100.8)
    assert said.take_profit == pytest.approx(103.0)
    assert said.expires_at == OPEN + 120 * MINUTE
    assert said.features["rv"] == 2.0
    assert said.strength == pytest.approx(0.3 + 0.7 / 3)  # log2(2) of 3
    assert said.confidence == pytest.approx(0.85)  # body 0.2, no gap, beyond VWAP 0.15


@pytest.mark.parametrize(("volume", "taken"), [(200.0, True), (199.0, False)])
def test_relative_volume_counts_from_its_threshold(volume: float, taken: bool) -> None:
    assert bool(morning(stage(RelativeVolumeBreakout), {0: rising(volume)})) == taken


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({}, True),
        ({"volume": 1e6}, True),
        ({"volume": 1e6 - 1}, False),
        ({"price": 5.0}, False),
    ],
)
def test_the_universe_needs_price_and_volume(change: dict[str, float], taken: bool) -> None:
    price = change.get("price", 100.0)
    assert (
        bool(morning(stage(RelativeVolumeBreakout, panels=history(**change)), {0: rising(price=price)}))
        == taken
    )


def test_a_quiet_stock_is_not_traded() -> None:
    panels = history()
    panels["daily"][1] = 100.25
    panels["daily"][2] = 99.75  # ATR14 is 0.50, which is not above 0.50
    assert not morning(stage(RelativeVolumeBreakout, panels=panels), {0: rising()})


@pytest.mark.parametrize(
    ("skip", "taken"), [((), True), ((0,), True), ((0, 1), False), ((1, 2), True), ((1, 2, 3), False)]
)
def test_the_range_needs_three_bars_and_an_early_one(skip: tuple[int, ...], taken: bool) -> None:
    said = morning(stage(RelativeVolumeBreakout, rv_min=0.0), {0: rising()}, skip)
    assert bool(said) == taken


@pytest.mark.parametrize(("close", "taken"), [(100.1, True), (100.09, False), (99.9, True), (99.91, False)])
def test_a_small_body_takes_no_side(close: float, taken: bool) -> None:
    said = morning(stage(RelativeVolumeBreakout), {0: (100.0, 100.5, 99.5, close, 400.0)})
    assert bool(said) == taken
    if said:
        assert (said[0].direction == "long") == (close > 100)


def test_fewer_baseline_sessions_than_asked_are_no_baseline() -> None:
    panels = history()
    panels["opening_volume"][:, :, :-9] = np.nan
    assert not morning(stage(RelativeVolumeBreakout, panels=panels), {0: rising()})
    panels["opening_volume"][:, :, -10] = 1000.0
    assert morning(stage(RelativeVolumeBreakout, panels=panels), {0: rising()})


def test_only_the_most_in_play_are_taken_and_two_in_an_extreme_market() -> None:
    rows = {0: rising(400.0), 1: rising(600.0), 2: rising(800.0), 3: rising(600.0)}
    assert [s.symbol for s in morning(stage(RelativeVolumeBreakout, top_n=3), rows)] == ["CCC", "BBB", "SPY"]
    told = stage(RelativeVolumeBreakout)
    regime(told, "extreme")
    assert [s.symbol for s in morning(told, rows)] == ["CCC", "BBB"]


def test_leveraged_funds_are_left_out() -> None:
    assert not morning(stage(RelativeVolumeBreakout, excluded=["AAA"]), {0: rising()})


def test_a_late_decision_leaves_out_what_has_already_broken_out() -> None:
    for high, taken in ((100.9, True), (101.0, False)):
        told = stage(RelativeVolumeBreakout)
        assert not morning(told, {0: rising()}, skip=(4,))
        late = frame(7, {0: (100.5, high, 100.5, 100.6, 10.0)})
        assert bool(told.tell(late, late.ts_event + MINUTE)) == taken


rows_of = st.dictionaries(
    st.integers(0, 3),
    st.tuples(st.floats(20, 500), st.floats(0, 5), st.floats(0, 5), st.floats(0, 1), st.floats(100, 1e6)),
    min_size=1,
)


@given(rows_of, st.sampled_from(["low", "normal", "high", "extreme"]))
def test_whatever_the_morning_signals_are_ordered_bounded_and_few(rows: Any, name: str) -> None:
    made = {
        n: (p, p + up, p - down, p - down + (up + down) * where, v)
        for n, (p, up, down, where, v) in rows.items()
    }
    for kind in (RelativeVolumeBreakout, GapFillStrategy):
        told = stage(kind, **({"universe": list(NAMES), "gap_max": 0.015} if kind is GapFillStrategy else {}))
        regime(told, name)
        said = [s for s in morning(told, made) if isinstance(s, SignalRaised)]
        assert len(said) <= (2 if name == "extreme" else 5)
        for signal in said:
            low, high = sorted((signal.stop_loss or 0.0, signal.take_profit or 0.0))
            assert low < signal.price < high
            assert 0 <= signal.strength <= 1
            assert 0 <= signal.confidence <= 1


# ---- gap fill -----------------------------------------------------------------------------------


def gap(told: Stage, opened: float, close: float | None = None) -> list[Any]:
    last = opened if close is None else close
    return morning(told, {3: (opened, max(opened, last), min(opened, last), last, 400.0)})


@pytest.mark.parametrize(
    ("opened", "side"),
    [(99.84, "long"), (99.86, ""), (99.41, "long"), (99.39, ""), (100.16, "short"), (100.61, "")],
)
def test_gaps_within_the_bounds_are_faded(opened: float, side: str) -> None:
    said = gap(stage(GapFillStrategy), opened)
    assert [s.direction for s in said] == ([side] if side else [])


def test_a_target_that_was_reached_before_the_decision_is_no_trade() -> None:
    assert gap(stage(GapFillStrategy), 99.6, 99.89)
    assert not gap(stage(GapFillStrategy), 99.6, 99.90)


def test_an_extreme_market_and_a_long_only_account_are_respected() -> None:
    told = stage(GapFillStrategy)
    regime(told, "extreme")
    assert not gap(told, 99.6)
    assert not gap(stage(GapFillStrategy, short=False), 100.4)


def test_the_stop_stays_between_its_bounds() -> None:
    for width, distance in ((0.01, 0.003 * 99.6), (2.0, 1.5), (10.0, 0.02 * 99.6)):
        panels = history()
        panels["daily"][1] = 100 + width / 2
        panels["daily"][2] = 100 - width / 2
        (said,) = gap(stage(GapFillStrategy, panels=panels), 99.6)
        assert said.price - said.stop_loss == pytest.approx(distance)
        assert said.strength == pytest.approx(scaled(0.004, 0.0015, 0.006))


def carried(trades: tuple[float, ...]) -> StrategyCarried:
    record = Record(bucket="0.0015 0.006 0.75", trades=trades, through=20180140)
    return StrategyCarried(state=msgspec.msgpack.encode(record))


@pytest.mark.parametrize(
    ("trades", "state", "size"),
    [
        ((), "ACTIVE", 0.5),
        ((-50.0,) * 29, "ACTIVE", 0.5),
        ((2.0,) * 30, "ACTIVE", 1.0),
        ((1.9,) * 30, "SHADOW", 0.0),
    ],
)
def test_the_paper_record_opens_and_shuts_the_gate(
    trades: tuple[float, ...], state: str, size: float
) -> None:
    told = stage(GapFillStrategy, carried(trades))
    (report,) = told.tell(SessionStarted(ts_event=0, session="2018-03-05"), OPEN - MINUTE)
    assert report.state == state  # type: ignore[attr-defined]
    (said,) = gap(told, 99.6)
    assert isinstance(said, SignalRaised) == (state == "ACTIVE")
    if state == "ACTIVE":
        assert said.size_factor == size


def test_an_open_gate_asks_nobody() -> None:
    (said,) = gap(stage(GapFillStrategy, carried((-9.0,) * 99), gate="open"), 99.6)
    assert said.size_factor == 1.0


def test_paper_trades_go_on_in_shadow_and_only_the_last_hundred_count() -> None:
    told = stage(GapFillStrategy, carried((-9.0,) * 100))
    gap(told, 99.6)
    for minute, bar in ((5, (99.7, 99.75, 99.6, 99.7, 1.0)), (9, (99.7, 99.95, 99.6, 99.9, 1.0))):
        bars = frame(minute, {3: bar})
        told.tell(bars, bars.ts_event + MINUTE)
    state = told.actor.carry()
    assert isinstance(state, StrategyCarried)
    trades = msgspec.msgpack.decode(state.state, type=Record).trades
    assert len(trades) == 100
    assert trades[-1] == pytest.approx((99.9 / 99.7 - 1) * 1e4)


def test_a_holding_is_closed_after_two_hours() -> None:
    told = stage(GapFillStrategy, gate="open")
    (said,) = gap(told, 99.6)
    told.tell(
        LotChanged(
            ts_event=0,
            cause=1,
            lot_id=said.id,
            signal_id=said.id,
            strategy="gap_fill",
            symbol="SPY",
            direction="long",
            state="open",
            quantity=5,
            entry_quantity=5,
            entry_price=99.6,
            entry_ts=OPEN + 5 * MINUTE,
            stop_loss=98.0,
            take_profit=99.9,
            intraday=True,
            fill_quantity=5,
            fill_price=99.6,
            execution_id="x",
            client_order_id="c",
            role="entry",
            realised=0.0,
            commission=0.0,
            slippage=0.0,
        ),
        OPEN + 6 * MINUTE,
    )
    closed = []
    for minute in range(100, 130):
        bars = frame(minute, {3: (99.7, 99.75, 99.6, 99.7, 1.0)})
        closed += [(minute, s.reason) for s in told.tell(bars, bars.ts_event + MINUTE)]  # type: ignore[attr-defined]
    assert closed == [(124, "time")]


def test_fills_are_learned_once_a_session_and_forgotten_when_the_rule_changes() -> None:
    panels = history()
    panels["daily"][0, 3, 1:] = 99.6  # a gap down every day ...
    panels["daily"][1, 3] = np.where(np.arange(40) % 2, 99.9, 99.8)  # ... of which every other one fills
    actor = stage(GapFillStrategy, panels=panels).actor
    record: Record = actor._strategy.record  # type: ignore[attr-defined]
    fills = record.fills_of("SPY", 1)
    assert (len(fills), sum(fills)) == (39, 20)
    assert learn(record, actor._context, [3], actor._strategy.params) == record  # type: ignore[attr-defined]
    again = stage(
        GapFillStrategy, StrategyCarried(state=msgspec.msgpack.encode(record)), panels, fill_frac=0.5
    )
    assert sum(again.actor._strategy.record.fills_of("SPY", 1)) == 39  # type: ignore[attr-defined]


@given(st.sampled_from([1, -1]), st.floats(50, 200), st.floats(0.1, 5), st.floats(0, 3), st.floats(0, 3))
def test_a_paper_trade_leaves_at_its_stop_before_its_target_and_never_better_than_the_bar(
    side: int, price: float, distance: float, up: float, down: float
) -> None:
    trade = PaperTrade(0, side, price + side * 0.5, distance)
    trade.enter(price, 5, 0.003, 0.02)
    left = trade.left_at(price, price + up, price - down)
    against = down if side > 0 else up
    favour = up if side > 0 else down
    if against >= abs(trade.stop - price) + 1e-9:
        assert left == trade.stop
    elif favour > 0.5 + 1e-9 and against < abs(trade.stop - price) - 1e-9:
        assert left == trade.target
    if left is not None:
        assert price - down - 1e-9 <= left <= price + up + 1e-9
