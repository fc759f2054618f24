"""What the engine tells a screen: frames. Imports no NumPy.

The first frame after attaching is whole; later ones hold only what changed, so a screen is a fold over
frames: a section that is None stands as it stood; a table names the rows that changed and the keys that are
gone.
Money is float USD, shares of a whole are fractions, times are int ns UTC, quantities int shares.
Source: architecture 6; terminal 1 and 2.2.
"""

from typing import Generic, Literal, TypeVar

import msgspec

from runtime.messages.risk import Phase, Regime

SCHEMA = 1
"""Engine and screen must speak the same; another one is refused with both numbers said."""

Mode = Literal["LIVE", "PAPER", "REPLAY", "DEMO"]
Row = TypeVar("Row", bound="Keyed")


class Keyed(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A row of a table; `key` names it for as long as it exists."""

    key: str


class Table(msgspec.Struct, Generic[Row], frozen=True, kw_only=True, array_like=True):
    """What changed in a table.

    Attributes:
        rows: New and changed ones, in the table's own order. gone: keys that are no longer there.
        whole: `rows` is everything: forget what was there.
    """

    rows: tuple[Row, ...] = ()
    gone: tuple[str, ...] = ()
    whole: bool = False


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The status line and the figures below it.

    Attributes:
        account: Whose books (`paper:PA123`). session: ISO date of the trading day.
        next_phase, next_at: What comes and when, ns of market time; 0: nothing more today.
        halted: The kill switch; halt_confirmed: what it asked for is done; flat: with nothing held.
        entries: Why no entry may leave now ("" = they may), in words.
        day_pnl: Since the session began; day_frac: as a fraction of its opening equity.
        stream: State of the market stream in a word (`up`, `connecting`, `down`, `none`); orders: of the
            order stream. bar_at: when the last minute entered, ns of market time, 0: none yet.
        bars_per_s: Over the last publishing second. p99_ns: from posting to handled, of the latest inputs.
        db_lag: Inputs the books are behind. lag_worst_ns: The longest that an input has waited to be handled.
        not_streamed: How many wanted symbols the data plan has no room for.
        critical, errors, warnings: Unresolved rows, by level.
    """

    mode: Mode
    account: str = ""
    session: str = ""
    phase: Phase | None = None
    next_phase: Phase | None = None
    next_at: int = 0
    halted: bool = False
    halt_reason: str = ""
    halt_flatten: bool = False
    halt_confirmed: bool = False
    flat: bool = False
    entries: str = ""
    equity: float = 0.0
    cash: float = 0.0
    gross: float = 0.0
    day_pnl: float = 0.0
    day_frac: float = 0.0
    drawdown: float = 0.0
    positions: int = 0
    max_positions: int = 0
    regime: Regime | None = None
    regime_slow: Regime | None = None
    regime_source: str = ""
    vix: float = 0.0
    scalar: float = 1.0
    stream: str = "none"
    orders: str = "none"
    bar_at: int = 0
    bars_per_s: float = 0.0
    p99_ns: int = 0
    db_lag: int = 0
    lag_worst_ns: int = 0
    not_streamed: int = 0
    critical: int = 0
    errors: int = 0
    warnings: int = 0
    inputs: int = 0
    clients: int = 0


class PositionRow(Keyed, frozen=True, kw_only=True, array_like=True, gc=False):
    """One lot that is held, or a position of the account that is not ours. Key: the lot.

    Attributes:
        quantity: Signed: negative is short. fraction: of a share, where the account holds one (external).
        stop, target: Where they rest; None: there is none.
        external: Held by the account, not by a strategy of ours.
    """

    symbol: str
    strategy: str
    quantity: int
    last: float
    pnl: float
    pnl_frac: float
    entry: float
    entry_at: int
    stop: float | None = None
    target: float | None = None
    intraday: bool = False
    external: bool = False
    fraction: float = 0.0
    sector: str = ""


class OrderRow(Keyed, frozen=True, kw_only=True, array_like=True, gc=False):
    """One order of the session. Key: its client order id. `working`: it may still fill."""

    at: int
    symbol: str
    side: str
    type: str
    quantity: int
    filled: int
    status: str
    role: str
    strategy: str
    lot: str
    working: bool
    limit: float | None = None
    stop: float | None = None
    average: float = 0.0
    reason: str = ""
    external: bool = False


class TradeRow(Keyed, frozen=True, kw_only=True, array_like=True, gc=False):
    """A lot of the session that is closed. Key: the lot."""

    symbol: str
    strategy: str
    quantity: int
    entry: float
    exit: float
    entry_at: int
    exit_at: int
    pnl: float
    why: str = ""


class StrategyRow(Keyed, frozen=True, kw_only=True, array_like=True, gc=False):
    """One strategy. Key: its name.

    Attributes:
        state: ACTIVE, INACTIVE, DEGRADED, SHADOW, PAUSED, DISABLED or NOT_BUILT. why: in words.
        slots: It may fill; held: lots it holds. signals: of the session.
        win_rate: Of all its closed trades, a fraction; None: it has none. sharpe: as in its statistics.
        silent: Why nothing comes from it just now, in words; "" where something does.
    """

    state: str
    allocation: float
    why: str = ""
    slots: int = 0
    held: int = 0
    day_pnl: float = 0.0
    total_pnl: float = 0.0
    signals: int = 0
    trades: int = 0
    win_rate: float | None = None
    sharpe: float | None = None
    last_signal_at: int = 0
    silent: str = ""


class GaugeRow(Keyed, frozen=True, kw_only=True, array_like=True, gc=False):
    """One breaker against its limit. Key: breaker, or breaker and target.

    Attributes:
        value, limit: Fractions, or counts where `count`. state: OK, WARN (from 3/4 of the limit), or the
            action in force (HALT, PAUSE, DISABLE, REDUCE). until: when it expires, ns; 0: no time of its own.
    """

    name: str
    target: str
    value: float
    limit: float
    state: str
    count: bool = False
    until: int = 0
    reason: str = ""


class SignalRow(Keyed, frozen=True, kw_only=True, array_like=True, gc=False):
    """One signal and what became of it. Key: its id.

    Attributes:
        became: pending, proposed, denied, expired, rejected, ordered, filled, closed. why: in words.
    """

    at: int
    strategy: str
    symbol: str
    kind: str
    direction: str
    strength: float
    confidence: float
    price: float
    became: str
    why: str = ""
    lot: str = ""


class LogRow(Keyed, frozen=True, kw_only=True, array_like=True, gc=False):
    """One line of the log. Key: its running number."""

    at: int
    level: str
    component: str
    text: str


class ErrorRow(Keyed, frozen=True, kw_only=True, array_like=True, gc=False):
    """One row of the error log. Key: its id there, or the running number of one not yet written."""

    at: int
    level: str
    component: str
    text: str
    count: int = 1
    where: str = ""
    traceback: str = ""
    resolved: bool = False
    note: str = ""


class ActorRow(Keyed, frozen=True, kw_only=True, array_like=True, gc=False):
    """One actor or gateway. Key: its name.

    Attributes:
        kind: decision or gateway. state: running, restarting, stopped, back-off ... detail: a gateway's
            connection in words. per_s: handled in the last publishing second. busy_ns: per message, mean.
    """

    kind: str
    state: str
    rank: int = 0
    depth: int = 0
    high_water: int = 0
    handled: int = 0
    per_s: float = 0.0
    busy_ns: int = 0
    drops: int = 0
    crashes: int = 0
    restarts: int = 0
    detail: str = ""


class TaskRow(Keyed, frozen=True, kw_only=True, array_like=True, gc=False):
    """One task of the day's registry. Key: phase and task."""

    at: int
    phase: str
    task: str
    status: str
    detail: str = ""


class AlertRow(Keyed, frozen=True, kw_only=True, array_like=True, gc=False):
    """One alert and what became of it. Key: its id in the history."""

    at: int
    level: str
    event: str
    text: str
    sent: str = ""


class EquityPoints(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """Equity over time: of today by minute, of earlier sessions by day.

    Attributes:
        at: ns UTC, ascending. equity: USD. whole: forget what was there, otherwise these come after it.
    """

    at: tuple[int, ...] = ()
    equity: tuple[float, ...] = ()
    whole: bool = False


class Transport(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a replay stands.

    Attributes:
        playing: Whether it moves. ended: It stands at its end. speed: market seconds a second; 0: as fast
            as it goes. starts, at, ends: of the session, ns of market time. place: of the session among
            `sessions`, from 0. orders: so far.
    """

    playing: bool
    ended: bool
    speed: float
    session: str
    starts: int
    at: int
    ends: int
    place: int = 0
    sessions: int = 0
    orders: int = 0


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What changed since the frame before, at most four times a second.

    Attributes:
        schema: Put in by `pack`: never left out, so that an older or newer screen sees it is another's.
        number: Counts the engine's frames; the first after attaching is whole, and so is the one after a
            gap, which means that this client read too slowly.
        at: market time, ns. real: the engine's wall time, ns.
        dropped: Frames this client missed because it did not read.
    """

    schema: int = 0
    number: int = 0
    whole: bool = False
    at: int = 0
    real: int = 0
    dropped: int = 0
    pid: int = 0
    root: str = ""
    head: Head | None = None
    positions: Table[PositionRow] | None = None
    orders: Table[OrderRow] | None = None
    trades: Table[TradeRow] | None = None
    strategies: Table[StrategyRow] | None = None
    gauges: Table[GaugeRow] | None = None
    signals: Table[SignalRow] | None = None
    log: Table[LogRow] | None = None
    errors: Table[ErrorRow] | None = None
    actors: Table[ActorRow] | None = None
    tasks: Table[TaskRow] | None = None
    alerts: Table[AlertRow] | None = None
    today: EquityPoints | None = None
    history: EquityPoints | None = None
    transport: Transport | None = None
