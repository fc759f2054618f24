"""Conflicts between strategies against the specification's example (strategies 6.5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.allocation.netting import net, priority
from runtime.messages.trading import Direction, SignalRaised


def signal(strategy: str, direction: Direction, strength: float, confidence: float) -> SignalRaised:
    return SignalRaised(
        ts_event=1,
        cause=1,
        id=f"{strategy}-20180301-1",
        strategy=strategy,
        symbol="AAPL",
        signal_type="BUY" if direction == "long" else "SELL",
        direction=direction,
        strength=strength,
        confidence=confidence,
        price=100.0,
        stop_loss=90.0 if direction == "long" else 110.0,
        take_profit=110.0 if direction == "long" else 90.0,
        expires_at=2,
        reason="test",
        params_hash="",
    )


ALLOCATIONS = {"mean_reversion": 0.30, "relative_volume_breakout": 0.25}


def test_nearly_balanced_sides_cancel_each_other() -> None:
    short = signal("mean_reversion", "short", 0.8, 0.6)  # .30 * .48 = .144
    long = signal("relative_volume_breakout", "long", 0.9, 0.7)  # .25 * .63 = .1575
    verdict = net([short, long], ALLOCATIONS, 1 / 3)
    assert verdict.kept == ()
    assert {reason for _, reason in verdict.lost} == {"CONFLICT_CANCEL"}


def test_the_heavier_side_trades_at_the_size_of_the_balance() -> None:
    short = signal("mean_reversion", "short", 0.02 / 0.30, 1.0)
    long = signal("relative_volume_breakout", "long", 0.9, 0.7)
    verdict = net([short, long], ALLOCATIONS, 1 / 3)
    assert verdict.kept == (long,)
    assert verdict.lost == ((short, "CONFLICT_LOST"),)
    assert verdict.scale == pytest.approx(0.7746, abs=1e-4)


def test_one_direction_is_left_alone() -> None:
    both = [signal("mean_reversion", "long", 0.5, 0.5), signal("relative_volume_breakout", "long", 0.9, 0.7)]
    verdict = net(both, ALLOCATIONS, 1 / 3)
    assert verdict.kept == tuple(both)
    assert verdict.scale == 1.0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(ALLOCATIONS)),
            st.sampled_from(["long", "short"]),
            st.floats(0, 1),
            st.floats(0, 1),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_opposite_directions_never_go_on_together_and_nothing_vanishes(
    rows: list[tuple[str, Direction, float, float]],
) -> None:
    signals = [signal(*row) for row in rows]
    verdict = net(signals, ALLOCATIONS, 1 / 3)
    assert len({s.direction for s in verdict.kept}) <= 1
    assert len(verdict.kept) + len(verdict.lost) == len(signals)
    assert 0.0 <= verdict.scale <= 1.0


def test_better_signals_come_first_then_larger_allocations_then_the_alphabet() -> None:
    strong, weak = signal("mean_reversion", "long", 0.9, 0.9), signal("mean_reversion", "long", 0.5, 0.5)
    assert priority(strong, 0.1) < priority(weak, 0.9)
    assert priority(weak, 0.9) < priority(weak, 0.1)
