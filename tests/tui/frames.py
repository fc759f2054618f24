"""Made-up frames of a trading day, the same at every call."""

import math
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from runtime.messages.screen import (
    ActorRow,
    AlertRow,
    EquityPoints,
    ErrorRow,
    Frame,
    GaugeRow,
    Head,
    LogRow,
    OrderRow,
    PositionRow,
    SignalRow,
    StrategyRow,
    Table,
    TaskRow,
    TradeRow,
    Transport,
)

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
NOW = int(datetime(2026, 11, 20, 15, 22, 17, tzinfo=ZoneInfo("America/New_York")).timestamp()) * SECOND
OPENS = int(datetime(2026, 11, 20, 9, 30, tzinfo=ZoneInfo("America/New_York")).timestamp()) * SECOND
NAMES = (
    "mean_reversion", "relative_volume_breakout", "gap_fill", "volatility_managed_momentum",
    "vix_regime_rotation", "pairs_trading", "quality_small_cap", "factor_momentum", "sector_rotation",
)  # fmt: skip
SYMBOLS = ("AAPL", "MSFT", "NVDA", "AMZN", "GOOGL", "META", "TSLA", "AVGO", "JPM", "XOM")


def wave(number: int, size: float = 1.0) -> float:
    """Something that looks like chance and is none."""
    return size * (math.sin(1.7 * number) + 0.6 * math.sin(0.37 * number + 1) + 0.3 * math.cos(5.1 * number))


def head(**changes: Any) -> Head:
    fields: dict[str, Any] = {
        "mode": "PAPER",
        "account": "paper:PA3TESTING",
        "session": "2026-11-20",
        "phase": "TRADING",
        "next_phase": "MARKET_CLOSE",
        "next_at": NOW + 22 * MINUTE + 43 * SECOND,
        "equity": 97_926.19,
        "cash": 18_211.4,
        "gross": 60_127.0,
        "day_pnl": 426.19,
        "day_frac": 0.00437,
        "drawdown": 0.0112,
        "positions": 10,
        "max_positions": 10,
        "regime": "normal",
        "regime_slow": "normal",
        "regime_source": "VIX",
        "vix": 17.31,
        "scalar": 1.0,
        "stream": "up",
        "orders": "up",
        "bar_at": NOW - 17 * SECOND,
        "bars_per_s": 512.0,
        "p99_ns": 1_900_000,
        "db_lag": 3,
        "lag_worst_ns": 4_100_000,
        "errors": 2,
        "warnings": 5,
        "inputs": 12_345,
        "clients": 1,
    }
    return Head(**{**fields, **changes})


def position(number: int, **changes: Any) -> PositionRow:
    entry = round(250 + wave(number, 90), 2)
    quantity = (80, -65, 6, -38, 65, -55, 34, -6, 25, 43)[number % 10]
    last = round(entry * (1 + wave(number + 3, 0.011)), 2)
    name = NAMES[number % 8]
    fields: dict[str, Any] = {
        "key": f"{name}-20261120-{number + 1}",
        "symbol": SYMBOLS[number % 10],
        "strategy": name,
        "quantity": quantity,
        "last": last,
        "pnl": round(quantity * (last - entry), 2),
        "pnl_frac": (last / entry - 1) * (1 if quantity > 0 else -1),
        "entry": entry,
        "entry_at": OPENS + (7 + 31 * number) * MINUTE,
        "stop": None if number == 7 else round(entry * (0.97 if quantity > 0 else 1.03), 2),
        "target": round(entry * (1.04 if quantity > 0 else 0.96), 2),
        "intraday": number % 3 == 0,
        "sector": ("Information Technology", "Consumer Discretionary", "Financials")[number % 3],
    }
    return PositionRow(**{**fields, **changes})


