"""What others have in the account counts in our limits: exposure, buying power, duplicates."""

from typing import Any

import pytest

from runtime.messages.account import ExternalChanged
from runtime.messages.base import Message
from runtime.messages.broker import BrokerAccount, BrokerOrder
from runtime.messages.machine import SessionStarted
from runtime.messages.trading import OrderApproved, OrderDenied, OrderProposed, SignalDropped
from tests.actors.days import Stage, at
from tests.actors.executor_stage import ExecutorStage
from tests.actors.risk.proposals import proposal
from tests.actors.test_breaker import breaker, marked
from tests.actors.test_ensemble import NOON, Round


def others(symbol: str = "AAPL", quantity: int = 0, **fields: Any) -> ExternalChanged:
    return ExternalChanged(ts_event=NOON, cause=1, symbol=symbol, quantity=quantity, last=100.0, **fields)


def money(buying_power: float) -> BrokerAccount:
    return BrokerAccount(ts_event=NOON, account="PA", equity=1e6, cash=1e6, buying_power=buying_power)


def entry(*before: Message) -> OrderProposed | SignalDropped:
    stage = Round()
    for message in before:
        stage.tell(message, NOON)
    (said,) = stage.play(stage.signal())
    assert isinstance(said, OrderProposed | SignalDropped)
    return said


def test_shares_of_others_take_room_in_the_symbol() -> None:
    alone = entry()
    assert isinstance(alone, OrderProposed)
    assert (alone.quantity, alone.binding) == (48, "PCT")
    beside = entry(others(quantity=30))
    assert isinstance(beside, OrderProposed)
    assert (beside.quantity, beside.binding) == (18, "PCT")
    full = entry(others(quantity=48))
    assert isinstance(full, SignalDropped)
    assert full.reason == "BELOW_MIN"
    elsewhere = entry(others("IBM", quantity=48))
    assert isinstance(elsewhere, OrderProposed)
    assert elsewhere.quantity == 48


def test_the_other_side_of_what_others_hold_is_not_entered() -> None:
    dropped = entry(others(quantity=-5))
    assert isinstance(dropped, SignalDropped)
    assert dropped.reason == "OPPOSES_EXTERNAL"


def test_buying_power_that_others_took_is_not_spent() -> None:
    little = entry(money(6_850.0))
    assert isinstance(little, OrderProposed)
    assert little.binding == "CASH"
    assert little.quantity == 20  # 6,850 less the buffer of 5 % of 97,000
    plenty = entry(money(400_000.0))
    assert isinstance(plenty, OrderProposed)
    assert plenty.binding == "PCT"
    bought = entry(money(97_000.0), others("XOM", quantity=901))
    assert isinstance(bought, OrderProposed)
    assert (bought.quantity, bought.binding) == (20, "CASH")


@pytest.mark.parametrize(
    ("side", "quantity", "denied"), [("buy", 10, True), ("sell", 10, False), ("buy", 9, False)]
)
def test_an_order_that_somebody_else_has_in_the_account_is_not_sent_again(side, quantity, denied) -> None:
    stage = Stage(breaker(), "breaker")
    stage.tell(SessionStarted(ts_event=at(-6), session="2018-03-05"), at(-6))
    stage.tell(marked(97_000.0), at(-6))
    manual = BrokerOrder(
        client_order_id="dashboard", broker_order_id="b", symbol="SPY", side=side, quantity=quantity,
        filled=0, status="new", is_ours=False,
    )  # fmt: skip
    stage.tell(others("SPY", orders=(manual,)), at(10))
    (verdict,) = stage.tell(proposal(), at(10))
    assert isinstance(verdict, OrderDenied if denied else OrderApproved)
    if isinstance(verdict, OrderDenied):
        assert verdict.rule == "duplicate_order"
    stage.tell(others("SPY"), at(10))
    assert isinstance(stage.tell(proposal(), at(10))[-1], OrderApproved)


def test_at_the_start_of_a_session_everybody_hears_of_it_again() -> None:
    stage = ExecutorStage().ready()
    stage.snapshot(TSLA=5)
    again = ExecutorStage(stage.executor.carry())
    said = again.hear(SessionStarted(ts_event=again.now, session="2018-03-06"))
    assert [(type(one), one.symbol, one.quantity) for one in said] == [(ExternalChanged, "TSLA", 5)]
