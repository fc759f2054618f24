"""Slot quotas against the specification's example and the properties of the largest remainder."""

from hypothesis import given
from hypothesis import strategies as st

from actors.allocation.slots import Claim, effective_slots, may_open, quotas

SEED = (
    Claim("mean_reversion", 0.30, 25, False),
    Claim("relative_volume_breakout", 0.25, 5, True),
    Claim("gap_fill", 0.10, 2, True),
    Claim("vol_managed_momentum", 0.10, 10, False),
    Claim("vix_regime_rotation", 0.10, 5, False),
    Claim("pairs_trading", 0.05, 14, False, 2),
    Claim("quality_smallcap_value", 0.05, 30, False),
    Claim("factor_momentum", 0.05, 10, False),
)


def test_ten_slots_over_the_seeds_eight_strategies() -> None:
    assert list(quotas(10, SEED).values()) == [3, 3, 1, 1, 1, 0, 1, 0]


def test_three_built_strategies_share_all_ten_slots() -> None:
    # 10 * (30, 25, 10) / 65 = 4.62, 3.85, 1.54: remainders .85 and .62 get the two left over
    assert list(quotas(10, SEED[:3]).values()) == [5, 4, 1]


def test_a_hundred_and_one_slots_let_every_strategy_have_its_maximum() -> None:
    shares = quotas(101, SEED)
    assert [effective_slots(claim, shares[claim.name]) for claim in SEED] == [25, 5, 2, 10, 5, 5, 5, 5]


def test_swing_slots_are_lent_to_anyone_and_intraday_slots_only_to_intraday() -> None:
    claims = (Claim("swing", 0.5, 10, False), Claim("fast", 0.25, 10, True), Claim("faster", 0.25, 10, True))
    shares = quotas(4, claims)
    assert shares == {"swing": 2, "fast": 1, "faster": 1}
    assert may_open(claims[1], shares, {"fast": 1}, claims)
    assert may_open(claims[1], shares, {"fast": 3}, claims)
    assert not may_open(claims[1], shares, {"fast": 4}, claims)
    assert not may_open(claims[0], shares, {"swing": 2}, claims)
    assert not may_open(claims[0], shares, {"swing": 0, "fast": 4}, claims)
    assert may_open(claims[0], shares, {"swing": 1, "fast": 2}, claims)


claims = st.lists(
    st.tuples(
        st.sampled_from([0.05, 0.1, 0.25, 0.3]), st.integers(1, 30), st.booleans(), st.sampled_from([1, 1, 2])
    ),
    min_size=1,
    max_size=8,
).map(lambda rows: tuple(Claim(f"s{n}", *row) for n, row in enumerate(rows)))


@given(st.integers(1, 120), claims)
def test_quotas_never_exceed_the_account_and_respect_units(total: int, wanted: tuple[Claim, ...]) -> None:
    shares = quotas(total, wanted)
    assert sum(shares.values()) <= total
    assert all(shares[c.name] == 0 or shares[c.name] >= c.unit for c in wanted)
    if all(c.unit == 1 for c in wanted):
        assert sum(shares.values()) == total


@given(st.integers(1, 40), claims, st.data())
def test_opening_one_by_one_never_passes_the_total(
    total: int, wanted: tuple[Claim, ...], data: st.DataObject
) -> None:
    shares, used = quotas(total, wanted), {}
    for _ in range(3 * total):
        claim = data.draw(st.sampled_from(wanted))
        if may_open(claim, shares, used, wanted):
            used[claim.name] = used.get(claim.name, 0) + 1
    assert sum(used.values()) <= total
    assert all(used.get(c.name, 0) <= c.max_positions for c in wanted)