def order(number: int, **changes: Any) -> OrderRow:
    status = ("filled", "new", "rejected", "partially_filled", "canceled", "accepted")[number % 6]
    quantity = (52, 10, 58, 7, 80, 59)[number % 6]
    name = NAMES[number % 8]
    fields: dict[str, Any] = {
        "key": f"{name}-20261120-{number + 1}:e1",
        "at": OPENS + (7 + 5 * number) * MINUTE,
        "symbol": SYMBOLS[number % 10],
        "side": "buy" if number % 2 else "sell",
        "type": "limit" if number % 3 else "market",
        "quantity": quantity,
        "filled": quantity if status == "filled" else 3 if status == "partially_filled" else 0,
        "status": status,
        "role": ("entry", "stop", "target", "exit")[number % 4],
        "strategy": name,
        "lot": f"{name}-20261120-{number + 1}",
        "working": status in ("new", "partially_filled", "accepted"),
        "limit": round(250 + wave(number, 90), 2) if number % 3 else None,
        "stop": round(240 + wave(number, 90), 2) if number % 4 == 1 else None,
        "average": round(251 + wave(number, 90), 2) if status == "filled" else 0.0,
        "reason": "insufficient [buying_power] {'code': 40310000}" if status == "rejected" else "",
    }
    return OrderRow(**{**fields, **changes})


def trade(number: int) -> TradeRow:
    entry = round(180 + wave(number, 60), 2)
    last = round(entry * (1 + wave(number, 0.008)), 2)
    return TradeRow(
        key=f"{NAMES[number % 8]}-20261120-{50 + number}", symbol=SYMBOLS[(number + 4) % 10],
        strategy=NAMES[number % 8], quantity=13 + number, entry=entry, exit=last,
        entry_at=OPENS + (5 + 9 * number) * MINUTE, exit_at=OPENS + (25 + 9 * number) * MINUTE,
        pnl=round((13 + number) * (last - entry), 2), why=("target", "stop", "time")[number % 3],
    )  # fmt: skip


def strategy(number: int, **changes: Any) -> StrategyRow:
    state = ("ACTIVE", "ACTIVE", "ACTIVE", "PAUSED", "ACTIVE", "DEGRADED", "SHADOW", "DISABLED", "NOT_BUILT")
    fields: dict[str, Any] = {
        "key": NAMES[number],
        "state": state[number],
        "allocation": (0.30, 0.25, 0.10, 0.10, 0.10, 0.05, 0.05, 0.05, 0.0)[number],
        "why": "5 losses in a row" if number == 3 else "",
        "slots": (3, 3, 1, 1, 1, 1, 0, 0, 0)[number],
        "held": (2, 2, 1, 1, 1, 0, 0, 0, 0)[number],
        "day_pnl": 0.0 if number == 8 else round(wave(number, 260), 2),
        "total_pnl": 0.0 if number == 8 else round(wave(number + 5, 2_600), 2),
        "signals": (14, 9, 5, 3, 1, 7, 2, 0, 0)[number],
        "trades": (148, 96, 52, 31, 12, 44, 0, 9, 0)[number],
        "win_rate": None if number in (6, 8) else 0.48 + 0.02 * number,
        "sharpe": None if number in (6, 8) else round(wave(number, 1.1), 2),
        "last_signal_at": 0 if number > 6 else OPENS + (11 + 40 * number) * MINUTE,
        "silent": ("", "", "all gaps of today are filled", "paused until 15:57", "", "waits for the close",
                   "", "lost 5.42% of its sleeve", "not built yet")[number],
    }  # fmt: skip
    return StrategyRow(**{**fields, **changes})


def gauges() -> tuple[GaugeRow, ...]:
    return (
        GaugeRow(key="daily_loss", name="daily_loss", target="", value=0.0021, limit=0.02, state="OK"),
        GaugeRow(key="drawdown", name="drawdown", target="", value=0.0112, limit=0.15, state="OK"),
        GaugeRow(key="rapid_loss", name="rapid_loss", target="", value=0.0083, limit=0.01, state="WARN"),
        GaugeRow(key="consecutive_losses:volatility_managed_momentum", name="consecutive_losses",
                 target="volatility_managed_momentum", value=5, limit=5, state="PAUSE", count=True,
                 until=NOW + 34 * MINUTE + 43 * SECOND, reason="lost 5 round trips in a row (limit 5)"),
        GaugeRow(key="strategy_loss", name="strategy_loss", target="", value=0.019, limit=0.05, state="OK"),
        GaugeRow(key="reconcile", name="reconcile", target="", value=0, limit=1, state="OK", count=True),
    )  # fmt: skip


