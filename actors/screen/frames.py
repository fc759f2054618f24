"""Makes frames: the whole state for a client that comes, what changed for one that is there."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from actors.risk.gauges import Gauge
from actors.screen.feed import Feed
from actors.screen.state import ScreenState
from actors.screen.tables import Rows
from runtime.kernel.cell import Figures
from runtime.kernel.supervisor import GatewayFigures
from runtime.messages.screen import ActorRow, Frame, GaugeRow, Head, Mode, Transport

SECOND = 1_000_000_000
_WARN = 0.75
"""Share of its limit from which a breaker warns."""


class Lag(NamedTuple):
    """How long inputs wait.

    Attributes:
        recent: From posting to handled, of the latest inputs, ns. worst: from posting to being handled.
    """

    recent: Iterable[int] = ()
    worst: int = 0


class Looks(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at when a frame is made; each between two inputs.

    Attributes:
        now: Market time. real: wall time, ns UTC.
        actors, gateways: Figures by name, actors in order of rank. gauges: of the breaker.
        details: A gateway's state in words, by name. db_lag: inputs the books are behind.
        transport: Where a replay stands.
    """

    now: Callable[[], int]
    real: Callable[[], int]
    actors: Callable[[], Mapping[str, Figures]]
    gauges: Callable[[], list[Gauge]]
    gateways: Callable[[], Mapping[str, GatewayFigures]] = dict
    details: Callable[[], Mapping[str, str]] = dict
    lag: Callable[[], Lag] = Lag
    db_lag: Callable[[], int] = int
    transport: Callable[[], Transport | None] = lambda: None


class Frames:
    """Frames of one session.

    Args:
        mode: LIVE, PAPER, REPLAY or DEMO. account: whose books. root: where; pid: of the engine.
        not_streamed: Wanted symbols the data plan has no room for.
    """

    def __init__(
        self,
        feed: Feed,
        looks: Looks,
        *,
        mode: Mode,
        account: str,
        root: str,
        pid: int,
        not_streamed: int = 0,
    ) -> None:
        self.feed = feed
        self.clients = 0
        self._looks = looks
        self._mode, self._account, self._root, self._pid = mode, account, root, pid
        self._not_streamed = not_streamed
        self._head: Head | None = None
        self._transport: Transport | None = None
        self._gauges: Rows[GaugeRow] = Rows(10_000)
        self._actors: Rows[ActorRow] = Rows(10_000)
        self._rates = _Rates()

    @property
    def state(self) -> ScreenState:
        """What is shown."""
        return self.feed.state

    @property
    def crowded(self) -> asyncio.Event:
        """Set when so much waits that it should be folded."""
        return self.feed.crowded

    def fold(self) -> bool:
        """Take in a piece of what has happened; whether there is more."""
        return self.feed.fold()

    # ---- frames -----------------------------------------------------------------------------

    def changes(self) -> Frame:
        """What has changed since the last call."""
        head, transport = self._look()
        state = self.state
        before, self._head = self._head, head
        moved, self._transport = transport != self._transport, transport
        return Frame(
            at=self._looks.now(),
            real=self._looks.real(),
            head=head if head != before else None,
            positions=state.holdings.positions.changes(),
            orders=state.orders.rows.changes(),
            trades=state.holdings.trades.changes(),
            strategies=state.strategies.rows.changes(),
            gauges=self._gauges.changes(),
            signals=state.signals.rows.changes(),
            log=state.journal.log.changes(),
            errors=state.journal.errors.changes(),
            actors=self._actors.changes(),
            tasks=state.journal.tasks.changes(),
            alerts=state.journal.alerts.changes(),
            today=state.today.changes(),
            history=state.history.changes(),
            transport=transport if moved else None,
        )

    def whole(self) -> Frame:
        """Everything, as of the last call of `changes`."""
        state = self.state
        return Frame(
            whole=True,
            at=self._looks.now(),
            real=self._looks.real(),
            pid=self._pid,
            root=self._root,
            head=self._head,
            positions=state.holdings.positions.whole(),
            orders=state.orders.rows.whole(),
            trades=state.holdings.trades.whole(),
            strategies=state.strategies.rows.whole(),
            gauges=self._gauges.whole(),
            signals=state.signals.rows.whole(),
            log=state.journal.log.whole(),
            errors=state.journal.errors.whole(),
            actors=self._actors.whole(),
            tasks=state.journal.tasks.whole(),
            alerts=state.journal.alerts.whole(),
            today=state.today.whole(),
            history=state.history.whole(),
            transport=self._transport,
        )

    # ---- looking ----------------------------------------------------------------------------

    def _look(self) -> tuple[Head, Transport | None]:
        state, looks = self.state, self._looks
        state.holdings.refresh()
        blocked = state.blocked()
        state.strategies.refresh(state.phase, blocked)
        now = looks.now()
        for gauge in looks.gauges():
            self._gauges.put(_gauge_row(gauge))
        if self._rates.is_due(looks.real(), state.bars):
            self._look_at_actors()
        return self._make_head(blocked, now), looks.transport()

    def _look_at_actors(self) -> None:
        stopped, rates = self.state.stopped, self._rates
        for rank, (name, figures) in enumerate(self._looks.actors().items()):
            self._actors.put(
                ActorRow(
                    key=name,
                    kind="decision",
                    state="stopped" if name in stopped else "running",
                    rank=rank,
                    depth=figures.depth,
                    high_water=figures.high_water,
                    handled=figures.handled,
                    per_s=rates.of(name, figures.handled),
                    busy_ns=figures.busy_ns // figures.handled if figures.handled else 0,
                    drops=figures.drops,
                    crashes=figures.crashes,
                    restarts=figures.restarts,
                    detail=stopped.get(name, ""),
                )
            )
        details = self._looks.details()
        for place, (name, gateway) in enumerate(self._looks.gateways().items()):
            inbox = gateway.inbox
            self._actors.put(
                ActorRow(
                    key=name,
                    kind="gateway",
                    state=gateway.state,
                    rank=10_000 + place,
                    depth=inbox.depth,
                    high_water=inbox.high_water,
                    handled=inbox.taken,
                    per_s=rates.of(name, inbox.taken),
                    drops=inbox.drops + inbox.refused,
                    crashes=gateway.crashes,
                    restarts=gateway.restarts,
                    detail=details.get(name, ""),
                )
            )

    def _make_head(self, blocked: str, now: int) -> Head:
        state, lag, open_errors = self.state, self._looks.lag(), self.state.journal.open
        pnl = state.equity - state.opening
        fast, slow = state.regimes()
        regime = state.regime
        coming = next((start for start in state.header.phases if start.ts > now), None)
        ready = state.orders_ready
        return Head(
            mode=self._mode,
            account=self._account,
            session=state.header.session,
            phase=state.phase,
            next_phase=coming.phase if coming else None,
            next_at=coming.ts if coming else 0,
            halted=state.halted,
            halt_reason=state.halt_reason,
            halt_flatten=state.flattens,
            halt_confirmed=state.is_confirmed,
            flat=state.is_flat,
            entries=blocked,
            equity=state.equity,
            cash=state.cash,
            gross=state.gross,
            day_pnl=pnl,
            day_frac=pnl / state.opening if state.opening else 0.0,
            drawdown=max(0.0, 1 - state.equity / state.high_water) if state.high_water else 0.0,
            positions=state.positions,
            max_positions=state.max_positions,
            regime=fast,
            regime_slow=slow,
            regime_source=regime.source if regime else "",
            vix=regime.vix if regime else 0.0,
            scalar=regime.scalar if regime else 1.0,
            stream=_stream_word(state),
            orders="none" if ready is None else "up" if ready.ready else "down",
            bar_at=state.bar_at,
            bars_per_s=self._rates.bars_per_s,
            p99_ns=_p99(lag.recent),
            db_lag=self._looks.db_lag(),
            lag_worst_ns=lag.worst,
            not_streamed=self._not_streamed,
            critical=open_errors["CRITICAL"],
            errors=open_errors["ERROR"],
            warnings=open_errors["WARNING"],
            inputs=state.seq,
            clients=self.clients,
        )


