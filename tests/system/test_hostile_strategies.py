"""Strategies that try what they may not, in the whole system: nothing of it reaches the broker."""

from typing import Any

import pytest

from config.errors import ConfigError
from runtime.messages.base import Message
from runtime.messages.broker import SubmitOrder
from runtime.messages.machine import ActorCrashed
from runtime.messages.risk import StrategyChanged
from runtime.messages.trading import OrderApproved, SignalDropped, SignalRaised
from tests.system import days
from tests.system.recordings import demo_market

NO_OTHERS = tuple(
    f"strategies.{name}.enabled=false" for name in ("vol_managed_momentum", "vix_regime_rotation")
)
"""Not built: their allocations are left to the newcomer."""


def said_with(kind: str) -> list[Message]:
    """Everything that is said in two made-up sessions with a strategy of that class among the others."""
    heard: list[Message] = []

    def watch(_: int, __: int, ___: object, caused: list[Message], /) -> None:
        heard.extend(caused)

    overrides = (
        f"strategies.evil.class=tests.samples.hostile:{kind}",
        "strategies.evil.allocation=0.10",
        *NO_OTHERS,
    )
    days.play(demo_market()[:2], days.settings(None, *overrides), observers=[watch])
    return heard


def of(heard: list[Message], kind: Any) -> list[Any]:
    return [one for one in heard if isinstance(one, kind)]


@pytest.mark.parametrize(
    ("kind", "told"), [("Submits", "TypeError: strategy evil said SubmitOrder"),
                       ("Approves", "TypeError: strategy evil said OrderProposed")]
)  # fmt: skip
def test_an_order_or_an_approval_of_a_strategys_own_reaches_nobody(kind: str, told: str) -> None:
    heard = said_with(kind)
    crashes = of(heard, ActorCrashed)
    assert crashes
    assert all(one.actor == "evil" and one.error.startswith(told) for one in crashes)
    assert not [one for one in of(heard, SubmitOrder) if one.strategy == "evil" or "evil" in one.lot_id]
    assert not [one for one in of(heard, OrderApproved) if one.order.strategy == "evil"]
    assert [one for one in of(heard, SubmitOrder) if one.strategy != "evil"], "the others trade on"


def test_a_signal_in_another_strategys_name_trades_for_nobody() -> None:
    heard = said_with("Spoofs")
    drops = [one for one in of(heard, SignalDropped) if "speaks for" in one.detail]
    assert [(one.strategy, one.reason) for one in drops] == [("evil", "INVALID")] * 2  # one a session
    assert "gap_fill-20261116-999" not in {one.id for one in of(heard, SignalRaised)}
    assert not of(heard, ActorCrashed)


@pytest.mark.parametrize("kind", ["Unstartable", "Unready"])
def test_a_strategy_that_cannot_start_gets_no_slots_and_the_others_trade_on(kind: str) -> None:
    heard = said_with(kind)
    told = {one.strategy: one for one in of(heard, StrategyChanged)}
    assert (told["evil"].state, told["evil"].slots) == ("INACTIVE", 0)
    active = {name: one.slots for name, one in told.items() if one.slots}
    assert active == {"mean_reversion": 5, "relative_volume_breakout": 4, "gap_fill": 1}
    assert of(heard, SubmitOrder)


def test_parameters_that_do_not_fit_are_refused_before_the_day() -> None:
    overrides = ("strategies.evil.class=tests.samples.hostile:Unstartable", "strategies.evil.params.x=1")
    session = demo_market()[0]
    chosen = days.settings(None, *overrides)
    with pytest.raises(ConfigError, match=r"strategies\.evil\.params"):
        days.play([session], chosen)
