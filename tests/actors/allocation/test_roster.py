"""Who takes part: slots and weights go to those that can trade, and come back when they can again."""

from hypothesis import given
from hypothesis import strategies as st

from actors.allocation.roster import Roster
from config.strategies import StrategySettings

NAMES = ("a", "b", "c", "d")


def settings(name: str, allocation: float, **more: object) -> StrategySettings:
    return StrategySettings(name=name, allocation=allocation, **more)  # type: ignore[arg-type]


def roster(*chosen: StrategySettings, idle: dict[str, str] | None = None, factor: float = 1.0) -> Roster:
    return Roster(chosen, idle or {}, 10, factor)


def test_slots_are_shared_by_allocation() -> None:
    found = roster(settings("a", 0.6), settings("b", 0.4))
    assert found.quotas == {"a": 6, "b": 4}
    assert found.allocations == {"a": 0.6, "b": 0.4}
    assert found.report() == "slots: a 6, b 4"


def test_who_cannot_trade_leaves_its_slots_to_the_others_until_it_can() -> None:
    found = roster(settings("a", 0.5), settings("b", 0.5))
    found.set_idle("a", "NOT_BUILT")
    assert found.quotas == {"b": 10}
    assert found.idle_report() == "a (NOT_BUILT)"
    found.set_active("a")
    assert found.quotas == {"a": 5, "b": 5}
    assert found.idle_report() == "none"


def test_who_is_not_enabled_or_has_no_allocation_gets_nothing() -> None:
    found = roster(settings("a", 0.5), settings("b", 0.5, enabled=False), settings("c", 0.0))
    assert found.quotas == {"a": 10}
    found.set_idle("b", "unknown here")
    assert "b" not in found.idle


def test_a_strategy_whose_smallest_trade_does_not_fit_is_named_as_starved() -> None:
    found = roster(settings("a", 0.95), settings("b", 0.05, min_slots=2))
    assert found.quotas["b"] == 0
    assert found.report().endswith("starved: b")


def test_allocations_are_scaled_down_to_the_whole_and_never_up() -> None:
    assert roster(settings("a", 0.5), settings("b", 0.3), factor=2.0).allocations == {
        "a": 1.0 / 1.6,
        "b": 0.6 / 1.6,
    }
    assert roster(settings("a", 0.5), factor=0.5).allocations == {"a": 0.25}


@given(
    shares=st.lists(st.integers(0, 25), min_size=4, max_size=4),
    idle=st.sets(st.sampled_from(NAMES)),
    factor=st.floats(0.25, 2.0),
)
def test_no_more_than_the_account_has_is_given_away(shares: list[int], idle: set[str], factor: float) -> None:
    chosen = [settings(name, share / 100) for name, share in zip(NAMES, shares, strict=True)]
    found = roster(*chosen, idle=dict.fromkeys(sorted(idle), "paused"), factor=factor)
    assert sum(found.quotas.values()) <= 10
    assert sum(found.allocations.values()) <= 1 + 1e-12
    assert not idle & found.quotas.keys()