def signal(number: int) -> SignalRow:
    became = ("closed", "filled", "denied", "expired", "pending", "rejected", "ordered", "proposed")[
        number % 8
    ]
    why = {
        "denied": "rapid_loss: equity fell 1.0390% within the window (limit 1.0000%)",
        "expired": "no slot was free",
        "rejected": "insufficient [buying_power] {'code': 40310000}",
        "closed": "target, ▲ 4.87",
    }
    return SignalRow(
        key=f"{NAMES[number % 8]}-20261120-{number + 1}", at=OPENS + (6 + 5 * number) * MINUTE,
        strategy=NAMES[number % 8], symbol=SYMBOLS[number % 10], kind="BUY" if number % 3 else "SELL",
        direction="long" if number % 3 else "short", strength=0.3 + 0.08 * (number % 8),
        confidence=0.4 + 0.07 * (number % 7), price=round(250 + wave(number, 90), 2), became=became,
        why=why.get(became, ""), lot=f"{NAMES[number % 8]}-20261120-{number + 1}",
    )  # fmt: skip


_SAID = (
    ("INFO", "db_writer", "flushed 120 rows in 3.1 ms"),
    ("INFO", "executor", "fill AAPL 20 @ 187.33 mean_reversion, slippage 0.4 bp"),
    ("WARNING", "market_stream", "late bar NVDA, 1.4 s after its minute"),
    ("ERROR", "executor", "order rejected TSLA: insufficient [buying_power] {'code': 40310000}"),
    ("INFO", "ensemble", "2 signals of mean_reversion share 1 slot, AAPL first"),
    ("INFO", "market_stream", "30 of 30 symbols reported within 210 ms"),
)


def line(number: int, **changes: Any) -> LogRow:
    level, component, text = _SAID[number % 6]
    fields: dict[str, Any] = {
        "key": str(number),
        "at": NOW - (40 - number) * 7 * SECOND,
        "level": level,
        "component": component,
        "text": text,
    }
    return LogRow(**{**fields, **changes})


_TRACE = """Traceback (most recent call last):
  File "actors/strategies/stumbler.py", line 41, in on_bars
    raise RuntimeError("the 100th minute is one too many")
RuntimeError: the 100th minute is one too many
"""


def error(number: int, **changes: Any) -> ErrorRow:
    level, component, text, where = (
        ("ERROR", "stumbler", "RuntimeError: the 100th minute is one too many", "stumbler.py:41"),
        ("WARNING", "market_stream", "late bar NVDA, 1.4 s after its minute", "minute_join.py:214"),
        ("CRITICAL", "portfolio", "AAPL: the broker holds 80 shares, our lots 60", "reconcile.py:118"),
        ("WARNING", "alerts", "ntfy did not answer within 10 s", "alerts.py:160"),
    )[number % 4]
    fields: dict[str, Any] = {
        "key": str(number + 1),
        "at": OPENS + (100 + 17 * number) * MINUTE,
        "level": level,
        "component": component,
        "text": text,
        "count": 1 + 11 * (number % 3),
        "where": where,
        "traceback": _TRACE if number % 4 == 0 else "",
        "resolved": number == 3,
        "note": "token renewed" if number == 3 else "",
    }
    return ErrorRow(**{**fields, **changes})


_ACTORS = (
    ("phase_clock", 10), ("portfolio", 20), ("breaker", 30), ("regime", 40),
    *((name, 100 + place) for place, name in enumerate(NAMES)), ("ensemble", 500), ("executor", 600),
)  # fmt: skip
_GATEWAYS = (
    ("market_stream", "up: 30 of 30 symbols"), ("broker_stream", "ready"),
    ("order_gateway", "187 of 200 requests left"),
    ("kill_watch", ""), ("db_writer", "3 inputs behind"), ("ui_server", "1 attached"),
)  # fmt: skip


def actors() -> tuple[ActorRow, ...]:
    decide = tuple(
        ActorRow(key=name, kind="decision", rank=rank,
                 state="stopped" if name == "sector_rotation" else "running",
                 high_water=3 + rank % 7, handled=353 * (1 + rank % 4), per_s=4.0 + rank % 3,
                 busy_ns=4_000 + 37 * rank, crashes=int(name == "gap_fill"), restarts=int(name == "gap_fill"))
        for name, rank in _ACTORS
    )  # fmt: skip
    return decide + tuple(
        ActorRow(key=name, kind="gateway", state="running", depth=number % 2, high_water=12 * number,
                 handled=1_200 * number, detail=detail)
        for number, (name, detail) in enumerate(_GATEWAYS)
    )  # fmt: skip


