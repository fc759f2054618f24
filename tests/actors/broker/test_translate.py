"""Alpaca's orders, fills and account in our messages: sequences of alpaca.md 2.2 to 2.5 and 3.1."""

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker import translate, wire
from actors.broker.directory import Directory
from actors.broker.translate import order_told, settled, update_told
from actors.execution.order_state import OrderState
from runtime.messages.base import Input
from runtime.messages.broker import (
    CancelRejected,
    FillCorrected,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
)
from tests.actors.broker.wire_samples import (
    ENTRY,
    FRAMES,
    NOW,
    activity,
    bracket,
    fill,
    leg,
    order,
    update,
)


@pytest.fixture
def directory() -> Directory:
    return Directory()


def kinds(inputs: list[Input]) -> list[str]:
    return [type(one).__name__ for one in inputs]


def test_a_market_buy_as_captured_is_accepted_once_and_filled_once(directory: Directory) -> None:
    """alpaca.md 2.2: pending_new, new, fill of one share at 737.91."""
    one = {"qty": "1"}
    told = update_told(update("pending_new", of={**one, "status": "pending_new"}), directory, NOW).inputs
    told += update_told(update("new", of=one, execution_id="..03"), directory, NOW).inputs
    filled = update(
        "fill",
        of={**one, "status": "filled", "filled_qty": "1", "filled_avg_price": "737.91"},
        price="737.91", qty="1", position_qty="1", execution_id="..04", settle_date="2026-07-27",
    )  # fmt: skip
    told += update_told(filled, directory, NOW).inputs
    at = 1_784_904_170_129_256_359  # 2026-07-24T14:42:50.129256359Z
    assert told == [
        OrderAccepted(ts_event=at, client_order_id=ENTRY, broker_order_id="b-1", symbol="SPY"),
        OrderFilled(
            ts_event=at, client_order_id=ENTRY, broker_order_id="b-1", execution_id="..04", symbol="SPY",
            side="buy", quantity=1, price=737.91, cumulative=1, done=True, position=1,
        ),
    ]  # fmt: skip


def test_a_fill_that_comes_twice_counts_once(directory: Directory) -> None:
    first = update_told(fill(4, 4), directory, NOW)
    assert kinds(first.inputs) == ["OrderAccepted", "OrderFilled"]
    assert update_told(fill(4, 4), directory, NOW) == translate.Told([])
    rest = update_told(fill(6, 10), directory, NOW).inputs
    assert [(one.quantity, one.cumulative, one.done) for one in rest] == [(6, 10, True)]  # type: ignore[attr-defined]


def test_a_missed_fill_is_looked_up_before_more_is_told(directory: Directory) -> None:
    told = update_told(fill(2, 6), directory, NOW)
    assert kinds(told.inputs) == ["OrderAccepted"]
    assert told.lookups == ("b-1",)
    read = order(status="partially_filled", filled_qty="6", filled_avg_price="100")
    both = settled(read, [activity(2, 6), activity(4, 4, price="99")], directory, NOW)
    assert [(one.quantity, one.price, one.cumulative, one.execution_id) for one in both] == [  # type: ignore[attr-defined]
        (4, 99.0, 4, "x-4"),
        (2, 100.0, 6, "x-6"),
    ]
    assert update_told(fill(2, 6), directory, NOW).inputs == []


def test_shares_without_an_activity_are_told_at_the_price_the_average_implies(directory: Directory) -> None:
    update_told(fill(4, 4, price="99"), directory, NOW)
    read = order(status="filled", filled_qty="10", filled_avg_price="100.2")
    (implied,) = settled(read, [], directory, NOW)
    assert type(implied) is OrderFilled
    # (100.2 * 10 - 99 * 4) / 6 = 606 / 6
    assert (implied.quantity, implied.price, implied.cumulative, implied.done) == (6, 101.0, 10, True)


def test_a_cancellation_after_an_unseen_fill_waits_for_the_fill(directory: Directory) -> None:
    order_told(order(), directory, NOW)
    canceled = {"status": "canceled", "filled_qty": "3", "filled_avg_price": "100"}
    assert update_told(update("canceled", of=canceled), directory, NOW) == translate.Told([], ("b-1",))
    read = settled(order(**canceled), [activity(3, 3)], directory, NOW)
    assert kinds(read) == ["OrderFilled", "OrderCanceled"]
    assert read[1].cumulative == 3  # type: ignore[attr-defined]
    assert settled(order(**canceled), [activity(3, 3)], directory, NOW) == []


