"""From a request to an order: a new one, the legs of one, and what a replacement changes of one."""

from dataclasses import replace as copy
from decimal import Decimal
from typing import Any

from tests.alpaca_server import groups
from tests.alpaca_server.account import Account
from tests.alpaca_server.assets import Assets
from tests.alpaca_server.clock import MarketClock
from tests.alpaca_server.events import Teller
from tests.alpaca_server.hours import Hours
from tests.alpaca_server.market import Market
from tests.alpaca_server.options import Options
from tests.alpaca_server.orders import NOTHING, Order
from tests.alpaca_server.refusals import amount, check_tick, exits, parameters, unprocessable


class OrderMaker:
    """Makes orders of one account; keeps none."""

    def __init__(
        self,
        options: Options,
        clock: MarketClock,
        hours: Hours,
        market: Market,
        teller: Teller,
        assets: Assets,
        account: Account,
    ) -> None:
        self._options = options
        self._clock = clock
        self._hours = hours
        self._market = market
        self._teller = teller
        self._assets = assets
        self._account = account

    def made(self, body: dict[str, Any]) -> Order:
        """The order a request asks for, right in form, without its legs."""
        now = self._clock.unique()
        symbol, group = body["symbol"], body.get("order_class") or ""
        limit = amount(body, "limit_price")
        if group == "oco" and limit is None:
            limit = exits(body)[0]
        opens = self._account.held(symbol) * (1 if body["side"] == "buy" else -1) >= 0
        order_id = self._teller.id("0de")
        return Order(
            number=0,
            id=order_id,
            client_order_id=body.get("client_order_id") or self._teller.id("c11e"),
            asset_id=self._assets[symbol].id,
            symbol=symbol,
            side=body["side"],
            type=body["type"],
            time_in_force=body["time_in_force"],
            qty=self._quantity(body),
            notional=amount(body, "notional"),
            created_at=now,
            submitted_at=now,
            updated_at=now,
            expires_at=self._expiry(body["time_in_force"]),
            limit_price=limit,
            stop_price=amount(body, "stop_price"),
            order_class="" if group == "simple" else group,
            extended_hours=bool(body.get("extended_hours")),
            position_intent=f"{body['side']}_to_{'open' if opens else 'close'}",
            active_from=self._clock.now(),
        )

    def _quantity(self, body: dict[str, Any]) -> Decimal:
        qty, notional = amount(body, "qty"), amount(body, "notional")
        if qty is not None:
            return qty
        last = self._market.price(body["symbol"])
        if last is None or notional is None:
            raise parameters("qty or notional is required")
        return round(notional / last, 9)

    def add_legs(self, parent: Order, body: dict[str, Any]) -> None:
        """Give an order the legs its request asks for, held."""
        opposite = "sell" if parent.sign > 0 else "buy"
        side = parent.side if parent.order_class == "oco" else opposite
        for leg in groups.legs_of(body):
            parent.legs.append(
                copy(
                    parent,
                    id=self._teller.id("0de"),
                    client_order_id=self._teller.id("c11e"),
                    side=side,
                    type=leg.type,
                    limit_price=leg.limit_price,
                    stop_price=leg.stop_price,
                    position_intent=f"{side}_to_close",
                    status="held",
                    parent=parent,
                    legs=[],
                )
            )

    def successor(self, old: Order, body: dict[str, Any]) -> Order:
        """The order that is to take another's place; raises Refused in Alpaca's words."""
        changes = _changes(old, body)
        now = self._clock.unique()
        new = copy(
            old,
            id=self._teller.id("0de"),
            client_order_id=body.get("client_order_id") or self._teller.id("c11e"),
            created_at=now,
            submitted_at=now,
            updated_at=now,
            replaces=old.id,
            status="held" if old.status == "held" else "pending_new",
            cancel_requested_at=None,
            legs=[],
            parent=None,
            active_from=self._clock.now(),
            **changes,
        )
        if self._options.replacement == "fresh":
            new.filled_qty = new.filled_value = NOTHING
        if old.time_in_force != new.time_in_force:
            new.expires_at = self._expiry(new.time_in_force)
        return new

    def _expiry(self, time_in_force: str) -> int:
        now = self._clock.now()
        return self._hours.cancels_gtc(now) if time_in_force == "gtc" else self._hours.next_close(now)


def _changes(old: Order, body: dict[str, Any]) -> dict[str, Any]:
    if old.notional is not None:
        raise unprocessable("notional orders cannot be replaced")
    asked = {name: amount(body, name) for name in ("qty", "limit_price", "stop_price")}
    changes: dict[str, Any] = {
        name: value for name, value in asked.items() if value is not None and value != getattr(old, name)
    }
    tif = body.get("time_in_force")
    if tif and tif != old.time_in_force:
        changes["time_in_force"] = tif
    if not changes:
        raise unprocessable("order parameters are not changed")
    if "qty" in changes:
        if old.order_class:
            raise unprocessable("qty cannot be changed for advanced orders")
        if changes["qty"] <= old.filled_qty:
            raise unprocessable("qty must be > filled_qty")
    for name in ("limit_price", "stop_price"):
        if name in changes:
            if getattr(old, name) is None:
                raise parameters(f"{old.type} orders have no {name}")
            check_tick(name, changes[name])
    return changes
