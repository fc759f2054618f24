"""A small trading day's messages, and a dump of a database's rows, for the tests of the books."""

import sqlite3
from collections.abc import Sequence

from runtime.messages.base import Input, Message
from runtime.messages.broker import (
    CancelOrder,
    OrderCanceled,
    OrderChanged,
    OrderEnded,
    OrderFilled,
    SubmitOrder,
)
from runtime.messages.machine import ActorCrashed, ActorRestarted, SessionEnded, SessionStarted
from runtime.messages.market import Bars, BarsQuarantined
from runtime.messages.risk import (
    BreakerCleared,
    BreakerTripped,
    EquityMarked,
    Noted,
    PhaseChanged,
    PortfolioDay,
    RegimeChanged,
    StrategyChanged,
    StrategyDay,
    TaskDone,
)
from runtime.messages.trading import (
    LotChanged,
    OrderApproved,
    OrderDenied,
    OrderProposed,
    PositionChanged,
    SignalDropped,
    SignalRaised,
)

SESSION = "2018-02-16"
DAY = 20180216
T0 = 1_518_791_400_000_000_000  # 09:30 ET
MINUTE = 60_000_000_000
LOT = "gap_fill-20180216-1"

Event = tuple[int, int, Input, list[Message]]


def signal(n: int, at: int, seq: int, **other: object) -> SignalRaised:
    fields: dict[str, object] = {
        "id": f"gap_fill-20180216-{n}",
        "strategy": "gap_fill",
        "symbol": "SPY",
        "signal_type": "BUY",
        "direction": "long",
        "strength": 0.5,
        "confidence": 0.75,
        "price": 100.0,
        "stop_loss": 99.0,
        "take_profit": 102.0,
        "expires_at": at + 5 * MINUTE,
        "reason": "gap of -1.2 %",
        "params_hash": "abc",
        "features": {"gap": -0.012},
    }
    return SignalRaised(ts_event=at, cause=seq, **(fields | other))  # type: ignore[arg-type]


def proposal(lot: str, at: int, seq: int, **other: object) -> OrderProposed:
    fields: dict[str, object] = {
        "client_order_id": f"{lot}:e1",
        "signal_id": lot,
        "lot_id": lot,
        "strategy": "gap_fill",
        "symbol": "SPY",
        "side": "buy",
        "intent": "entry",
        "quantity": 10,
        "type": "market",
        "order_class": "bracket",
        "time_in_force": "day",
        "reference_price": 100.0,
        "notional": 1000.0,
        "binding": "SLOT",
        "sizing": {"SLOT": 1000.0, "PCT": 4850.0},
    }
    return OrderProposed(ts_event=at, cause=seq, **(fields | other))  # type: ignore[arg-type]


def submitted(order: OrderProposed, role: str = "entry") -> SubmitOrder:
    return SubmitOrder(
        ts_event=order.ts_event,
        cause=order.cause,
        client_order_id=order.client_order_id,
        lot_id=order.lot_id,
        strategy=order.strategy,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        type=order.type,
        order_class=order.order_class,
        time_in_force=order.time_in_force,
        take_profit=102.0,
        stop_loss=99.0,
        role=role,  # type: ignore[arg-type]
    )


def changed(
    order: OrderProposed, at: int, seq: int, status: str, filled: int, **other: object
) -> OrderChanged:
    fields: dict[str, object] = {
        "client_order_id": order.client_order_id,
        "broker_order_id": "b-1",
        "lot_id": order.lot_id,
        "strategy": order.strategy,
        "symbol": order.symbol,
        "side": order.side,
        "role": "entry" if order.intent == "entry" else "exit",
        "type": order.type,
        "status": status,
        "quantity": order.quantity,
        "filled": filled,
        "average_price": 100.5 if filled else 0.0,
    }
    values = fields | other
    kind = OrderEnded if values["status"] in ("canceled", "expired", "rejected") else OrderChanged
    return kind(ts_event=at, cause=seq, **values)  # type: ignore[arg-type]


def fill(order_id: str, at: int, n: int, **other: object) -> OrderFilled:
    fields: dict[str, object] = {
        "client_order_id": order_id,
        "broker_order_id": "b-1",
        "execution_id": f"x-{n}",
        "symbol": "SPY",
        "side": "buy",
        "quantity": 10,
        "price": 100.5,
        "cumulative": 10,
        "done": True,
        "commission": 0.25,
        "slippage": 0.05,
    }
    return OrderFilled(ts_event=at, **(fields | other))  # type: ignore[arg-type]


