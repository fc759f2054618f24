"""Each step of an order is told once, whichever way and however often the broker tells of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker.directory import Directory, Known
from actors.broker.order_steps import (
    base,
    begun,
    cumulative_of,
    ended,
    is_current,
    learn_legs,
    legs_of,
    refused,
    side_of,
    symbol_of,
)
from runtime.messages.base import Input
from runtime.messages.broker import (
    CancelRejected,
    Leg,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
)
from runtime.text import one_line
from tests.actors.broker.wire_samples import ENTRY, NOW, bracket, leg, order

AT = "2026-07-24T14:42:50.5Z"
AT_NS = 1_784_904_170_500_000_000
OTHER = "b-2"
TARGET = Leg(broker_order_id="b-limit", client_order_id="uuid-limit", role="target", price=301.0)
STOP = Leg(broker_order_id="b-stop", client_order_id="uuid-stop", role="stop", price=299.0)


class Told:
    """A directory that knows the order, and what is told of it."""

    def __init__(self, **fields: Any) -> None:
        self.directory = Directory()
        self.known: Known = self.directory.add(ENTRY, "SPY", **({"broker_order_id": "b-1"} | fields))

    def begun(self, **fields: Any) -> list[Input]:
        return begun(order(**fields), self.known, self.directory, NOW)

    def ended(self, **fields: Any) -> list[Input]:
        return ended(order(**fields), self.known, NOW)


def accepted(broker_order_id: str = "b-1", *legs: Leg) -> OrderAccepted:
    return OrderAccepted(
        ts_event=NOW, client_order_id=ENTRY, broker_order_id=broker_order_id, symbol="SPY", legs=legs
    )


# ---- taken, and its legs ------------------------------------------------------------------------


def test_that_it_was_taken_is_told_once_and_its_legs_when_they_are_first_seen() -> None:
    one = Told()
    assert one.begun() == [accepted()]
    assert one.begun() == []
    assert begun(bracket(), one.known, one.directory, NOW) == [accepted("b-1", TARGET, STOP)]
    assert begun(bracket(), one.known, one.directory, NOW) == []


def test_legs_are_taken_in_under_their_parent_and_never_told_of_by_themselves() -> None:
    one = Told()
    one.known.is_ours = False
    assert learn_legs(bracket(), one.known, one.directory) == (TARGET, STOP)
    assert learn_legs(bracket(), one.known, one.directory) == ()
    for name, number in (("uuid-limit", "b-limit"), ("uuid-stop", "b-stop")):
        entry = one.directory.named(name)
        assert entry is not None
        assert (entry.parent_id, entry.is_ours, entry.is_accepted) == (ENTRY, False, True)
        assert (entry.broker_order_id, entry.symbol) == (number, "SPY")
        assert one.directory.of_broker(number) is entry
        entry.is_accepted = False
        resting = order(id=number, client_order_id=name, status="new")
        assert begun(resting, entry, one.directory, NOW) == []
        assert not entry.is_accepted


def test_an_order_without_legs_may_still_get_them() -> None:
    one = Told()
    assert learn_legs(order(legs=[]), one.known, one.directory) == ()
    assert not one.known.has_legs


def test_a_leg_has_its_own_kind_of_price_and_the_brokers_id_if_it_has_no_other() -> None:
    assert legs_of(order(legs=None), Directory()) == ()
    nameless = order(legs=[leg("limit", client_order_id=None), leg("stop", stop_price=None)])
    assert legs_of(nameless, Directory()) == (
        Leg(broker_order_id="b-limit", client_order_id="b-limit", role="target", price=301.0),
        Leg(broker_order_id="b-stop", client_order_id="uuid-stop", role="stop", price=0.0),
    )
    crossed = order(legs=[leg("limit", stop_price="1"), leg("stop", limit_price="2")])
    assert [one.price for one in legs_of(crossed, Directory())] == [301.0, 299.0]
    assert [one.role for one in legs_of(order(legs=[leg("stop_limit", stop_price="5")]), Directory())] == [
        "stop"
    ]


def test_an_order_that_was_refused_was_never_taken() -> None:
    one = Told()
    assert one.begun(status="rejected") == []
    assert not one.known.is_accepted


# ---- replaced -----------------------------------------------------------------------------------


def test_the_old_order_names_its_heir_and_says_that_it_was_taken_itself() -> None:
    one = Told()
    assert one.begun(status="replaced", replaced_by=OTHER) == [accepted()]
    assert one.directory.of_broker(OTHER) is one.known
    assert one.known.broker_order_id == "b-1"
    assert one.begun(status="replaced", replaced_by=OTHER) == []
    without = Told(is_accepted=True)
    assert without.begun(status="replaced") == []
    assert without.directory.of_broker("") is None


@pytest.mark.parametrize("status", ["pending_new", "accepted", "held", "pending_review"])
def test_an_heir_that_may_yet_be_refused_has_not_taken_its_place(status: str) -> None:
    one = Told(is_accepted=True)
    assert one.begun(id=OTHER, status=status, replaces="b-1") == []
    assert (one.known.broker_order_id, one.known.former) == ("b-1", [])


@pytest.mark.parametrize("status", ["new", "partially_filled", "filled", "canceled", "pending_cancel"])
def test_an_heir_that_works_has_taken_its_place_and_the_old_one_speaks_no_more(status: str) -> None:
    one = Told(is_accepted=True)
    told = one.begun(id=OTHER, status=status, replaces="b-1", limit_price="12.5", stop_price="11.5")
    assert told == [
        OrderReplaced(
            ts_event=NOW, client_order_id=ENTRY, broker_order_id="b-1", new_broker_order_id=OTHER,
            symbol="SPY", limit_price=12.5, stop_price=11.5, base=0,
        )
    ]  # fmt: skip
    assert one.known.broker_order_id == OTHER
    assert one.directory.of_broker(OTHER) is one.known
    assert one.begun(id="b-1", status="new") == []
    assert one.begun(id=OTHER, status=status, replaces="b-1") == []
    assert one.known.broker_order_id == OTHER


def test_an_heir_of_an_order_in_between_leaves_no_former_name_to_speak_for_it() -> None:
    one = Told(is_accepted=True)
    one.begun(id="b-3", status="new", replaces=OTHER)
    assert one.known.former == ["b-1", OTHER]
    assert one.begun(id=OTHER, status="new") == []
    assert one.known.broker_order_id == "b-3"
    last = Told(is_accepted=True)
    last.begun(id=OTHER, status="new", replaces=None)
    assert last.known.former == ["b-1", "b-1"]


def test_an_heir_that_was_refused_leaves_the_order_as_it_was() -> None:
    one = Told(is_accepted=True)
    assert one.begun(id=OTHER, status="rejected", replaces="b-1") == [
        CancelRejected(
            ts_event=NOW, client_order_id=ENTRY, broker_order_id="b-1", symbol="SPY",
            reason="the replacement was rejected",
        )
    ]  # fmt: skip
    assert one.known.broker_order_id == "b-1"


@pytest.mark.parametrize(("told", "theirs", "kept"), [(4, "0", 4), (4, "4", 0), (4, None, 4), (0, "0", 0)])
def test_shares_of_before_are_added_where_the_heirs_count_begins_anew(
    told: int, theirs: str | None, kept: int
) -> None:
    one = Told(is_accepted=True, filled=told, average_price=100.0)
    heir = order(id=OTHER, status="new", replaces="b-1", filled_qty=theirs)
    (replaced,) = begun(heir, one.known, one.directory, NOW)
    assert type(replaced) is OrderReplaced
    assert replaced.base == one.known.base == kept
    assert one.known.value == (0.0 if kept else told * 100.0)
    assert base(one.known, OTHER) == kept
    assert base(one.known, "b-1") == base(one.known, None) == 0
    assert cumulative_of(heir, one.known) == kept + int(theirs or 0)
    assert cumulative_of(order(filled_qty="3"), one.known) == 3


# ---- over ---------------------------------------------------------------------------------------


def test_each_end_is_told_at_its_own_moment_with_what_had_filled() -> None:
    canceled = Told(filled=3)
    assert canceled.ended(status="canceled", canceled_at=AT, expired_at=None) == [
        OrderCanceled(
            ts_event=AT_NS, client_order_id=ENTRY, broker_order_id="b-1", symbol="SPY", cumulative=3
        )
    ]
    expired = Told(filled=2)
    assert expired.ended(status="expired", expired_at=AT) == [
        OrderExpired(ts_event=AT_NS, client_order_id=ENTRY, broker_order_id="b-1", symbol="SPY", cumulative=2)
    ]
    rejected = Told()
    assert rejected.ended(status="rejected", failed_at=AT, reject_reason="no\x1b[2J\nshares") == [
        OrderRejected(
            ts_event=AT_NS, client_order_id=ENTRY, broker_order_id="b-1", symbol="SPY", code=0,
            reason=one_line("no\x1b[2J\nshares"),
        )
    ]  # fmt: skip
    filled = Told()
    assert filled.ended(status="filled") == []
    for one in (canceled, expired, rejected, filled):
        assert one.known.is_over
        assert one.ended(status="canceled") == one.ended(status="rejected") == []


def test_an_end_without_a_moment_or_a_reason_is_told_as_of_now() -> None:
    for status in ("canceled", "expired", "rejected"):
        (said,) = Told().ended(status=status)
        assert said.ts_event == NOW
    (said,) = Told().ended(status="rejected")
    assert type(said) is OrderRejected
    assert said.reason == "rejected after it was taken"


@pytest.mark.parametrize("status", ["new", "partially_filled", "done_for_day", "replaced", "word", None])
def test_what_is_no_end_ends_nothing(status: str | None) -> None:
    one = Told()
    assert one.ended(status=status) == []
    assert not one.known.is_over


# ---- all of it ----------------------------------------------------------------------------------

event = st.sampled_from([
    {"status": "pending_new"}, {"status": "new"}, {"status": "canceled"}, {"status": "expired"},
    {"status": "filled"}, {"status": "replaced", "replaced_by": OTHER},
    {"id": OTHER, "status": "pending_new", "replaces": "b-1"},
    {"id": OTHER, "status": "new", "replaces": "b-1"},
    {"id": OTHER, "status": "canceled", "replaces": "b-1"},
])  # fmt: skip


@given(st.lists(event, max_size=12))
def test_whatever_comes_in_whatever_order_each_step_is_told_at_most_once(
    events: list[dict[str, Any]],
) -> None:
    one = Told()
    told: list[Input] = []
    for fields in events:
        told += one.begun(**fields)
        read = order(**fields)
        if is_current(read, one.known):
            told += ended(read, one.known, NOW)
    kinds = [type(said) for said in told]
    assert kinds.count(OrderAccepted) <= 1
    assert kinds.count(OrderReplaced) <= 1
    assert kinds.count(OrderCanceled) + kinds.count(OrderExpired) <= 1
    assert all(said.client_order_id == ENTRY for said in told)  # type: ignore[attr-defined]
    if OrderReplaced in kinds:
        assert one.known.broker_order_id == OTHER
        assert is_current(order(id=OTHER), one.known)
        assert not is_current(order(), one.known)


def test_a_refusal_names_the_order_as_it_works_now() -> None:
    one = Told()
    assert refused(one.known, "too late", NOW) == CancelRejected(
        ts_event=NOW, client_order_id=ENTRY, broker_order_id="b-1", symbol="SPY", reason="too late"
    )


def test_sides_and_symbols_are_read_from_whoever_knows_them() -> None:
    assert [side_of(word) for word in ("buy", "sell", "sell_short", "hold", None)] == [
        "buy", "sell", "sell", None, None,
    ]  # fmt: skip
    one = Told()
    assert symbol_of(order(symbol="QQQ"), one.known) == "SPY"
    one.known.symbol = ""
    assert symbol_of(order(symbol="QQQ"), one.known) == "QQQ"
    assert symbol_of(order(symbol=None), one.known) == ""
