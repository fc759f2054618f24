"""The loopback broker under the contract: its answers and trade updates become inputs by our own translation.

Sockets are left out: what is compared is what the emulated broker does with what the simulated one does.
"""

import json
from typing import Any

import msgspec

from actors.broker import trade_wire, translate, wire
from actors.broker.directory import Directory
from runtime.messages.base import Input
from runtime.messages.broker import CancelRejected, OrderRejected
from tests.alpaca_server.clock import MINUTE, MarketClock
from tests.alpaca_server.faults import Faults
from tests.alpaca_server.market import Market
from tests.alpaca_server.options import Options
from tests.alpaca_server.orders import rest_json
from tests.alpaca_server.paper import PaperBroker
from tests.alpaca_server.refusals import Refused
from tests.alpaca_server.server import FRIDAY_OPEN, made_bar


class Loopback:
    """A paper account without margin, moved minute by minute."""

    is_gateway = False

    def __init__(self) -> None:
        self._clock = MarketClock(FRIDAY_OPEN)
        self._market = Market()
        self._broker = PaperBroker(Options(multiplier=1), self._clock, self._market, Faults())
        for symbol in ("AAA", "BBB"):
            self._broker.assets.put(symbol)
        self._directory = Directory()
        self.minute(AAA=(100, 100, 100, 100), BBB=(50, 50, 50, 50))

    def submit(self, name: str, side: str, quantity: int, **fields: Any) -> list[Input]:
        values = {"symbol": "AAA", "type": "market", "order_class": "simple", "time_in_force": "day"} | fields
        target, stop = values.pop("take_profit", None), values.pop("stop_loss", None)
        body = {one: str(value) for one, value in values.items()}
        body |= {"side": side, "qty": str(quantity), "client_order_id": name}
        exits: dict[str, Any] = {}
        if target is not None:
            exits["take_profit"] = {"limit_price": str(target)}
        if stop is not None:
            exits["stop_loss"] = {"stop_price": str(stop)}
        self._directory.add(name, values["symbol"])
        try:
            order = self._broker.submit(body | exits)
        except Refused as refused:
            return [
                OrderRejected(
                    ts_event=self._clock.now(), client_order_id=name, broker_order_id="",
                    symbol=values["symbol"], code=refused.body["code"], reason=refused.body["message"],
                )
            ]  # fmt: skip
        answer = self._read(rest_json(order))
        self._broker.acknowledge(order)
        return self._told(translate.order_told(answer, self._directory, self._clock.now()).inputs)

    def cancel(self, name: str) -> list[Input]:
        try:
            self._broker.cancel(self._broker_id(name))
        except Refused as refused:
            return [self._refused(name, refused)]
        return self._told([])

    def replace(self, name: str, **prices: float) -> list[Input]:
        try:
            new = self._broker.replace(self._broker_id(name), {one: str(p) for one, p in prices.items()})
        except Refused as refused:
            return [self._refused(name, refused)]
        translate.replacement_asked(self._read(rest_json(new)), self._directory)
        self._broker.settle_replace(new)
        return self._told([])

    def minute(self, **rows: tuple[float, ...]) -> list[Input]:
        begins = self._clock.now()
        for symbol, row in rows.items():
            bar = made_bar(symbol, row, begins)
            self._broker.on_bars([bar])
            self._market.put(bar)
        self._broker.move_to(begins + MINUTE)
        return self._told([])

    def close(self) -> list[Input]:
        self._broker.move_to(self._broker.hours.next_close(self._clock.now()))
        return self._told([])

    def end(self) -> None:
        """Nothing is to be let go of."""

    def _broker_id(self, name: str) -> str:
        known = self._directory.named(name)
        return known.broker_order_id if known is not None else name

    def _refused(self, name: str, refused: Refused) -> CancelRejected:
        return CancelRejected(
            ts_event=self._clock.now(), client_order_id=name, broker_order_id="", symbol="AAA",
            reason=refused.body["message"],
        )  # fmt: skip

    def _told(self, inputs: list[Input]) -> list[Input]:
        """Inputs so far and those of the updates that wait, once each, as the gateways tell them."""
        updates, self._broker.teller.outbox = self._broker.teller.outbox, []
        told = list(inputs)
        for data in updates:
            (update,) = trade_wire.decode(json.dumps({"stream": "trade_updates", "data": data}).encode())
            assert isinstance(update, wire.TradeUpdate)
            said = translate.update_told(update, self._directory, self._clock.now())
            assert not said.lookups
            told += said.inputs
        return told

    @staticmethod
    def _read(written: dict[str, Any]) -> wire.Order:
        return msgspec.json.decode(json.dumps(written), type=wire.Order)