def lot(at: int, seq: int, **other: object) -> LotChanged:
    fields: dict[str, object] = {
        "lot_id": LOT,
        "signal_id": LOT,
        "strategy": "gap_fill",
        "symbol": "SPY",
        "direction": "long",
        "state": "open",
        "quantity": 10,
        "entry_quantity": 10,
        "entry_price": 100.5,
        "entry_ts": T0 + 2 * MINUTE,
        "stop_loss": 99.0,
        "take_profit": 102.0,
        "intraday": True,
        "fill_quantity": 10,
        "fill_price": 100.5,
        "execution_id": "x-1",
        "client_order_id": f"{LOT}:e1",
        "role": "entry",
        "realised": -0.25,
        "commission": 0.25,
        "slippage": 0.05,
        "peak": 100.5,
        "trough": 100.5,
    }
    return LotChanged(ts_event=at, cause=seq, **(fields | other))  # type: ignore[arg-type]


def position(at: int, seq: int, quantity: int, price: float) -> PositionChanged:
    return PositionChanged(
        ts_event=at,
        cause=seq,
        symbol="SPY",
        strategy="gap_fill",
        quantity=quantity,
        entry_price=100.5,
        entry_ts=T0 + 2 * MINUTE,
        stop_loss=99.0,
        take_profit=102.0,
        last_price=price,
        unrealised=quantity * (price - 100.5),
    )


def mark(at: int, seq: int, equity: float) -> EquityMarked:
    return EquityMarked(
        ts_event=at, cause=seq, equity=equity, cash=equity - 1005.0, gross=1005.0, positions=1
    )


def bars(at: int) -> Bars:
    columns = [[99.5], [100.5], [99.0], [100.0], [5000.0]]
    return Bars.of([1], columns, ts_event=at)


