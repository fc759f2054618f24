"""Circuit breakers: given what happened to the money, may we trade?

The five breakers of strategies 8, in the order of seed 6. Money is integer micro-dollars (USD * 1e6) and
limits are integer parts, so that a threshold trips at exactly its dollar value: 2 % of 97,000.00 is a loss
of 1,940.00, not one of 1,939.999999. Time is the event's, ns UTC; nothing here reads a clock.
"""

from collections import deque
from collections.abc import Mapping

import msgspec

from actors.risk.activations import BreakerState, Cleared, Event, Group, Row
from config.trading import Breakers
from runtime.messages.risk import Action, BreakerName

MICRO = 1_000_000
PARTS = 1_000_000_000
"""Fractions are compared as whole parts of this."""
MINUTE = 60_000_000_000
HOUR = 60 * MINUTE

_NEVER = 1 << 62
_SEVERITY: dict[str, int] = {"HALT": 3, "DISABLE": 2, "PAUSE": 1, "REDUCE": 0}

_ACTIONS: dict[BreakerName, Action] = {
    "daily_loss": "HALT",
    "drawdown": "REDUCE",
    "rapid_loss": "HALT",
    "consecutive_losses": "PAUSE",
    "strategy_loss": "DISABLE",
    "reconcile": "HALT",
}

_DAILY = ("daily_loss", "")
_DRAWDOWN = ("drawdown", "")
_RAPID = ("rapid_loss", "")


