"""The numbers are the specification's, and the schema refuses what cannot be meant."""

import math
import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Account, Breakers, Data, Execution, Regime, Settings, StrategySettings, Supervision

SEED_TABLE = [
    ("mean_reversion", 0.30, True, 25),
    ("relative_volume_breakout", 0.25, True, 5),
    ("gap_fill", 0.10, True, 2),
    ("vol_managed_momentum", 0.10, True, 10),
    ("vix_regime_rotation", 0.10, True, 5),
    ("pairs_trading", 0.05, True, 14),
    ("quality_smallcap_value", 0.05, True, 30),
    ("factor_momentum", 0.05, True, 10),
    ("sector_rotation", 0.10, False, 10),
]
"""Seed, section 2."""


def test_capital_and_risk_are_the_seeds() -> None:
    account = Account()
    assert (account.trading_capital, account.risk_per_trade) == (97_000, 0.02)
    assert (account.max_position_size, account.max_positions) == (15_000, 10)
    assert (account.max_position_pct, account.cash_buffer_pct) == (0.05, 0.05)


def test_breaker_thresholds_are_the_seeds() -> None:
    breakers = Breakers()
    assert (breakers.daily_loss, breakers.drawdown, breakers.drawdown_multiplier) == (0.02, 0.15, 0.5)
    assert (breakers.rapid_loss, breakers.rapid_loss_window_min, breakers.rapid_loss_pause_min) == (
        0.01,
        15,
        30,
    )
    assert (breakers.consecutive_losses, breakers.consecutive_losses_pause_h) == (5, 4)
    assert (breakers.strategy_loss, breakers.strategy_loss_disable_h) == (0.05, 24)
    assert not breakers.flatten_on_halt


def test_regime_numbers_are_the_seeds() -> None:
    assert Regime().edges == (15, 25, 35)
    assert Regime().scalars == (1.2, 1.0, 0.7, 0.4)
    assert Regime().vix_scalar_exempt == ()


def test_the_allocation_table_is_the_seeds_and_sums_to_one() -> None:
    book = Settings().strategies
    seeds = [(one.name, one.allocation, one.enabled, one.max_positions) for one in book[: len(SEED_TABLE)]]
    assert seeds == SEED_TABLE
    assert math.fsum(one.allocation for one in book if one.enabled) == pytest.approx(1, abs=1e-9)
    assert sum(one.max_positions for one in book[:8] if one.enabled) == 101


def test_what_the_specification_adds_trades_in_shadow_only() -> None:
    shadows = [one for one in Settings().strategies if one.shadow]
    assert [one.name for one in shadows] == ["orb", "vwap_reversion"]
    assert all(one.allocation == 0 for one in shadows)


def test_one_strategy_is_found_by_name() -> None:
    found = Settings().strategy("gap_fill")
    assert found is not None
    assert found.params["universe"] == ["SPY", "QQQ", "IWM", "DIA"]
    assert Settings().strategy("gapfill") is None


def test_more_than_all_of_the_equity_cannot_be_allocated() -> None:
    book = (StrategySettings(name="one", allocation=0.7), StrategySettings(name="two", allocation=0.4))
    with pytest.raises(ValueError, match=r"sum to at most 1, was 1\.1 \(one 0\.7 \+ two 0\.4\)"):
        Settings(strategies=book)


def test_a_disabled_strategy_does_not_count() -> None:
    book = (
        StrategySettings(name="one", allocation=1.0),
        StrategySettings(name="two", allocation=0.4, enabled=False),
    )
    assert Settings(strategies=book).strategies == book


def test_a_name_stands_once() -> None:
    with pytest.raises(ValueError, match="'one' stands twice"):
        Settings(strategies=(StrategySettings(name="one"), StrategySettings(name="one")))


def test_a_shadow_strategy_has_no_money() -> None:
    with pytest.raises(ValueError, match="must be 0 while it is in shadow"):
        StrategySettings(name="orb", shadow=True, allocation=0.1)


@pytest.mark.parametrize("edges", [(15.0, 15.0, 35.0), (25.0, 15.0, 35.0), (15.0, 35.0, 25.0)])
def test_regime_edges_ascend(edges: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="edges must ascend"):
        Regime(edges=edges)


def test_a_breaker_clears_below_where_it_trips() -> None:
    with pytest.raises(ValueError, match="drawdown_clear must lie below"):
        Breakers(drawdown=0.1, drawdown_clear=0.1)


def test_giving_up_comes_after_waiting() -> None:
    with pytest.raises(ValueError, match="daily_ready_give_up_min"):
        Data(daily_ready_after_min=30, daily_ready_give_up_min=20)


def test_back_off_grows() -> None:
    with pytest.raises(ValueError, match="backoff_max_s"):
        Supervision(backoff_first_s=5, backoff_max_s=1)


def test_stale_data_is_kept_at_least_as_long_as_it_is_used() -> None:
    with pytest.raises(ValueError, match="stale_max_sessions"):
        Regime(stale_keep_sessions=4, stale_max_sessions=3)


@given(st.sampled_from([math.nan, math.inf, -math.inf]))
def test_no_number_is_infinite_or_none_at_all(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Account(trading_capital=value)
    with pytest.raises(ValueError, match="finite"):
        Regime(scalars=(1.0, value, 1.0, 1.0))
    with pytest.raises(ValueError, match="finite"):
        StrategySettings(name="one", params={"x": [1, value]})


@given(st.floats().filter(lambda value: not 0 < value <= 1))
def test_a_percentage_written_as_percent_is_refused(value: float) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"risk_per_trade": value}, Account)


@given(st.text(alphabet=string.printable, max_size=40))
def test_a_strategys_name_makes_a_good_order_id(name: str) -> None:
    try:
        settings = msgspec.convert({"name": name}, StrategySettings)
    except msgspec.ValidationError:
        return
    assert len(settings.name) <= 28
    assert settings.name.strip(string.ascii_lowercase + string.digits + "_") == ""


def test_parameters_are_plain_values() -> None:
    with pytest.raises(ValueError, match=r"params\.deep must be a number, text"):
        StrategySettings(name="one", params={"deep": {"er": 1}})


def test_the_simulated_broker_charges_what_the_specification_says() -> None:
    costs = Execution()
    assert (costs.slippage_bps_etf, costs.slippage_bps_large, costs.slippage_bps_small) == (1, 3, 25)
    assert (costs.extreme_cost_multiplier, costs.commission_per_share, costs.volume_frac) == (2, 0, 0.10)
