"""What a split makes of shares and prices: whole numbers out of exact fractions.

Shares of the lots of a symbol add up to what the broker holds, so the part of a share that each lot loses or
gains by rounding is shared out by largest remainder. Stops and targets go to the tick nearer to the price:
rounding never makes a loss larger, nor a target harder to reach.
Source: strategies 0; faults.md G 65.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil, floor

from actors.execution import ticks
from runtime.messages.trading import Side

_TRILLION = 10**12


def ratio(numerator: float, denominator: float) -> Fraction | None:
    """New shares for an old one, from two rates as they are announced; None if they cannot be rates."""
    if not (0 < numerator < _TRILLION and 0 < denominator < _TRILLION):
        return None
    found = Fraction(str(numerator)) / Fraction(str(denominator))
    exact = found.limit_denominator(100_000)
    return exact if exact > 0 and exact != 1 else None


def agrees(before: Fraction | int, after: Fraction | int, by: Fraction) -> bool:
    """Whether `after` shares are what a split by a ratio makes of `before`, give or take the rounding.

    A part of a share may be kept, paid out, or rounded up to a whole one.
    """
    exact, whole = before * by, int(after)
    return floor(exact) <= whole <= ceil(exact)


def shares(lots: Mapping[str, int], by: Fraction, total: int) -> dict[str, int]:
    """Signed whole shares of each lot after a split, `total` in all.

    Args:
        lots: Signed shares by lot id before it. total: what the broker holds of them; between the exact sum
            rounded down and rounded up.
    """
    exact = {name: held * by for name, held in lots.items()}
    found = {name: floor(value) for name, value in exact.items()}
    spare = total - sum(found.values())
    by_remainder = sorted(exact, key=lambda name: (found[name] - exact[name], name))
    for name in by_remainder[: max(0, spare)]:
        found[name] += 1
    return found


def stop_and_target(
    side: Side, stop: float | None, target: float | None, by: Fraction
) -> tuple[float | None, float | None]:
    """A lot's stop and target in the new terms, on the tick grid, USD; they stay a tick apart.

    Args:
        side: The entry's.
    """
    sign = 1 if side == "buy" else -1
    lower = None if stop is None else _scaled(stop, by, sign)
    upper = None if target is None else _scaled(target, by, -sign)
    if stop is not None and target is not None and (upper - lower) * sign <= 0:  # type: ignore[operator]
        # Hardly a tick lies between them: they are rounded apart.
        return _scaled(stop, by, -sign), _scaled(target, by, sign)
    return lower, upper


def _scaled(price: float, by: Fraction, sign: int) -> float:
    """Price over ratio, rounded up (sign 1) or down; never below the lowest price there is."""
    exact = Fraction(ticks.micros(price)) / by
    micros = ceil(exact) if sign > 0 else floor(exact)
    if micros < _LOWEST:
        return _LOWEST / ticks.MICRO
    return ticks.beyond(micros / ticks.MICRO, sign)


_LOWEST = 100
"""Micro-dollars of the lowest price there is."""


def usual_ratios(before: int, after: int) -> Sequence[Fraction]:
    """Ratios of splits nobody told of that would make `after` whole shares of `before`; the nearest first."""
    if not before or not after or before * after < 0 or before == after:
        return ()
    exact = Fraction(after, before)
    found = [one for one in _USUAL if agrees(before, after, one)]
    return sorted(found, key=lambda one: (abs(one / exact - 1), one))


def _usual() -> tuple[Fraction, ...]:
    whole = [Fraction(n) for n in range(2, 51)]
    parts = [Fraction(a, b) for a in range(2, 6) for b in range(2, a) if a % b]
    forward = sorted({*whole, *parts})
    return (*forward, *(1 / one for one in forward), *(Fraction(1, n) for n in range(51, 251)))


_USUAL = _usual()
"""2 to 50 for 1, 3 for 2, 5 for 3 and the like, and the same the other way round, down to 1 for 250."""
