"""An order to judge, in one line."""

import msgspec

from runtime.messages.trading import OrderProposed

ORDER = OrderProposed(
    ts_event=0,
    cause=1,
    client_order_id="gap_fill-20180305-1:e1",
    signal_id="gap_fill-20180305-1",
    lot_id="gap_fill-20180305-1",
    strategy="gap_fill",
    symbol="SPY",
    side="buy",
    intent="entry",
    quantity=10,
    type="market",
    order_class="bracket",
    time_in_force="day",
    reference_price=100.0,
    stop_loss=95.0,
    take_profit=150.0,
)


def proposal(**fields: object) -> OrderProposed:
    """An entry of 10 SPY at 100 USD, changed where told."""
    return msgspec.structs.replace(ORDER, **fields)
