"""Keeps the lots: what each strategy holds, what it is worth, what it earned."""

from collections.abc import Iterator

import msgspec

from actors.allocation import resting
from actors.allocation.agreement import Agreement
from actors.allocation.book import MICRO, Book, Lot
from actors.allocation.corrections import Closed, became, correct
from actors.allocation.day_result import DayResult
from actors.allocation.lot_messages import lot_changed, lot_corrected, position
from actors.allocation.lot_split import apply_split, follow_market
from actors.allocation.performance import Record
from actors.allocation.portfolio_state import (
    Carried,
    Facts,
    Today,
    facts_of,
    facts_of_exit,
    facts_of_fill,
    kept_orders,
    new_books,
    with_exits_to_come,
    with_ids,
)
from actors.execution import ids
from actors.execution.lot_orders import KILL_SWITCH
from actors.market import tasks
from config.schema import Account
from config.strategies import StrategySettings
from runtime.kernel.actor import Actor, only_notes
from runtime.messages.account import ExternalChanged, LotCorrected, Reconciled
from runtime.messages.broker import (
    BrokerAccount,
    FillCorrected,
    LookUpOrder,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    SubmitOrder,
)
from runtime.messages.corporate import LotSplit, SplitApplied, SplitAwaited
from runtime.messages.machine import SessionStarted, SetTimer, TimerFired
from runtime.messages.market import Bars, SymbolAdded
from runtime.messages.risk import EquityMarked, Noted, PortfolioDay, StrategyDay, TaskDone, TaskDue
from runtime.messages.session import SessionHeader
from runtime.messages.trading import LotChanged, PositionChanged, PositionMismatched

__all__ = ["Carried", "Portfolio"]

