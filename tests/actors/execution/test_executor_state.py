"""What the executor leaves behind is read back as it was, and an older version's leaves nothing to guess."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from actors.execution.account_side import AccountSide
from actors.execution.executor_state import ExecutorCarried
from actors.execution.lot_orders import LotOrders
from actors.execution.order_state import OrderState
from config.execution import Orders
from runtime.messages.account import ExternalChanged
from runtime.messages.broker import BrokerOrder, BrokerPosition, BrokerSnapshot
from runtime.messages.risk import PhaseChanged

LOT, ENTRY = "mr-20180305-1", "mr-20180305-1:e1"


def again(kept: ExecutorCarried) -> ExecutorCarried:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(kept), type=ExecutorCarried)


def lot(status: str, filled: int, **fields: Any) -> LotOrders:
    entry = OrderState(
        client_order_id=ENTRY, lot_id=LOT, strategy="mr", symbol="SPY", side="buy", role="entry",
        type="limit", quantity=10, broker_order_id="b1", status=status, filled=filled, limit_price=100.01,
        priced=filled, value=filled * 100.01, executions=("x1",) if filled else (), base=filled,
    )  # fmt: skip
    plain: dict[str, Any] = {
        "lot_id": LOT, "strategy": "mr", "symbol": "SPY", "side": "buy", "time_in_force": "gtc",
        "entry_id": ENTRY, "stop_loss": 95.0, "take_profit": None,
    }  # fmt: skip
    return LotOrders(**(plain | fields), orders={ENTRY: entry})


@given(
    st.sampled_from(["accepted", "partially_filled", "filled", "pending_cancel"]), st.integers(0, 10),
    st.integers(0, 3), st.booleans(), st.booleans(), st.text(max_size=9), st.lists(st.text(max_size=3)),
)  # fmt: skip
def test_lots_are_read_back_with_all_their_orders(
    status: str, filled: int, missing: int, closing: bool, halted: bool, reason: str, splits: list[str]
) -> None:
    one = lot(
        status, filled, missing=missing, closing=closing, exit_reason=reason, splits=tuple(splits),
        target_distance=1.5, is_uncovered=closing, adjusted=-missing,
    )  # fmt: skip
    kept = ExecutorCarried(lots=[one], is_halted=halted, is_flattening=closing, is_confirmed=not closing)
    found = again(kept)
    assert found == kept
    assert found.lots[0].held == one.held
    assert found.lots[0].live == one.live


def test_in_the_middle_of_a_session_the_account_is_read_back_too() -> None:
    side = AccountSide(Orders(), rest=0, is_halted=False, reconciles=True)
    change = PhaseChanged(ts_event=1, cause=1, phase="TRADING", previous="MARKET_OPEN", late=False)
    list(side.phase(change, 1, 1))
    theirs = BrokerOrder(
        client_order_id="theirs", broker_order_id="b", symbol="QQQ", side="buy", quantity=1, filled=0,
        status="new", is_ours=False,
    )  # fmt: skip
    positions = (BrokerPosition(symbol="SPY", quantity=7), BrokerPosition(symbol="QQQ", quantity=3))
    snapshot = BrokerSnapshot(ts_event=2, positions=positions, orders=(theirs,))
    list(side.compare(snapshot, [lot("filled", 10)], 3, 1))
    kept = ExecutorCarried(
        lots=[], is_halted=False, external=side.watch.external, doubted=side.watch.doubted,
        account=side.state(),
    )  # fmt: skip
    assert [one.symbol for one in kept.external] == ["QQQ"]
    assert kept.doubted == ["SPY"]
    found = again(kept)
    assert found == kept
    other = AccountSide(
        Orders(), rest=0, is_halted=False, reconciles=True, external=found.external, doubted=found.doubted
    )
    assert found.account is not None
    other.restore(found.account)
    assert other.state() == side.state()
    assert other.gate.refusal("SPY", "buy", 9) == side.gate.refusal("SPY", "buy", 9) != ""
    assert other.gate.refusal("AAPL", "buy", 9) == ""


def test_what_an_older_version_left_has_no_account_and_no_flattening() -> None:
    found = msgspec.msgpack.decode(
        msgspec.msgpack.encode({"lots": [], "is_halted": True}), type=ExecutorCarried
    )
    assert found == ExecutorCarried(lots=[], is_halted=True)
    assert (found.is_flattening, found.is_confirmed, found.external, found.doubted) == (False, False, [], [])
    assert found.account is None
    one = ExternalChanged(ts_event=1, cause=1, symbol="SPY", quantity=5)
    assert again(ExecutorCarried(lots=[], is_halted=False, external=[one])).external == [one]