class BreakerChain:
    """The state machine: every method takes event time and returns what tripped and what cleared.

    Args:
        limits: The five thresholds and their times.
        allocations: Share of equity per strategy, in settings order; those without any are not watched
            for sleeve losses.
        state: What `state()` returned before; None starts afresh.
    """

    def __init__(
        self, limits: Breakers, allocations: Mapping[str, float], state: BreakerState | None = None
    ) -> None:
        old = state or BreakerState()
        self._limits = limits
        self._shares = {name: round(share * PARTS) for name, share in allocations.items() if share > 0}
        self._rapid_parts = round(limits.rapid_loss * PARTS)
        self._rapid_window = round(limits.rapid_loss_window_min * MINUTE)
        self._rapid_halt = round(limits.rapid_loss_pause_min * MINUTE)
        self._losses_pause = round(limits.consecutive_losses_pause_h * HOUR)
        self._sleeve_disable = round(limits.strategy_loss_disable_h * HOUR)
        self._opening, self._closing, self._last = old.opening, old.closing, old.last
        self._high_water = old.high_water
        self._sleeve_high = dict(old.sleeve_high)
        self._sleeve_pnl = dict(old.sleeve_pnl)
        self._losses = dict(old.losses)
        self._groups = {key: Group(open=list(g.open), pnl=g.pnl) for key, g in old.groups.items()}
        self._window: deque[tuple[int, int]] = deque((ts, equity) for ts, equity in old.window)
        self._rows: dict[tuple[str, str], Row] = {(row.breaker, row.target): row for row in old.rows}
        self._daily_level = self._drawdown_level = self._clear_level = 0
        self._allowances: list[tuple[str, int]] = []
        self.next_expiry = _NEVER
        """When the next activation expires, ns UTC; beyond any date if none does."""
        self._measure()
        self._schedule()

    def state(self) -> BreakerState:
        """All that must survive a restart."""
        return BreakerState(
            opening=self._opening,
            closing=self._closing,
            last=self._last,
            high_water=self._high_water,
            sleeve_high=dict(self._sleeve_high),
            sleeve_pnl=dict(self._sleeve_pnl),
            losses=dict(self._losses),
            groups={key: Group(open=list(g.open), pnl=g.pnl) for key, g in self._groups.items()},
            window=list(self._window),
            rows=list(self._rows.values()),
        )

    # ---- what happens -----------------------------------------------------------------------

    def mark(
        self, now: int, equity: float, profits: Mapping[str, float], closing: bool, next_open: int
    ) -> list[Event]:
        """Judge an equity mark.

        Args:
            equity: USD, finite. profits: P&L since the books began per strategy, USD.
            closing: Whether it is the mark of the session's close.
            next_open: When a daily loss expires, ns UTC.
        """
        events = self.expire(now) if now >= self.next_expiry else []
        micros = round(equity * MICRO)
        if self._opening is None or self._high_water is None:
            self._opening = micros if self._opening is None else self._opening
            self._high_water = self._opening if self._high_water is None else self._high_water
            self._measure()
        self._last = micros
        rows, limits = self._rows, self._limits
        if micros <= self._daily_level and _DAILY not in rows:
            value = loss_from(micros, self._opening)
            events.append(self._trip(now, "daily_loss", value, limits.daily_loss, expires_at=next_open))
        if micros <= self._drawdown_level:
            if _DRAWDOWN not in rows:
                value = loss_from(micros, self._high_water)
                events.append(self._trip(now, "drawdown", value, limits.drawdown))
        elif micros >= self._clear_level and _DRAWDOWN in rows:
            events.append(self._clear(_DRAWDOWN, "recovered"))
        if _RAPID not in rows:
            self._look_back(now, micros, events)
        self._judge_sleeves(now, profits, events)
        if closing:
            self._closing = micros
            if micros > self._high_water:
                self._high_water = micros
                self._measure()
        return events

    def lot(
        self, now: int, strategy: str, lot_id: str, *, group_id: str | None, closed: bool, pnl: float
    ) -> list[Event]:
        """Count a lot: a closed one is a round trip, a group is one when its last open lot closed.

        Args:
            pnl: Net USD of the lot, its final figure when closed.
        """
        events = self.expire(now) if now >= self.next_expiry else []
        total = round(pnl * MICRO)
        if group_id is not None:
            group = self._groups.setdefault(group_id, Group(open=[]))
            if not closed:
                if lot_id not in group.open:
                    group.open.append(lot_id)
                return events
            if lot_id in group.open:
                group.open.remove(lot_id)
            group.pnl += total
            if group.open:
                return events
            total = self._groups.pop(group_id).pnl
        elif not closed:
            return events
        self._count_trade(now, strategy, total, events)
        return events

    def session_started(self, now: int, opens: int) -> list[Event]:
        """Take the last close as the day's base; drop what has expired.

        Args:
            opens: This session's open, ns UTC: a daily loss of the session before ends there.
        """
        if self._closing is not None or self._last is not None:
            self._opening = self._closing if self._closing is not None else self._last
            self._closing = None
            self._measure()
        events = self.expire(now)
        daily = self._rows.get(_DAILY)
        if daily is not None and daily.expires_at != opens:
            self._rows[_DAILY] = msgspec.structs.replace(daily, expires_at=opens)
            self._schedule()
            events += self.expire(now)
        return events

    def flow(self, amount: float) -> None:
        """Move every baseline by money paid in (positive) or out, USD: it is neither gain nor loss."""
        moved = round(amount * MICRO)
        self._opening = None if self._opening is None else self._opening + moved
        self._closing = None if self._closing is None else self._closing + moved
        self._last = None if self._last is None else self._last + moved
        self._high_water = None if self._high_water is None else self._high_water + moved
        self._window = deque((ts, equity + moved) for ts, equity in self._window)
        self._measure()

    def expire(self, now: int) -> list[Event]:
        """Clear what is due at or before `now`, oldest expiry first, and re-arm it."""
        due = [row for row in self._rows.values() if row.expires_at and row.expires_at <= now]
        due.sort(key=lambda row: row.expires_at)
        return [self._clear((row.breaker, row.target), "expired") for row in due]

    def halt(self, now: int, reason: str, expires_at: int = 0) -> list[Event]:
        """Halt all entries because the books may be wrong; 0 lasts until `release`."""
        old = self._rows.get(("reconcile", ""))
        if old is not None and (old.expires_at == 0 or expires_at):
            return []
        events: list[Event] = [self._clear(("reconcile", ""), "superseded")] if old is not None else []
        events.append(self._trip(now, "reconcile", 0.0, 0.0, expires_at=expires_at, reason=reason))
        return events

    def release(self, reason: str) -> list[Event]:
        """End a `halt`."""
        return [self._clear(("reconcile", ""), reason)] if ("reconcile", "") in self._rows else []

    # ---- what holds -------------------------------------------------------------------------

    @property
    def rows(self) -> tuple[Row, ...]:
        """What is active, in order of activation."""
        return tuple(self._rows.values())

    def worst(self, strategy: str) -> Row | None:
        """The most severe activation that acts on the strategy; the earliest of equals."""
        worst: Row | None = None
        for row in self._rows.values():
            if (not row.target or row.target == strategy) and (
                worst is None or _SEVERITY[row.action] > _SEVERITY[worst.action]
            ):
                worst = row
        return worst

    # ---- inside -----------------------------------------------------------------------------

    def _look_back(self, now: int, micros: int, events: list[Event]) -> None:
        """Keep the window's maxima: descending equities, so its head is the highest mark in reach."""
        window, limits = self._window, self._limits
        horizon = now - self._rapid_window
        while window and window[0][0] < horizon:
            window.popleft()
        while window and window[-1][1] <= micros:
            window.pop()
        window.append((now, micros))
        peak = window[0][1]
        if (peak - micros) * PARTS >= peak * self._rapid_parts:
            window.clear()
            until = now + self._rapid_halt
            value = loss_from(micros, peak)
            events.append(self._trip(now, "rapid_loss", value, limits.rapid_loss, expires_at=until))

    def _judge_sleeves(self, now: int, profits: Mapping[str, float], events: list[Event]) -> None:
        high, latest = self._sleeve_high, self._sleeve_pnl
        for name, allowance in self._allowances:
            profit = profits.get(name)
            if profit is None:
                continue
            micros = latest[name] = round(profit * MICRO)
            top = high.get(name, 0)
            if micros > top:
                high[name] = micros
            elif top - micros >= allowance and ("strategy_loss", name) not in self._rows:
                limit = self._limits.strategy_loss
                value = (top - micros) / allowance * limit if allowance else limit
                until = now + self._sleeve_disable
                events.append(self._trip(now, "strategy_loss", value, limit, target=name, expires_at=until))

    def _count_trade(self, now: int, strategy: str, pnl: int, events: list[Event]) -> None:
        if pnl > 0:
            self._losses[strategy] = 0
        if pnl >= 0 or ("consecutive_losses", strategy) in self._rows:
            return
        count = self._losses[strategy] = self._losses.get(strategy, 0) + 1
        limit = self._limits.consecutive_losses
        if count >= limit:
            until = now + self._losses_pause
            events.append(
                self._trip(now, "consecutive_losses", count, limit, target=strategy, expires_at=until)
            )

    def _trip(
        self,
        now: int,
        breaker: BreakerName,
        value: float,
        limit: float,
        *,
        target: str = "",
        expires_at: int = 0,
        reason: str = "",
    ) -> Row:
        row = Row(
            breaker=breaker,
            action=_ACTIONS[breaker],
            target=target,
            reason=reason or _REASONS[breaker].format(target=target, value=value, limit=limit),
            value=float(value),
            limit=float(limit),
            triggered_at=now,
            expires_at=expires_at,
        )
        self._rows[breaker, target] = row
        self._schedule()
        return row

    def _clear(self, key: tuple[str, str], reason: str) -> Cleared:
        """End an activation and re-arm its breaker."""
        row = self._rows.pop(key)
        if row.breaker == "consecutive_losses":
            self._losses[row.target] = 0
        elif row.breaker == "strategy_loss":
            self._sleeve_high[row.target] = self._sleeve_pnl.get(row.target, 0)
        elif row.breaker == "rapid_loss":
            self._window.clear()
        self._schedule()
        return Cleared(row=row, reason=reason)

    def _schedule(self) -> None:
        self.next_expiry = min(
            (row.expires_at for row in self._rows.values() if row.expires_at), default=_NEVER
        )

    def _measure(self) -> None:
        """Turn the bases into the levels that a mark is compared with."""
        opening, high_water, limits = self._opening, self._high_water, self._limits
        if opening is not None:
            self._daily_level = opening - _share_up(opening, limits.daily_loss)
            parts = round(limits.strategy_loss * PARTS)
            self._allowances = [
                (name, -(-opening * share * parts // (PARTS * PARTS))) for name, share in self._shares.items()
            ]
        if high_water is not None:
            self._drawdown_level = high_water - _share_up(high_water, limits.drawdown)
            # Cleared at or below the limit: the smallest equity whose drawdown is not above it.
            self._clear_level = high_water - high_water * round(limits.drawdown_clear * PARTS) // PARTS


_REASONS: dict[str, str] = {
    "daily_loss": "equity is {value:.4%} below the previous close (limit {limit:.4%})",
    "drawdown": "equity is {value:.4%} below its high-water mark (limit {limit:.4%})",
    "rapid_loss": "equity fell {value:.4%} within the window (limit {limit:.4%})",
    "consecutive_losses": "{target} lost {value:.0f} round trips in a row (limit {limit:.0f})",
    "strategy_loss": "{target} lost {value:.4%} of its sleeve from its high (limit {limit:.4%})",
}


def _share_up(base: int, fraction: float) -> int:
    """The smallest whole loss that is at least the fraction of the base."""
    return -(-base * round(fraction * PARTS) // PARTS)


def loss_from(micros: int, base: int) -> float:
    """Loss from a base as a fraction of it; a gain is negative."""
    return 1.0 - micros / base if base else 1.0
