"""What the simulated broker says of an order that ended, changed or could not be changed."""

import msgspec
import pytest

from actors.execution import broker_words
from actors.execution.working_order import WorkingOrder
from runtime.messages.broker import CancelOrder, OrderCanceled, OrderExpired

AT = 1_795_185_000_000_000_000
ORDER = WorkingOrder(
    "lot:e1", "b-1", 1, "SPY", 0, 1, 10, "limit", "entry", "lot:e1", False, True, 0, limit=99.5, filled=4
)
CANCEL = CancelOrder(
    ts_event=0,
    cause=1,
    client_order_id="lot:e1",
    broker_order_id="b-1",
    lot_id="lot",
    symbol="SPY",
    reason="",
)


def test_an_order_that_expires_says_how_much_of_it_had_traded() -> None:
    said = broker_words.ended(ORDER, "expired", AT, "")
    assert isinstance(said, OrderExpired)
    assert (said.ts_event, said.client_order_id, said.cumulative) == (AT, "lot:e1", 4)


def test_an_order_that_is_cancelled_says_why() -> None:
    said = broker_words.ended(ORDER, "canceled", AT, "its sibling was filled")
    assert isinstance(said, OrderCanceled)
    assert (said.broker_order_id, said.cumulative, said.reason) == ("b-1", 4, "its sibling was filled")


def test_a_replaced_order_is_told_under_its_former_id_with_its_new_prices() -> None:
    now = msgspec.structs.replace(ORDER, broker_order_id="b-2", limit=98.0)
    said = broker_words.replaced(now, "b-1", AT)
    assert (said.broker_order_id, said.new_broker_order_id) == ("b-1", "b-2")
    assert (said.limit_price, said.stop_price) == (98.0, None)


def test_an_order_that_stays_says_why() -> None:
    said = broker_words.unchanged(ORDER, "not open yet", AT)
    assert (said.client_order_id, said.reason) == ("lot:e1", "not open yet")


@pytest.mark.parametrize(
    ("cancel", "status", "reason"),
    [
        (CANCEL, "filled", 'order is already in "filled" state'),
        (CANCEL, None, "order not found for b-1"),
        (msgspec.structs.replace(CANCEL, broker_order_id=""), None, "order not found for lot:e1"),
    ],
)
def test_a_request_that_comes_too_late_hears_how_the_order_ended(
    cancel: CancelOrder, status: str | None, reason: str
) -> None:
    assert broker_words.too_late(cancel, "order is already in", status, AT).reason == reason