_DAY_END = "day-end"
_with = msgspec.structs.replace
_LAST_BAR_NS = 60_000_000_000
MOST_CORRECTED = 1000
"""Ids of corrections that are remembered over sessions."""


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
        old = carried or new_books(account)
        self._book = Book(old.capital, old.cash, old.realised, tuple(with_ids(old.lots, self._ids)))
        self._orders: dict[str, Facts] = dict(old.orders)
        self._cumulative = dict(old.cumulative)
        self._records = dict(old.records)
        self._day = DayResult(old.returns, old.last_equity, old.high_water)
        self._broker_equity = old.broker_equity
        self._agreement = Agreement(self._book, old.doubted, old.external)
        today = old.today
        self._closed: dict[str, Closed] = dict(today.closed) if today else {}
        """Lots closed on this trading day: a fill of theirs may be taken back."""
        self._past: dict[str, None] = {}
        """Orders sent past the executor, which may ask for their fills again in the next session."""
        self._corrected: dict[str, None] = dict.fromkeys(old.corrected)
        self._finished: dict[str, bool] = dict.fromkeys(today.finished if today else (), True)
        self.unsettled = False
        self._day_task: TaskDue | None = today.day_task if today else None
        self._opening_equity = today.opening_equity if today else old.last_equity
        self._is_day_over = today is not None and today.is_over

    # ---- marks ------------------------------------------------------------------------------

    def on_session_started(self, started: SessionStarted) -> Iterator[EquityMarked | SetTimer]:
        yield self._marked()
        if self._is_day_over:
            return  # the session goes on in another part, after its close
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

    @only_notes
    def on_submit_order(self, order: SubmitOrder) -> None:
        name = order.client_order_id
        if order.role == "entry" and order.order_class == "simple":
            order = with_exits_to_come(order, self._orders.get(ids.client_order_id(order.lot_id, "entry", 1)))
        self._orders[name] = order

    def on_order_done(self, event: OrderCanceled | OrderExpired | OrderRejected) -> None:
        self._finished[event.client_order_id] = True

    def on_symbol_added(self, added: SymbolAdded) -> None:
        self._ids[added.symbol] = added.id

    def on_order_accepted(self, accepted: OrderAccepted) -> None:
        resting.accepted(self._book, self._orders, accepted)

    def on_order_replaced(self, replaced: OrderReplaced) -> None:
        resting.moved(self._book, self._orders, replaced)

    def on_order_filled(
        self, fill: OrderFilled
    ) -> tuple[LotChanged | PositionChanged | PositionMismatched | Noted, ...] | None:
        name, symbol, price = fill.client_order_id, fill.symbol, fill.price
        facts = self._orders.get(name) or self._facts_of(fill)
        if facts is None:
            if ids.parse(fill.parent_id or name) is None:
                return None  # somebody else's: `EXTERNAL`
            note = self._noted(f"fill {fill.execution_id} of an order that is not ours: {symbol}")
            return (note, *self._agrees(fill))
        if self._corrected and fill.execution_id in self._corrected:
            return None  # told once more: it counts as it was corrected
        seen = self._cumulative.get(name, 0)
        quantity, unseen = fill.quantity, fill.cumulative - seen
        fresh = quantity if quantity <= unseen else unseen
        if fresh <= 0:
            return None
        signed = fresh if fill.side == "buy" else -fresh
        book = self._book
        lot = book.lots.get(facts.lot_id)
        if facts.role == "entry":
            if lot is None:
                lot = self._new_lot(facts, fill)
                record = self._records.get(facts.strategy) or self._record(facts.strategy)
                record.opened_today += 1
            book.enter(lot, signed, price, fill.commission, fill.slippage)
        elif lot is None or signed * lot.quantity >= 0 or (signed + lot.quantity) * signed > 0:
            note = self._noted(f"exit fill {fill.execution_id} exceeds lot {facts.lot_id}")
            return (note, *self._agrees(fill))  # not booked: it may be told again
        else:
            book.leave(lot, signed, price, fill.commission, fill.slippage)
            if lot.quantity == 0:
                record = self._records.get(lot.strategy) or self._record(lot.strategy)
                record.close_trade(fill.ts_event, lot.realised / MICRO, lot.commission / MICRO)
                self._closed[lot.id] = Closed(lot, fill.ts_event, price, facts.reason or facts.role)
        self._cumulative[name] = seen + fresh
        self.unsettled = True
        moment = self.moment
        changed = lot_changed(lot, facts, fill, signed, moment.seq)
        held = position(book, symbol, price, moment.now, moment.seq, lot)
        if fill.position is None or (held.quantity == fill.position and not self._agreement.doubted):
            return changed, held
        return changed, held, *self._agrees(fill)

    def _facts_of(self, fill: OrderFilled | FillCorrected) -> Facts | None:
        """A fill's order; an exit that was sent past the executor has its lot in its name."""
        facts = facts_of_fill(self._orders, fill)
        if facts is None and (name := ids.parse(fill.client_order_id)) and name.role == "exit":
            lot = self._book.lots.get(name.lot_id)
            if lot is not None and lot.symbol == fill.symbol:
                facts = self._orders[fill.client_order_id] = facts_of_exit(lot, KILL_SWITCH)
                self._past[fill.client_order_id] = None
        return facts

    def on_fill_corrected(
        self, event: FillCorrected
    ) -> Iterator[LotCorrected | PositionChanged | PositionMismatched | Noted]:
        """The broker took a fill back or changed it: lots, cash and P&L as if it had been told so first."""
        facts = self._facts_of(event)
        if facts is None and ids.parse(event.parent_id or event.client_order_id) is None:
            return  # somebody else's
        what = (
            f"fill {event.previous_execution_id} of {event.quantity_before} {event.symbol} at "
            f"{event.price_before} was {became(event)}"
        )
        book = self._book
        closed = self._closed.get(facts.lot_id) if facts else None
        lot = book.lots.get(facts.lot_id) if facts else None
        if lot is None and closed is not None:
            lot = closed.lot
        if facts is None or lot is None:
            yield self._noted(f"{what}, and its lot is not known any more: the books do not show it")
            yield from self._agrees(event)
            return
        if event.execution_id in self._corrected:
            return
        self._corrected[event.execution_id] = self._corrected[event.previous_execution_id] = None
        self._cumulative[event.client_order_id] = event.cumulative
        if lot.quantity:
            closed = None
        is_entry = facts.role == "entry"
        correct(book, lot, self._record(lot.strategy), event, is_entry=is_entry, closed=closed)
        text = f"{what} by the broker"
        yield Noted(ts_event=self.now, cause=self.seq, level="ERROR", component="portfolio", text=text)
        price, reason = 0.0, ""
        if lot.quantity == 0:
            price = closed.price if closed and is_entry else event.price
            reason = closed.reason if closed else facts.reason or facts.role
            self._closed[lot.id] = Closed(lot, closed.ts if closed else event.ts_event, price, reason)
        yield lot_corrected(lot, facts, event, price, reason, self.seq)
        yield position(book, event.symbol, lot.mark / MICRO, self.now, self.seq)
        self.unsettled = True
        yield from self._agrees(event)

    def _agrees(self, fill: OrderFilled | FillCorrected) -> Iterator[PositionMismatched | Noted]:
        return self._agreement.after(fill, self.now, self.seq)

    # ---- the account ------------------------------------------------------------------------

    def on_split_awaited(self, awaited: SplitAwaited) -> None:
        follow_market(self._book, awaited, self._ids.get(awaited.symbol, -1))

    def on_split_applied(self, event: SplitApplied) -> Iterator[LotSplit | PositionChanged | Noted]:
        self.unsettled = True
        return apply_split(self._book, event, self._ids.get(event.symbol, -1), self._record)

    def on_external_changed(self, change: ExternalChanged) -> None:
        self._agreement.others(change)

    def on_position_mismatched(self, found: PositionMismatched) -> None:
        self._agreement.found(found)

    def on_reconciled(self, reconciled: Reconciled) -> Iterator[PositionMismatched | Noted | LookUpOrder]:
        """Where the executor's count agrees with the broker's, ours must agree with the executor's.

        A fill that we skipped is taken from the broker.
        """
        held = reconciled.held
        for symbol in reconciled.agreed:
            ours, theirs = self._book.net(symbol), held.get(symbol, 0)
            if ours != theirs or symbol in self._agreement.doubted:
                yield from self._agreement.judge(symbol, theirs, self.now, self.seq)
            if ours == theirs:
                continue
            for name, facts in self._orders.items():
                if facts.symbol == symbol and self._still_matters(name, facts):
                    yield LookUpOrder(
                        ts_event=self.now, cause=self.seq, client_order_id=name, broker_order_id="",
                        symbol=symbol, reason="skipped a fill", filled=self._cumulative.get(name, 0),
                    )  # fmt: skip

    def _new_lot(self, facts: Facts, fill: OrderFilled) -> Lot:
        return Lot(
            facts.lot_id,
            facts.strategy,
            facts.symbol,
            self._ids.get(facts.symbol, -1),
            "long" if fill.side == "buy" else "short",
            facts.intraday,
            facts.stop_loss,
            facts.take_profit,
            entry_ts=fill.ts_event,
            group_id=facts.group_id,
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
                yield self._done(task, "too late for the session's close; the day-end mark stands")
                self._day_task = None

    def on_timer_fired(
        self, timer: TimerFired
    ) -> Iterator[EquityMarked | PositionChanged | PortfolioDay | StrategyDay | TaskDone]:
        if timer.key != _DAY_END:
            return
        mark = self._marked(final=True)
        self._is_day_over = True
        yield mark
        for symbol in list(self._book.by_symbol):
            lot = self._book.lots[self._book.by_symbol[symbol][0]]
            price = self._book.refresh(lot).mark / MICRO
            yield position(self._book, symbol, price, self.now, self.seq)
        day = self._day.end(self._header.session, mark, self._book, self.now, self.seq)
        yield day
        for name in (*self._alloc, *(name for name in self._records if name not in self._alloc)):
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

    def _done(self, task: TaskDue, detail: str) -> TaskDone:
        return tasks.done(task, detail, self.now, self.seq)

    def _still_matters(self, client_order_id: str, facts: Facts) -> bool:
        if facts.lot_id in self._book.lots:
            return True
        untouched = client_order_id not in self._cumulative and client_order_id not in self._finished
        return facts.role == "entry" and untouched

    def standing(self) -> Carried:
        today = Today(
            closed=self._closed,
            finished=list(self._finished),
            opening_equity=self._opening_equity,
            day_task=self._day_task,
            is_over=self._is_day_over,
        )
        orders = {key: facts_of(facts) for key, facts in self._orders.items()}
        return _with(self.carry(), orders=orders, cumulative=self._cumulative, today=today)

    def carry(self) -> Carried:
        book = self._book
        lots, filled, finished = book.lots, self._cumulative, self._finished
        kept = kept_orders(self._orders, lots, filled, finished, self._past)
        return Carried(
            capital=book.capital,
            cash=book.cash,
            realised=book.realised,
            lots=[book.refresh(lot) for lot in book.lots.values()],
            orders=kept,
            cumulative={key: n for key, n in self._cumulative.items() if key in kept},
            records=self._records,
            returns=self._day.returns,
            last_equity=self._day.last_equity,
            high_water=self._day.high_water,
            broker_equity=self._broker_equity,
            doubted=list(self._agreement.doubted),
            external={symbol: shares for symbol, shares in self._agreement.external.items() if shares},
            corrected=list(self._corrected)[-MOST_CORRECTED:],
        )