class _Rates:
    """Counts a second, measured about once a second."""

    def __init__(self) -> None:
        self._at = 0
        self._elapsed = 0.0
        self._bars = 0
        self._before: dict[str, int] = {}
        self.bars_per_s = 0.0

    def is_due(self, now: int, bars: int) -> bool:
        """Whether a second has passed; then rates are of that second."""
        passed = now - self._at
        if 0 <= passed < SECOND:
            return False
        self._elapsed = passed / SECOND if self._at and passed > 0 else 0.0
        self.bars_per_s = (bars - self._bars) / self._elapsed if self._elapsed else 0.0
        self._at, self._bars = now, bars
        return True

    def of(self, name: str, count: int) -> float:
        """How much a count grew a second."""
        before = self._before.get(name, count)
        self._before[name] = count
        return (count - before) / self._elapsed if self._elapsed else 0.0


def _gauge_row(gauge: Gauge) -> GaugeRow:
    row = gauge.row
    near = gauge.limit > 0 and gauge.value >= _WARN * gauge.limit
    return GaugeRow(
        key=f"{gauge.breaker} {gauge.target}".rstrip(),
        name=gauge.breaker,
        target=gauge.target,
        value=gauge.value,
        limit=gauge.limit,
        state=row.action if row is not None else "WARN" if near else "OK",
        count=gauge.breaker == "consecutive_losses",
        until=row.expires_at if row is not None else 0,
        reason=row.reason if row is not None else "",
    )


def _stream_word(state: ScreenState) -> str:
    if state.feeds:
        return "down"
    return "up" if state.is_fed else "none"


def _p99(recent: Iterable[int]) -> int:
    values: list[Any] = sorted(recent)
    return values[(len(values) * 99) // 100] if values else 0
