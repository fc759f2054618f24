"""The trading API: account, orders, positions, activities, clock, calendar and assets."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tests.alpaca_server.account import Position
from tests.alpaca_server.calls import Answer, Call
from tests.alpaca_server.clock import new_york, new_york_text, ns
from tests.alpaca_server.hours import Session
from tests.alpaca_server.orders import Order, rest_json, text
from tests.alpaca_server.paper import PaperBroker
from tests.alpaca_server.refusals import INTERNAL, Refused, amount, not_found, parameters, unprocessable

Handler = Callable[[Call], Answer]
_FAILED = {"code": INTERNAL, "message": "internal server error occurred"}


class TradingApi:
    """Handlers over one broker; each is done when it returns, its trade updates wait in the outbox."""

    def __init__(self, broker: PaperBroker) -> None:
        self._broker = broker

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler."""
        return [
            ("GET", "/v2/account", self.account),
            ("GET", "/v2/account/configurations", self.configurations),
            ("PATCH", "/v2/account/configurations", self.configure),
            ("GET", "/v2/account/activities", self.activities),
            ("GET", "/v2/account/activities/{kind}", self.activities),
            ("GET", "/v2/clock", self.clock),
            ("GET", "/v2/calendar", self.calendar),
            ("GET", "/v2/assets", self.assets),
            ("GET", "/v2/assets/{symbol}", self.asset),
            ("POST", "/v2/orders", self.submit),
            ("GET", "/v2/orders", self.orders),
            ("DELETE", "/v2/orders", self.cancel_all),
            ("GET", "/v2/orders:by_client_order_id", self.order_by_client_id),
            ("GET", "/v2/orders/{id}", self.order),
            ("PATCH", "/v2/orders/{id}", self.replace),
            ("DELETE", "/v2/orders/{id}", self.cancel),
            ("GET", "/v2/positions", self.positions),
            ("DELETE", "/v2/positions", self.close_all),
            ("GET", "/v2/positions/{symbol}", self.position),
            ("DELETE", "/v2/positions/{symbol}", self.close),
        ]

    # -- account ---------------------------------------------------------------------------------

    def account(self, call: Call) -> Answer:
        return Answer(body=self._broker.account.json(self._broker.live))

    def configurations(self, call: Call) -> Answer:
        return Answer(body=dict(self._broker.account.configurations))

    def configure(self, call: Call) -> Answer:
        known = self._broker.account.configurations
        for name, value in call.json().items():
            if name not in known:
                raise parameters(f"unknown configuration {name}")
            known[name] = value
        return Answer(body=dict(known))

    def activities(self, call: Call) -> Answer:
        kinds = call.path.get("kind") or call.query.get("activity_types", "FILL")
        rows = [
            row
            for row in self._broker.activities()
            if "FILL" in kinds.split(",") and _within(call, ns(row["transaction_time"]))
        ]
        wanted = call.query.get("order_id")
        if wanted:
            rows = [row for row in rows if row["order_id"] == wanted]
        if call.query.get("date"):
            rows = [r for r in rows if _day(ns(r["transaction_time"])) == call.query["date"]]
        if call.query.get("direction", "desc") == "desc":
            rows.reverse()
        token = call.query.get("page_token")
        if token:
            ids = [row["id"] for row in rows]
            if token not in ids:
                raise parameters("invalid page_token")
            rows = rows[ids.index(token) + 1 :]
        return Answer(body=rows[: call.number("page_size", 100, 1, 100)])

    # -- clock, calendar, assets -----------------------------------------------------------------

    def clock(self, call: Call) -> Answer:
        hours, clock = self._broker.hours, self._broker.clock
        clock.release()
        now = clock.now()
        return Answer(
            body={
                "timestamp": new_york_text(clock.told()),
                "is_open": hours.at(now) is not None,
                "next_open": new_york_text(hours.next_open(now)),
                "next_close": new_york_text(hours.next_close(now)),
            }
        )

    def calendar(self, call: Call) -> Answer:
        today = new_york(self._broker.clock.now()).date()
        try:
            start = date.fromisoformat(call.query.get("start", today.isoformat())[:10])
            end = date.fromisoformat(call.query.get("end", (today + timedelta(days=366)).isoformat())[:10])
        except ValueError:
            raise parameters("invalid date") from None
        return Answer(body=[self._calendar_row(one) for one in self._broker.hours.between(start, end)])

    def _calendar_row(self, session: Session) -> dict[str, Any]:
        close = new_york(session.close)
        return {
            "date": session.day.isoformat(),
            "open": f"{new_york(session.open):%H:%M}",
            "close": f"{close:%H:%M}",
            "session_open": "0400",
            "session_close": "2000" if close.hour == 16 else "1700",
            "settlement_date": self._broker.hours.settlement(session.day).isoformat(),
        }

    def assets(self, call: Call) -> Answer:
        status = call.query.get("status")
        legacy = self._broker.options.legacy_asset_fields
        found = [one for one in self._broker.assets.values() if status in (None, "", one.status)]
        return Answer(body=[one.json(legacy=legacy) for one in found])

    def asset(self, call: Call) -> Answer:
        wanted = call.path["symbol"]
        for one in self._broker.assets.values():
            if wanted in (one.symbol, one.id):
                return Answer(body=one.json(legacy=self._broker.options.legacy_asset_fields))
        raise not_found(f"symbol not found: {wanted}")

    # -- orders ----------------------------------------------------------------------------------

    def submit(self, call: Call) -> Answer:
        return self._placed(call.json())

    def _placed(self, body: dict[str, Any]) -> Answer:
        order = self._broker.submit(body)
        answer = Answer(body=rest_json(order))  # as it is now: what follows is told by the stream
        self._broker.acknowledge(order)
        return answer

    def order(self, call: Call) -> Answer:
        if call.lag is not None:
            raise not_found(f"order not found for {call.path['id']}")
        nested = call.query.get("nested", "false") == "true"
        return Answer(body=rest_json(self._broker.order(call.path["id"]), nested=nested))

    def order_by_client_id(self, call: Call) -> Answer:
        wanted = call.query.get("client_order_id", "")
        if call.lag is not None:
            raise not_found(f"order not found for {wanted}")
        return Answer(body=rest_json(self._broker.by_client_id(wanted)))

    def orders(self, call: Call) -> Answer:
        query = call.query
        nested = query.get("nested", "false") == "true"
        cursors = [name for name in ("after_order_id", "before_order_id") if query.get(name)]
        if len(cursors) == 2 or (cursors and (query.get("after") or query.get("until"))):
            raise parameters("after_order_id, before_order_id and after/until exclude each other")
        rows = [one for one in self._broker.orders if self._is_listed(call, one, nested)]
        if call.lag is not None:
            rows = rows[:-1]
        if cursors:
            edge = self._broker.order(query[cursors[0]]).number
            later = cursors[0] == "after_order_id"
            rows = [one for one in rows if (one.number > edge if later else one.number < edge)]
        if query.get("direction", "desc") == "desc":
            rows.reverse()
        limit = call.number("limit", 50, 1, 500)
        return Answer(body=[rest_json(one, nested=nested) for one in rows[:limit]])

    def _is_listed(self, call: Call, order: Order, nested: bool) -> bool:
        if nested and order.parent is not None:
            return False
        status, symbols, side = call.query.get("status", "open"), call.symbols(), call.query.get("side")
        if status not in ("open", "closed", "all"):
            raise parameters("invalid status")
        live = any(one.is_live for one in order.group) if nested else order.is_live
        return (
            (status == "all" or live == (status == "open"))
            and (not symbols or order.symbol in symbols)
            and (not side or order.side == side)
            and _within(call, order.submitted_at)
        )

    def replace(self, call: Call) -> Answer:
        new = self._broker.replace(call.path["id"], call.json())
        answer = Answer(body=rest_json(new))
        self._broker.settle_replace(new)
        return answer

    def cancel(self, call: Call) -> Answer:
        self._broker.cancel(call.path["id"])
        return Answer(status=204)

    def cancel_all(self, call: Call) -> Answer:
        failing = call.partial.get("count", 1) if call.partial else 0
        items: list[dict[str, Any]] = []
        for order in self._broker.live:
            item: dict[str, Any] = {"id": order.id, "status": 200}
            if len(items) < failing:
                item |= {"status": 500, "body": _FAILED}
            elif order.is_live:
                self._broker.cancel(order.id)
            items.append(item)
        return Answer(status=207, body=items)

    # -- positions -------------------------------------------------------------------------------

    def _written(self, position: Position) -> dict[str, Any]:
        broker = self._broker
        asset = broker.assets.get(position.symbol) or broker.assets.put(position.symbol)
        return broker.account.position_json(position, asset, broker.live)

    def positions(self, call: Call) -> Answer:
        return Answer(body=[self._written(one) for one in self._broker.account.positions.values()])

    def _position(self, symbol: str) -> Position:
        found = self._broker.account.positions.get(symbol)
        if found is None:
            raise not_found("position does not exist")
        return found

    def position(self, call: Call) -> Answer:
        return Answer(body=self._written(self._position(call.path["symbol"])))

    def close(self, call: Call) -> Answer:
        position = self._position(call.path["symbol"])
        quantity = amount(call.query, "qty")
        share = amount(call.query, "percentage")
        if quantity is not None and share is not None:
            raise unprocessable("only one of qty and percentage may be given")
        if share is not None:
            quantity = round(abs(position.qty) * share / 100, 9)
        return self._placed(_closing(position, quantity))

    def close_all(self, call: Call) -> Answer:
        if call.query.get("cancel_orders", "false").lower() == "true":
            self.cancel_all(Call(path={}, query={}))
        failing = call.partial.get("count", 1) if call.partial else 0
        items: list[dict[str, Any]] = []
        for position in list(self._broker.account.positions.values()):
            item: dict[str, Any] = {"symbol": position.symbol, "status": 200}
            if len(items) < failing:
                item |= {"status": 500, "body": _FAILED}
            else:
                try:
                    item["body"] = self._placed(_closing(position, None)).body
                except Refused as refused:
                    item |= {"status": refused.status, "body": refused.body}
            items.append(item)
        return Answer(status=207, body=items)


def _closing(position: Position, quantity: Decimal | None) -> dict[str, Any]:
    return {
        "symbol": position.symbol,
        "qty": text(abs(position.qty) if quantity is None else quantity),
        "side": "sell" if position.qty > 0 else "buy",
        "type": "market",
        "time_in_force": "day",
    }


def _day(moment: int) -> str:
    return new_york(moment).date().isoformat()


def _within(call: Call, moment: int) -> bool:
    """Whether a moment lies between `after` and `until`, both excluded."""
    try:
        after = ns(call.query["after"]) if call.query.get("after") else None
        until = ns(call.query["until"]) if call.query.get("until") else None
    except ValueError:
        raise parameters("invalid timestamp") from None
    return (after is None or moment > after) and (until is None or moment < until)
