"""Strategies, their signals and the log as tables."""

from runtime.messages.screen import LogRow, SignalRow, StrategyRow
from tui.panels import figures
from tui.panels.columns import Column
from tui.panels.ink import Piece
from tui.panels.table import LineTable
from tui.view import View


def _slots(row: StrategyRow) -> Piece:
    return f"{row.held}/{row.slots}", "text" if row.slots else "faint"


def _win_rate(row: StrategyRow) -> Piece:
    return ("-", "faint") if row.win_rate is None else (figures.percent(row.win_rate, 0), "text")


def _sharpe(row: StrategyRow) -> Piece:
    return ("-", "faint") if row.sharpe is None else (f"{row.sharpe:.2f}", "text")


def _why(row: StrategyRow) -> Piece:
    return (row.silent, "quiet") if row.silent else (row.why, "quiet")


def _last_signal(row: StrategyRow) -> Piece:
    return (figures.clock(row.last_signal_at), "quiet") if row.last_signal_at else ("-", "faint")


def _became(row: SignalRow) -> Piece:
    return row.became, figures.state(row.became)


def _kind(row: SignalRow) -> Piece:
    return f"{row.kind} {row.direction}".strip(), "text"


STRATEGIES: tuple[Column[StrategyRow], ...] = (
    Column("strategy", 20, lambda r: (r.key, "strong"), most=27),
    Column("state", 9, lambda r: (r.state, figures.state(r.state))),
    Column("alloc", 6, lambda r: (figures.percent(r.allocation, 0), "text"), rank=6, right=True,
           order=lambda r: r.allocation),
    Column("day P&L", 12, lambda r: figures.gain(r.day_pnl), rank=1, right=True, order=lambda r: r.day_pnl),
    Column("held", 5, _slots, rank=3, right=True, order=lambda r: r.held),
    Column("sig", 4, lambda r: (f"{r.signals:,d}", "text"), rank=4, right=True, order=lambda r: r.signals),
    Column("win", 5, _win_rate, rank=5, right=True, order=lambda r: r.win_rate),
    Column("total P&L", 12, lambda r: figures.gain(r.total_pnl), rank=7, right=True,
           order=lambda r: r.total_pnl),
    Column("trades", 6, lambda r: (f"{r.trades:,d}", "text"), rank=8, right=True, order=lambda r: r.trades),
    Column("sharpe", 6, _sharpe, rank=9, right=True, order=lambda r: r.sharpe),
    Column("last signal", 11, _last_signal, rank=10,
           order=lambda r: r.last_signal_at),
    Column("why silent", 24, _why, rank=2, most=70),
)  # fmt: skip

SIGNALS: tuple[Column[SignalRow], ...] = (
    Column("time", 8, lambda r: (figures.clock(r.at), "quiet"), rank=1, order=lambda r: r.at),
    Column("symbol", 7, lambda r: (r.symbol, "strong"), most=10),
    Column("signal", 11, _kind, most=14),
    Column("became", 9, _became),
    Column("why", 30, lambda r: (r.why, "quiet"), rank=2, most=80),
    Column("strategy", 16, lambda r: (r.strategy, "quiet"), rank=3, most=27),
    Column("price", 10, lambda r: (figures.price(r.price), "text"), rank=4, right=True,
           order=lambda r: r.price),
    Column("strength", 8, lambda r: (f"{r.strength:.2f}", "text"), rank=5, right=True,
           order=lambda r: r.strength),
    Column("confidence", 10, lambda r: (f"{r.confidence:.2f}", "text"), rank=6, right=True,
           order=lambda r: r.confidence),
    Column("id", 18, lambda r: (r.key, "faint"), rank=7, most=36),
)  # fmt: skip

LOG: tuple[Column[LogRow], ...] = (
    Column("time", 8, lambda r: (figures.clock(r.at), "faint"), rank=1, order=lambda r: r.at),
    Column("level", 5, lambda r: figures.level(r.level)),
    Column("component", 14, lambda r: (r.component, "accent"), rank=2),
    Column("text", 20, lambda r: (r.text, "text"), most=400),
)


class Strategies(LineTable[StrategyRow]):
    """Every strategy, and why it is silent."""

    def __init__(self) -> None:
        super().__init__("strategies", "Strategies", STRATEGIES, empty="no strategies are known yet")

    def show(self, view: View) -> None:
        """Paint what changed."""
        self.put(view.strategies)


class Signals(LineTable[SignalRow]):
    """Signals of the session and what became of each, newest first."""

    def __init__(self) -> None:
        super().__init__("signals", "Signals", SIGNALS, empty="no signals in this session", newest_first=True)

    def show(self, view: View) -> None:
        """Paint what changed."""
        self.put(view.signals)


class Log(LineTable[LogRow]):
    """The log, newest last."""

    def __init__(self, *, heading: bool = False) -> None:
        super().__init__("log", "Log", LOG, empty="the log is empty", follow=True, heading=heading)

    def show(self, view: View) -> None:
        """Paint what changed."""
        self.put(view.log)
