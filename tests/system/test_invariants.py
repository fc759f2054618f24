"""Random small markets and random signals through the whole chain: what must never be broken is not."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from actors import executor
from actors.allocation.commitments import Commitments
from actors.execution import lot_orders
from actors.execution.simulated_account import SimulatedAccount
from config.schema import Settings
from tests.system import days
from tests.system.invariants import Chain
from tests.system.small_markets import Shape, market

_OFF = (
    "mean_reversion",
    "relative_volume_breakout",
    "gap_fill",
    "vol_managed_momentum",
    "vix_regime_rotation",
)
_OFF += ("pairs_trading", "quality_smallcap_value", "factor_momentum", "orb", "vwap_reversion")


def profile(seed: int, *, loose: bool, positions: int, entries: int = 120) -> Settings:
    """Two strategies of chance, one of them intraday, over everything the account may do."""
    chosen = {"account.allow_short": "true", "account.max_positions": str(positions)}
    chosen |= {f"strategies.{name}.enabled": "false" for name in _OFF}
    for name, intraday, share in (("chance_a", "false", "0.5"), ("chance_b", "true", "0.4")):
        chosen |= {
            f"strategies.{name}.class": "tests.samples.random_signals:RandomSignals",
            f"strategies.{name}.allocation": share,
            f"strategies.{name}.intraday": intraday,
            f"strategies.{name}.params.entries": str(entries),
            f"strategies.{name}.params.seed": str(2 * seed + (intraday == "true")),
        }
    if loose:
        losses = ("daily_loss", "drawdown", "rapid_loss", "strategy_loss")
        chosen |= {f"breakers.{name}": "1.0" for name in losses}
        chosen |= {"breakers.drawdown_clear": "0.9", "breakers.consecutive_losses": "1000000"}
    else:
        chosen |= {"breakers.daily_loss": "0.002", "breakers.flatten_on_halt": "true"}
        chosen |= {"breakers.consecutive_losses": "3", "breakers.rapid_loss": "0.001"}
        chosen |= {"execution.buying_power_multiplier": "1.0", "limits.max_messages_per_minute": "6"}
    return days.settings(None, *(f"{key}={value}" for key, value in chosen.items()))


SHAPES = st.builds(
    Shape,
    seed=st.integers(0, 2**32),
    symbols=st.integers(3, 6),
    sessions=st.integers(1, 2),
    step=st.sampled_from([0.0005, 0.002, 0.006]),
    gap=st.sampled_from([0.005, 0.03, 0.1]),
    missing=st.sampled_from([0.0, 0.1, 0.5]),
    volume=st.sampled_from([20, 200, 2_000, 100_000]),
    halts=st.integers(0, 3),
    switch=st.booleans(),
    events=st.booleans(),
)


def run(shape: Shape, *, loose: bool, positions: int) -> Chain:
    chain = Chain(profile(shape.seed % 1_000, loose=loose, positions=positions))
    for session in market(shape):
        chain.play(session)
    chain.check_books()
    return chain


# Once: closing everything went round for ever; a stop on its entry's price was divided by.
@example(
    shape=Shape(seed=15, step=0.006, gap=0.1, missing=0.0, volume=200, switch=True), loose=False, positions=10
)
@example(shape=Shape(seed=64, symbols=6, step=0.006, gap=0.1, volume=20), loose=False, positions=10)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(shape=SHAPES, loose=st.booleans(), positions=st.sampled_from([2, 4, 10]))
def test_nothing_is_ever_broken(shape: Shape, loose: bool, positions: int) -> None:
    run(shape, loose=loose, positions=positions)


@days.needs_data
@pytest.mark.parametrize("loose", [True, False])
def test_nor_on_recorded_days(loose: bool) -> None:
    """Chance trades 200 stocks through two recorded days, the overnight gap included."""
    chosen = profile(1, loose=loose, positions=10, entries=4)
    chain = Chain(chosen)
    for session in days.february_2018()[11:13]:
        chain.play(session)
    chain.check_books()
    assert len(chain.ledger.executions) > 10


@days.needs_data
def test_nor_by_the_strategies_of_the_system() -> None:
    chain = Chain(days.settings(None, "account.allow_short=true"))
    for session in days.february_2018()[:14]:
        chain.play(session)
    chain.check_books()
    assert len(chain.ledger.executions) > 10


# ---- the checks can fail --------------------------------------------------------------------------


def _loses(patch: pytest.MonkeyPatch) -> None:
    """A broker that loses a micro-dollar on every trade."""
    trade = SimulatedAccount.trade

    def losing(account: SimulatedAccount, symbol: str, signed: int, price: int, fees: int) -> int:
        return trade(account, symbol, signed, price, fees + 1)

    patch.setattr(SimulatedAccount, "trade", losing)


def _oversells(patch: pytest.MonkeyPatch) -> None:
    """An executor that exits without waiting for its protection to be cancelled."""
    patch.setattr(lot_orders, "_closing", lambda lot, entry: lot_orders.Exit(lot.held) if lot.held else None)


def _forgets_stops(patch: pytest.MonkeyPatch) -> None:
    """An executor that never protects a partly filled entry."""
    patch.setattr(executor.Executor, "_protect", lambda self, lot, quantity: iter(()))


def _opposes(patch: pytest.MonkeyPatch) -> None:
    """An ensemble that does not mind opposite holdings."""
    patch.setattr(Commitments, "opposes", lambda self, symbol, direction: False)


@pytest.mark.parametrize("broken", [_loses, _oversells, _forgets_stops, _opposes])
def test_a_broken_part_is_noticed(broken: Callable[[pytest.MonkeyPatch], object]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        broken(patch)
        with pytest.raises(AssertionError):
            for seed in range(12):
                run(Shape(seed=seed, symbols=5, volume=300, halts=0), loose=True, positions=10)
