"""What the account has beside our lots, as far as it takes room from them: shares, buying power.

Cash that the books call free may not be: others in the account spend the same buying power. What is lacking
is what the books had free beyond the broker's figure when that was read, and what others have bought since.
Source: architecture 4 (`EXTERNAL` counts in limits); faults.md C 36, D 44.
"""

import math

import msgspec

from runtime.messages.account import ExternalChanged
from runtime.messages.broker import BrokerAccount


class OutsideState(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of others, USD; `beyond` is None until the account was read."""

    shares: dict[str, float]
    worth: dict[str, float]
    beyond: float | None
    worth_then: float


class Outside:
    """Everything that is not ours.

    Attributes:
        lack: USD that the books call free and the account does not have.
    """

    def __init__(self) -> None:
        self.lack = 0.0
        self._shares: dict[str, float] = {}
        self._worth: dict[str, float] = {}
        self._beyond = -math.inf
        self._worth_then = 0.0

    def state(self) -> OutsideState:
        """All that is known."""
        beyond = self._beyond if math.isfinite(self._beyond) else None
        return OutsideState(
            shares=self._shares, worth=self._worth, beyond=beyond, worth_then=self._worth_then
        )

    def restore(self, state: OutsideState) -> None:
        """Know what another instance knew."""
        self._shares, self._worth = dict(state.shares), dict(state.worth)
        self._beyond = -math.inf if state.beyond is None else state.beyond
        self._worth_then = state.worth_then
        self._weigh()

    def changed(self, change: ExternalChanged) -> None:
        """Shares of others in one symbol, and what they are worth."""
        shares = change.quantity + change.fraction
        price = change.last or change.price
        if shares:
            self._shares[change.symbol] = shares
            self._worth[change.symbol] = abs(shares) * price
        else:
            self._shares.pop(change.symbol, None)
            self._worth.pop(change.symbol, None)
        self._weigh()

    def account(self, account: BrokerAccount, free: float) -> None:
        """The broker's buying power, beside what the books call free (USD) at that moment."""
        self._beyond = free - account.buying_power
        self._worth_then = math.fsum(self._worth.values())
        self._weigh()

    def _weigh(self) -> None:
        spent = max(0.0, math.fsum(self._worth.values()) - self._worth_then)
        self.lack = max(0.0, self._beyond + spent)

    def value(self, symbol: str, price: float) -> float:
        """USD that others hold in a symbol, long or short, at a price."""
        shares = self._shares.get(symbol)
        return 0.0 if shares is None else abs(shares) * price

    def sign(self, symbol: str) -> int:
        """Whether others are long (1) or short (-1) in a symbol; 0: neither."""
        shares = self._shares.get(symbol, 0.0)
        return (shares > 0) - (shares < 0)
