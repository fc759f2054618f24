"""How far each breaker is from its limit, by the breaker's own measure."""

from collections.abc import Mapping

import msgspec

from actors.risk.activations import BreakerState, Row
from actors.risk.breakers import PARTS, loss_from
from config.trading import Breakers
from runtime.messages.risk import BreakerName

_Acting = Mapping[tuple[str, str], Row]


class Gauge(msgspec.Struct, frozen=True, kw_only=True):
    """One breaker, of one strategy or of all.

    Attributes:
        value, limit: Fractions; of consecutive losses counts. row: its activation while it acts.
    """

    breaker: BreakerName
    target: str
    value: float
    limit: float
    row: Row | None = None


def gauges(state: BreakerState, limits: Breakers, shares: Mapping[str, float]) -> list[Gauge]:
    """Every breaker as it stands: those of the account first, then by strategy.

    Args:
        state: What the chain says of itself. shares: allocation by strategy, a fraction of the equity.
    """
    acting: _Acting = {(row.breaker, row.target): row for row in state.rows}
    last, opening, high = state.last, state.opening, state.high_water
    peak = state.window[0][1] if state.window else None
    found = [
        _gauge(acting, "daily_loss", "", _fall(last, opening), limits.daily_loss),
        _gauge(acting, "rapid_loss", "", _fall(last, peak), limits.rapid_loss),
        _gauge(acting, "drawdown", "", _fall(last, high), limits.drawdown),
    ]
    for name, share in shares.items():
        if share <= 0:
            continue
        top = max(state.sleeve_high.get(name, 0), 0)
        lost = max(0, top - state.sleeve_pnl.get(name, 0))
        # The whole sleeve: what the breaker's allowance is the limit's share of.
        sleeve = (opening or 0) * round(share * PARTS) / PARTS
        value = lost / sleeve if sleeve > 0 else 0.0
        found.append(_gauge(acting, "strategy_loss", name, value, limits.strategy_loss))
        count = float(state.losses.get(name, 0))
        found.append(_gauge(acting, "consecutive_losses", name, count, float(limits.consecutive_losses)))
    halted = acting.get(("reconcile", ""))
    if halted is not None:
        found.append(_gauge(acting, "reconcile", "", 1.0, 1.0))
    return found


def _gauge(acting: _Acting, breaker: BreakerName, target: str, value: float, limit: float) -> Gauge:
    row = acting.get((breaker, target))
    return Gauge(breaker=breaker, target=target, value=value, limit=limit, row=row)


def _fall(last: int | None, base: int | None) -> float:
    """Loss from a base, as a fraction of it; a gain is none."""
    return 0.0 if last is None or base is None else max(0.0, loss_from(last, base))
