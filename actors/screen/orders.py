"""Orders of the session, and signals with what became of each."""

import msgspec

from actors.execution.order_state import TERMINAL, OrderState
from actors.screen.tables import Rows, cut
from runtime.messages.broker import BrokerOrder, BrokerSnapshot, OrderChanged, SubmitOrder
from runtime.messages.screen import OrderRow, SignalRow
from runtime.messages.trading import LotChanged, OrderDenied, OrderProposed, SignalDropped, SignalRaised

MOST_ORDERS = 1_000
MOST_SIGNALS = 500
_with = msgspec.structs.replace


class OrderList:
    """Every order the session has seen, the broker's own legs and foreign ones too."""

    def __init__(self) -> None:
        self.rows: Rows[OrderRow] = Rows(MOST_ORDERS, keeps=lambda row: row.working)

    def submitted(self, order: SubmitOrder) -> None:
        """On its way."""
        self.rows.put(
            OrderRow(
                key=order.client_order_id,
                at=order.ts_event,
                symbol=order.symbol,
                side=order.side,
                type=order.type,
                quantity=order.quantity,
                filled=0,
                status="submitted",
                role=order.role,
                strategy=order.strategy,
                lot=order.lot_id,
                working=True,
                limit=order.limit_price,
                stop=order.stop_price,
                reason=cut(order.reason),
            )
        )

    def changed(self, order: OrderChanged) -> None:
        """As the executor sees it now; the time it was first seen stays."""
        old = self.rows.get(order.client_order_id)
        self.rows.put(
            OrderRow(
                key=order.client_order_id,
                at=order.ts_event if old is None else old.at,
                symbol=order.symbol,
                side=order.side,
                type=order.type,
                quantity=order.quantity,
                filled=order.filled,
                status=order.status,
                role=order.role,
                strategy=order.strategy,
                lot=order.lot_id,
                working=order.status not in TERMINAL,
                limit=order.limit_price,
                stop=order.stop_price,
                average=order.average_price,
                reason=cut(order.reason) or ("" if old is None else old.reason),
            )
        )

    def carried(self, order: OrderState, strategy: str, lot: str, at: int) -> None:
        """One that an earlier session left working."""
        self.rows.put(
            OrderRow(
                key=order.client_order_id,
                at=at,
                symbol=order.symbol,
                side=order.side,
                type=order.type,
                quantity=order.quantity,
                filled=order.filled,
                status=order.status,
                role=order.role,
                strategy=strategy,
                lot=lot,
                working=order.is_live,
                limit=order.limit_price,
                stop=order.stop_price,
                average=order.average_price,
                reason=cut(order.reason),
            )
        )

    def snapshot(self, snapshot: BrokerSnapshot) -> None:
        """Orders of the account that are not ours."""
        foreign = {f"external:{one.broker_order_id}": one for one in snapshot.orders if not one.is_ours}
        for key in [row.key for row in self.rows if row.external and row.key not in foreign]:
            self.rows.drop(key)
        for key, one in foreign.items():
            self.rows.put(_external(key, one, snapshot.ts_event))


def _external(key: str, order: BrokerOrder, at: int) -> OrderRow:
    return OrderRow(
        key=key,
        at=at,
        symbol=cut(order.symbol),
        side=cut(order.side),
        type=cut(order.type),
        quantity=order.quantity,
        filled=order.filled,
        status=cut(order.status),
        role="",
        strategy="EXTERNAL",
        lot="",
        working=True,
        limit=order.limit_price,
        stop=order.stop_price,
        external=True,
    )


class SignalList:
    """The latest signals and how far each has come."""

    def __init__(self) -> None:
        self.rows: Rows[SignalRow] = Rows(MOST_SIGNALS)
        self._of_lot: dict[str, str] = {}
        """The CLOSE that a lot's exit answers."""

    def raised(self, signal: SignalRaised) -> None:
        """A new one."""
        self.rows.put(
            SignalRow(
                key=signal.id,
                at=signal.ts_event,
                strategy=signal.strategy,
                symbol=signal.symbol,
                kind=signal.signal_type,
                direction=signal.direction,
                strength=signal.strength,
                confidence=signal.confidence,
                price=signal.price,
                became="pending",
                why=cut(signal.reason),
                lot=signal.lot_id,
            )
        )

    def _became(self, id: str, became: str, why: str = "", lot: str = "") -> None:
        row = self.rows.get(id)
        if row is not None:
            self.rows.put(_with(row, became=became, why=cut(why) or row.why, lot=lot or row.lot))

    def proposed(self, order: OrderProposed) -> None:
        """Sized into an order, not yet judged."""
        if not order.signal_id:
            return
        if order.intent == "exit":
            self._of_lot[order.lot_id] = order.signal_id
        size = f"{order.quantity} {order.symbol} by {order.binding}" if order.binding else ""
        self._became(order.signal_id, "proposed", size, order.lot_id)

    def denied(self, denied: OrderDenied) -> None:
        """The breaker's veto, or a limit's."""
        self._became(denied.signal_id or denied.lot_id, "denied", f"{denied.rule}: {denied.reason}")

    def dropped(self, drop: SignalDropped) -> None:
        """It will not trade; one that a strategy's host refused was never told before."""
        why = f"{drop.reason}: {drop.detail}" if drop.detail else drop.reason
        row = self.rows.get(drop.signal_id)
        if row is None:
            self.rows.put(
                SignalRow(
                    key=drop.signal_id,
                    at=drop.ts_event,
                    strategy=drop.strategy,
                    symbol=drop.symbol,
                    kind="",
                    direction="",
                    strength=0.0,
                    confidence=0.0,
                    price=0.0,
                    became=drop.status,
                    why=cut(why),
                )
            )
        elif row.became != "denied":  # the breaker's word says more
            self._became(drop.signal_id, drop.status, why)

    def submitted(self, order: SubmitOrder) -> None:
        """Its order has left."""
        if order.role == "entry":
            self._became(order.lot_id, "ordered")
        elif order.role == "exit":
            self._became(self._of_lot.get(order.lot_id, ""), "ordered")

    def lot(self, lot: LotChanged) -> None:
        """Its order has traded."""
        if lot.state == "open":
            if lot.role == "entry":
                self._became(lot.lot_id, "filled")
            return
        self._became(lot.lot_id, "closed", f"{lot.exit_reason} {lot.realised:+,.2f} USD")
        self._became(self._of_lot.pop(lot.lot_id, ""), "filled")
