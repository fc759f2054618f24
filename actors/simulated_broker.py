"""The broker that lives inside the machine: what the market does to resting orders, minute by minute.

It sees each input before everybody else; what it says are inputs, stamped inside the bar. An order given at
time t is touched by bars that begin at t or later. Everything else about fills is in `execution.fill_model`,
about refusals in `execution.simulated_rules`. In one bar come first the trades at its open, among them that
of a target jumped over; then a stop before the target beside it.
"""

from bisect import insort
from collections.abc import Sequence
from operator import itemgetter

from actors.execution import broker_words, fill_model, simulated_rules
from actors.execution.fill_model import BAR_NS, INTRABAR_NS, BarRow, LiquidityClass
from actors.execution.last_prices import LastPrices
from actors.execution.simulated_account import SimulatedAccount
from actors.execution.simulated_book import OrderBook
from actors.execution.simulated_state import BrokerCarried, new_account
from actors.execution.ticks import MICRO, micros
from actors.execution.working_order import WorkingOrder, leg_of, orders_of
from config.schema import Execution
from runtime.kernel.actor import Actor
from runtime.messages.base import Input
from runtime.messages.broker import (
    CancelOrder,
    CancelRejected,
    OrderAccepted,
    OrderFilled,
    OrderRejected,
    ReplaceOrder,
    SubmitOrder,
)
from runtime.messages.machine import SessionEnded, SessionStarted
from runtime.messages.market import (
    Bars,
    DailyBars,
    DailyReady,
    FloatArray,
    SymbolAdded,
    TradingStatus,
    VixClose,
)
from runtime.messages.session import SessionHeader

__all__ = ["BrokerCarried", "SimulatedBroker"]

_Candidate = tuple[bool, int, WorkingOrder, float, BarRow]
"""Trades after the open, sequence, order, price before costs (USD), bar."""
_when = itemgetter(0, 1)
"""In which order they trade."""


