"""Money and shares of the simulated account, in whole micro-dollars.

Positions are valued at what they cost, so buying power needs no prices and costs nothing per symbol:
buying power = multiplier * (cash + net cost) - gross cost - what open orders reserve. For long positions and
a multiplier of 1 that is the cash not yet promised.
"""

import msgspec


class Holding(msgspec.Struct, gc=False, array_like=True):
    """Net shares in a symbol and what they cost, both negative when short; micro-dollars."""

    quantity: int = 0
    cost: int = 0


class SimulatedAccount:
    """One margin account.

    Args:
        cash: Micro-dollars.
        multiplier: Buying power in multiples of equity.
        holdings: By symbol; flat symbols are not in it.
    """

    __slots__ = ("_gross", "_net", "cash", "holdings", "multiplier", "reserved")

    def __init__(self, cash: int, multiplier: float, holdings: dict[str, Holding] | None = None) -> None:
        self.cash = cash
        self.multiplier = multiplier
        self.holdings: dict[str, Holding] = holdings or {}
        self.reserved = 0
        """Micro-dollars promised to open orders; the broker adds and takes."""
        self._net = sum(held.cost for held in self.holdings.values())
        self._gross = sum(abs(held.cost) for held in self.holdings.values())

    def position(self, symbol: str) -> int:
        """Net shares held."""
        held = self.holdings.get(symbol)
        return 0 if held is None else held.quantity

    @property
    def buying_power(self) -> int:
        """Micro-dollars that a new order may tie up."""
        return int(self.multiplier * (self.cash + self._net)) - self._gross - self.reserved

    def trade(self, symbol: str, signed: int, price_micros: int, fees: int) -> int:
        """Book a fill (signed shares, micro-dollars a share, micro-dollars); the net position after it."""
        value = signed * price_micros
        self.cash -= value + fees
        held = self.holdings.get(symbol)
        if held is None:
            self.holdings[symbol] = Holding(signed, value)
            self._net += value
            self._gross += abs(value)
            return signed
        had, before = held.quantity, held.cost
        left = had + signed
        if not left:
            del self.holdings[symbol]
            self._net -= before
            self._gross -= abs(before)
            return 0
        if had * signed >= 0:
            cost = before + value
        elif abs(signed) <= abs(had):
            cost = before * left // had
        else:
            cost = left * price_micros
        self._net += cost - before
        self._gross += abs(cost) - abs(before)
        held.quantity, held.cost = left, cost
        return left