def trading_day() -> list[Event]:
    """An entry that fills and takes its profit, one that is denied, one that dies, one dropped."""
    second, third = "gap_fill-20180216-2", "gap_fill-20180216-3"
    events: list[tuple[Input, list[Message]]] = []

    def add(message: Input, *caused: Message) -> None:
        events.append((message, list(caused)))

    t = T0
    add(
        SessionStarted(ts_event=t, session=SESSION),
        StrategyChanged(ts_event=t, cause=1, strategy="gap_fill", state="ACTIVE", slots=2, allocation=0.1),
        PhaseChanged(ts_event=t, cause=1, phase="TRADING", previous="MARKET_OPEN"),
        TaskDone(
            ts_event=t,
            cause=1,
            task="fetch_news",
            phase="PRE_MARKET",
            status="skipped",
            detail="not available",
        ),
        RegimeChanged(
            ts_event=t, cause=1, fast="high", slow="normal", scalar=0.7, vix=27.5, previous="normal"
        ),
    )
    t += MINUTE
    order = proposal(LOT, t, 2)
    add(
        bars(t - MINUTE),
        mark(t, 2, 97_000.0),
        signal(1, t, 2),
        signal(2, t, 2),
        signal(3, t, 2),
        signal(4, t, 2),
        order,
        OrderApproved(ts_event=t, cause=2, order=order),
        submitted(order),
        proposal(second, t, 2),
        OrderDenied(
            ts_event=t,
            cause=2,
            client_order_id=f"{second}:e1",
            signal_id=second,
            lot_id=second,
            strategy="gap_fill",
            symbol="SPY",
            rule="daily_loss",
            reason="lost 2.1 % today",
            value=0.021,
            limit=0.02,
        ),
        proposal(third, t, 2),
        submitted(proposal(third, t, 2)),
        SignalDropped(
            ts_event=t,
            cause=2,
            signal_id="gap_fill-20180216-4",
            strategy="gap_fill",
            symbol="SPY",
            status="rejected",
            reason="SLOTS_FULL",
        ),
    )
    t += MINUTE
    add(
        fill(f"{LOT}:e1", t, 1),
        lot(t, 3),
        position(t, 3, 10, 100.5),
        changed(order, t, 3, "filled", 10),
        mark(t, 3, 96_999.75),
    )
    add(
        OrderCanceled(ts_event=t, client_order_id=f"{third}:e1", broker_order_id="b-3", symbol="SPY"),
        changed(proposal(third, t, 4), t, 4, "canceled", 0, reason="entry window over"),
    )
    t += MINUTE
    close = proposal(
        LOT, t, 5, client_order_id=f"{LOT}:x1", signal_id="gap_fill-20180216-5", side="sell", intent="exit"
    )
    add(
        bars(t - MINUTE),
        signal(5, t, 5, signal_type="CLOSE", lot_id=LOT, stop_loss=None, take_profit=None),
        signal(6, t, 5, signal_type="CLOSE", lot_id=LOT, stop_loss=None, take_profit=None),
        close,
        OrderApproved(ts_event=t, cause=5, order=close),
        CancelOrder(
            ts_event=t, cause=5, client_order_id="leg", broker_order_id="b-2", lot_id=LOT, symbol="SPY"
        ),
        submitted(close, "exit"),
        BreakerTripped(
            ts_event=t,
            cause=5,
            breaker="rapid_loss",
            action="HALT",
            target="",
            reason="1 % in 15 min",
            value=0.011,
            limit=0.01,
            expires_at=t + 30 * MINUTE,
            triggered_at=t,
        ),
        ActorCrashed(
            ts_event=t,
            cause=5,
            actor="sample",
            ordinal=3,
            message_type="Bars",
            message_digest="00",
            error="ValueError: on purpose",
            traceback="Traceback ...",
            source_file="sample.py",
            line_number=7,
        ),
        ActorRestarted(ts_event=t, cause=5, actor="sample", refed=2, restarts=1),
    )
    t += MINUTE
    add(
        fill(f"{LOT}:x1", t, 2, side="sell", price=101.5),
        lot(
            t,
            6,
            state="closed",
            quantity=0,
            fill_quantity=-10,
            fill_price=101.5,
            execution_id="x-2",
            client_order_id=f"{LOT}:x1",
            role="exit",
            realised=9.5,
            commission=0.5,
            slippage=0.1,
            exit_price=101.5,
            exit_reason="time",
            peak=101.75,
            trough=100.25,
        ),
        position(t, 6, 0, 101.5),
        changed(close, t, 6, "filled", 10, average_price=101.5),
        mark(t, 6, 97_009.5),
    )
    add(BarsQuarantined(ts_event=t, source="file", reason="high below low", count=3, example="SPY 09:31"))
    add(
        SessionEnded(ts_event=t, session=SESSION),
        BreakerCleared(
            ts_event=t,
            cause=8,
            breaker="rapid_loss",
            target="",
            reason="expired",
            triggered_at=T0 + 3 * MINUTE,
        ),
        Noted(ts_event=t, cause=8, level="WARNING", component="portfolio", text="marked at an old price"),
        PortfolioDay(
            ts_event=t,
            cause=8,
            date=SESSION,
            equity=97_009.5,
            cash=97_009.5,
            positions_value=0.0,
            num_positions=0,
            exposure_pct=0.0,
            daily_pnl=9.5,
            daily_pnl_pct=9.5 / 97_000,
            cumulative_pnl=9.5,
            cumulative_pnl_pct=9.5 / 97_000,
            drawdown=0.0,
            drawdown_pct=0.0,
            high_water_mark=97_009.5,
        ),
        StrategyDay(
            ts_event=t,
            cause=8,
            date=SESSION,
            strategy="gap_fill",
            trades_opened=1,
            trades_closed=1,
            wins=1,
            losses=0,
            gross_pnl=10.0,
            net_pnl=9.5,
            commission=0.5,
            is_enabled=True,
            total_trades=1,
            winning_trades=1,
            losing_trades=0,
            total_pnl=9.5,
        ),
    )
    return [(n, message.ts_event, message, caused) for n, (message, caused) in enumerate(events, 1)]


def dump(connection: sqlite3.Connection, without: Sequence[str] = ()) -> dict[str, list[tuple[object, ...]]]:
    """Every table's rows in the order they were first inserted."""
    names = [
        str(row[0])
        for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    ]
    return {
        name: [tuple(row) for row in connection.execute(f"SELECT * FROM {name}")]
        for name in names
        if name not in without and not name.startswith("sqlite_")
    }
