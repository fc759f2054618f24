"""Random small markets and random signals through the whole chain: what must never be broken is not."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


def profile(seed: int, *, loose: bool, positions: int):
    """Two strategies of chance, one of them intraday, over everything the account may do."""
    chosen = {"account.allow_short": "true", "account.max_positions": str(positions)}
    chosen |= {f"strategies.{name}.enabled": "false" for name in _OFF}
    for name, intraday, share in (("chance_a", "false", "0.5"), ("chance_b", "true", "0.4")):
        chosen |= {
            f"strategies.{name}.class": "tests.samples.random_signals:RandomSignals",
            f"strategies.{name}.allocation": share,
            f"strategies.{name}.intraday": intraday,
            f"strategies.{name}.params.seed": str(2 * seed + (intraday == "true")),
        }
    if loose:
        chosen |= {
            f"breakers.{name}": "1.0" for name in ("daily_loss", "drawdown", "rapid_loss", "strategy_loss")
        }
        chosen |= {"breakers.drawdown_clear": "0.9", "breakers.consecutive_losses": "1000000"}
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
)


def run(shape: Shape, *, loose: bool, positions: int) -> Chain:
    chain = Chain(profile(shape.seed % 1_000, loose=loose, positions=positions))
    for session in market(shape):
        chain.play(session)
    chain.check_books()
    return chain


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(shape=SHAPES, loose=st.booleans(), positions=st.sampled_from([2, 4, 10]))
def test_nothing_is_ever_broken(shape: Shape, loose: bool, positions: int) -> None:
    run(shape, loose=loose, positions=positions)
