"""The report's page out of facts made by hand: which parts there are, and the numbers on its tiles.

From real books, and against hostile ones, it is made in `test_report_files`.
"""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.commands import report_page
from tui.commands.report_page import MOST_TRADES, Facts, page

MINUTE = 60_000_000_000
T0 = 1_795_170_000_000_000_000
Record = dict[str, Any]


def report(**fields: Any) -> Record:
    """Of books in which nothing has happened."""
    nothing = {
        "books": "replay:made", "day": "", "sessions": {"sessions": 0, "first": None, "last": None},
        "equity_last": None, "days": [], "trades": None, "strategies": [], "exits": [], "signals": [],
        "errors": [], "costs": {"fills": 0, "commission": 0.0, "slippage": 0.0, "turnover": 0.0},
    }  # fmt: skip
    return nothing | fields


def facts(**fields: Any) -> Facts:
    plain: Record = {
        "report": report(), "sessions": [], "equity": [], "start": None, "trades": [], "strategy_days": [],
        "breakers": [], "regimes": [],
    }  # fmt: skip
    return Facts(**(plain | fields))


def with_marks(equity: list[float], start: tuple[float, float]) -> Facts:
    marks = [{"minute": T0 + at * MINUTE, "equity": value} for at, value in enumerate(equity)]
    told = report(
        sessions={"sessions": 1, "first": "2026-11-20", "last": "2026-11-20"}, equity_last=marks[-1]
    )
    return facts(report=told, sessions=[{"date": "2026-11-20", "starts": T0}], equity=marks, start=start)


def trade(number: int) -> Record:
    return {
        "id": f"t-{number}", "entry_timestamp": T0, "symbol": "SPY", "side": "buy", "strategy": "gap_fill",
        "quantity": 1, "entry_price": 1.0, "exit_price": None, "exit_timestamp": None, "exit_reason": None,
        "status": "OPEN", "pnl": None, "pnl_percent": None, "commission": 0.0, "slippage": 0.0,
    }  # fmt: skip


def tile(found: str, name: str) -> str:
    """What a tile shows, without its markup."""
    match = re.search(rf"<dt>{name}</dt><dd>(.*?)</dd>", found)
    return re.sub("<[^>]*>", "|", match[1]) if match else ""


def titles(found: str) -> list[str]:
    return re.findall("<h2>(.*?)</h2>", found)


def test_books_without_a_session_make_a_page_all_the_same() -> None:
    found = page(facts())
    assert "<title>replay:made, no sessions yet</title>" in found
    assert titles(found) == []
    assert tile(found, "costs") == "0.00|0 fills|"
    assert tile(found, "equity") == ""


@pytest.mark.parametrize(
    ("fields", "period"),
    [
        ({"day": "2026-11-20"}, "session 2026-11-20"),
        ({"sessions": {"sessions": 2, "first": "a", "last": "b"}}, "2 sessions, a to b"),
    ],
)
def test_the_title_says_whose_books_and_of_when(fields: Record, period: str) -> None:
    assert f"<title>replay:made, {period}</title>" in page(facts(report=report(**fields)))


def test_gain_is_measured_from_the_start_and_drawdown_from_the_highest_mark() -> None:
    found = page(with_marks([101.0, 120.0, 90.0, 110.0], (100.0, 100.0)))
    assert tile(found, "equity") == "110.00|USD at the end|"
    assert "+10.00" in tile(found, "result") and "10.00% of 100.00" in tile(found, "result")
    assert tile(found, "drawdown").startswith("-25.00%")


def test_a_peak_before_the_first_mark_counts_for_the_drawdown() -> None:
    assert tile(page(with_marks([100.0], (100.0, 200.0))), "drawdown").startswith("-50.00%")


@given(st.lists(st.floats(1.0, 1e6), min_size=1, max_size=20), st.floats(1.0, 1e6), st.floats(1.0, 1e6))
def test_no_mark_lies_deeper_below_a_mark_before_it_than_the_drawdown_says(
    marks: list[float], start: float, peak: float
) -> None:
    worst = min(report_page._below(peak, [{"equity": value} for value in marks]))
    before = [peak]
    for value in marks:
        before.append(value)
        assert value / max(before) - 1.0 >= worst
    assert worst <= 0.0


def test_books_that_began_with_nothing_have_no_share_of_it() -> None:
    found = page(with_marks([0.0, 5.0], (0.0, 0.0)))
    assert "- of 0.00" in tile(found, "result")
    assert tile(found, "drawdown").startswith("0.00%")


