"""Who trades when strategies disagree on a symbol (strategies 6.4 to 6.6)."""

from collections.abc import Iterable, Mapping

import msgspec

from runtime.messages.trading import Direction, SignalRaised


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the netting of one symbol decided.

    Attributes:
        kept: Signals that go on to sizing; lost: those that do not, with the reason.
        scale: Multiplies the size of what is kept (1 without conflict).
    """

    kept: tuple[SignalRaised, ...]
    lost: tuple[tuple[SignalRaised, str], ...]
    scale: float = 1.0


def contribution(signal: SignalRaised, allocation: float) -> float:
    """Effective allocation times strength times confidence."""
    return allocation * signal.strength * signal.confidence


def net(signals: Iterable[SignalRaised], allocations: Mapping[str, float], min_balance: float) -> Verdict:
    """Weigh long against short for one symbol.

    rho = |L - S| / (L + S); below `min_balance` (1/3) nobody trades, else the heavier side at size rho.
    """
    longs = [s for s in signals if s.direction == "long"]
    shorts = [s for s in signals if s.direction == "short"]
    if not longs or not shorts:
        return Verdict(kept=tuple(longs or shorts), lost=())
    weight_long = sum(contribution(s, allocations[s.strategy]) for s in longs)
    weight_short = sum(contribution(s, allocations[s.strategy]) for s in shorts)
    whole = weight_long + weight_short
    rho = abs(weight_long - weight_short) / whole if whole > 0 else 0.0
    if rho < min_balance:
        return Verdict(kept=(), lost=tuple((s, "CONFLICT_CANCEL") for s in (*longs, *shorts)))
    winners, losers = (longs, shorts) if weight_long > weight_short else (shorts, longs)
    return Verdict(kept=tuple(winners), lost=tuple((s, "CONFLICT_LOST") for s in losers), scale=rho)


def opposite(direction: Direction) -> Direction:
    """The other side."""
    return "short" if direction == "long" else "long"


def priority(signal: SignalRaised, allocation: float) -> tuple[float, float, str, str]:
    """Sort key for scarce slots and cash: strength*confidence down, allocation down, symbol up."""
    return (-signal.strength * signal.confidence, -allocation, signal.symbol, signal.strategy)
