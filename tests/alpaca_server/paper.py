"""The emulated broker: takes orders, trades them against bars the test pushes, tells what happened.

It knows nothing of sockets: a REST call is a method, trade updates gather in `teller.outbox`.
Source: alpaca.md 2.3 to 2.4, 3.2 to 3.5 and 5.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import replace as copy
from decimal import Decimal
from typing import Any

from tests.alpaca_server import groups, permits
from tests.alpaca_server.account import Account, waits_for_parent
from tests.alpaca_server.assets import Assets
from tests.alpaca_server.clock import MINUTE, SECOND, MarketClock, rfc3339
from tests.alpaca_server.events import Execution, Teller, is_over
from tests.alpaca_server.faults import Fault, Faults
from tests.alpaca_server.hours import Hours
from tests.alpaca_server.making import OrderMaker
from tests.alpaca_server.market import Bar, Market
from tests.alpaca_server.matching import at_quote, in_order, touch
from tests.alpaca_server.options import Options
from tests.alpaca_server.orders import NOTHING, TERMINAL, Order
from tests.alpaca_server.refusals import check_exits, check_form, not_found, parameters, unprocessable

WORKING = ("new", "partially_filled", "pending_cancel", "pending_replace")


class PaperBroker:
    """One paper account and all its orders."""

    def __init__(self, options: Options, clock: MarketClock, market: Market, faults: Faults) -> None:
        self.options = options
        self.clock = clock
        self.hours = Hours()
        self.market = market
        self.assets = Assets()
        self.account = Account(options, market.price)
        self.teller = Teller(clock, self.hours, event_ids=options.event_ids)
        self.orders: list[Order] = []
        self.executions: list[Execution] = []
        self._faults = faults
        self._maker = OrderMaker(options, clock, self.hours, market, self.teller, self.assets, self.account)
        self._open: dict[str, Order] = {}
        self._quotes_due: list[tuple[int, Order]] = []
        self.on_due: Callable[[int], None] = lambda moment: None
        """Told of the moment at which something falls due that only the clock brings about."""
        self._by_id: dict[str, Order] = {}
        self._by_client: dict[str, Order] = {}
        self._random = random.Random(options.seed)
        self._fate: dict[str, Fault] = {}
        self._day = self.hours.ending_after(clock.now()).day

    # -- reading ---------------------------------------------------------------------------------

    @property
    def live(self) -> list[Order]:
        """Orders that may still trade, oldest first."""
        for order in [one for one in self._open.values() if not one.is_live]:
            del self._open[order.id]
        return list(self._open.values())

    def order(self, order_id: str) -> Order:
        """Look an order up by the broker's id; refuses with 404."""
        if order_id not in self._by_id:
            raise not_found(f"order not found for {order_id}")
        return self._by_id[order_id]

    def by_client_id(self, client_order_id: str) -> Order:
        """Look an order up by the client's id; refuses with 404."""
        if client_order_id not in self._by_client:
            raise not_found(f"order not found for {client_order_id}")
        return self._by_client[client_order_id]

    # -- new orders ------------------------------------------------------------------------------

    def submit(self, body: dict[str, Any]) -> Order:
        """Take an order; it is pending_new until `acknowledge`.

        Raises:
            Refused: In Alpaca's words.
        """
        check_form(body)
        symbol = body.get("symbol") or ""
        if symbol not in self.assets:
            raise unprocessable(f'asset "{symbol}" not found')
        if body.get("client_order_id") in self._by_client:
            raise parameters("client_order_id must be unique")
        check_exits(body, self.market.price(symbol))
        order = self._maker.made(body)
        permits.check_intent(order, body.get("position_intent"), self.options)
        permits.check(order, self.account, self.assets, self.live, self.options)
        self._maker.add_legs(order, body)
        for one in order.group:
            self._keep(one)
        fault = self._faults.take("order submit", "async_reject", "stuck_new")
        if fault is not None:
            self._fate[order.id] = fault
        if self.hours.at(self.clock.now()) is None and not order.extended_hours:
            order.status = "accepted"
        return order

    def acknowledge(self, order: Order, *, again: bool = False) -> None:
        """Bring a taken order to work, or to what the switch in force makes of it.

        Args:
            again: Let go of an order that was stuck.
        """
        fate = self._fate.pop(order.id, None)
        if order.status == "accepted" and not again:
            if self.options.accepted_event:
                self.teller.tell("accepted", order, order.created_at)
            return
        if not again:
            self.teller.tell("pending_new", order, order.created_at)
        if fate is not None and fate.kind == "stuck_new":
            return
        if fate is not None and fate.kind == "async_reject":
            self._end(order, "rejected", legs_as="canceled")
            return
        self._work(order)
        if order.order_class == "oco":
            groups.start(self.teller, order.legs, self.options)
        elif self.options.held_events:
            for leg in order.legs:
                self.teller.tell("held", leg, leg.updated_at)
        self._expect_quote(order)

    def _work(self, order: Order) -> None:
        at = self.teller.change(order, "partially_filled" if order.filled_qty else "new")
        order.submitted_at = at
        self.teller.tell("new", order, at, execution_id=self.teller.id("e1"))

    def _keep(self, order: Order) -> None:
        order.number = len(self.orders)
        self.orders.append(order)
        self._by_id[order.id] = self._open[order.id] = order
        self._by_client[order.client_order_id] = order

    # -- cancels and replacements ----------------------------------------------------------------

    def cancel(self, order_id: str) -> None:
        """Take a request to cancel (204); its whole group goes with it.

        Raises:
            Refused: Unknown, or over in another way than canceled.
        """
        order = self.order(order_id)
        if order.status == "canceled":
            return
        if is_over(order):
            raise unprocessable(f'order is already in "{order.status}" state')
        fault = self._faults.take("order cancel", "stuck_cancel", "cancel_rejected")
        if fault is not None and fault.kind == "cancel_rejected":
            order.cancel_requested_at = self.clock.unique()
            self.teller.tell("order_cancel_rejected", order, order.cancel_requested_at)
            return
        at = self.teller.change(order, "pending_cancel")
        if self.options.announce_pending:
            self.teller.tell("pending_cancel", order, at)
        if fault is None:
            self._end(order, "canceled", legs_as="canceled")

    def settle_cancels(self) -> None:
        """Bring every order that is pending_cancel to canceled."""
        for order in [one for one in self.live if one.status == "pending_cancel"]:
            self._end(order, "canceled", legs_as="canceled")

    def _end(self, order: Order, status: str, *, legs_as: str) -> None:
        """End an order and what is left of its group."""
        for one in [order, *(other for other in order.group if other is not order)]:
            if one.is_live:
                ending = status if one is order else legs_as
                self.teller.tell(ending, one, self.teller.change(one, ending))

    def replace(self, order_id: str, body: dict[str, Any]) -> Order:
        """Take a request to replace; the answer is the new order, which `settle_replace` brings to work.

        Raises:
            Refused: In Alpaca's words.
        """
        old = self.order(order_id)
        if old.status == "replaced":
            raise unprocessable("order already replaced")
        if is_over(old):
            raise unprocessable(f'order is already in "{old.status}" state')
        if old.status in ("accepted", "pending_new", "pending_cancel", "pending_replace"):
            raise unprocessable(f"cannot replace order in {old.status} status")
        if body.get("client_order_id") in self._by_client:
            raise parameters("client_order_id must be unique")
        new = self._maker.successor(old, body)
        permits.check_replacement(old, new, self.account, self.live)
        self._keep(new)
        return new

    def settle_replace(self, new: Order) -> None:
        """Put a new order in its predecessor's place, or do what the switch in force says."""
        old = self.order(new.replaces or "")
        fault = self._faults.take("order replace", "replace_race", "replace_rejected")
        if fault is not None:
            if fault.kind == "replace_race":
                price = old.limit_price or old.stop_price or self.market.price(old.symbol) or NOTHING
                self.trade(old, old.remaining, price)
            self.teller.tell("order_replace_rejected", old, self.clock.unique())
            self.teller.tell("rejected", new, self.teller.change(new, "rejected"))
            return
        if self.options.announce_pending:
            self.teller.tell("pending_replace", old, self.teller.change(old, "pending_replace"))
        groups.take_place(old, new)
        old.replaced_by = new.id
        self.teller.tell("replaced", old, self.teller.change(old, "replaced"))
        if new.status != "held":
            self._work(new)
            self._expect_quote(new)

    # -- trading ---------------------------------------------------------------------------------

    def works(self, order: Order) -> bool:
        """Whether the market can trade an order now."""
        if waits_for_parent(order):
            return False
        return order.status in WORKING or (order.status == "held" and order.parent is not None)

    def on_bars(self, bars: Iterable[Bar]) -> None:
        """Trade what the bars of a minute trade, symbol by symbol."""
        resting: dict[str, list[Order]] = {}
        for order in self.live:
            resting.setdefault(order.symbol, []).append(order)
        for bar in bars:
            if bar.symbol in resting:
                self._on_bar(bar, resting[bar.symbol])

    def _on_bar(self, bar: Bar, resting: list[Order]) -> None:
        ends = bar.t + MINUTE
        is_open = self.hours.at(bar.t) is not None
        candidates = []
        for order in resting:
            if ends <= order.active_from or not self.works(order):
                continue
            if not is_open and not order.extended_hours:
                continue
            found = touch(order, bar)
            order.triggered = order.triggered or found.triggers
            if found.price is not None:
                candidates.append((order, found))
        for order, found in in_order(candidates):
            if self.works(order) and found.price is not None:
                self.trade(order, self._part(order), found.price, legs_from=ends)
        for order in resting:
            if order.time_in_force in ("ioc", "fok") and ends > order.active_from and order.is_live:
                self._end(order, "canceled", legs_as="canceled")

    def _expect_quote(self, order: Order) -> None:
        """Let an order meet the quote, at once or when the latency has passed."""
        if self.options.fills != "quote":
            return
        if not self.options.fill_latency_s:
            self._try_quote(order)
            return
        due = self.clock.now() + int(self.options.fill_latency_s * SECOND)
        self._quotes_due.append((due, order))
        self.on_due(due)

    def _try_quote(self, order: Order) -> None:
        last = self.market.price(order.symbol)
        if last is None or not self.works(order):
            return
        half = self.options.spread / 2
        price = at_quote(order, last - half, last + half)
        if price is not None:
            self.trade(order, self._part(order), price)

    def _part(self, order: Order) -> Decimal:
        fault = self._faults.take("order fill", "partial_fill")
        rest, whole = order.remaining, Decimal(1)
        if fault is not None:
            wanted = fault.get("quantity", None)
            if wanted is None:
                wanted = rest * Decimal(str(fault.get("share", "0.5")))
        elif self.options.partial_chance and self._random.random() < self.options.partial_chance:
            wanted = rest * Decimal(self._random.randint(1, 9)) / 10
        else:
            return rest
        return min(rest, max(whole, Decimal(wanted).to_integral_value()))

    def trade(
        self,
        order: Order,
        quantity: Decimal,
        price: Decimal,
        *,
        legs_from: int | None = None,
        force: bool = False,
    ) -> Execution | None:
        """Execute shares of an order and everything that follows from it.

        Args:
            legs_from: Exits it sets to work are not touched by bars that end at or before this moment.
            force: Trade more than is left, too, as brokers have been seen to do.
        """
        quantity = quantity if force else min(quantity, order.remaining)
        if quantity <= 0:
            return None
        before = order.status
        order.filled_qty += quantity
        order.filled_value += quantity * price
        at = self.teller.change(order, "partially_filled" if order.remaining else "filled")
        if before in TERMINAL and order.remaining:
            order.status = before  # a fill that came after the order's end ends nothing
        position = self.account.trade(order.symbol, quantity * order.sign, price)
        execution = Execution(
            id=self.teller.id("e8ec"), order=order, at=at, quantity=quantity, price=price,
            cumulative=order.filled_qty, leaves=order.remaining,
        )  # fmt: skip
        self.executions.append(execution)
        self.teller.tell_trade("partial_fill" if order.remaining else "fill", execution, position)
        if before == "pending_cancel":
            if order.remaining:
                order.status = "pending_cancel"
            self.teller.tell("order_cancel_rejected", order, self.clock.unique())
        begins = self.clock.now() if legs_from is None else legs_from
        groups.after_trade(self.teller, order, begins, self.options, self._faults)
        return execution

    def bust(self, execution_id: str) -> None:
        """Take an execution back."""
        taken = self._execution(execution_id)
        taken.busted = True
        order = taken.order
        if self.options.bust_follows:
            order.filled_qty -= taken.quantity
            order.filled_value -= taken.quantity * taken.price
        position = self.account.trade(order.symbol, -taken.quantity * order.sign, taken.price)
        told = copy(taken, id=self.teller.id("b057"), quantity=-taken.quantity, at=self.clock.unique())
        self.teller.tell_trade("trade_bust", told, position, previous_execution_id=taken.id)

    def correct(self, execution_id: str, price: Decimal) -> None:
        """Change the price of a past execution."""
        past = self._execution(execution_id)
        order = past.order
        order.filled_value += past.quantity * (price - past.price)
        self.account.cash -= past.quantity * (price - past.price) * order.sign
        past.price = price
        told = copy(past, id=self.teller.id("c022"), at=self.clock.unique())
        position = self.account.held(order.symbol)
        self.teller.tell_trade("trade_correct", told, position, previous_execution_id=past.id)

    def _execution(self, execution_id: str) -> Execution:
        return next(one for one in self.executions if one.id == execution_id)

    # -- time ------------------------------------------------------------------------------------

    def move_to(self, moment: int) -> None:
        """Let time pass: closes and openings on the way happen at their own moments."""
        while self.clock.stands:
            now = self.clock.now()
            due = [self.hours.next_open(now), *(order.expires_at for order in self.live)]
            due += [moment for moment, _ in self._quotes_due]
            upcoming = min((one for one in due if one > now), default=moment)
            self.clock.move_to(min(upcoming, moment))
            self.catch_up()
            if upcoming >= moment:
                return
        self.catch_up()

    def catch_up(self) -> None:
        """Do what market time has made due: day orders expire, queued ones start to work."""
        now = self.clock.now()
        day = self.hours.ending_after(now).day
        if day != self._day:
            self._day, self.account.last_equity = day, self.account.equity
        due = [order for moment, order in self._quotes_due if moment <= now]
        self._quotes_due = [pair for pair in self._quotes_due if pair[0] > now]
        for order in due:
            self._try_quote(order)
        for order in self.live:
            if order.expires_at <= now and order.is_live:
                self.teller.tell("expired", order, self.teller.change(order, "expired"))
        if self.hours.at(now) is not None:
            for order in self.live:
                if order.status == "accepted":
                    self.acknowledge(order, again=True)

    def activities(self) -> Iterable[dict[str, Any]]:
        """FILL activities, oldest first."""
        return [one.activity() for one in self.executions if self.options.busts_listed or not one.busted]

    def describe(self) -> str:
        """All orders in a line each, for the message of a failing test."""
        return "\n".join(
            f"{rfc3339(o.created_at)} {o.client_order_id} {o.side} {o.qty} {o.symbol} {o.type} {o.status}"
            for o in self.orders
        )
