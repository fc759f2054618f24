"""Mean reversion on recorded daily bars: scores against an independent fit, and the rules on top of them."""

import math
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.strategies.mean_reversion import Carried, MeanReversionStrategy, Watch
from actors.strategy import StrategyActor, StrategyCarried
from runtime.messages.market import DailyBars, DailyReady
from runtime.messages.risk import RegimeChanged
from runtime.messages.trading import LotChanged, SignalRaised
from tests.actors.days import Stage

from .recorded import DATA, MINUTE, Section, header, needs_data

pytestmark = needs_data
ETFS = ("XLK", "XLF", "XLE", "XLV", "XLY")
SECTORS = {
    "Information Technology": "XLK", "Financials": "XLF", "Energy": "XLE", "Health Care": "XLV",
    "Consumer Discretionary": "XLY",
}  # fmt: skip
COLUMNS = ["open", "high", "low", "close", "volume", "adj_close"]


@cache
def table() -> tuple[tuple[str, ...], tuple[str, ...], list[str], np.ndarray]:
    """Symbols, their ETFs, sessions and (6, symbols, sessions)."""
    stocks = pd.read_parquet(DATA / "daily" / "sp500_2015-01-12_2018-03-16.parquet")
    funds = pd.read_parquet(DATA / "daily" / "sector_etf_2005-01-03_2018-03-16.parquet")
    members = pd.read_csv(DATA / "reference" / "sp500_constituents_2018-04-02.csv")
    sector = {row.iloc[0]: SECTORS.get(row.iloc[2], "") for _, row in members.iterrows()}
    named = sorted(s for s in stocks.symbol.unique() if sector.get(s))[:60]
    both = pd.concat([stocks[stocks.symbol.isin(named)], funds[funds.symbol.isin(ETFS)]])
    both["session"] = both.timestamp.dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%d")
    both = both[both.session >= "2016-12-01"]
    symbols = tuple(sorted({*named, *ETFS}))
    wide = [both.pivot(index="symbol", columns="session", values=c).loc[list(symbols)] for c in COLUMNS]
    panel = np.stack([frame.to_numpy(float) for frame in wide])
    return symbols, tuple(sector.get(s, "") for s in symbols), list(wide[0].columns), panel


def stage(
    session: str,
    carried: StrategyCarried | None = None,
    *,
    scale: float = 1.0,
    short: bool = True,
    spoil: Any = None,
    quota: int | None = None,
    **params: Any,
) -> tuple[Stage, np.ndarray]:
    symbols, sectors, sessions, panel = table()
    today = sessions.index(session)
    panel = panel.copy()
    panel[[0, 1, 2, 3, 5]] *= scale
    panel[4] /= scale
    if spoil is not None:
        spoil(panel, today)
    facts = header(session, sessions[today - 1], "2018-03-19", symbols, sectors=sectors)
    panels = {
        "daily": panel[:, :, max(0, today - 300) : today],
        "daily_sessions": np.array(
            [int(s.replace("-", "")) for s in sessions[max(0, today - 300) : today]], dtype=np.int32
        ),
        "price_ratio": np.full(len(symbols), 1.0 / scale),
    }
    section = Section(name="mean_reversion", max_positions=25, params=params)
    actor = StrategyActor(
        MeanReversionStrategy, section, facts, panels, carried, allow_short=short, quota=quota
    )
    return Stage(actor, "mean_reversion"), panel[:5, :, today]


def evening(
    session: str, regime: Any = None, scalar: float = 1.0, **more: Any
) -> tuple[Stage, list[SignalRaised]]:
    told, day = stage(session, **more)
    now = told.actor._context.close + 20 * MINUTE  # type: ignore[attr-defined]
    if regime:
        told.tell(
            RegimeChanged(
                ts_event=0, cause=1, fast=regime, slow=regime, scalar=scalar, vix=30.0, previous="low"
            ),
            now,
        )
    known = np.flatnonzero(np.isfinite(day[3]))
    told.tell(DailyBars.of(known.astype(np.int32), day[:, known], ts_event=0, session=session), now)
    said = told.tell(DailyReady(ts_event=0, session=session, coverage=1.0), now)
    assert all(isinstance(s, SignalRaised) for s in said), said
    return told, said  # type: ignore[return-value]


DAYS = ("2018-02-05", "2018-02-09", "2018-02-26", "2018-03-08", "2018-03-15")


def _returns(panel: np.ndarray) -> np.ndarray:
    """The last close takes the adjustment of the session before: what the day pays is known later."""
    adjusted = panel[5].copy()
    adjusted[-1] = panel[3, -1] * panel[5, -2] / panel[3, -2]
    result: np.ndarray = adjusted[1:] / adjusted[:-1] - 1
    return result


