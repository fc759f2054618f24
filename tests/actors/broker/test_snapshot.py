"""Positions and open orders as one message: alpaca.md 3.3 and 3.6."""

import msgspec
import pytest

from actors.broker import wire
from actors.broker.directory import Directory
from actors.broker.snapshot import snapshot
from actors.broker.translate import order_told
from runtime.errors import BrokerUnavailable
from runtime.messages.broker import BrokerOrder, BrokerPosition
from tests.actors.broker.wire_samples import ENTRY, NOW, bracket, leg, order


def position(**fields: object) -> wire.Position:
    """The capture of alpaca.md 3.6, altered."""
    plain = {
        "asset_id": "..", "symbol": "SPY", "exchange": "ARCA", "asset_class": "us_equity", "qty": "1",
        "qty_available": "1", "avg_entry_price": "737.91", "side": "long", "current_price": "737.99",
    }  # fmt: skip
    return msgspec.convert({**plain, **fields}, wire.Position)


def test_positions_are_signed_whole_shares_and_what_is_beyond() -> None:
    rows = [
        position(),
        position(symbol="TSLA", qty="-3", side="short"),
        position(symbol="AAPL", qty="2.5"),
        position(symbol="BTCUSD", qty="0.25", asset_class="crypto", current_price=None),
    ]
    told = snapshot(rows, [], Directory(), NOW).positions
    assert told == (
        BrokerPosition(symbol="SPY", quantity=1, price=737.91, last=737.99),
        BrokerPosition(symbol="TSLA", quantity=-3, price=737.91, last=737.99),
        BrokerPosition(symbol="AAPL", quantity=2, fraction=0.5, price=737.91, last=737.99),
        BrokerPosition(symbol="BTCUSD", quantity=0, fraction=0.25, price=737.91, asset_class="crypto"),
    )


def test_a_position_without_a_quantity_makes_no_snapshot() -> None:
    with pytest.raises(BrokerUnavailable, match="SPY without a quantity"):
        snapshot([position(qty=None)], [], Directory(), NOW)


def test_orders_have_the_names_of_our_messages() -> None:
    directory = Directory()
    order_told(bracket(), directory, NOW)
    replaced = order(id="b-2", replaces="b-1", client_order_id="uuid-9", limit_price="101", type="limit")
    order_told(replaced, directory, NOW)
    stop = msgspec.convert(leg("stop"), wire.Order)
    manual = order(id="b-9", client_order_id="dashboard", qty="2.5")
    told = snapshot([], [replaced, stop, manual], directory, NOW).orders
    assert told == (
        BrokerOrder(
            client_order_id=ENTRY, broker_order_id="b-2", symbol="SPY", side="buy", quantity=10, filled=0,
            remaining=10, status="new", type="limit", limit_price=101.0,
        ),
        BrokerOrder(
            client_order_id="uuid-stop", broker_order_id="b-stop", symbol="SPY", side="sell", quantity=10,
            filled=0, remaining=10, status="held", type="stop", stop_price=299.0, parent_id=ENTRY,
        ),
        BrokerOrder(
            client_order_id="dashboard", broker_order_id="b-9", symbol="SPY", side="buy", quantity=2,
            filled=0, remaining=2, status="new", type="market", is_ours=False,
        ),
    )  # fmt: skip
