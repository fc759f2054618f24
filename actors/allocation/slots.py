"""How many positions each strategy may have: largest remainder, and who may borrow (strategies 7)."""

import msgspec


class Claim(msgspec.Struct, frozen=True):
    """A strategy that competes for slots.

    Attributes:
        allocation: Share of capital, a fraction. max_positions: its own upper bound.
        unit: Slots it needs at once (a pair needs 2).
    """

    name: str
    allocation: float
    max_positions: int
    intraday: bool
    unit: int = 1


def quotas(total: int, claims: tuple[Claim, ...]) -> dict[str, int]:
    """Split `total` slots by largest remainder of total * allocation / sum of allocations.

    Ties go to the larger allocation, then to the earlier claim. A strategy whose unit does not fit its
    quota gets 0 and its slots go to the next in line that can use them.
    """
    active = [claim for claim in claims if claim.allocation > 0]
    shares = {claim.name: 0 for claim in claims}
    while active:
        whole = sum(claim.allocation for claim in active)
        exact = {claim.name: total * claim.allocation / whole for claim in active}
        granted = {claim.name: int(exact[claim.name] + 1e-9) for claim in active}
        left = total - sum(granted.values())
        order = sorted(
            range(len(active)),
            key=lambda place: (
                -round(exact[active[place].name] - granted[active[place].name], 12),
                -active[place].allocation,
                place,
            ),
        )
        waiting = [active[place] for place in order]
        for claim in waiting:
            if left > 0 and claim.unit <= granted[claim.name] + 1:
                granted[claim.name] += 1
                left -= 1
        starved = [claim for claim in active if 0 < granted[claim.name] < claim.unit]
        if not starved:
            shares.update(granted)
            return shares
        active = [claim for claim in active if claim is not starved[0]]
    return shares


def effective_slots(claim: Claim, quota: int) -> int:
    """n_eff: the divisor of the sleeve, min(max_positions, max(1, quota))."""
    return min(claim.max_positions, max(1, quota))


def may_open(claim: Claim, shares: dict[str, int], used: dict[str, int], claims: tuple[Claim, ...]) -> bool:
    """Whether the strategy may take one more slot.

    Its own quota first; beyond it swing slots may be borrowed by anyone, intraday slots only by intraday.

    Args:
        shares: Quotas by name. used: Positions and working entries by name.
    """
    mine = used.get(claim.name, 0)
    if mine >= claim.max_positions:
        return False
    swing_free = intraday_free = 0
    for other in claims:
        free = shares[other.name] - used.get(other.name, 0)
        if other.intraday:
            intraday_free += free
        else:
            swing_free += free
    if intraday_free < 0:  # intraday has borrowed from swing
        swing_free += intraday_free
    if claim.intraday:
        return max(intraday_free, 0) + max(swing_free, 0) > 0
    return swing_free > 0