def test_a_fill_after_the_cancellation_still_counts(directory: Directory) -> None:
    order_told(order(), directory, NOW)
    assert kinds(update_told(update("canceled", of={"status": "canceled"}), directory, NOW).inputs) == [
        "OrderCanceled"
    ]
    late = update_told(fill(3, 3, status="canceled"), directory, NOW)
    assert [(one.quantity, one.done) for one in late.inputs] == [(3, False)]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("status", "kind"), [("canceled", OrderCanceled), ("expired", OrderExpired), ("rejected", OrderRejected)]
)
def test_an_end_is_told_once_and_never_goes_back(directory: Directory, status: str, kind: type) -> None:
    order_told(order(), directory, NOW)
    (end,) = update_told(update(status, of={"status": status}), directory, NOW).inputs
    assert type(end) is kind
    assert update_told(update(status, of={"status": status}), directory, NOW).inputs == []
    assert update_told(update("new", of={"status": "new"}), directory, NOW).inputs == []


def test_an_order_that_was_rejected_at_once_was_never_accepted(directory: Directory) -> None:
    assert kinds(order_told(order(status="rejected"), directory, NOW).inputs) == ["OrderRejected"]


def test_a_brackets_legs_are_told_with_their_roles_and_know_their_parent(directory: Directory) -> None:
    (accepted,) = order_told(bracket(), directory, NOW).inputs
    assert type(accepted) is OrderAccepted
    assert [(one.client_order_id, one.role, one.price) for one in accepted.legs] == [
        ("uuid-limit", "target", 301.0),
        ("uuid-stop", "stop", 299.0),
    ]
    hit = fill(10, 10, id="b-stop", client_order_id="uuid-stop", side="sell", type="stop")
    (filled,) = update_told(hit, directory, NOW).inputs
    assert type(filled) is OrderFilled
    assert (filled.client_order_id, filled.parent_id, filled.side) == ("uuid-stop", ENTRY, "sell")


def test_an_event_before_the_answer_tells_of_the_order_and_the_answer_of_its_legs(
    directory: Directory,
) -> None:
    event = update("new", of={"order_class": "bracket"})
    (first,) = update_told(event, directory, NOW).inputs
    (second,) = order_told(bracket(), directory, NOW).inputs
    assert type(first) is type(second) is OrderAccepted
    assert (len(first.legs), len(second.legs)) == (0, 2)
    assert order_told(bracket(), directory, NOW).inputs == []


def test_a_legs_fill_before_its_parents_answer_is_looked_up(directory: Directory) -> None:
    hit = fill(10, 10, id="b-stop", client_order_id="uuid-stop", side="sell", order_class="bracket")
    assert update_told(hit, directory, NOW) == translate.Told([], ("b-stop",))
    order_told(bracket(status="filled", filled_qty="10"), directory, NOW)
    (filled,) = update_told(hit, directory, NOW).inputs
    assert filled.parent_id == ENTRY  # type: ignore[attr-defined]


def test_an_oco_tells_of_its_stop_and_is_the_target_itself(directory: Directory) -> None:
    name = "mean_reversion-20260724-1:t1"
    oco = order(client_order_id=name, order_class="oco", type="limit", legs=[leg("stop", status="new")])
    (accepted,) = order_told(oco, directory, NOW).inputs
    assert [one.role for one in accepted.legs] == ["stop"]  # type: ignore[attr-defined]


def test_a_replaced_order_keeps_its_name_under_the_new_id(directory: Directory) -> None:
    order_told(order(type="limit", limit_price="100"), directory, NOW)
    answer = order(
        id="b-2", client_order_id="uuid-9", replaces="b-1", status="pending_new", limit_price="101"
    )
    translate.replacement_asked(answer, directory)
    gone = update("replaced", of={"status": "replaced", "replaced_by": "b-2"})
    assert update_told(gone, directory, NOW).inputs == []
    fresh = {"id": "b-2", "client_order_id": "uuid-9", "replaces": "b-1", "limit_price": "101"}
    (replaced,) = update_told(update("new", of=fresh), directory, NOW).inputs
    assert type(replaced) is OrderReplaced
    assert (replaced.client_order_id, replaced.broker_order_id, replaced.new_broker_order_id) == (
        ENTRY, "b-1", "b-2",
    )  # fmt: skip
    assert replaced.limit_price == 101.0
    assert update_told(update("new", of=fresh), directory, NOW).inputs == []
    (filled,) = update_told(fill(10, 10, **fresh), directory, NOW).inputs
    assert (filled.client_order_id, filled.broker_order_id) == (ENTRY, "b-2")  # type: ignore[attr-defined]


def test_a_replacement_that_loses_to_a_fill_does_not_end_the_order_twice(directory: Directory) -> None:
    order_told(order(type="limit", limit_price="100"), directory, NOW)
    fresh = {"id": "b-2", "client_order_id": "uuid-9", "replaces": "b-1"}
    translate.replacement_asked(order(**fresh, status="pending_new"), directory)
    (filled,) = update_told(fill(10, 10), directory, NOW).inputs
    assert filled.done  # type: ignore[attr-defined]
    (refused,) = update_told(update("rejected", of={**fresh, "status": "rejected"}), directory, NOW).inputs
    assert type(refused) is CancelRejected
    assert refused.client_order_id == ENTRY


