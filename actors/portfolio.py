"""Keeps the lots: what each strategy holds, what it is worth, what it earned."""

from collections.abc import Iterator

import msgspec

from actors.allocation.book import MICRO, Book, Lot, micros
from actors.allocation.performance import Record, sharpe, sortino
from config.schema import Account
from config.strategies import StrategySettings
from runtime.kernel.actor import Actor
from runtime.messages.machine import SessionStarted, SetTimer, TimerFired
from runtime.messages.market import Bars, SymbolAdded
from runtime.messages.risk import EquityMarked, Noted, PortfolioDay, StrategyDay, TaskDone, TaskDue
from runtime.messages.session import SessionHeader
from runtime.messages.trading import (
    BrokerAccount,
    LotChanged,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    PositionChanged,
    PositionMismatched,
    Role,
    SubmitOrder,
)

_DAY_END = "day-end"
_with = msgspec.structs.replace
_LAST_BAR_NS = 60_000_000_000


class OrderFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a fill needs to know of its order."""

    lot_id: str
    strategy: str
    symbol: str
    role: Role
    intraday: bool
    stop_loss: float | None
    take_profit: float | None
    group_id: str | None
    reason: str


Facts = OrderFacts | SubmitOrder
"""The order itself says all of it, and more."""


class Carried(msgspec.Struct, kw_only=True):
    """Portfolio state that crosses a session."""

    capital: int
    cash: int
    realised: dict[str, int]
    lots: list[Lot]
    orders: dict[str, OrderFacts]
    cumulative: dict[str, int]
    records: dict[str, Record]
    returns: list[float]
    last_equity: float
    high_water: float
    broker_equity: float | None = None
    doubted: list[str] = []


class Portfolio(Actor):
    """Turns fills into lots, positions, cash and equity; marks them each minute."""

    def __init__(
        self,
        account: Account,
        strategies: tuple[StrategySettings, ...],
        header: SessionHeader,
        carried: Carried | None,
    ) -> None:
        self._header = header
        self._ids = {symbol: place for place, symbol in enumerate(header.symbols)}
        self._alloc = {s.name: s.allocation for s in strategies if s.enabled}
        old = carried or _new_books(account)
        self._book = Book(old.capital, old.cash, old.realised, tuple(_with_ids(old.lots, self._ids)))
        self._orders: dict[str, Facts] = dict(old.orders)
        self._cumulative = dict(old.cumulative)
        self._records = dict(old.records)
        self._returns = list(old.returns)
        self._last_equity = old.last_equity
        self._high_water = old.high_water
        self._broker_equity = old.broker_equity
        self._doubted = dict.fromkeys(old.doubted)
        """Symbols in which the broker holds something else than our lots."""
        self._finished: dict[str, bool] = {}
        self.unsettled = False
        self._day_task: TaskDue | None = None
        self._opening_equity = old.last_equity

    # ---- marks ------------------------------------------------------------------------------

    def on_session_started(self, started: SessionStarted) -> Iterator[EquityMarked | SetTimer]:
        yield self._marked()
        yield SetTimer(
            ts_event=self.now,
            cause=self.seq,
            actor=self.name,
            key=_DAY_END,
            due=self._header.close + _LAST_BAR_NS,
        )

    def on_bars(self, bars: Bars) -> tuple[EquityMarked] | None:
        if self._book.lots and self._book.mark(bars, len(self._ids)):
            return (self._marked(),)
        return None

    def settle(self) -> tuple[EquityMarked] | None:
        """One mark after all fills of an input."""
        if not self.unsettled:
            return None
        self.unsettled = False
        return (self._marked(),)

    def on_broker_account(self, account: BrokerAccount) -> None:
        self._broker_equity = account.equity

    def _marked(self, final: bool = False) -> EquityMarked:
        book, moment = self._book, self.moment
        equity = book.equity / MICRO
        if self._broker_equity is not None and self._broker_equity < equity:
            equity = self._broker_equity
        return EquityMarked(
            ts_event=moment.now,
            cause=moment.seq,
            equity=equity,
            cash=book.cash / MICRO,
            gross=book.gross() / MICRO,
            positions=len(book.by_symbol),
            strategies=book.profits(),
            final=final,
        )

    # ---- orders and fills -------------------------------------------------------------------

    def on_submit_order(self, order: SubmitOrder) -> None:
        self._orders[order.client_order_id] = order

    def on_order_done(self, event: OrderCanceled | OrderExpired | OrderRejected) -> None:
        self._finished[event.client_order_id] = True

    def on_symbol_added(self, added: SymbolAdded) -> None:
        self._ids[added.symbol] = added.id

    def on_order_accepted(self, accepted: OrderAccepted) -> None:
        facts = self._orders.get(accepted.client_order_id)
        if facts is None:
            return
        for leg in accepted.legs:
            self._orders[leg.client_order_id] = _with(facts, role=leg.role, reason=leg.role)
        lot = self._book.lots.get(facts.lot_id)
        if lot is not None and facts.role != "entry":
            for leg in accepted.legs:
                if leg.role == "stop":
                    lot.stop_loss = leg.price
                elif leg.role == "target":
                    lot.take_profit = leg.price

    def on_order_replaced(self, replaced: OrderReplaced) -> None:
        facts = self._orders.get(replaced.client_order_id)
        lot = self._book.lots.get(facts.lot_id) if facts else None
        if facts is None or lot is None:
            return
        if facts.role == "target" and replaced.limit_price is not None:
            lot.take_profit = replaced.limit_price
        if facts.role == "stop" and replaced.stop_price is not None:
            lot.stop_loss = replaced.stop_price

    def on_order_filled(
        self, fill: OrderFilled
    ) -> tuple[LotChanged | PositionChanged | PositionMismatched | Noted, ...] | None:
        facts = self._facts(fill)
        if facts is None:
            note = self._noted(f"fill {fill.execution_id} of an order that is not ours: {fill.symbol}")
            return (note, *self._doubt(fill))
        seen = self._cumulative.get(fill.client_order_id, 0)
        fresh = min(fill.quantity, fill.cumulative - seen)
        if fresh <= 0:
            return None
        self._cumulative[fill.client_order_id] = seen + fresh
        signed = fresh if fill.side == "buy" else -fresh
        book = self._book
        lot = book.lots.get(facts.lot_id)
        if facts.role == "entry":
            if lot is None:
                lot = self._new_lot(facts, fill)
                self._record(facts.strategy).opened_today += 1
            book.enter(lot, signed, fill.price, fill.commission, fill.slippage)
        elif lot is None or abs(signed) > abs(lot.quantity) or (signed > 0) == (lot.quantity > 0):
            note = self._noted(f"exit fill {fill.execution_id} exceeds lot {facts.lot_id}")
            return (note, *self._doubt(fill))
        else:
            book.leave(lot, signed, fill.price, fill.commission, fill.slippage)
        if lot.quantity == 0:
            self._record(lot.strategy).close_trade(
                fill.ts_event, lot.realised / MICRO, lot.commission / MICRO
            )
        self.unsettled = True
        said = self._lot_changed(lot, facts, fill, signed), self._position(fill.symbol, fill.price)
        if fill.position is None or (book.net(fill.symbol) == fill.position and not self._doubted):
            return said
        return (*said, *self._doubt(fill))

    def _facts(self, fill: OrderFilled) -> Facts | None:
        """The fill's order; a leg whose acceptance has not been told yet is known by its parent."""
        facts = self._orders.get(fill.client_order_id)
        if facts is not None or not fill.parent_id:
            return facts
        parent = self._orders.get(fill.parent_id)
        if parent is None:
            return None
        return msgspec.structs.replace(parent, role="exit", reason="leg")

    def _doubt(self, fill: OrderFilled) -> Iterator[PositionMismatched | Noted]:
        """Say when the lots of a symbol stop, or start again, to sum to the broker's position."""
        ours, theirs = self._book.net(fill.symbol), fill.position
        if theirs is None or (ours == theirs) != (fill.symbol in self._doubted):
            return
        if ours == theirs:
            del self._doubted[fill.symbol]
        else:
            self._doubted[fill.symbol] = None
            yield self._noted(f"{fill.symbol}: our lots sum to {ours}, the broker holds {theirs}")
        yield PositionMismatched(
            ts_event=self.now, cause=self.seq, symbol=fill.symbol, ours=ours, broker=theirs
        )

    def _new_lot(self, facts: Facts, fill: OrderFilled) -> Lot:
        return Lot(
            id=facts.lot_id,
            strategy=facts.strategy,
            symbol=facts.symbol,
            symbol_id=self._ids.get(facts.symbol, -1),
            direction="long" if fill.side == "buy" else "short",
            intraday=facts.intraday,
            stop_loss=facts.stop_loss,
            take_profit=facts.take_profit,
            entry_ts=fill.ts_event,
            group_id=facts.group_id,
        )

    def _lot_changed(self, lot: Lot, facts: Facts, fill: OrderFilled, signed: int) -> LotChanged:
        closed, is_entry = lot.quantity == 0, facts.role == "entry"
        return LotChanged(
            ts_event=fill.ts_event,
            cause=self.seq,
            lot_id=lot.id,
            signal_id=lot.id,
            strategy=lot.strategy,
            symbol=lot.symbol,
            direction=lot.direction,
            state="closed" if closed else "open",
            quantity=lot.quantity,
            entry_quantity=lot.entered,
            entry_price=lot.entry_price,
            entry_ts=lot.entry_ts,
            stop_loss=lot.stop_loss,
            take_profit=lot.take_profit,
            intraday=lot.intraday,
            fill_quantity=signed,
            fill_price=fill.price,
            execution_id=fill.execution_id,
            client_order_id=fill.client_order_id,
            role=facts.role,
            realised=lot.realised / MICRO,
            commission=lot.commission / MICRO,
            slippage=lot.slippage / MICRO,
            exit_price=0.0 if is_entry else fill.price,
            exit_reason="" if is_entry else facts.reason or facts.role,
            peak=lot.peak,
            trough=lot.trough,
            group_id=lot.group_id,
        )

    def _position(self, symbol: str, price: float) -> PositionChanged:
        """The net position: the sum of its lots, named after the largest."""
        moment, book = self.moment, self._book
        names = book.by_symbol.get(symbol)
        if names is None:
            return PositionChanged(
                ts_event=moment.now, cause=moment.seq, symbol=symbol, strategy="", quantity=0,
                entry_price=0.0, entry_ts=0, stop_loss=None, take_profit=None, last_price=price,
                unrealised=0.0,
            )  # fmt: skip
        largest = book.refresh(book.lots[names[0]])
        net, entered, unrealised = largest.quantity, largest.cost, largest.unrealised
        since = largest.entry_ts
        for name in names[1:]:
            lot = book.refresh(book.lots[name])
            net += lot.quantity
            entered += lot.cost
            unrealised += lot.unrealised
            since = min(since, lot.entry_ts)
            if abs(lot.quantity) > abs(largest.quantity):
                largest = lot
        return PositionChanged(
            ts_event=moment.now,
            cause=moment.seq,
            symbol=symbol,
            strategy=largest.strategy,
            quantity=net,
            entry_price=entered / net / MICRO if net else 0.0,
            entry_ts=since,
            stop_loss=largest.stop_loss,
            take_profit=largest.take_profit,
            last_price=price,
            unrealised=unrealised / MICRO,
        )

    def _record(self, strategy: str) -> Record:
        record = self._records.get(strategy)
        if record is None:
            record = self._records[strategy] = Record()
        return record

    def _noted(self, text: str) -> Noted:
        return Noted(ts_event=self.now, cause=self.seq, level="CRITICAL", component="portfolio", text=text)

    # ---- tasks and the day's end ------------------------------------------------------------

    def on_task_due(self, task: TaskDue) -> Iterator[TaskDone]:
        if task.task == "monitor_positions":
            yield self._done(task, f"{len(self._book.by_symbol)} positions, {len(self._book.lots)} lots")
        elif task.task == "calculate_daily_pnl":
            self._day_task = task
            if self.now > self._header.close + _LAST_BAR_NS:
                yield self._done(task, "too late for this session's close; the day-end mark stands")
                self._day_task = None

    def on_timer_fired(
        self, timer: TimerFired
    ) -> Iterator[EquityMarked | PositionChanged | PortfolioDay | StrategyDay | TaskDone]:
        if timer.key != _DAY_END:
            return
        mark = self._marked(final=True)
        yield mark
        for symbol in list(self._book.by_symbol):
            lot = self._book.lots[self._book.by_symbol[symbol][0]]
            yield self._position(symbol, self._book.refresh(lot).mark / MICRO)
        day = self._portfolio_day(mark)
        yield day
        for name in self._strategy_names():
            yield self._record(name).end_day(
                name,
                self._header.session,
                self.now,
                self.seq,
                mark.strategies.get(name, 0.0),
                self._alloc.get(name, 0.0) * self._opening_equity,
                name in self._alloc,
            )
        if self._day_task is not None:
            yield self._done(self._day_task, f"P&L {day.daily_pnl:+.2f} USD, equity {day.equity:.2f} USD")
            self._day_task = None

    def _strategy_names(self) -> list[str]:
        return list(self._alloc) + [name for name in self._records if name not in self._alloc]

    def _portfolio_day(self, mark: EquityMarked) -> PortfolioDay:
        before, capital = self._last_equity, self._book.capital / MICRO
        pnl = mark.equity - before
        self._returns.append(pnl / before if before else 0.0)
        self._high_water = max(self._high_water, mark.equity)
        drawdown = mark.equity - self._high_water
        self._last_equity = mark.equity
        return PortfolioDay(
            ts_event=self.now,
            cause=self.seq,
            date=self._header.session,
            equity=mark.equity,
            cash=mark.cash,
            positions_value=self._book.value / MICRO,
            num_positions=mark.positions,
            exposure_pct=mark.gross / mark.equity if mark.equity else 0.0,
            daily_pnl=pnl,
            daily_pnl_pct=self._returns[-1],
            cumulative_pnl=mark.equity - capital,
            cumulative_pnl_pct=mark.equity / capital - 1.0 if capital else 0.0,
            drawdown=drawdown,
            drawdown_pct=drawdown / self._high_water if self._high_water else 0.0,
            high_water_mark=self._high_water,
            sharpe_ratio=sharpe(self._returns),
            sortino_ratio=sortino(self._returns),
        )

    def _done(self, task: TaskDue, detail: str) -> TaskDone:
        return TaskDone(
            ts_event=self.now, cause=self.seq, task=task.task, phase=task.phase, status="done", detail=detail
        )

    def _still_matters(self, client_order_id: str, facts: Facts) -> bool:
        if facts.lot_id in self._book.lots:
            return True
        untouched = client_order_id not in self._cumulative and client_order_id not in self._finished
        return facts.role == "entry" and untouched

    def carry(self) -> Carried:
        book = self._book
        kept = {key: _facts_of(f) for key, f in self._orders.items() if self._still_matters(key, f)}
        return Carried(
            capital=book.capital,
            cash=book.cash,
            realised=book.realised,
            lots=[book.refresh(lot) for lot in book.lots.values()],
            orders=kept,
            cumulative={key: n for key, n in self._cumulative.items() if key in kept},
            records=self._records,
            returns=self._returns,
            last_equity=self._last_equity,
            high_water=self._high_water,
            broker_equity=self._broker_equity,
            doubted=list(self._doubted),
        )


def _facts_of(order: Facts) -> OrderFacts:
    """What is carried of an order."""
    if isinstance(order, OrderFacts):
        return order
    return OrderFacts(
        lot_id=order.lot_id,
        strategy=order.strategy,
        symbol=order.symbol,
        role=order.role,
        intraday=order.intraday,
        stop_loss=order.stop_loss,
        take_profit=order.take_profit,
        group_id=order.group_id,
        reason=order.reason,
    )


def _new_books(account: Account) -> Carried:
    capital = micros(account.trading_capital)
    return Carried(
        capital=capital,
        cash=capital,
        realised={},
        lots=[],
        orders={},
        cumulative={},
        records={},
        returns=[],
        last_equity=account.trading_capital,
        high_water=account.trading_capital,
    )


def _with_ids(lots: list[Lot], ids: dict[str, int]) -> list[Lot]:
    """Symbol ids belong to one session's table; look them up again."""
    return [msgspec.structs.replace(lot, symbol_id=ids.get(lot.symbol, -1)) for lot in lots]