class SimulatedBroker(Actor):
    """A margin account at a broker with Alpaca's rules, deterministic to the last micro-dollar.

    Args:
        header: The session's facts: symbol table, open and close.
        costs: What it charges and how much of a bar it fills.
        cash: USD the account begins with; ignored once there is something carried.
        liquidity: Class of each symbol of the table.
        previous_close: (S,) raw USD, NaN where unknown; the last price until the first bar. None: unknown.
    """

    def __init__(
        self,
        *,
        header: SessionHeader,
        costs: Execution,
        cash: float,
        liquidity: Sequence[LiquidityClass],
        previous_close: FloatArray | None = None,
        carried: BrokerCarried | None = None,
    ) -> None:
        self._costs = costs
        self._open, self._close = header.open, header.close
        self._ids = {symbol: place for place, symbol in enumerate(header.symbols)}
        self._bps = [fill_model.slippage_bps(costs, group, False) for group in liquidity]
        self._extreme_bps = [fill_model.slippage_bps(costs, group, True) for group in liquidity]
        self._last = LastPrices(previous_close)
        self._over: dict[str, str] = {}
        self._halted: dict[str, bool] = {}
        self._late_cancels: list[tuple[int, CancelOrder]] = []
        kept = carried or new_account(cash)
        self._numbers = kept.numbers
        self._is_extreme = kept.is_extreme
        self._account = SimulatedAccount(kept.cash, costs.buying_power_multiplier, dict(kept.holdings))
        for order in kept.orders:
            order.symbol_id = self._ids.get(order.symbol, -1)
            if order.is_day and not order.ends:
                order.ends = header.close
            self._account.reserved += order.reserve * order.remaining
        self._book = OrderBook(kept.orders)

    def carry(self) -> BrokerCarried:
        return BrokerCarried(
            cash=self._account.cash,
            holdings=self._account.holdings,
            orders=list(self._book.orders.values()),
            numbers=self._numbers,
            is_extreme=self._is_extreme,
        )

    # ---- the market -------------------------------------------------------------------------

    def on_bars(self, bars: Bars) -> list[Input] | None:
        self._last.see(bars)
        if not self._book.live and not self._late_cancels:
            return None
        out: list[Input] = []
        if self._late_cancels:
            self._cancel_late(out, bars.ts_event)
        if self._open <= bars.ts_event < self._close:
            self._match(bars, out)
        else:
            self._expire(out)
        if self._late_cancels:
            self._cancel_late(out, self.now)
        return out

    def on_later(self, _: SessionStarted | SessionEnded | DailyBars | DailyReady) -> list[Input] | None:
        """Anything from outside tells the time: at and after the close DAY orders expire."""
        return self._tell_time()

    def _tell_time(self) -> list[Input] | None:
        if not self._book.orders:
            return None
        out: list[Input] = []
        self._cancel_late(out, self.now)
        self._expire(out)
        return out

    def on_vix_close(self, vix: VixClose) -> list[Input] | None:
        self._is_extreme = vix.level > fill_model.EXTREME_VIX
        return self._tell_time()

    def on_trading_status(self, status: TradingStatus) -> None:
        if status.halted:
            self._halted[status.symbol] = True
        else:
            self._halted.pop(status.symbol, None)

    def on_symbol_added(self, added: SymbolAdded) -> None:
        self._ids[added.symbol] = added.id
        missing = added.id + 1 - len(self._bps)
        small = [fill_model.slippage_bps(self._costs, "small", extreme) for extreme in (False, True)]
        self._bps.extend(small[:1] * missing)
        self._extreme_bps.extend(small[1:] * missing)

    def _match(self, bars: Bars, out: list[Input]) -> None:
        """Let one minute touch every live order of its symbols: opens first, then in order of submission."""
        started, found = bars.ts_event, self._touched(bars)
        if len(found) > 1:
            found.sort(key=_when)
        if not self._book.groups:  # what happens to one order then changes no other
            for is_later, _, order, clean, row in found:
                self._trade(order, clean, row, started + INTRABAR_NS if is_later else started, out)
            return
        at = 0
        while at < len(found):
            is_later, _, order, clean, row = found[at]
            at += 1
            if order.client_order_id not in self._book.orders:
                continue
            if order.is_complex and self._stop_comes_first(found[at - 1], found):
                continue
            released = self._trade(order, clean, row, started + INTRABAR_NS if is_later else started, out)
            if released and not is_later:
                for leg in released:
                    fresh: list[_Candidate] = []
                    self._touch(leg, row, fresh)
                    for candidate in fresh:
                        insort(found, candidate, lo=at, key=_when)

    def _touched(self, bars: Bars) -> list[_Candidate]:
        """What the minute lets trade of what rests, symbol by symbol."""
        started, live, halted = bars.ts_event, self._book.live, self._halted
        found: list[_Candidate] = []
        for place, row in self._book.rows(bars, len(self._ids)):
            for order in live[place].values():
                if order.given > started:
                    continue
                if order.limit is None and order.stop is None and not halted:
                    found.append((False, order.sequence, order, row[0], row))  # as most are: see `_touch`
                else:
                    self._touch(order, row, found)
        return found

    def _touch(self, order: WorkingOrder, row: BarRow, found: list[_Candidate]) -> None:
        if self._halted and order.symbol in self._halted:
            return
        limit, stop = order.limit, order.stop
        if limit is None and stop is None:  # a market order: at the open, as `touch` has it
            found.append((False, order.sequence, order, row[0], row))
            return
        touch = fill_model.touch(order.sign, (limit, stop), order.triggered, row)
        if touch.triggered and not order.triggered:
            order.triggered = True
            self._book.moved(order)
        if touch.price is not None:
            found.append((not touch.at_open, order.sequence, order, touch.price, row))

    def _stop_comes_first(self, candidate: _Candidate, found: list[_Candidate]) -> bool:
        """Whether the bar that reaches this target counts as having reached the stop beside it before.

        It does where both lie inside the bar: nobody knows the order, the worse one is assumed. A target
        that the open is at or beyond trades there, ahead of whatever the bar did later.
        """
        is_later, _, order, _, _ = candidate
        if order.role != "target":
            return False
        reached = [other for other in self._book.others(order) if other.triggered and not other.held]
        if is_later or not reached:
            return bool(reached)
        # Reached in an earlier bar and still working (too little volume), the stop trades at this open too.
        return any(not is_inside and one in reached for is_inside, _, one, _, _ in found)

    def _trade(
        self, order: WorkingOrder, clean: float, row: BarRow, stamp: int, out: list[Input]
    ) -> Sequence[WorkingOrder]:
        """Fill what the bar's volume allows; the legs that this made live.

        Args:
            clean: Price before costs, USD. stamp: when it trades, ns UTC.
        """
        costs, sign = self._costs, order.sign
        name, number, symbol = order.client_order_id, order.broker_order_id, order.symbol
        wanted, filled = order.quantity, order.filled
        quantity = wanted - filled
        if costs.partial_fills:
            quantity = min(quantity, int(costs.volume_frac * row[3]))
            if quantity <= 0:
                return ()
        bps = (self._extreme_bps if self._is_extreme else self._bps)[order.symbol_id]
        price = fill_model.slipped(clean, sign, bps, order.limit)
        paid = round(price * MICRO)  # `micros`, written out
        fees = fill_model.fees_micros(costs, sign, quantity, quantity * paid) if costs.apply_costs else 0
        position = self._account.trade(symbol, sign * quantity, paid, fees)
        if order.reserve:
            self._account.reserved -= order.reserve * quantity
        order.filled = filled = filled + quantity
        order.fills = fills = order.fills + 1
        is_done = filled >= wanted
        worse = 0 if price == clean else (paid - micros(clean)) * sign
        out.append(
            OrderFilled(
                stamp,
                name,
                number,
                f"{number}#{fills}",
                symbol,
                "buy" if sign > 0 else "sell",
                quantity,
                price,
                filled,
                is_done,
                position,
                commission=fees / MICRO,
                slippage=worse * quantity / MICRO,
                parent_id=order.group if order.is_leg else "",
            )
        )
        if not order.is_complex:
            if is_done:
                self._book.remove(order)
                self._over[name] = "filled"
            return ()
        others = self._book.others(order)
        if is_done:
            self._book.remove(order)
            self._over[name] = "filled"
        released: list[WorkingOrder] = []
        for other in others:
            if other.held:
                if is_done:
                    self._release(other, filled, stamp)
                    released.append(other)
            elif is_done:
                self._end(other, "canceled", stamp, out, "the other exit was filled")
            else:
                other.quantity -= quantity
        return released

    def _release(self, leg: WorkingOrder, quantity: int, stamp: int) -> None:
        """Let a held leg work; not in a bar that began before its entry's fill, though it be told late."""
        leg.quantity = quantity
        leg.given = stamp
        self._book.release(leg)

    def _expire(self, out: list[Input]) -> None:
        """End the DAY orders whose close has passed."""
        now = self.now
        for order in list(self._book.orders.values()):
            if order.is_day and 0 < order.ends <= now:
                self._end(order, "expired", now, out)

    def _end(self, order: WorkingOrder, status: str, at: int, out: list[Input], reason: str = "") -> None:
        self._book.remove(order)
        self._account.reserved -= order.reserve * order.remaining
        self._over[order.client_order_id] = status
        out.append(broker_words.ended(order, status, at, reason))

    # ---- commands ---------------------------------------------------------------------------

    def on_submit_order(self, order: SubmitOrder) -> tuple[Input]:
        now, name, symbol, book = self.moment.now, order.client_order_id, order.symbol, self._book
        place = self._ids.get(symbol, -1)
        refusal = simulated_rules.malformed(order, place >= 0, name in book.orders or name in self._over)
        reserve = 0
        if refusal is None:
            same = book.live.get(place)
            refusal, reserve = simulated_rules.judge(
                order, same, self._account, self._last, place, self._costs.shorting
            )
        if refusal is not None:
            return (
                OrderRejected(
                    ts_event=now, client_order_id=name, symbol=symbol,
                    code=refusal.code, reason=refusal.reason,
                ),
            )  # fmt: skip
        self._numbers = number = self._numbers + 1
        parent, legs = orders_of(order, place, number, now, self._close if now < self._close else 0)
        if reserve:
            parent.reserve = reserve
            self._account.reserved += reserve * order.quantity
        book.add(parent)
        for leg in legs:
            book.add(leg)
        told = tuple(leg_of(leg) for leg in legs) if legs else ()
        return (OrderAccepted(now, name, parent.broker_order_id, symbol, told),)

    def on_cancel_order(self, request: CancelOrder) -> list[Input]:
        out: list[Input] = []
        if self._has_unseen_minute():
            self._late_cancels.append((self.now, request))
        else:
            self._cancel(request, out)
        return out

    def _has_unseen_minute(self) -> bool:
        """Whether a whole minute lies between the last frame and now, its own about to come.

        A timer that is due on the minute speaks just before that minute's bars: what rested through the
        minute may still trade in it.
        """
        now = self.now
        last = self._last.minute or self._open - BAR_NS
        return self._open < now <= self._close and now % BAR_NS == 0 and last < now - BAR_NS

    def _cancel_late(self, out: list[Input], until: int) -> None:
        """Carry out the cancellations that waited for a minute's bars and were given by `until`."""
        due = [request for at, request in self._late_cancels if at <= until]
        self._late_cancels = [waiting for waiting in self._late_cancels if waiting[0] > until]
        for request in due:
            self._cancel(request, out)

    def _cancel(self, request: CancelOrder, out: list[Input]) -> None:
        order = self._book.orders.get(request.client_order_id)
        if order is None:
            out.append(self._too_late(request, "order is already in"))
            return
        others = self._book.others(order) if order.is_complex else []
        for one in (order, *others):
            self._end(one, "canceled", self.now, out, request.reason)

    def _too_late(self, request: CancelOrder | ReplaceOrder, text: str) -> CancelRejected:
        return broker_words.too_late(request, text, self._over.get(request.client_order_id), self.now)

    def on_replace_order(self, request: ReplaceOrder) -> tuple[Input]:
        order = self._book.orders.get(request.client_order_id)
        if order is None:
            return (self._too_late(request, "cannot replace order in"),)
        limit = order.limit if request.limit_price is None else request.limit_price
        stop = order.stop if request.stop_price is None else request.stop_price
        reason = simulated_rules.bad_replacement(order, limit, stop)
        if reason:
            return (broker_words.unchanged(order, reason, self.now),)
        self._numbers += 1
        former, order.broker_order_id = order.broker_order_id, f"sim-{self._numbers}"
        order.fills, order.limit, order.stop = 0, limit, stop
        self._book.moved(order)
        return (broker_words.replaced(order, former, self.now),)
