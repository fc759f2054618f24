"""The prices a broker accepts: whole cents from one dollar on, hundredths of a cent below.

Everything is counted in whole micro-dollars, so no float noise reaches an order.
Source: alpaca.md 3.2 (sub-penny rule, Regulation NMS rule 612).
"""

MICRO = 1_000_000
"""Micro-dollars in a dollar: the unit of every ledger."""

_CENT = 10_000
_HUNDREDTH_OF_A_CENT = 100
_HIGHEST = 1e9


def micros(price: float) -> int:
    """USD to the nearest whole micro-dollar."""
    return round(price * MICRO)


def tick_size(price: float) -> float:
    """Smallest step at a price, USD."""
    return _step(micros(price)) / MICRO


def nearest(price: float) -> float:
    """Price on the tick grid next to `price`, USD; halves go up.

    Raises:
        ValueError: not a finite price above zero, or one that rounds to zero.
    """
    count = _counted(price)
    step = _step(count)
    return _positive((count + step // 2) // step * step, price)


def down(price: float) -> float:
    """Highest price on the tick grid at or below `price`, USD; raises as `nearest`."""
    count = _counted(price)
    step = _step(count)
    return _positive(count // step * step, price)


def up(price: float) -> float:
    """Lowest price on the tick grid at or above `price`, USD; raises as `nearest`."""
    count = _counted(price)
    step = _step(count)
    return -(-count // step) * step / MICRO


def beyond(price: float, sign: int) -> float:
    """The tick on the far side of `price`: up for what is reached from below (sign 1), else down.

    A market that trades on ticks reaches the rounded price exactly when it would have reached `price`, so
    rounding an exit or a trigger this way never moves the minute in which it happens.
    """
    return up(price) if sign > 0 else down(price)


def apart(price: float, base: float, sign: int) -> float:
    """`beyond`, and a tick or more beyond `base` (sign 1: above it, -1: below).

    Only rounding is mended: a price that was on the wrong side of `base` to begin with stays there, for the
    broker to refuse.
    """
    rounded = beyond(price, sign)
    if (price - base) * sign <= 0:
        return rounded
    count = _counted(base)
    least = count + sign * _step(count)
    return rounded if (micros(rounded) - least) * sign >= 0 else beyond(least / MICRO, sign)


def is_on_grid(price: float) -> bool:
    """Whether the broker takes the price as it stands."""
    return 0 < price < _HIGHEST and nearest(max(price, _HUNDREDTH_OF_A_CENT / MICRO)) == price


def price_text(price: float) -> str:
    """Decimal text of a price for the wire: two decimals from one dollar on, four below.

    Raises:
        ValueError: the price is not on the tick grid.
    """
    if not is_on_grid(price):
        raise ValueError(f"price {price!r} is not on the tick grid")
    dollars, rest = divmod(micros(price), MICRO)
    return f"{dollars}.{rest // _CENT:02d}" if dollars else f"0.{rest // _HUNDREDTH_OF_A_CENT:04d}"


def _step(count: int) -> int:
    return _CENT if count >= MICRO else _HUNDREDTH_OF_A_CENT


def _counted(price: float) -> int:
    if not 0 < price < _HIGHEST:  # neither does NaN
        raise ValueError(f"a price must be above zero and finite, was {price}")
    return micros(price)


def _positive(count: int, price: float) -> float:
    if count <= 0:
        raise ValueError(f"price {price} rounds to zero")
    return count / MICRO
