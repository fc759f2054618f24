"""Which symbols to stream when the data plan does not allow all of them."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

BASIC_LIMIT = 30
"""Symbols of the free plan. Source: alpaca.md 1.5."""


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol that is not streamed, and who wanted it first: a strategy, or `position`."""

    symbol: str
    wanted_by: str


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What is streamed, in order of importance, and what is not."""

    symbols: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()

    def told(self) -> str:
        """The symbols left out in one line, by who wanted them; empty if none."""
        by: dict[str, list[str]] = {}
        for one in self.left_out:
            by.setdefault(one.wanted_by, []).append(one.symbol)
        return "; ".join(f"{who}: {', '.join(symbols)}" for who, symbols in by.items())


POSITION = "position"


def choose(
    positions: Iterable[str], watch_lists: Mapping[str, Sequence[str]], limit: int | None = BASIC_LIMIT
) -> Choice:
    """Fill the plan's places: open positions first, then the watch lists, the most important one first.

    Args:
        positions: Symbols held now, whoever holds them.
        watch_lists: Symbols by strategy, strategies by priority, each list by its own priority.
        limit: Most symbols the plan streams; None: no limit.

    Raises:
        ValueError: A negative limit.
    """
    if limit is not None and limit < 0:
        raise ValueError(f"a symbol limit cannot be negative, was {limit}")
    wanted: dict[str, str] = dict.fromkeys(sorted(positions), POSITION)
    for strategy, symbols in watch_lists.items():
        for symbol in symbols:
            wanted.setdefault(symbol, strategy)
    ranked = list(wanted)
    places = len(ranked) if limit is None else limit
    return Choice(
        symbols=tuple(ranked[:places]),
        left_out=tuple(LeftOut(symbol=name, wanted_by=wanted[name]) for name in ranked[places:]),
    )
