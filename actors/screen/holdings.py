"""What is held, lot by lot, at the last price; what was closed; what the account holds besides."""

from collections.abc import Sequence

import msgspec
import numpy as np

from actors.screen.tables import Rows, cut
from runtime.messages.broker import BrokerSnapshot, OrderChanged
from runtime.messages.market import CLOSE, Bars, FloatArray, SymbolAdded
from runtime.messages.screen import PositionRow, TradeRow
from runtime.messages.trading import LotChanged

MOST_TRADES = 500
MOST_POSITIONS = 5_000
_NO_STOP = ("canceled", "expired", "rejected")


class Held(msgspec.Struct, kw_only=True):
    """A lot that is open.

    Attributes:
        quantity: Signed shares. entered: shares ever, signed. realised: USD of partial exits, net of costs.
        mark: USD, where no minute of the trading day has told a price.
    """

    lot: str
    symbol: str
    strategy: str
    quantity: int
    entered: int
    entry: float
    entry_at: int
    realised: float
    mark: float
    stop: float | None
    target: float | None
    intraday: bool


class Holdings:
    """Open lots, marked when they are looked at, so that a minute of bars costs a copy of columns.

    Args:
        symbols, sectors: The session's tables.
    """

    def __init__(self, symbols: Sequence[str], sectors: Sequence[str]) -> None:
        self._ids = {symbol: place for place, symbol in enumerate(symbols)}
        self._sectors = dict(zip(symbols, sectors, strict=True))
        self._closes: FloatArray = np.full(len(symbols), np.nan)
        self._moved = np.zeros(len(symbols), dtype=np.bool_)
        self._is_moved = False
        self._changed: dict[str, None] = {}
        self.lots: dict[str, Held] = {}
        self.net: dict[str, int] = {}
        """Signed shares by symbol over all lots, where there are any."""
        self.positions: Rows[PositionRow] = Rows(MOST_POSITIONS)
        self.trades: Rows[TradeRow] = Rows(MOST_TRADES)

    # ---- the market -------------------------------------------------------------------------

    def bars(self, bars: Bars) -> None:
        """Newer prices."""
        ids = bars.ids
        self._closes[ids] = bars.values[CLOSE]
        self._moved[ids] = True
        self._is_moved = True

    def added(self, symbol: SymbolAdded) -> None:
        """A symbol that the table did not have."""
        self._ids[symbol.symbol] = symbol.id
        self._sectors[symbol.symbol] = symbol.sector
        short = symbol.id + 1 - len(self._closes)
        if short > 0:
            self._closes = np.append(self._closes, np.full(short, np.nan))
            self._moved = np.append(self._moved, np.zeros(short, dtype=np.bool_))

    # ---- lots -------------------------------------------------------------------------------

    def put(self, held: Held) -> None:
        """A lot as it stands now, marked at its own fill until the next minute."""
        self._settle(held.symbol)
        old = self.lots.get(held.lot)
        self._count(held.symbol, held.quantity - (old.quantity if old else 0))
        self.lots[held.lot] = held
        self._changed[held.lot] = None

    def _settle(self, symbol: str) -> None:
        """Mark the symbol's lots at the last minute now: what comes next is later than it."""
        place = self._ids.get(symbol, -1)
        if place < 0 or not self._moved[place]:
            return
        self._moved[place] = False
        for name, held in self.lots.items():
            if held.symbol == symbol:
                held.mark = self._closes.item(place)
                self._changed[name] = None

    def changed(self, lot: LotChanged) -> None:
        """A lot after one of its fills."""
        if lot.state == "closed":
            self._close(lot)
            return
        old = self.lots.get(lot.lot_id)
        self.put(
            Held(
                lot=lot.lot_id,
                symbol=lot.symbol,
                strategy=lot.strategy,
                quantity=lot.quantity,
                entered=lot.entry_quantity,
                entry=lot.entry_price,
                entry_at=lot.entry_ts,
                realised=lot.realised,
                mark=lot.fill_price,
                stop=lot.stop_loss if old is None else old.stop,
                target=lot.take_profit if old is None else old.target,
                intraday=lot.intraday,
            )
        )

    def _close(self, lot: LotChanged) -> None:
        old = self.lots.pop(lot.lot_id, None)
        if old is not None:
            self._count(old.symbol, -old.quantity)
        self._changed.pop(lot.lot_id, None)
        self.positions.drop(lot.lot_id)
        self.trades.put(
            TradeRow(
                key=lot.lot_id,
                symbol=lot.symbol,
                strategy=lot.strategy,
                quantity=lot.entry_quantity,
                entry=lot.entry_price,
                exit=lot.exit_price,
                entry_at=lot.entry_ts,
                exit_at=lot.ts_event,
                pnl=lot.realised,
                why=cut(lot.exit_reason),
            )
        )

    def _count(self, symbol: str, shares: int) -> None:
        net = self.net.get(symbol, 0) + shares
        if net:
            self.net[symbol] = net
        else:
            self.net.pop(symbol, None)

    def exit_order(self, order: OrderChanged) -> None:
        """Where a lot's stop and target rest, as its orders tell."""
        held = self.lots.get(order.lot_id)
        if held is None:
            return
        is_gone = order.status in _NO_STOP
        if order.role == "stop":
            held.stop = None if is_gone else order.stop_price
        elif order.role == "target":
            held.target = None if is_gone else order.limit_price
        else:
            return
        self._changed[held.lot] = None

    # ---- the account ------------------------------------------------------------------------

    def snapshot(self, snapshot: BrokerSnapshot) -> None:
        """What the account holds beyond our lots."""
        found: dict[str, PositionRow] = {}
        for one in snapshot.positions:
            ours = self.net.get(one.symbol, 0) if one.asset_class == "us_equity" else 0
            extra = one.quantity - ours
            if not extra and not one.fraction:
                continue
            shares, last = extra + one.fraction, one.last or one.price
            pnl = shares * (last - one.price)
            cost = abs(shares * one.price)
            found[f"external:{one.symbol}"] = PositionRow(
                key=f"external:{one.symbol}",
                symbol=cut(one.symbol),
                strategy="EXTERNAL",
                quantity=extra,
                fraction=one.fraction,
                last=last,
                pnl=pnl,
                pnl_frac=pnl / cost if cost else 0.0,
                entry=one.price,
                entry_at=0,
                external=True,
            )
        for key in [row.key for row in self.positions if row.external and row.key not in found]:
            self.positions.drop(key)
        for row in found.values():
            self.positions.put(row)

    # ---- telling ----------------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring the rows of lots up to date whose price or state has changed."""
        if not (self._is_moved or self._changed):
            return
        closes, moved, ids, changed = self._closes, self._moved, self._ids, self._changed
        for name, held in self.lots.items():
            place = ids.get(held.symbol, -1)
            is_moved = place >= 0 and bool(moved[place])
            if is_moved:
                held.mark = closes.item(place)
            elif name not in changed:
                continue
            pnl = held.quantity * (held.mark - held.entry) + held.realised
            cost = abs(held.entered * held.entry)
            self.positions.put(
                PositionRow(
                    key=name,
                    symbol=held.symbol,
                    strategy=held.strategy,
                    quantity=held.quantity,
                    last=held.mark,
                    pnl=pnl,
                    pnl_frac=pnl / cost if cost else 0.0,
                    entry=held.entry,
                    entry_at=held.entry_at,
                    stop=held.stop,
                    target=held.target,
                    intraday=held.intraday,
                    sector=self._sectors.get(held.symbol, ""),
                )
            )
        moved[:] = False
        self._is_moved = False
        self._changed = {}