def task(number: int) -> TaskRow:
    name, phase, status, detail = (
        ("validate_api_connectivity", "PRE_MARKET", "done", "account ACTIVE, 42 ms"),
        ("sync_positions_from_broker", "PRE_MARKET", "done", "10 positions agree"),
        ("update_vix_data", "PRE_MARKET", "skipped", "not available: no VIX file of today"),
        ("check_opening_conditions", "MARKET_OPEN", "done", ""),
        ("monitor_positions", "TRADING", "failed", "portfolio was restarted"),
    )[number % 5]
    return TaskRow(
        key=f"{phase}:{name}", at=OPENS + (number - 30) * MINUTE, phase=phase, task=name, status=status,
        detail=detail,
    )  # fmt: skip


def alert(number: int) -> AlertRow:
    level, event, text, sent = (
        ("CRITICAL", "reconcile_mismatch", "AAPL: the broker holds 80 shares, our lots 60", "ops, phone"),
        ("WARNING", "breaker_tripped", "consecutive_losses PAUSE volatility_managed_momentum", "ops"),
        ("INFO", "day_summary", "2026-11-19: +212.40 USD, 14 trades", "not sent: rate limit"),
    )[number % 3]
    return AlertRow(
        key=str(number), at=OPENS + 40 * number * MINUTE, level=level, event=event, text=text, sent=sent
    )


def transport(**changes: Any) -> Transport:
    fields: dict[str, Any] = {
        "playing": True,
        "ended": False,
        "speed": 60.0,
        "session": "2026-11-20",
        "starts": OPENS - 930 * MINUTE,
        "at": NOW,
        "ends": OPENS + 510 * MINUTE,
        "place": 4,
        "sessions": 10,
        "orders": 57,
    }
    return Transport(**{**fields, **changes})


def today(minutes: int = 353) -> EquityPoints:
    equity, points = 97_500.0, []
    for number in range(minutes):
        equity += wave(number, 14) + 1.2
        points.append(round(equity, 2))
    return EquityPoints(
        at=tuple(OPENS + n * MINUTE for n in range(minutes)), equity=tuple(points), whole=True
    )


def history(days: int = 60) -> EquityPoints:
    equity, points = 100_000.0, []
    for number in range(days):
        equity += wave(number, 300) - 36
        points.append(round(equity, 2))
    return EquityPoints(
        at=tuple(OPENS - (days - n) * 86_400 * SECOND for n in range(days)), equity=tuple(points), whole=True
    )


def whole(**changes: Any) -> Frame:
    """The first frame a screen gets, with something in each table."""
    fields: dict[str, Any] = {
        "number": 1,
        "whole": True,
        "at": NOW,
        "real": NOW,
        "pid": 4_711,
        "root": "",
        "head": head(),
        "positions": Table(rows=tuple(position(n) for n in range(10)), whole=True),
        "orders": Table(rows=tuple(order(n) for n in range(24)), whole=True),
        "trades": Table(rows=tuple(trade(n) for n in range(9)), whole=True),
        "strategies": Table(rows=tuple(strategy(n) for n in range(9)), whole=True),
        "gauges": Table(rows=gauges(), whole=True),
        "signals": Table(rows=tuple(signal(n) for n in range(30)), whole=True),
        "log": Table(rows=tuple(line(n) for n in range(40)), whole=True),
        "errors": Table(rows=tuple(error(n) for n in range(7)), whole=True),
        "actors": Table(rows=actors(), whole=True),
        "tasks": Table(rows=tuple(task(n) for n in range(5)), whole=True),
        "alerts": Table(rows=tuple(alert(n) for n in range(5)), whole=True),
        "today": today(),
        "history": history(),
    }
    return Frame(**{**fields, **changes})


def later(number: int, **changes: Any) -> Frame:
    """One of the frames that follow: the market moves a little."""
    at = NOW + number * SECOND // 4
    moved = tuple(
        position(n, last=round(p.last + wave(number + n, 0.05), 2), pnl=round(p.pnl + wave(number + n, 2), 2))
        for n in range(10)
        if (p := position(n)) and (n + number) % 3 == 0
    )
    fields: dict[str, Any] = {
        "number": number,
        "at": at,
        "real": at,
        "head": head(
            equity=97_926.19 + wave(number, 8), day_pnl=426.19 + wave(number, 8), bar_at=at - at % MINUTE
        ),
        "positions": Table(rows=moved),
    }
    if number % 4 == 0:
        fields["log"] = Table(rows=(line(40 + number // 4, at=at),))
    return Frame(**{**fields, **changes})