def test_scores_are_those_of_an_independent_least_squares_fit() -> None:
    symbols, sectors, sessions, panel = table()
    found = 0
    for session in DAYS:
        today = sessions.index(session)
        _, said = evening(session)
        for signal in said:
            at, etf = symbols.index(signal.symbol), symbols.index(sectors[symbols.index(signal.symbol)])
            own, other = (_returns(panel[:, n, today - 60 : today + 1]) for n in (at, etf))
            beta, alpha = np.polyfit(other, own, 1)
            walk = np.cumsum(own - alpha - beta * other)
            b, a = np.polyfit(walk[:-1], walk[1:], 1)
            z = walk[1:] - a - b * walk[:-1]
            sigma = math.sqrt(np.var(z) / (1 - b * b))
            assert signal.features["beta"] == pytest.approx(beta, rel=1e-8)
            assert signal.features["kappa"] == pytest.approx(-252 * math.log(b), rel=1e-7)
            assert signal.features["s"] == pytest.approx(-(a / (1 - b)) / sigma, rel=1e-7)
            found += 1
    assert found >= 10


@pytest.mark.parametrize("session", DAYS)
def test_signals_keep_every_bound_of_the_rule(session: str) -> None:
    _, said = evening(session)
    sectors = dict(zip(*table()[:2], strict=True))
    assert len(said) <= 25
    for sector in ETFS:
        assert sum(sectors[s.symbol] == sector for s in said) <= 6
    for s in said:
        side = 1 if s.signal_type == "BUY" else -1
        assert s.stop_loss is not None
        assert s.take_profit is not None
        assert 1.25 <= -side * s.features["s"] <= 4.0
        assert s.features["kappa"] >= 8.4
        assert (s.price - s.stop_loss) * side == pytest.approx(min(2.5 * s.features["atr14"], 0.12 * s.price))
        gain = max(
            (abs(s.features["s"]) - 0.5) * s.features["sigma_eq"], 0.75 * s.features["atr14"] / s.price
        )
        assert s.take_profit == pytest.approx(s.price * (1 + side * gain))
        assert 0.3 <= s.strength <= 1.0
        assert 0.4 <= s.confidence <= 1.0
        assert s.not_before == s.expires_at - 55 * MINUTE
        assert s.entry.type == "marketable"
    scores = [abs(s.features["s"]) for s in said]
    assert scores == sorted(scores, reverse=True)


def fullest_sector(said: list[SignalRaised]) -> int:
    sectors = dict(zip(*table()[:2], strict=True))
    entries = [sectors[s.symbol] for s in said if s.signal_type != "CLOSE"]
    return max(entries.count(sector) for sector in ETFS)


@pytest.mark.parametrize(
    ("quota", "scalar", "most"),
    [
        (5, 1.0, 1),  # lots of 1/5: a second would make 40 %
        (8, 1.0, 2),  # lots of 1/8: two are 25 %
        (25, 1.0, 6),  # lots of 1/25: six are 24 %
        (25, 1.25, 5),  # lots of 1/20: five are 25 %
        (2, 1.0, 1),  # lots of 1/2: one is always allowed
    ],
)
def test_a_sector_takes_a_quarter_of_the_sleeve_by_the_lots_that_are_granted(
    quota: int, scalar: float, most: int
) -> None:
    said = [evening(day, "normal", scalar, quota=quota, kappa_min=4.2, s_in=1.0)[1] for day in DAYS]
    assert max(fullest_sector(of_day) for of_day in said) == most
    assert all(len(of_day) <= quota for of_day in said)


def test_a_holding_counts_with_the_share_it_was_given_and_not_with_todays() -> None:
    """Two lots of 1/8 in a sector fill it; lots of 1/25 beside them would not know, had they forgotten."""
    told, said = evening("2018-02-05", quota=8, kappa_min=4.2, s_in=1.0)
    sectors = dict(zip(*table()[:2], strict=True))
    full = {etf for etf in ETFS if sum(sectors[s.symbol] == etf for s in said) == 2}
    assert full
    for signal in said:
        told.tell(lot(signal), told.moment.now)
    carried = told.actor.carry()
    assert isinstance(carried, StrategyCarried)
    _, later = evening("2018-02-06", carried=carried, quota=25, kappa_min=4.2, s_in=1.0)
    entries = [s for s in later if s.signal_type != "CLOSE"]
    assert entries
    assert not {sectors[s.symbol] for s in entries} & full


def test_nervous_markets_need_more_extreme_scores_and_halve_the_slots() -> None:
    calm, high, extreme = (evening("2018-02-09", regime)[1] for regime in ("normal", "high", "extreme"))
    assert {s.symbol for s in high} <= {s.symbol for s in calm}
    assert all(abs(s.features["s"]) >= 1.5 for s in high)
    assert all(abs(s.features["s"]) >= 2.0 for s in extreme)
    assert len(extreme) <= 12
    weakest = min(high, key=lambda s: abs(s.features["s"]))
    assert weakest.strength == pytest.approx(0.3 + 0.7 * (abs(weakest.features["s"]) - 1.5) / 1.5)


