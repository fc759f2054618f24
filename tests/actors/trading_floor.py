"""A sequencer with the simulated broker, the executor if wanted, and a desk that says what it is told."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from actors.executor import Executor, ExecutorCarried
from actors.simulated_broker import BrokerCarried, SimulatedBroker
from config.schema import Execution, Orders
from runtime.kernel.actor import Actor
from runtime.kernel.cell import ActorSpec
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Command, Decision, Input, Message, parts_of
from runtime.messages.broker import CancelOrder, OrderChanged, OrderFilled, ReplaceOrder, SubmitOrder
from runtime.messages.machine import SessionEnded, SessionStarted
from runtime.messages.market import Bars, FeedChanged
from runtime.messages.reports import reported
from runtime.messages.session import PhaseStart, SessionHeader
from runtime.messages.trading import OrderApproved, OrderProposed

MINUTE = 60_000_000_000
DAY = 86_400_000_000_000
OPEN = 1_520_000_000_000_000_000 // MINUTE * MINUTE
FREE = Execution(apply_costs=False, partial_fills=False, buying_power_multiplier=1.0)


def header(symbols: tuple[str, ...] = ("AAA", "BBB"), day: int = 0) -> SessionHeader:
    opened = OPEN + day * DAY
    return SessionHeader(
        session=f"2018-03-{day + 1:02d}",
        previous="",
        next="",
        starts=opened - 15 * 60 * MINUTE,
        open=opened,
        close=opened + 390 * MINUTE,
        ends=opened + 9 * 60 * MINUTE,
        early_close=False,
        phases=(PhaseStart(phase="TRADING", ts=opened),),
        settings={},
        settings_hash="",
        symbols=symbols,
        sectors=("",) * len(symbols),
    )


class Desk(Actor):
    """Says the messages filed under the name that a `FeedChanged` input calls."""

    def __init__(self, script: dict[str, list[Callable[[int, int], Decision]]]) -> None:
        self._script = script

    def on_feed_changed(self, call: FeedChanged) -> Iterator[Decision]:
        for make in self._script[call.stream]:
            yield make(self.now, self.seq)


class Floor:
    """One session at a time; `minute`, `say` and `later` move it on."""

    def __init__(
        self,
        *,
        costs: Execution = FREE,
        cash: float = 100_000.0,
        symbols: tuple[str, ...] = ("AAA", "BBB"),
        with_executor: bool = True,
        extra: tuple[ActorSpec, ...] = (),
        carried: dict[str, bytes] | None = None,
        day: int = 0,
        broker_class: type[SimulatedBroker] = SimulatedBroker,
        executor_class: type[Executor] = Executor,
    ) -> None:
        self.header = header(symbols, day)
        self.script: dict[str, list[Callable[[int, int], Decision]]] = {}
        self.seen: list[Message] = []
        self.now = self.header.starts

        def broker(state: bytes | None) -> Actor:
            kept = None if state is None else msgspec.msgpack.decode(state, type=BrokerCarried)
            return broker_class(
                header=self.header,
                costs=costs,
                cash=cash,
                liquidity=("large",) * len(symbols),
                carried=kept,
            )

        def executor(state: bytes | None) -> Actor:
            kept = None if state is None else msgspec.msgpack.decode(state, type=ExecutorCarried)
            return executor_class(Orders(), kept)

        specs = [
            ActorSpec(name="broker", rank=0, port=True, gather=reported, build=broker, intensity=1_000),
            ActorSpec(name="desk", rank=500, build=lambda _: Desk(self.script)),
            *extra,
        ]
        if with_executor:
            specs.append(ActorSpec(name="executor", rank=600, build=executor, intensity=1_000))
        self.machine = Sequencer(specs, carried=carried, observers=(self._observe,))
        self._post(SessionStarted(ts_event=self.now, session=self.header.session), self.now)

    def _observe(self, _: int, __: int, message: Input, caused: Any) -> None:
        self.seen.extend(parts_of(message))
        self.seen.extend(caused)

    def _post(self, message: Input, at: int) -> None:
        self.now = max(self.now, at)
        self.machine.post("market", message, self.now)

    def minute(self, number: int, **rows: tuple[float, ...]) -> None:
        """Bars of minute `number` after the open: symbol=(open, high, low, close[, volume])."""
        table = self.header.symbols
        given = sorted((table.index(symbol), row) for symbol, row in rows.items())
        columns = [[*row, *([100_000.0] if len(row) == 4 else [])] for _, row in given]
        started = self.header.open + number * MINUTE
        message = Bars.of(
            [place for place, _ in given], [list(c) for c in zip(*columns, strict=True)], ts_event=started
        )
        self._post(message, started + MINUTE)

    def later(self, message: Input) -> None:
        self._post(message, message.ts_event)

    def say(self, *makers: Callable[[int, int], Decision], at: int | None = None) -> list[Message]:
        """Let the desk speak; what happened because of it."""
        name = f"call {len(self.script)}"
        self.script[name] = list(makers)
        before = len(self.seen)
        when = self.now if at is None else at
        self._post(FeedChanged(ts_event=when, stream=name, up=True), when)
        return self.seen[before:]

    def end(self) -> dict[str, bytes]:
        self._post(SessionEnded(ts_event=self.header.ends, session=self.header.session), self.header.ends)
        return self.machine.carry()

    def all(self, kind: type[Message]) -> list[Any]:
        return [message for message in self.seen if type(message) is kind]

    @property
    def fills(self) -> list[OrderFilled]:
        return self.all(OrderFilled)

    @property
    def commands(self) -> list[Command]:
        return [message for message in self.seen if isinstance(message, Command)]

    @property
    def changes(self) -> list[OrderChanged]:
        return [message for message in self.seen if isinstance(message, OrderChanged)]

    def states(self) -> dict[str, OrderChanged]:
        return {change.client_order_id: change for change in self.changes}

    @property
    def account(self) -> Any:
        return self.machine.actor("broker")._account


def submit(name: str, side: str, quantity: int, **fields: Any) -> Callable[[int, int], SubmitOrder]:
    values: dict[str, Any] = {
        "symbol": "AAA", "type": "market", "order_class": "simple", "time_in_force": "day",
        "lot_id": name, "strategy": "test",
    } | fields  # fmt: skip

    def make(now: int, seq: int) -> SubmitOrder:
        return SubmitOrder(
            ts_event=now, cause=seq, client_order_id=name, side=side, quantity=quantity, **values
        )  # type: ignore[arg-type]

    return make


def cancel(name: str) -> Callable[[int, int], CancelOrder]:
    return lambda now, seq: CancelOrder(
        ts_event=now, cause=seq, client_order_id=name, broker_order_id="", lot_id="", symbol="AAA"
    )


def replace(name: str, **prices: float) -> Callable[[int, int], ReplaceOrder]:
    return lambda now, seq: ReplaceOrder(
        ts_event=now, cause=seq, client_order_id=name, broker_order_id="", lot_id="", symbol="AAA", **prices
    )


def approve(lot: str, side: str = "buy", quantity: int = 100, **fields: Any) -> Callable[[int, int], Any]:
    intent = fields.pop("intent", "entry")
    values: dict[str, Any] = {
        "symbol": "AAA", "type": "market", "order_class": "bracket", "time_in_force": "day",
        "reference_price": 100.0,
        "client_order_id": f"{lot}:{'e' if intent == 'entry' else 'x'}1",
    } | fields  # fmt: skip

    def make(now: int, seq: int) -> OrderApproved:
        order = OrderProposed(
            ts_event=now, cause=seq, signal_id=lot, lot_id=lot, strategy="test", side=side,
            intent=intent, quantity=quantity, **values,
        )  # type: ignore[arg-type]  # fmt: skip
        return OrderApproved(ts_event=now, cause=seq, order=order)

    return make
