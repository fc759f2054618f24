"""Which strategies take part, with how many slots and what weight (strategies 6.3, 7)."""

from collections.abc import Mapping, Sequence

from actors.allocation.slots import Claim, effective_slots, quotas
from config.strategies import StrategySettings


class Roster:
    """The enabled strategies; those that cannot trade give their slots to the others.

    Args:
        strategies: In config order, which breaks ties.
        idle: Why a strategy takes no part, by name.
        positions: Slots of the account.
        factor: Performance times fit, bounded: what every allocation is multiplied with.

    Attributes:
        claims: Strategies that compete for slots. quotas: their slots by name; slots: what each one's sleeve
            is divided by.
        allocations: Effective allocation by name, at most 1 in sum.
    """

    def __init__(
        self,
        strategies: Sequence[StrategySettings],
        idle: Mapping[str, str],
        positions: int,
        factor: float,
    ) -> None:
        self.strategies = {s.name: s for s in strategies if s.enabled}
        self.idle = dict(idle)
        self._positions = positions
        self._factor = factor
        self._recount()

    def set_idle(self, name: str, reason: str) -> None:
        """A strategy can trade no more."""
        if name in self.strategies and self.idle.get(name) != reason:
            self.idle[name] = reason
            self._recount()

    def set_active(self, name: str) -> None:
        """A strategy trades (again)."""
        if self.idle.pop(name, None) is not None:
            self._recount()

    def report(self) -> str:
        """Slots in words, with the strategies that got none."""
        slots = ", ".join(f"{name} {count}" for name, count in self.quotas.items() if count)
        starved = ", ".join(name for name, count in self.quotas.items() if count == 0)
        return f"slots: {slots or 'none'}" + (f"; starved: {starved}" if starved else "")

    def idle_report(self) -> str:
        """Who takes no part and why, in words."""
        return ", ".join(f"{name} ({why})" for name, why in self.idle.items()) or "none"

    def _recount(self) -> None:
        self.claims = {
            s.name: Claim(s.name, s.allocation, s.max_positions, s.intraday, s.min_slots)
            for s in self.strategies.values()
            if s.allocation > 0 and s.name not in self.idle
        }
        self.ordered = tuple(self.claims.values())
        self.quotas = quotas(self._positions, self.ordered)
        self.slots = {claim.name: effective_slots(claim, self.quotas[claim.name]) for claim in self.ordered}
        raw = {claim.name: claim.allocation * self._factor for claim in self.ordered}
        total = sum(raw.values())
        self.allocations = {name: value / total for name, value in raw.items()} if total > 1 else raw