def test_shares_of_before_a_replacement_are_counted_on(directory: Directory) -> None:
    """The broker counts a replacement's shares from zero, or goes on: both end at ten."""
    for first, second in (("0", 6), ("4", 10)):
        directory = Directory()
        update_told(fill(4, 4), directory, NOW)
        gone = {"status": "replaced", "replaced_by": "b-2", "filled_qty": "4"}
        update_told(update("replaced", of=gone), directory, NOW)
        fresh = {"id": "b-2", "replaces": "b-1", "client_order_id": "uuid-9", "filled_qty": first}
        update_told(update("new", of=fresh), directory, NOW)
        last = fill(6, second, whole=second, id="b-2", replaces="b-1", client_order_id="uuid-9")
        (filled,) = update_told(last, directory, NOW).inputs
        assert (filled.quantity, filled.cumulative) == (6, 10)  # type: ignore[attr-defined]


def test_a_refused_cancellation_is_told(directory: Directory) -> None:
    order_told(order(), directory, NOW)
    (refused,) = update_told(update("order_cancel_rejected"), directory, NOW).inputs
    assert type(refused) is CancelRejected


def test_an_unknown_event_is_read_again_and_an_unknown_status_is_no_end(directory: Directory) -> None:
    assert update_told(update("reticulated"), directory, NOW).lookups == ("b-1",)
    assert kinds(update_told(update("new", of={"status": "simmering"}), directory, NOW).inputs) == [
        "OrderAccepted"
    ]


def test_a_bust_takes_a_fill_back_once_and_a_correction_changes_its_price(directory: Directory) -> None:
    update_told(fill(4, 4), directory, NOW)
    bust = update(
        "trade_bust", of={"status": "new", "filled_qty": "0"}, qty="-4", price="100", position_qty="0",
        execution_id="x-bust", previous_execution_id="x-4",
    )  # fmt: skip
    (taken,) = update_told(bust, directory, NOW).inputs
    assert type(taken) is FillCorrected
    assert (taken.quantity_before, taken.price_before, taken.quantity, taken.cumulative) == (4, 100.0, 0, 0)
    assert update_told(bust, directory, NOW).inputs == []
    assert "OrderFilled" not in kinds(update_told(fill(4, 4), directory, NOW).inputs)  # told once more, late
    update_told(fill(5, 5), directory, NOW)
    corrected = update(
        "trade_correct", of={"status": "partially_filled", "filled_qty": "5"}, qty="5", price="99.5",
        execution_id="x-fix", previous_execution_id="x-5",
    )  # fmt: skip
    (fixed,) = update_told(corrected, directory, NOW).inputs
    assert (fixed.quantity, fixed.price, fixed.price_before, fixed.cumulative) == (5, 99.5, 100.0, 5)  # type: ignore[attr-defined]


def test_a_strangers_order_is_told_by_its_fills_alone(directory: Directory) -> None:
    manual = {"client_order_id": "dashboard"}
    assert update_told(update("new", of=manual), directory, NOW) == translate.Told([], (), True)
    told = update_told(fill(4, 4, **manual), directory, NOW)
    assert kinds(told.inputs) == ["OrderFilled"]
    assert told.is_external


def test_a_fractional_fill_of_a_stranger_is_external_and_no_message(directory: Directory) -> None:
    odd = update(
        "fill", of={"client_order_id": "x", "filled_qty": "129.7", "status": "filled"}, qty="129.7", price="1"
    )
    assert update_told(odd, directory, NOW) == translate.Told([], (), True)


def test_an_activity_and_an_event_of_one_fill_are_one(directory: Directory) -> None:
    order_told(order(), directory, NOW)
    told = translate.activity_told(activity(4, 4), directory, NOW).inputs
    assert [one.execution_id for one in told] == ["x-4"]  # type: ignore[attr-defined]
    assert update_told(fill(4, 4), directory, NOW).inputs == []
    assert translate.activity_told(activity(2, 8), directory, NOW).lookups == ("b-1",)
    assert translate.activity_told(activity(4, 4), directory, NOW).inputs == []


