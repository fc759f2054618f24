"""An executor on a stage of its own, as against a real broker: inputs by hand, what it says by kind."""

from typing import Any, TypeVar

from actors.executor import Executor, ExecutorCarried
from config.schema import Orders
from runtime.messages.base import Message
from runtime.messages.broker import (
    BrokerOrder,
    BrokerPosition,
    BrokerSnapshot,
    BrokerStreamChanged,
    Leg,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
)
from runtime.messages.machine import SetTimer, TimerFired
from tests.actors.days import Stage, at
from tests.actors.trading_floor import approve

LOT = "mr-20180305-1"
ENTRY = f"{LOT}:e1"
STOP, TARGET = "leg-stop", "leg-target"
EXITS = {"stop_loss": 95.0, "take_profit": 105.0}
SECOND = 1_000_000_000

Kind = TypeVar("Kind", bound=Message)


class ExecutorStage(Stage):
    """The executor, its clock and everything it said."""

    def __init__(self, carried: ExecutorCarried | None = None, **settings: Any) -> None:
        self.executor = Executor(Orders(**settings), carried, reconciles=True)
        super().__init__(self.executor, "executor")
        self.now = at(10)
        self.seen: list[Message] = []
        self.timers: dict[str, int] = {}

    def hear(self, message: Message) -> list[Message]:
        said = self.tell(message, self.now)
        self.seen += said
        for one in said:
            if type(one) is SetTimer:
                self.timers[one.key] = one.due
        return said

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [one for one in self.seen if type(one) is kind]

    def ring(self, key: str) -> list[Message]:
        """Let a timer that it set come due."""
        self.now = max(self.now, self.timers.pop(key))
        return self.hear(TimerFired(ts_event=self.now, actor="executor", key=key))

    # ---- the broker -------------------------------------------------------------------------

    def snapshot(
        self, *orders: BrokerOrder, reason: Any = "schedule", positions: Any = (), **net: int
    ) -> list[Message]:
        self.now += SECOND
        held = tuple(BrokerPosition(symbol=symbol, quantity=shares) for symbol, shares in net.items())
        return self.hear(
            BrokerSnapshot(ts_event=self.now, positions=(*held, *positions), orders=orders, reason=reason)
        )

    def stream(self, ready: bool, reason: str = "", *, started: bool = False) -> list[Message]:
        return self.hear(BrokerStreamChanged(ts_event=self.now, ready=ready, reason=reason, started=started))

    def ready(self) -> "ExecutorStage":
        """A start without anything at the broker."""
        self.stream(False, "connecting", started=True)
        self.snapshot(reason="start")
        self.stream(True)
        return self

    def approve(self, lot: str = LOT, side: str = "buy", quantity: int = 10, **fields: Any) -> list[Message]:
        values = {**EXITS, **fields} if fields.get("intent", "entry") == "entry" else fields
        return self.hear(approve(lot, side, quantity, **values)(self.now, self.moment.seq))

    def accept(self, name: str = ENTRY, *, legs: bool = False) -> list[Message]:
        made = (
            Leg(broker_order_id="b-s", client_order_id=STOP, role="stop", price=95.0),
            Leg(broker_order_id="b-t", client_order_id=TARGET, role="target", price=105.0),
        )
        return self.hear(
            OrderAccepted(
                ts_event=self.now, client_order_id=name, broker_order_id=f"b-{name}", symbol="AAA",
                legs=made if legs else (),
            )
        )  # fmt: skip

    def fill(
        self, name: str = ENTRY, quantity: int = 10, cumulative: int = 0, side: str = "buy", **fields: Any
    ) -> list[Message]:
        self.now += SECOND
        total = cumulative or quantity
        plain: dict[str, Any] = {
            "broker_order_id": f"b-{name}", "execution_id": f"{name}#{total}", "symbol": "AAA",
            "price": 100.0, "done": total >= 10, "ts_event": self.now,
        }  # fmt: skip
        return self.hear(
            OrderFilled(
                client_order_id=name, side=side, quantity=quantity, cumulative=total,
                **(plain | fields),
            )
        )  # fmt: skip

    def reject(self, name: str, code: int, reason: str) -> list[Message]:
        return self.hear(
            OrderRejected(ts_event=self.now, client_order_id=name, symbol="AAA", code=code, reason=reason)
        )

    def canceled(self, name: str, cumulative: int = 0) -> list[Message]:
        return self.hear(
            OrderCanceled(
                ts_event=self.now, client_order_id=name, broker_order_id=f"b-{name}", symbol="AAA",
                cumulative=cumulative,
            )
        )  # fmt: skip

    def open_lot(self) -> "ExecutorStage":
        """Ten shares with stop and target resting."""
        self.approve()
        self.accept(legs=True)
        self.fill()
        return self


def listed(name: str, **fields: Any) -> BrokerOrder:
    """An open order as the broker lists it."""
    plain: dict[str, Any] = {
        "broker_order_id": f"b-{name}", "symbol": "AAA", "side": "buy", "quantity": 10, "filled": 0,
        "status": "new",
    }  # fmt: skip
    return BrokerOrder(client_order_id=name, **(plain | fields))


RESTING = (
    listed(STOP, side="sell", parent_id=ENTRY, stop_price=95.0),
    listed(TARGET, side="sell", parent_id=ENTRY, limit_price=105.0),
)
