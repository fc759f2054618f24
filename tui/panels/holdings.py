"""Positions, orders and closed trades as tables."""

from runtime.messages.screen import OrderRow, PositionRow, TradeRow
from tui.panels import figures
from tui.panels.columns import Column
from tui.panels.ink import Piece
from tui.panels.table import LineTable
from tui.view import View

_SIDES: dict[str, Piece] = {
    "buy": ("BUY", "up"),
    "sell": ("SELL", "down"),
    "sell_short": ("SHORT", "down"),
    "short": ("SHORT", "down"),
    "cover": ("COVER", "up"),
}


def _owner(row: PositionRow | OrderRow) -> Piece:
    return ("external", "warn") if row.external else (row.strategy, "quiet")


def _side(row: OrderRow) -> Piece:
    return _SIDES.get(row.side.lower(), (row.side.upper(), "text"))


def _status(row: OrderRow) -> Piece:
    return row.status, "accent" if row.working else figures.state(row.status)


def _at_price(row: OrderRow) -> float | None:
    """Its limit, or of a stop what sets it off."""
    return row.limit if row.limit is not None else row.stop


def _price(row: OrderRow) -> Piece:
    return figures.price(_at_price(row)), "text"


def _filled(row: OrderRow) -> Piece:
    return f"{row.filled:,d}/{row.quantity:,d}", "text"


POSITIONS: tuple[Column[PositionRow], ...] = (
    Column("symbol", 7, lambda r: (r.symbol, "strong"), most=10),
    Column("qty", 8, lambda r: (figures.shares(r.quantity, r.fraction), "text"), rank=1, right=True,
           order=lambda r: r.quantity + r.fraction),
    Column("last", 10, lambda r: (figures.price(r.last), "text"), rank=2, right=True, order=lambda r: r.last),
    Column("P&L", 12, lambda r: figures.gain(r.pnl), right=True, order=lambda r: r.pnl),
    Column("P&L %", 9, lambda r: figures.gain_percent(r.pnl_frac), rank=4, right=True,
           order=lambda r: r.pnl_frac),
    Column("strategy", 16, _owner, rank=3, most=27),
    Column("entry", 10, lambda r: (figures.price(r.entry), "quiet"), rank=6, right=True,
           order=lambda r: r.entry),
    Column("stop", 10, lambda r: (figures.price(r.stop), "quiet" if r.stop is not None else "warn"), rank=5,
           right=True, order=lambda r: r.stop),
    Column("target", 10, lambda r: (figures.price(r.target), "quiet"), rank=7, right=True,
           order=lambda r: r.target),
    Column("since", 8, lambda r: (figures.clock(r.entry_at), "quiet"), rank=8, order=lambda r: r.entry_at),
    Column("kind", 5, lambda r: ("day" if r.intraday else "swing", "quiet"), rank=9),
    Column("sector", 10, lambda r: (r.sector, "faint"), rank=10, most=27),
    Column("lot", 14, lambda r: (r.key, "faint"), rank=11, most=34),
)  # fmt: skip

ORDERS: tuple[Column[OrderRow], ...] = (
    Column("time", 8, lambda r: (figures.clock(r.at), "quiet"), rank=1, order=lambda r: r.at),
    Column("symbol", 7, lambda r: (r.symbol, "strong"), most=10),
    Column("side", 5, _side),
    Column("filled", 11, _filled, right=True, order=lambda r: r.filled),
    Column("price", 10, _price, rank=2, right=True, order=_at_price),
    Column("stop", 10, lambda r: (figures.price(r.stop), "text"), rank=9, right=True, order=lambda r: r.stop),
    Column("status", 11, _status, most=16),
    Column("role", 6, lambda r: (r.role, "quiet"), rank=3, most=10),
    Column("type", 6, lambda r: (r.type, "quiet"), rank=7, most=10),
    Column("strategy", 14, _owner, rank=4, most=27),
    Column("average", 10, lambda r: (figures.price(r.average or None), "quiet"), rank=8, right=True,
           order=lambda r: r.average or None),
    Column("why", 12, lambda r: (r.reason, "quiet"), rank=6, most=60),
    Column("id", 14, lambda r: (r.key, "faint"), rank=10, most=34),
)  # fmt: skip

TRADES: tuple[Column[TradeRow], ...] = (
    Column("closed", 8, lambda r: (figures.clock(r.exit_at), "quiet"), rank=2, order=lambda r: r.exit_at),
    Column("symbol", 7, lambda r: (r.symbol, "strong"), most=10),
    Column("qty", 8, lambda r: (figures.shares(r.quantity), "text"), rank=1, right=True,
           order=lambda r: r.quantity),
    Column("P&L", 12, lambda r: figures.gain(r.pnl), right=True, order=lambda r: r.pnl),
    Column("why", 6, lambda r: (r.why, "quiet"), rank=4, most=14),
    Column("strategy", 14, lambda r: (r.strategy, "quiet"), rank=3, most=27),
    Column("entry", 10, lambda r: (figures.price(r.entry), "quiet"), rank=5, right=True,
           order=lambda r: r.entry),
    Column("exit", 10, lambda r: (figures.price(r.exit), "quiet"), rank=6, right=True,
           order=lambda r: r.exit),
    Column("opened", 8, lambda r: (figures.clock(r.entry_at), "quiet"), rank=7, order=lambda r: r.entry_at),
    Column("lot", 14, lambda r: (r.key, "faint"), rank=8, most=34),
)  # fmt: skip


class Positions(LineTable[PositionRow]):
    """What is held."""

    def __init__(self) -> None:
        super().__init__("positions", "Positions", POSITIONS, empty="nothing is held")

    def show(self, view: View) -> None:
        """Paint what changed."""
        self.put(view.positions)


class Orders(LineTable[OrderRow]):
    """Orders of the session, newest first."""

    def __init__(self, *, working: bool = False) -> None:
        """Show them all, or only the working ones."""
        super().__init__(
            "working orders" if working else "orders",
            "Working orders" if working else "Orders",
            ORDERS,
            empty="no order is working" if working else "no orders in this session",
            only=(lambda row: row.working) if working else None,
            newest_first=True,
        )

    def show(self, view: View) -> None:
        """Paint what changed."""
        self.put(view.orders)


class Trades(LineTable[TradeRow]):
    """Lots of the session that are closed, newest first."""

    def __init__(self) -> None:
        super().__init__(
            "trades", "Closed trades", TRADES, empty="none closed in this session", newest_first=True
        )

    def show(self, view: View) -> None:
        """Paint what changed."""
        self.put(view.trades)
