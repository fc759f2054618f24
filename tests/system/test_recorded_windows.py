"""Three recorded windows run from end to end: every one trades, and regimes and phases are the real ones."""

import numpy as np
import pandas as pd
import pytest

from runtime.messages.base import Input, Message
from runtime.messages.risk import PhaseChanged, RegimeChanged
from tests.system import days

pytestmark = days.needs_data

SMA = (
    "strategies.sma_cross.class=tests.samples.sma_cross:SmaCross",
    "strategies.sma_cross.allocation=0.30",
    "strategies.mean_reversion.allocation=0.0",
)
EDGES = (15.0, 25.0, 35.0)
NAMES = ("low", "normal", "high", "extreme")


def raw_class(vix: float) -> int:
    """Specification 2 #8: low < 15 <= normal < 25 <= high <= 35 < extreme."""
    return int(vix >= 15) + int(vix >= 25) + int(vix > 35)


def fast_regimes(closes: "pd.Series[float]") -> list[str]:
    """The FAST regime after each close, written down once more from specification 5."""
    level, below, found = raw_class(float(closes.iloc[0])), 0, []
    for vix in closes:
        if raw_class(vix) > level:
            level, below = raw_class(vix), 0
        elif level > 0 and vix < EDGES[level - 1] - 1.0:
            below += 1
            if below == 2:
                level, below = level - 1, 0
        else:
            below = 0
        found.append(NAMES[level])
    return found


class Said:
    """Observer that keeps messages of some types with the time they were said."""

    def __init__(self, *kinds: type[Message]) -> None:
        self.kinds = kinds
        self.heard: list[tuple[int, Message]] = []

    def __call__(self, seq: int, at: int, message: Input, caused: list[Message], /) -> None:
        self.heard += [(at, said) for said in caused if isinstance(said, self.kinds)]


def test_the_regimes_of_february_2018_are_those_of_the_vix_file() -> None:
    frame = pd.read_parquet(days.DATA / "daily/vix_1990-01-02_2018-03-16.parquet")
    dates = frame.timestamp.dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%d")
    expected = dict(zip(dates, fast_regimes(frame.close), strict=True))
    said = Said(RegimeChanged)
    sessions = days.february_2018()
    days.play(sessions, observers=[said])
    for session in sessions:
        told = [m for at, m in said.heard if at < session.open and isinstance(m, RegimeChanged)]
        assert told[-1].fast == expected[session.previous], session.session
        assert told[-1].vix == pytest.approx(float(frame.close[dates == session.previous].iloc[0])), (
            "the scalar of a day is that of the close before it"
        )


@pytest.mark.parametrize("window", ["october_2013", "february_2018"])
def test_recorded_windows_trade_with_the_built_strategies(window: str) -> None:
    run = days.play(getattr(days, window)())
    assert run.summary.fills > 0
    assert run.summary.trades_closed > 0


def test_december_2019_trades_with_a_strategy_of_ones_own_and_keeps_the_half_day() -> None:
    said = Said(PhaseChanged)
    sessions = days.december_2019()[4:7]
    run = days.play(sessions, days.settings(None, *SMA), observers=[said])
    assert run.summary.fills > 0
    half = next(session for session in sessions if session.session == "2019-12-24")
    minutes = {
        change.phase: (at - half.open) // 60_000_000_000
        for at, change in said.heard
        if isinstance(change, PhaseChanged) and half.starts <= at < half.ends
    }
    assert (minutes["MARKET_CLOSE"], minutes["AFTER_HOURS"], minutes["OVERNIGHT"]) == (195, 210, 330)
    traded = run.trades.execute(
        "SELECT count(*) FROM executions WHERE executed_at >= ? AND executed_at < ?", (half.close, half.ends)
    ).fetchone()[0]
    assert traded == 0


def test_a_ratio_that_changes_hands_is_never_a_false_gap() -> None:
    """TJX's daily history is halved for a later split; without a measured ratio it must not trade."""
    first, *rest = days.february_2018()
    tjx = first.symbols.index("TJX")
    assert np.isnan(first.panels["price_ratio"][tjx]), "frozen"
    assert all(session.panels["price_ratio"][tjx] == 2.0 for session in rest)
    run = days.play(days.february_2018())
    day_one = run.trades.execute("SELECT count(*) FROM signals WHERE session = 20180216").fetchone()[0]
    assert day_one == 0
