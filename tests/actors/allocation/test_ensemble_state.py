"""What the ensemble leaves behind is read back as it was written, also by names that are newer than it."""

from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actors.allocation.commitments import Commitment
from actors.allocation.ensemble_state import Carried, Today
from actors.allocation.outside import Outside, OutsideState
from runtime.messages.account import ExternalChanged
from runtime.messages.broker import BrokerAccount
from runtime.messages.risk import TaskDue
from runtime.messages.trading import SignalRaised

price = st.floats(0.01, 1e6)


def again(kept: Carried) -> Carried:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(kept), type=Carried)


def signal(**fields: Any) -> SignalRaised:
    plain: dict[str, Any] = {
        "ts_event": 1, "cause": 2, "id": "mr-20180305-1", "strategy": "mr", "symbol": "SPY",
        "signal_type": "BUY", "direction": "long", "strength": 0.5, "confidence": 0.5, "price": 100.0,
        "stop_loss": 95.0, "take_profit": 110.0, "expires_at": 0, "reason": "z", "params_hash": "h",
    }  # fmt: skip
    return SignalRaised(**(plain | fields))


@given(
    st.lists(price | st.just(float("nan")), max_size=8), price, price, st.booleans(), st.text(max_size=9),
    st.booleans(),
)  # fmt: skip
def test_a_session_in_its_middle_is_read_back_to_the_last_byte(
    closes: list[float], equity: float, cash: float, selling: bool, flattening: str, has_task: bool
) -> None:
    column = np.array(closes, dtype="<f8").tobytes()
    task = TaskDue(ts_event=1, cause=2, task="CLOSE_INTRADAY", phase="MARKET_CLOSE") if has_task else None
    kept = Carried(
        pending=[signal()],
        lots=[Commitment(lot_id="l", strategy="mr", symbol="SPY", direction="short", intraday=True, price=5)],
        reduced=True,
        halted=selling,
        drawdown=-0.1,
        flattening=flattening,
        today=Today(
            equity=equity,
            cash=cash,
            closes=column,
            outside=OutsideState(shares={"SPY": 1.5}, worth={"SPY": 150.0}, beyond=None, worth_then=0.0),
            closing=task,
            selling_down=selling,
            flattening=flattening,
        ),
    )
    found = again(kept)
    assert found == kept
    assert found.today is not None
    assert np.frombuffer(found.today.closes, dtype="<f8").tobytes() == column


def test_what_an_older_version_left_has_nothing_of_what_came_later() -> None:
    old = {"pending": [], "lots": [], "reduced": False, "halted": True}
    found = msgspec.msgpack.decode(msgspec.msgpack.encode(old), type=Carried)
    assert found == Carried(pending=[], lots=[], reduced=False, halted=True)
    assert (found.days, found.drawdown, found.flattening, found.today) == ({}, 0.0, "", None)


@given(
    st.floats(-1e6, 1e6), st.lists(st.tuples(st.sampled_from("AB"), st.integers(-5, 5), price), max_size=6),
    st.booleans(),
)  # fmt: skip
def test_what_others_have_in_the_account_weighs_as_much_after_it_was_carried(
    power: float, changes: list[tuple[str, int, float]], was_read: bool
) -> None:
    one = Outside()
    if was_read:
        one.account(
            BrokerAccount(ts_event=1, account="PA", equity=1.0, cash=1.0, buying_power=power), 1_000.0
        )
    for symbol, shares, last in changes:
        one.changed(ExternalChanged(ts_event=1, cause=1, symbol=symbol, quantity=shares, last=last))
    other = Outside()
    other.restore(
        msgspec.msgpack.decode(msgspec.msgpack.encode(one.state()), type=OutsideState)
    )  # no infinity in between
    assert other.lack == one.lack
    assert other.state() == one.state()
    for symbol in "AB":
        assert (other.sign(symbol), other.value(symbol, 2.0)) == (one.sign(symbol), one.value(symbol, 2.0))