def test_the_share_of_won_trades_leaves_out_what_is_undecided() -> None:
    trades = {"closed": 5, "open": 2, "wins": 3, "losses": 1, "realised_pnl": -7.0}
    found = page(facts(report=report(trades=trades)))
    assert tile(found, "trades") == "5|3 won, 1 lost, 75.00% won|"
    assert "-7.00" in tile(found, "realised") and "2 trades open" in tile(found, "realised")
    trades = trades | {"wins": 0, "losses": 0}
    assert tile(page(facts(report=report(trades=trades))), "trades").endswith("0 lost, - won|")


def test_costs_are_a_share_of_what_was_turned_over() -> None:
    costs = {"fills": 4, "commission": 1.0, "slippage": 2.0, "turnover": 20_000.0}
    assert tile(page(facts(report=report(costs=costs))), "costs") == "3.00|4 fills, 1.5 bp of turnover|"


def test_only_the_latest_trades_are_on_the_page_and_it_says_how_many_are_not() -> None:
    found = page(facts(trades=[trade(number) for number in range(MOST_TRADES + 2)]))
    assert "the latest 5,000; 2 earlier ones are in the CSV" in found
    assert "t-1<" not in found and "t-2<" in found and f"t-{MOST_TRADES + 1}<" in found
    assert "earlier ones" not in page(facts(trades=[trade(number) for number in range(3)]))


def regime(at: int, name: str) -> Record:
    return {
        "timestamp": T0 + at * MINUTE, "vix_regime": name, "vix_level": 18.0, "scalar": 1.0,
        "slow_regime": "", "action_taken": "",
    }  # fmt: skip


@given(st.lists(st.sampled_from(["low", "normal", "high"]), max_size=10))
def test_a_regime_is_told_when_it_begins_and_lasts_until_the_next(names: list[str]) -> None:
    made = with_marks([100.0], (100.0, 100.0))._replace(
        regimes=[regime(at, name) for at, name in enumerate(names)]
    )
    bars = report_page._regime_bars(made)
    begins = [at for at, name in enumerate(names) if at == 0 or names[at - 1] != name]
    assert [(bar.begins - T0) // MINUTE for bar in bars] == begins
    assert [bar.kind for bar in bars] == [f"regime-{names[at]}" for at in begins]
    assert [bar.ends for bar in bars[:-1]] == [bar.begins for bar in bars[1:]]
    assert all(bar.ends == report_page._end_of(made) for bar in bars[-1:])


def test_a_breaker_that_still_acts_is_drawn_to_the_end() -> None:
    breaker = {
        "breaker_type": "daily_loss", "action": "HALT", "target": "", "triggered_at": T0, "reason": "x\x1by",
        "cleared_at": None, "is_active": 1, "value": 1.0, "limit_value": 1.0, "cleared_reason": "",
    }  # fmt: skip
    over = breaker | {"cleared_at": T0 + MINUTE, "is_active": 0, "target": "gap_fill"}
    made = with_marks([100.0] * 5, (100.0, 100.0))._replace(breakers=[breaker, over])
    first, second = report_page._breaker_bars(made)
    assert (first.lane, first.kind, first.ends) == ("daily loss", "halt", T0 + 5 * MINUTE)
    assert "HALT all" in first.words and "\x1b" not in first.words
    assert (second.ends, "HALT gap_fill" in second.words) == (T0 + MINUTE, True)
    assert "Breakers" in titles(page(made))


def test_a_strategys_costs_are_listed_with_those_of_all_fills_below() -> None:
    strategies = [
        {"strategy": "a", "commission": 1.0, "slippage": 0.0, "realised_pnl": 5.0, "turnover": 10.0},
        {"strategy": "idle", "commission": 0.0, "slippage": 0.0, "realised_pnl": 0.0, "turnover": 0.0},
    ]
    costs = {"fills": 3, "commission": 2.0, "slippage": 0.5, "turnover": 20.0}
    told = report(strategies=strategies, costs=costs, trades={"realised_pnl": 4.0})
    rows = report_page._costs(told)
    assert [row["strategy"] for row in rows] == ["a", "all fills"]
    assert (rows[-1]["commission"], rows[-1]["realised_pnl"]) == (2.0, 4.0)
    assert report_page._costs(report()) == []


def test_a_page_of_one_session_says_of_what_its_ratios_are() -> None:
    strategies = [{"strategy": "a", "commission": 0.0, "slippage": 0.0}]
    assert "ratios since the books began" in page(
        facts(report=report(day="2026-11-20", strategies=strategies))
    )
    assert "ratios since" not in page(facts(report=report(strategies=strategies)))
