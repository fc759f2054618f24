"""Strategies: state, profit, slots, record, and why one is silent just now."""

import msgspec

from actors.screen.tables import Rows, cut
from config.strategies import StrategySettings
from runtime.messages.machine import ActorStopped
from runtime.messages.risk import BreakerCleared, BreakerTripped, Phase, StrategyChanged, StrategyDay
from runtime.messages.screen import StrategyRow
from runtime.messages.trading import LotChanged, SignalDropped, SignalRaised

NOT_BUILT = "NOT_BUILT"
_ACTS = {"DISABLE": "DISABLED", "PAUSE": "PAUSED"}
_OPEN: tuple[Phase, ...] = ("MARKET_OPEN", "TRADING")


class Facts(msgspec.Struct, kw_only=True):
    """What is known of one strategy.

    Attributes:
        before: P&L since the books began as of the last close; total: now, USD.
        acts: Why a breaker acts on it, by breaker.
    """

    state: str = "STARTING"
    why: str = ""
    allocation: float = 0.0
    slots: int = 0
    held: dict[str, None] = {}
    before: float = 0.0
    total: float = 0.0
    signals: int = 0
    trades: int = 0
    wins: int = 0
    sharpe: float | None = None
    last_signal: int = 0
    refused: str = ""
    acts: dict[str, BreakerTripped] = {}


class StrategyList:
    """All enabled strategies, in the order of the settings."""

    def __init__(self, settings: tuple[StrategySettings, ...]) -> None:
        self.facts = {s.name: Facts(allocation=s.allocation) for s in settings if s.enabled}
        self.rows: Rows[StrategyRow] = Rows(1_000)

    def _of(self, name: str) -> Facts:
        found = self.facts.get(name)
        if found is None:
            found = self.facts[name] = Facts()
        return found

    # ---- what happens -----------------------------------------------------------------------

    def changed(self, change: StrategyChanged) -> None:
        """What its host says of it."""
        facts = self._of(change.strategy)
        facts.state = NOT_BUILT if change.reason == NOT_BUILT else change.state
        facts.why = "" if change.reason == NOT_BUILT else cut(change.reason)
        facts.slots, facts.allocation = change.slots, change.allocation

    def stopped(self, stopped: ActorStopped) -> None:
        """It crashed too often."""
        if stopped.actor in self.facts:
            facts = self.facts[stopped.actor]
            facts.state, facts.why = "DISABLED", stopped.reason

    def tripped(self, tripped: BreakerTripped) -> None:
        """A breaker acts on it alone."""
        if tripped.target and tripped.action in _ACTS:
            self._of(tripped.target).acts[tripped.breaker] = tripped

    def cleared(self, cleared: BreakerCleared) -> None:
        """And no longer does."""
        if cleared.target in self.facts:
            self.facts[cleared.target].acts.pop(cleared.breaker, None)

    def profits(self, totals: dict[str, float]) -> None:
        """P&L since the books began, USD by strategy."""
        for name, total in totals.items():
            self._of(name).total = total

    def raised(self, signal: SignalRaised) -> None:
        """It wants something."""
        facts = self._of(signal.strategy)
        facts.signals += 1
        facts.last_signal, facts.refused = signal.ts_event, ""

    def dropped(self, drop: SignalDropped) -> None:
        """And does not get it."""
        self._of(drop.strategy).refused = cut(drop.reason)

    def lot(self, lot: LotChanged) -> None:
        """What it holds, and how its trades end."""
        facts = self._of(lot.strategy)
        if lot.state == "open":
            facts.held[lot.lot_id] = None
            return
        facts.held.pop(lot.lot_id, None)
        facts.trades += 1
        facts.wins += lot.realised > 0

    def day(self, day: StrategyDay) -> None:
        """Its statistics at the close."""
        facts = self._of(day.strategy)
        facts.sharpe = day.total_sharpe
        facts.trades, facts.wins = day.total_trades, day.winning_trades

    # ---- telling ----------------------------------------------------------------------------

    def refresh(self, phase: Phase | None, blocked: str) -> None:
        """Bring the rows up to date.

        Args:
            blocked: Why nobody's entry may leave, or empty.
        """
        for name, facts in self.facts.items():
            act = next(iter(facts.acts.values()), None)
            self.rows.put(
                StrategyRow(
                    key=name,
                    state=facts.state if act is None else _ACTS[act.action],
                    allocation=facts.allocation,
                    why=facts.why if act is None else f"{act.breaker}: {act.reason}",
                    slots=facts.slots,
                    held=len(facts.held),
                    day_pnl=facts.total - facts.before,
                    total_pnl=facts.total,
                    signals=facts.signals,
                    trades=facts.trades,
                    win_rate=facts.wins / facts.trades if facts.trades else None,
                    sharpe=facts.sharpe,
                    last_signal_at=facts.last_signal,
                    silent=_silent(facts, act, phase, blocked),
                )
            )


def _silent(facts: Facts, act: BreakerTripped | None, phase: Phase | None, blocked: str) -> str:
    """Why no entry comes from it, in words; empty where one may come at any time and the last one went on."""
    if act is not None:
        return f"{act.breaker}: {act.reason}"
    if facts.state == NOT_BUILT:
        return "not built yet"
    if facts.state not in ("ACTIVE", "DEGRADED", "STARTING"):
        return facts.why or facts.state.lower()
    if blocked:
        return blocked
    if phase not in _OPEN:
        return "outside its hours"
    if not facts.slots:
        return "no slot is left for it"
    if len(facts.held) >= facts.slots:
        return f"all its {facts.slots} slots are taken"
    if facts.refused:
        return f"its last signal was refused: {facts.refused}"
    if not facts.signals:
        return "nothing has met its conditions today"
    return facts.why