def test_what_the_books_knew_is_not_told_again_after_a_restart(directory: Directory) -> None:
    known = OrderState(
        client_order_id=ENTRY, lot_id="mean_reversion-20260724-1", strategy="mean_reversion", symbol="SPY",
        side="buy", role="entry", type="market", quantity=10, broker_order_id="b-1",
        status="partially_filled", filled=4, priced=4, value=396.0,
    )  # fmt: skip
    stop = OrderState(
        client_order_id="uuid-stop", lot_id="mean_reversion-20260724-1", strategy="mean_reversion",
        symbol="SPY", side="sell", role="stop", type="stop", quantity=10, broker_order_id="b-stop",
        status="accepted", parent_id=ENTRY,
    )  # fmt: skip
    directory.seed([known, stop])
    read = bracket(status="filled", filled_qty="10", filled_avg_price="100.2")
    assert order_told(order(filled_qty="4"), directory, NOW).inputs == []
    told = settled(read, [activity(4, 4), activity(6, 10, price="101")], directory, NOW)
    assert [(type(one).__name__, getattr(one, "quantity", None)) for one in told] == [
        ("OrderAccepted", None),  # for its legs: telling them twice harms nobody
        ("OrderFilled", 6),
    ]
    hit = fill(10, 10, id="b-stop", client_order_id="uuid-stop", side="sell", type="stop")
    (filled,) = update_told(hit, directory, NOW).inputs
    assert filled.parent_id == ENTRY  # type: ignore[attr-defined]


def test_the_account_may_trade_only_when_nothing_blocks_it() -> None:
    """alpaca.md 3.1, the capture without the day-trader fields."""
    plain: dict[str, Any] = {
        "id": "..", "account_number": "PA0", "status": "ACTIVE", "equity": "100000", "cash": "90000.5",
        "buying_power": "400000", "shorting_enabled": True, "trading_blocked": False,
        "account_blocked": False, "trade_suspended_by_user": False, "crypto_tier": 1,
    }  # fmt: skip

    def told(**fields: Any) -> Any:
        return translate.account(msgspec.convert({**plain, **fields}, wire.Account), NOW)

    assert (told().account, told().equity, told().cash, told().buying_power) == ("PA0", 1e5, 90000.5, 4e5)
    assert told().shorting_enabled
    assert not told().blocked
    for field in ("trading_blocked", "account_blocked", "trade_suspended_by_user"):
        assert told(**{field: True}).blocked
    assert told(status="ACCOUNT_CLOSED").blocked
    assert told(equity=None) is None


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_events_doubled_and_mixed_with_rest_tell_every_share_once(
    parts: list[int], chance: random.Random
) -> None:
    """Whatever is lost is read again; whatever comes twice is told once."""
    whole, directory = sum(parts), Directory()
    totals = [sum(parts[: place + 1]) for place in range(len(parts))]
    fills = [fill(part, total, whole=whole) for part, total in zip(parts, totals, strict=True)]
    activities = [activity(part, total, whole=whole) for part, total in zip(parts, totals, strict=True)]
    told: list[Input] = []
    events = [one for one in fills for _ in range(chance.choice((0, 1, 1, 2)))]
    for event in [*events, fills[-1]]:
        result = update_told(event, directory, NOW)
        told += result.inputs
        if result.lookups:
            total = int(str(event.order.filled_qty))
            seen = [one for one in activities if int(str(one.cum_qty)) <= total]
            told += settled(event.order, seen, directory, NOW)
    shares = [one for one in told if type(one) is OrderFilled]
    assert sum(one.quantity for one in shares) == whole
    assert len({one.execution_id for one in shares}) == len(shares)
    assert [one.cumulative for one in shares] == sorted(one.cumulative for one in shares)
    assert [one.done for one in shares][-1]


@pytest.mark.skipif(not FRAMES.exists(), reason="the recorded broker frames are not here")
def test_every_recorded_trade_update_is_understood() -> None:
    frames = [
        one["frame"]
        for one in json.loads(FRAMES.read_text())
        if "trading" in one["stream"] or "SSE" in one["stream"]
    ]
    updates = [one.get("data", one) for one in frames if "order" in one.get("data", one)]
    assert len(updates) >= 6
    for data in updates:
        event = msgspec.json.decode(json.dumps(data), type=wire.TradeUpdate)
        told = update_told(event, Directory(), NOW)
        assert told.is_external
        assert wire.nanoseconds(event.timestamp)


@pytest.mark.parametrize("status", ["canceled", "expired"])
def test_a_replacement_that_ended_untraded_while_the_old_order_filled_leaves_nothing_unclear(
    status: str,
) -> None:
    directory = Directory()
    known = directory.add(ENTRY, "SPY", broker_order_id="b-1", is_accepted=True)
    former = order(status="filled", filled_qty="10", filled_avg_price="100")
    heir = order(id="b-2", client_order_id="u-2", replaces="b-1", status=status)
    told = [one for each in (former, heir) for one in settled(each, [], directory, NOW)]
    assert [type(one) for one in told] == [OrderFilled]
    assert (known.filled, known.is_over, known.is_unclear) == (10, True, False)
