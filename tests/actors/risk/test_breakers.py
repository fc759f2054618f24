"""The five breakers at their thresholds (dollar values: strategies 8 at 97,000 USD)."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.risk.activations import BreakerState, Cleared, Event, Row
from actors.risk.breakers import HOUR, MINUTE, BreakerChain
from config.trading import Breakers

CAPITAL = 97_000.0
OPEN = 1_000 * HOUR
NEXT_OPEN = OPEN + 24 * HOUR
ALLOCATIONS = {
    "mean_reversion": 0.30,
    "relative_volume_breakout": 0.25,
    "gap_fill": 0.10,
    "pairs_trading": 0.05,
    "shadow": 0.0,
}
STEP = 0.000001
"""The smallest amount of the books, one micro-dollar."""


def chain(state: BreakerState | None = None, **limits: Any) -> BreakerChain:
    return BreakerChain(Breakers(**limits), ALLOCATIONS, state)


def started(**limits: Any) -> BreakerChain:
    """A chain whose day began at 97,000."""
    fresh = chain(**limits)
    assert mark(fresh, OPEN, CAPITAL, closing=True) == []
    assert fresh.session_started(OPEN, OPEN) == []
    return fresh


def mark(
    on: BreakerChain,
    now: int,
    equity: float,
    profits: dict[str, float] | None = None,
    *,
    closing: bool = False,
) -> list[Event]:
    return on.mark(now, equity, profits or {}, closing, NEXT_OPEN)


def tripped(events: list[Event]) -> list[str]:
    return [event.breaker for event in events if isinstance(event, Row)]


def cleared(events: list[Event]) -> list[str]:
    return [event.row.breaker for event in events if isinstance(event, Cleared)]


# ---- daily loss -------------------------------------------------------------------------------


def test_a_loss_of_1940_dollars_halts_entries_until_the_next_open() -> None:
    on = started(rapid_loss=1.0)
    (row,) = mark(on, OPEN + MINUTE, CAPITAL - 1_940.0)
    assert isinstance(row, Row)
    assert (row.breaker, row.action, row.target) == ("daily_loss", "HALT", "")
    assert row.expires_at == NEXT_OPEN
    assert row.value == pytest.approx(0.02)


def test_a_micro_dollar_less_than_two_percent_does_not_halt() -> None:
    assert mark(started(rapid_loss=1.0), OPEN + MINUTE, CAPITAL - 1_940.0 + STEP) == []


@given(st.integers(1_000_000, 10_000_000_000), st.integers(1, 999))
def test_the_daily_threshold_is_exact_for_any_base_and_limit(cents: int, mille: int) -> None:
    """At the smallest whole micro-dollar loss that is at least the limit it trips, one below it not."""
    base = cents * 10_000
    loss = -(-base * mille // 1_000)
    limits: dict[str, Any] = {"daily_loss": mille / 1_000, "rapid_loss": 1.0, "drawdown": 1.0}
    for micros, expected in ((base - loss, ["daily_loss"]), (base - loss + 1, [])):
        on = chain(**limits)
        mark(on, OPEN, base / 1e6)
        assert tripped(mark(on, OPEN + MINUTE, micros / 1e6)) == expected


def test_an_active_daily_loss_writes_no_second_row() -> None:
    on = started(rapid_loss=1.0)
    assert tripped(mark(on, OPEN + MINUTE, 95_060.0)) == ["daily_loss"]
    assert mark(on, OPEN + 2 * MINUTE, 95_500.0) == []
    assert mark(on, OPEN + 3 * MINUTE, 94_000.0) == []
    assert len(on.rows) == 1


def test_a_daily_loss_ends_at_the_open_and_counts_from_the_new_base() -> None:
    on = started(rapid_loss=1.0)
    mark(on, OPEN + MINUTE, 95_060.0)
    mark(on, OPEN + 7 * HOUR, 95_060.0, closing=True)
    evening = OPEN + 10 * HOUR
    assert on.session_started(evening, NEXT_OPEN) == []
    assert on.expire(NEXT_OPEN - 1) == []
    assert cleared(on.expire(NEXT_OPEN)) == ["daily_loss"]
    floor = 95_060.0 - 1_901.2
    assert mark(on, NEXT_OPEN + MINUTE, floor + STEP) == []
    assert tripped(mark(on, NEXT_OPEN + 2 * MINUTE, floor)) == ["daily_loss"]


def test_the_header_of_the_next_session_corrects_a_guessed_open() -> None:
    on = started(rapid_loss=1.0)
    mark(on, OPEN + MINUTE, 95_060.0)
    on.session_started(OPEN + 10 * HOUR, NEXT_OPEN + HOUR)
    assert on.expire(NEXT_OPEN) == []
    assert cleared(on.expire(NEXT_OPEN + HOUR)) == ["daily_loss"]


def test_without_a_closing_mark_the_last_mark_is_the_next_base() -> None:
    on = started(rapid_loss=1.0)
    mark(on, OPEN + MINUTE, 96_000.0)
    on.session_started(OPEN + 10 * HOUR, NEXT_OPEN)
    assert on.state().opening == 96_000_000_000


def test_the_first_mark_ever_is_the_first_base() -> None:
    on = chain(rapid_loss=1.0)
    assert mark(on, OPEN, CAPITAL) == []
    assert tripped(mark(on, OPEN + MINUTE, 95_060.0)) == ["daily_loss"]


# ---- drawdown ---------------------------------------------------------------------------------


def test_a_drawdown_of_14550_reduces_and_clears_at_half_of_it() -> None:
    on = started(rapid_loss=1.0, daily_loss=1.0)
    assert mark(on, OPEN + MINUTE, 82_450.0 + STEP) == []
    (row,) = mark(on, OPEN + 2 * MINUTE, 82_450.0)
    assert isinstance(row, Row)
    assert (row.breaker, row.action, row.expires_at) == ("drawdown", "REDUCE", 0)
    half = CAPITAL * (1 - 0.075)  # 89,725
    assert mark(on, OPEN + 3 * MINUTE, half - STEP) == []
    assert cleared(mark(on, OPEN + 4 * MINUTE, half)) == ["drawdown"]
    assert mark(on, OPEN + 5 * MINUTE, 82_450.0 + STEP) == []
    assert tripped(mark(on, OPEN + 6 * MINUTE, 82_450.0)) == ["drawdown"]


def test_only_the_close_lifts_the_high_water_mark() -> None:
    on = started(rapid_loss=1.0, daily_loss=1.0)
    mark(on, OPEN + MINUTE, 110_000.0)
    assert on.state().high_water == 97_000_000_000
    mark(on, OPEN + 2 * MINUTE, 100_000.0, closing=True)
    assert on.state().high_water == 100_000_000_000
    mark(on, OPEN + 3 * MINUTE, 90_000.0, closing=True)
    assert on.state().high_water == 100_000_000_000


# ---- rapid loss -------------------------------------------------------------------------------


def test_970_dollars_within_15_minutes_halt_for_half_an_hour() -> None:
    on = started()
    mark(on, OPEN + MINUTE, CAPITAL)
    assert mark(on, OPEN + 2 * MINUTE, 96_030.0 + STEP) == []
    (row,) = mark(on, OPEN + 3 * MINUTE, 96_030.0)
    assert isinstance(row, Row)
    assert (row.breaker, row.action) == ("rapid_loss", "HALT")
    assert row.expires_at == OPEN + 33 * MINUTE


@pytest.mark.parametrize(("after", "expected"), [(15 * MINUTE, ["rapid_loss"]), (15 * MINUTE + 1, [])])
def test_a_mark_counts_for_exactly_15_minutes(after: int, expected: list[str]) -> None:
    on = started()
    mark(on, OPEN + MINUTE, 97_000.0)
    mark(on, OPEN + 10 * MINUTE, 96_500.0)
    assert tripped(mark(on, OPEN + MINUTE + after, 96_030.0)) == expected


def test_the_window_restarts_when_the_halt_ends() -> None:
    on = started(daily_loss=1.0)
    mark(on, OPEN, 97_000.0)
    mark(on, OPEN + MINUTE, 96_030.0)
    for minute in range(2, 31):
        assert mark(on, OPEN + minute * MINUTE, 96_900.0 - minute) == []
    events = mark(on, OPEN + 31 * MINUTE, 95_000.0)
    assert cleared(events) == ["rapid_loss"]
    assert tripped(events) == []
    assert tripped(mark(on, OPEN + 32 * MINUTE, 94_050.0)) == ["rapid_loss"]


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(95_000, 99_000)), min_size=1, max_size=60))
def test_the_window_agrees_with_looking_at_every_mark(moves: list[tuple[int, int]]) -> None:
    on = chain(daily_loss=1.0, drawdown=1.0, drawdown_clear=0.5)
    seen: list[tuple[int, int]] = []
    now, restart = OPEN, 0
    for seconds, dollars in moves:
        now += seconds * 1_000_000_000
        seen.append((now, dollars))
        expected = False
        if now >= restart:
            in_reach = [d for ts, d in seen if ts >= max(now - 15 * MINUTE, restart)]
            expected = (max(in_reach) - dollars) * 100 >= max(in_reach)
        assert ("rapid_loss" in tripped(mark(on, now, float(dollars)))) == expected
        if expected:
            restart = now + 30 * MINUTE


# ---- strategies -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "allowance"),
    [
        ("mean_reversion", 1_455.0),
        ("relative_volume_breakout", 1_212.5),
        ("gap_fill", 485.0),
        ("pairs_trading", 242.5),
    ],
)
def test_a_sleeve_is_disabled_for_a_day_at_its_dollar_value(name: str, allowance: float) -> None:
    on = started()
    mark(on, OPEN + MINUTE, CAPITAL, {name: 100.0})
    assert mark(on, OPEN + 2 * MINUTE, CAPITAL, {name: 100.0 - allowance + STEP}) == []
    (row,) = mark(on, OPEN + 3 * MINUTE, CAPITAL, {name: 100.0 - allowance})
    assert isinstance(row, Row)
    assert (row.breaker, row.action, row.target) == ("strategy_loss", "DISABLE", name)
    assert row.expires_at == OPEN + 3 * MINUTE + 24 * HOUR
    assert row.value == pytest.approx(0.05)
    assert mark(on, OPEN + 4 * MINUTE, CAPITAL, {name: -allowance}) == []


def test_the_sleeves_high_is_rebased_when_it_is_enabled_again() -> None:
    on = started()
    mark(on, OPEN + MINUTE, CAPITAL, {"gap_fill": -485.0})
    mark(on, OPEN + 2 * MINUTE, CAPITAL, {"gap_fill": -500.0})
    assert cleared(on.expire(OPEN + MINUTE + 24 * HOUR)) == ["strategy_loss"]
    later = OPEN + 25 * HOUR
    assert mark(on, later, CAPITAL, {"gap_fill": -985.0 + STEP}) == []
    assert tripped(mark(on, later + MINUTE, CAPITAL, {"gap_fill": -985.0})) == ["strategy_loss"]


def test_a_sleeve_without_allocation_is_not_watched() -> None:
    assert mark(started(), OPEN + MINUTE, CAPITAL, {"shadow": -5_000.0, "unknown": -5_000.0}) == []


def close(on: BreakerChain, number: int, pnl: float, group: str | None = None) -> list[Event]:
    return on.lot(
        OPEN + number * MINUTE, "mean_reversion", f"lot-{number}", group_id=group, closed=True, pnl=pnl
    )


def test_five_losing_trades_in_a_row_pause_the_strategy_for_four_hours() -> None:
    on = started()
    for number in range(4):
        assert close(on, number, -STEP) == []
    (row,) = close(on, 4, -1.0)
    assert isinstance(row, Row)
    assert (row.breaker, row.action, row.target) == ("consecutive_losses", "PAUSE", "mean_reversion")
    assert row.expires_at == OPEN + 4 * MINUTE + 4 * HOUR


def test_a_win_resets_the_streak_and_a_zero_does_not() -> None:
    on = started()
    for number, pnl in enumerate([-1.0, -1.0, -1.0, -1.0, STEP, -1.0, -1.0, 0.0, -1.0, -1.0]):
        assert close(on, number, pnl) == []
    assert tripped(close(on, 10, -1.0)) == ["consecutive_losses"]


def test_the_streak_begins_anew_after_the_pause() -> None:
    on = started()
    for number in range(7):
        close(on, number, -1.0)
    assert cleared(on.expire(OPEN + 4 * MINUTE + 4 * HOUR)) == ["consecutive_losses"]
    for number in range(300, 304):
        assert close(on, number, -1.0) == []
    assert tripped(close(on, 304, -1.0)) == ["consecutive_losses"]


def test_both_legs_of_a_pair_are_one_trade() -> None:
    on = started()
    for pair in range(5):
        for leg in ("a", "b"):
            opened = on.lot(OPEN, "pairs_trading", f"{pair}{leg}", group_id=f"g{pair}", closed=False, pnl=0.0)
            assert opened == []
        first = on.lot(OPEN, "pairs_trading", f"{pair}a", group_id=f"g{pair}", closed=True, pnl=5.0)
        assert first == []
        last = on.lot(OPEN, "pairs_trading", f"{pair}b", group_id=f"g{pair}", closed=True, pnl=-6.0)
        assert tripped(last) == (["consecutive_losses"] if pair == 4 else [])


# ---- together ---------------------------------------------------------------------------------


def test_the_most_severe_activation_wins() -> None:
    on = started(rapid_loss=1.0)
    for number in range(5):
        close(on, number, -1.0)
    mark(on, OPEN + 6 * MINUTE, CAPITAL, {"mean_reversion": -1_455.0})
    worst = on.worst("mean_reversion")
    assert worst is not None
    assert worst.action == "DISABLE"
    assert on.worst("gap_fill") is None
    mark(on, OPEN + 7 * MINUTE, 82_450.0)
    assert [row.breaker for row in on.rows] == [
        "consecutive_losses", "strategy_loss", "daily_loss", "drawdown",
    ]  # fmt: skip
    for name in ("mean_reversion", "gap_fill"):
        worst = on.worst(name)
        assert worst is not None
        assert worst.breaker == "daily_loss"


def test_money_paid_out_is_not_a_loss() -> None:
    on = started()
    mark(on, OPEN + MINUTE, CAPITAL)
    on.flow(-20_000.0)
    assert mark(on, OPEN + 2 * MINUTE, 77_000.0) == []
    assert tripped(mark(on, OPEN + 3 * MINUTE, 77_000.0 - 1_540.0)) == ["daily_loss", "rapid_loss"]


def test_a_halt_for_doubtful_books_lasts_until_it_is_released() -> None:
    on = started()
    assert tripped(on.halt(OPEN, "portfolio stopped", OPEN + HOUR)) == ["reconcile"]
    assert on.halt(OPEN, "again", OPEN + HOUR) == []
    events = on.halt(OPEN, "a fill was skipped")
    assert (cleared(events), tripped(events)) == (["reconcile"], ["reconcile"])
    assert on.halt(OPEN, "later", OPEN + HOUR) == []
    assert on.expire(OPEN + 1_000 * HOUR) == []
    assert cleared(on.release("resumed")) == ["reconcile"]
    assert on.release("resumed") == []


# ---- properties -------------------------------------------------------------------------------

Happening = tuple[str, int, int]
happenings = st.lists(
    st.tuples(
        st.sampled_from(["mark", "mark", "mark", "close", "trade", "session", "flow"]),
        st.integers(1, 200),
        st.integers(-2_000, 2_000),
    ),
    max_size=80,
)


def happen(on: BreakerChain, now: int, what: Happening, equity: float) -> list[Event]:
    kind, _, amount = what
    if kind in {"mark", "close"}:
        profits = {"mean_reversion": float(amount), "gap_fill": amount / 2}
        return on.mark(now, equity, profits, kind == "close", now + 18 * HOUR)
    if kind == "trade":
        group = "pair" if amount % 3 == 0 else None
        return on.lot(
            now, "gap_fill", f"l{amount % 2}", group_id=group, closed=amount % 5 > 0, pnl=float(amount)
        )
    if kind == "session":
        return on.session_started(now, now + 15 * HOUR)
    on.flow(float(amount))
    return []


@settings(max_examples=80)
@given(happenings, st.integers(0, 80))
def test_a_restart_at_any_moment_changes_nothing(story: list[Happening], cut: int) -> None:
    whole, broken = chain(), chain()
    now, equity = OPEN, CAPITAL
    for place, what in enumerate(story):
        now += what[1] * MINUTE
        equity = max(equity + what[2], 1.0)
        if place == cut:
            packed = msgspec.msgpack.encode(broken.state())
            broken = chain(msgspec.msgpack.decode(packed, type=BreakerState))
        assert happen(whole, now, what, equity) == happen(broken, now, what, equity)
    assert whole.state() == broken.state()


@settings(max_examples=80)
@given(happenings)
def test_no_second_row_while_active_and_every_clearing_has_a_row(story: list[Happening]) -> None:
    on = chain()
    active: dict[tuple[str, str], Row] = {}
    now, equity = OPEN, CAPITAL
    for what in story:
        now += what[1] * MINUTE
        equity = max(equity + what[2], 1.0)
        for event in happen(on, now, what, equity):
            if isinstance(event, Row):
                assert (event.breaker, event.target) not in active
                active[event.breaker, event.target] = event
            else:
                gone = active.pop((event.row.breaker, event.row.target))
                assert gone.triggered_at == event.row.triggered_at
        assert [row.triggered_at for row in on.rows] == [row.triggered_at for row in active.values()]
        if what[0] != "flow":
            assert all(row.expires_at == 0 or row.expires_at > now for row in on.rows)


@given(st.lists(st.integers(80_000, 100_000), min_size=1, max_size=30), st.integers(0, 5_000))
def test_a_lower_mark_never_trips_less(path: list[int], lower: int) -> None:
    high, low = chain(), chain()
    for minute, dollars in enumerate(path[:-1]):
        for on in (high, low):
            mark(on, OPEN + minute * MINUTE, float(dollars))
    now = OPEN + len(path) * MINUTE
    high_rows = {row.breaker for row in (mark(high, now, float(path[-1])), high.rows)[1]}
    low_rows = {row.breaker for row in (mark(low, now, float(path[-1] - lower)), low.rows)[1]}
    assert high_rows <= low_rows