def test_long_only_says_nothing_of_what_is_dear() -> None:
    assert {s.signal_type for s in evening("2018-02-26", short=False)[1]} <= {"BUY"}


@settings(max_examples=10)
@given(st.floats(0.1, 10.0))
def test_what_happens_later_changes_nothing(factor: float) -> None:
    def later(panel: np.ndarray, today: int) -> None:
        panel[:, :, today + 1 :] *= factor

    assert evening("2018-02-26")[1] == evening("2018-02-26", spoil=later)[1]


@pytest.mark.parametrize("session", DAYS)
def test_a_file_restated_for_a_split_gives_the_same_signals(session: str) -> None:
    assert evening(session)[1] == evening(session, scale=0.5)[1] == evening(session, scale=2.0)[1]


def test_a_symbol_without_todays_bar_or_with_holes_takes_no_part() -> None:
    _, said = evening("2018-02-26")
    first = table()[0].index(said[0].symbol)

    def stale(panel: np.ndarray, today: int) -> None:
        panel[:, first, today] = np.nan

    def holes(panel: np.ndarray, today: int) -> None:
        panel[:, first, today - 30 : today - 26] = np.nan

    for spoil in (stale, holes):
        assert said[0].symbol not in {s.symbol for s in evening("2018-02-26", spoil=spoil)[1]}


def test_a_large_move_on_three_times_the_volume_is_news() -> None:
    _, said = evening("2018-02-26")
    at = table()[0].index(said[0].symbol)

    def news(panel: np.ndarray, today: int) -> None:
        panel[4, at, today] = 1e10
        panel[[0, 1, 2, 3, 5], at, today] *= 0.9 if said[0].signal_type == "BUY" else 1.1

    assert said[0].symbol not in {s.symbol for s in evening("2018-02-26", spoil=news)[1]}


def lot(signal: SignalRaised, state: Any = "open") -> LotChanged:
    return LotChanged(
        ts_event=0, cause=1, lot_id=signal.id, signal_id=signal.id, strategy="mean_reversion",
        symbol=signal.symbol, direction=signal.direction, state=state, quantity=5, entry_quantity=5,
        entry_price=signal.price, entry_ts=0, stop_loss=signal.stop_loss, take_profit=signal.take_profit,
        intraday=False, fill_quantity=5, fill_price=signal.price, execution_id="x", client_order_id="c",
        role="entry", realised=0.0, commission=0.0, slippage=0.0,
    )  # fmt: skip


def test_a_holding_is_closed_when_it_came_back_or_its_time_is_up() -> None:
    _, _, sessions, _ = table()
    told, said = evening("2018-02-05", s_out=0.5)
    for signal in said:
        told.tell(lot(signal), told.moment.now)
    carried = told.actor.carry()
    longest = {s.id: min(15, max(3, math.ceil(2 * s.features["half_life"]))) for s in said}
    reasons: dict[str, str] = {}
    for run, session in enumerate(sessions[sessions.index("2018-02-06") :][:15], start=1):
        told, raised = evening(session, carried=carried)  # type: ignore[arg-type]
        for signal in raised:
            if signal.signal_type == "CLOSE":
                reasons[signal.lot_id] = signal.reason
                assert signal.not_before == told.actor._context.next_open  # type: ignore[attr-defined]
                assert (signal.reason == "time") == (run >= longest[signal.lot_id])
                side = 1 if signal.direction == "long" else -1
                if signal.reason == "reverted":
                    assert side * signal.features["s"] >= -0.5
                told.tell(
                    msgspec.structs.replace(
                        lot(signal), lot_id=signal.lot_id, signal_id=signal.lot_id, state="closed"
                    ),
                    told.moment.now,
                )
        state = told.actor.carry()
        assert isinstance(state, StrategyCarried)
        carried = msgspec.structs.replace(state, pending=())
    assert set(reasons) == {s.id for s in said}
    assert {"time", "reverted"} <= set(reasons.values())


def test_watches_of_what_is_no_longer_held_are_not_carried() -> None:
    told, said = evening("2018-02-26")
    told.tell(lot(said[0], "closed"), told.moment.now)
    state = told.actor.carry()
    assert isinstance(state, StrategyCarried)
    own = msgspec.msgpack.decode(state.state, type=Carried)
    assert said[0].id not in own.watches
    assert all(isinstance(watch, Watch) for watch in own.watches.values())
    assert set(own.watches) == {s.id for s in said[1:]}
