"""Orders leave once, in order, with their price as text; what became of them is told. alpaca.md 3 and 6."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import msgspec
import pytest

from actors.broker import submissions
from actors.broker.order_bodies import submit_body
from actors.broker.submissions import SharedSync
from runtime.errors import StorageUnavailable
from runtime.kernel.gateway import Inbox
from runtime.messages.broker import (
    CancelRejected,
    LookUpOrder,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderUnknown,
    SubmitOrder,
)
from tests.actors.gateways.order_desk import (
    ENTRY,
    EXIT,
    HASTE,
    HASTY,
    UNHURRIED,
    buy,
    cancel,
    keys,
    replace,
    running,
    sell,
)
from tests.alpaca_server.server import AlpacaServer
from tests.walls import WALL_S

GIVES_UP = msgspec.structs.replace(HASTE, entry=1.5, absent=3.0)
"""For tests of entries that wait too long: long enough for one that does not; given up before they are told
as not sent yet."""


async def test_a_bracket_leaves_once_as_text_and_is_told_with_its_legs(alpaca: AlpacaServer) -> None:
    async with running(alpaca) as desk:
        entry = buy(order_class="bracket", stop_loss=95.30000000000001, take_profit=110.25)
        desk.send(entry, entry)
        accepted = await desk.wait_for(OrderAccepted)
        (posted,) = desk.posts()
        assert posted.json == {
            "symbol": "SPY", "qty": "10", "side": "buy", "type": "limit", "time_in_force": "day",
            "client_order_id": ENTRY, "order_class": "bracket", "limit_price": "100.00",
            "take_profit": {"limit_price": "110.25"}, "stop_loss": {"stop_price": "95.30"},
        }  # fmt: skip
        assert accepted.client_order_id == ENTRY
        assert sorted(leg.role for leg in accepted.legs) == ["stop", "target"]
        assert desk.syncs == ["asked"]
        assert desk.looks == 1
        assert desk.desk.settled.is_set()


async def test_an_oco_has_its_target_as_a_limit_and_its_stop_beside_it(alpaca: AlpacaServer) -> None:
    alpaca.hold("SPY", 10, 100)
    async with running(alpaca) as desk:
        desk.send(
            sell("mr-20261120-1:t1", order_class="oco", limit_price=110.0, stop_loss=95.0, role="target")
        )
        accepted = await desk.wait_for(OrderAccepted)
        (posted,) = desk.posts()
        assert "limit_price" not in posted.json
        assert posted.json["take_profit"] == {"limit_price": "110.00"}
        assert posted.json["stop_loss"] == {"stop_price": "95.00"}
        assert [leg.role for leg in accepted.legs] == ["stop"]


@pytest.mark.parametrize("halt", ["HALT is there", "raises"])
async def test_a_halt_stops_entries_right_before_they_leave_and_lets_exits_pass(
    alpaca: AlpacaServer, halt: str
) -> None:
    alpaca.hold("SPY", 10, 100)
    async with running(alpaca) as desk:

        def fails() -> str:
            raise OSError("unreadable")

        desk.halt = halt
        if halt == "raises":
            desk.look = fails  # type: ignore[method-assign]
        desk.send(buy(), sell())
        rejected = await desk.wait_for(OrderRejected)
        await desk.wait_for(OrderAccepted)
        assert rejected.reason.startswith("not sent: the kill switch")
        assert [one.json["client_order_id"] for one in desk.posts()] == [EXIT]


async def test_without_the_tape_on_disk_no_entry_leaves_but_exits_do(alpaca: AlpacaServer) -> None:
    alpaca.hold("SPY", 10, 100)
    async with running(alpaca) as desk:

        def fails() -> None:
            raise StorageUnavailable("the disk is full")

        desk.sync = fails  # type: ignore[method-assign]
        desk.send(buy(), sell())
        rejected = await desk.wait_for(OrderRejected)
        await desk.wait_for(OrderAccepted)
        assert rejected.reason == "not sent: the disk is full"
        assert [one.json["client_order_id"] for one in desk.posts()] == [EXIT]


async def test_an_entry_that_was_given_up_while_the_disk_hung_never_leaves(alpaca: AlpacaServer) -> None:
    disk, is_over = threading.Event(), threading.Event()

    def hangs() -> None:
        disk.wait(WALL_S)
        is_over.set()

    async with running(alpaca, patience=GIVES_UP) as desk:
        desk.sync = hangs  # type: ignore[method-assign]
        desk.send(buy())
        rejected = await desk.wait_for(OrderRejected)
        assert rejected.reason == "not sent: the tape was not on the disk in time"
        disk.set()
        await anyio.to_thread.run_sync(is_over.wait)
        # The next one goes through the same threads after it, so the entry has had its chance.
        desk.send(buy("after-it"))
        await desk.wait_for(OrderAccepted)
        assert [one.json["client_order_id"] for one in desk.posts()] == ["after-it"]
        assert desk.of(OrderUnknown) == []


AMBIGUOUS = [
    ("gateway_timeout_after", {}),
    ("server_error_after", {}),
    ("drop_after", {}),
    ("stall_after", {}),
    *(("malformed", {"how": how}) for how in (
        "html", "truncated", "empty", "missing_id", "other_client_order_id", "null_qty", "list"
    )),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "given"), AMBIGUOUS, ids=str)
async def test_an_order_whose_answer_was_lost_is_looked_up_and_never_sent_again(
    alpaca: AlpacaServer, kind: str, given: dict[str, Any]
) -> None:
    alpaca.faults.add(kind, "POST /v2/orders", **given)
    async with running(alpaca, timeouts=HASTY if kind == "stall_after" else UNHURRIED) as desk:
        desk.send(buy(order_class="bracket", stop_loss=95.0, take_profit=110.0))
        unknown = await desk.wait_for(OrderUnknown)
        accepted = await desk.wait_for(OrderAccepted)
        assert unknown.client_order_id == accepted.client_order_id == ENTRY
        assert len(accepted.legs) == 2
        assert len(desk.posts()) == 1
        assert len([one for one in alpaca.orders if one.client_order_id == ENTRY]) == 1
        await desk.until(desk.desk.settled.is_set)


@pytest.mark.parametrize("kind", ["gateway_timeout_before", "server_error_before", "drop_before"])
async def test_an_entry_the_broker_never_had_is_abandoned_and_not_sent_again(
    alpaca: AlpacaServer, kind: str
) -> None:
    alpaca.faults.add(kind, "POST /v2/orders")
    async with running(alpaca) as desk:
        desk.send(buy())
        rejected = await desk.wait_for(OrderRejected)
        assert rejected.reason.startswith("abandoned")
        assert rejected.code == 0
        assert len(desk.posts()) == 1
        looks = desk.server.history.requests("GET /v2/orders:by_client_order_id")
        assert len(looks) >= 5
        assert alpaca.orders == []


async def test_an_exit_the_broker_never_had_is_sent_again_under_the_same_id(alpaca: AlpacaServer) -> None:
    alpaca.hold("SPY", 10, 100)
    alpaca.faults.add("gateway_timeout_before", "POST /v2/orders", times=2)
    async with running(alpaca) as desk:
        desk.send(sell())
        await desk.wait_for(OrderAccepted)
        assert [one.json["client_order_id"] for one in desk.posts()] == [EXIT] * 3
        assert len(alpaca.orders) == 1


async def test_an_order_that_shows_up_late_is_found(alpaca: AlpacaServer) -> None:
    """faults.md C 30: the lookup says 404 for a while although the order is there."""
    alpaca.faults.add("gateway_timeout_after", "POST /v2/orders")
    alpaca.faults.add("lag", lookups=3, times=3)
    async with running(alpaca) as desk:
        desk.send(buy())
        await desk.wait_for(OrderAccepted)
        assert desk.of(OrderRejected) == []
        assert len(desk.posts()) == 1


async def test_an_abandoned_entry_that_turns_up_after_all_is_cancelled(alpaca: AlpacaServer) -> None:
    stall = alpaca.faults.add("stall_before", "POST /v2/orders")
    looks_late = msgspec.structs.replace(HASTE, late=3.0)  # so long it has to turn up in
    async with running(alpaca, timeouts=HASTY, patience=looks_late) as desk:
        desk.send(buy())
        await desk.wait_for(OrderRejected)
        stall.release()
        await desk.wait_for(OrderAccepted)
        await desk.until(lambda: alpaca.orders and not alpaca.orders[0].is_live)
        assert alpaca.orders[0].status == "canceled"


async def test_a_used_id_means_that_the_order_is_there(alpaca: AlpacaServer) -> None:
    """alpaca.md A: 422 `client_order_id must be unique` is the answer to a repeat."""
    await alpaca.place(
        symbol="SPY", qty="10", side="buy", type="limit", limit_price="100", client_order_id=ENTRY
    )
    async with running(alpaca) as desk:
        desk.send(buy())
        await desk.wait_for(OrderAccepted)
        assert desk.of(OrderRejected) == []
        assert len(alpaca.orders) == 1


REFUSALS = [
    (403, 40310000, "insufficient buying power"),
    (403, 40310000, "potential wash trade detected. use complex orders"),
    (403, 40310100, "trade denied due to pattern day trading protection"),
    (
        422,
        42210000,
        "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria",
    ),
    (422, 42210000, 'asset "SPY" is not tradable'),
]


@pytest.mark.parametrize(("status", "code", "message"), REFUSALS)
async def test_a_refusal_is_told_with_the_brokers_code_and_words(
    alpaca: AlpacaServer, status: int, code: int, message: str
) -> None:
    alpaca.faults.add(
        "refuse", "POST /v2/orders", status=status, code=code, message=message + "\x1b[2J\u202e"
    )
    async with running(alpaca) as desk:
        desk.send(buy())
        rejected = await desk.wait_for(OrderRejected)
        assert rejected.code == code
        assert rejected.reason == message + "\\x1b[2J\\x202e"
        assert len(desk.posts()) == 1


@pytest.mark.parametrize("kind", ["rate_limited", "rate_limited_bare"])
async def test_too_many_requests_is_a_definite_no_and_the_order_is_sent_again(
    alpaca: AlpacaServer, kind: str
) -> None:
    alpaca.hold("SPY", 10, 100)
    alpaca.faults.add(kind, "POST /v2/orders", retry_after=1)
    async with running(alpaca) as desk:
        desk.send(sell())
        await desk.wait_for(OrderAccepted)
        assert len(desk.posts()) == 2
        assert len(alpaca.orders) == 1


async def test_an_exit_is_tried_again_within_seconds_though_the_limit_is_reset_in_a_minute(
    alpaca: AlpacaServer,
) -> None:
    alpaca.hold("SPY", 10, 100)
    alpaca.faults.add("rate_limited", "POST /v2/orders", retry_after=60)
    async with running(alpaca) as desk:
        desk.send(sell())
        with anyio.fail_after(4):
            await desk.wait_for(OrderAccepted)
        assert len(desk.posts()) == 2
        desk.send(buy())
        await anyio.wait_all_tasks_blocked()
        assert len(desk.posts()) == 2


async def test_wrong_keys_are_a_refusal_and_no_loop(alpaca: AlpacaServer) -> None:
    alpaca.faults.add("refuse", "POST /v2/orders", status=401, html=True)
    async with running(alpaca) as desk:
        desk.send(buy())
        rejected = await desk.wait_for(OrderRejected)
        assert rejected.code == 401
        assert len(desk.posts()) == 1


async def test_a_broker_that_cannot_be_reached_gets_no_late_entry_but_the_exit(alpaca: AlpacaServer) -> None:
    alpaca.hold("SPY", 10, 100)
    async with running(alpaca, patience=GIVES_UP) as desk:
        await alpaca.stop(keep_port=True)
        desk.send(buy(), sell())
        with anyio.fail_after(WALL_S):
            while not desk.of(OrderRejected) or not desk.of(OrderUnknown):
                desk._changed.clear()
                await desk._changed.wait()
        assert desk.of(OrderRejected)[0].reason == "not sent: could not connect"
        assert desk.of(OrderUnknown)[0].client_order_id == EXIT
        await alpaca.start()
        await desk.wait_for(OrderAccepted)
        assert [one.client_order_id for one in alpaca.orders] == [EXIT]


async def test_a_cancellation_is_asked_for_and_confirmed(alpaca: AlpacaServer) -> None:
    async with running(alpaca) as desk:
        desk.send(buy())
        await desk.wait_for(OrderAccepted)
        desk.send(cancel())
        canceled = await desk.wait_for(OrderCanceled)  # no stream runs here: it was looked up
        assert canceled.client_order_id == ENTRY
        assert alpaca.orders[0].status == "canceled"
        assert len(alpaca.history.requests("DELETE /v2/orders/")) == 1


async def test_a_cancellation_that_was_not_answered_is_repeated(alpaca: AlpacaServer) -> None:
    async with running(alpaca) as desk:
        desk.send(buy())
        await desk.wait_for(OrderAccepted)
        alpaca.faults.add("gateway_timeout_before", "DELETE /v2/orders/*")
        alpaca.faults.add("drop_before", "DELETE /v2/orders/*", nth=2)
        desk.send(cancel())
        await desk.wait_for(OrderCanceled)
        assert alpaca.orders[0].status == "canceled"


async def test_a_cancellation_too_late_tells_of_the_fill(alpaca: AlpacaServer) -> None:
    async with running(alpaca) as desk:
        desk.send(buy())
        await desk.wait_for(OrderAccepted)
        await alpaca.fill(ENTRY, 100)
        desk.send(cancel())
        filled = await desk.wait_for(OrderFilled)
        assert (filled.quantity, filled.price, filled.done) == (10, 100.0, True)
        assert desk.of(CancelRejected) == []


async def test_a_cancellation_of_what_the_broker_does_not_know_is_refused(alpaca: AlpacaServer) -> None:
    async with running(alpaca) as desk:
        desk.send(cancel("mr-20261120-9:e1"))
        refused = await desk.wait_for(CancelRejected)
        assert "does not know" in refused.reason


async def test_an_entry_that_waits_is_withdrawn_without_leaving(alpaca: AlpacaServer) -> None:
    async with running(alpaca) as desk:
        desk.rest.gate.pause(30)
        desk.send(buy())
        await anyio.wait_all_tasks_blocked()
        desk.send(cancel())
        canceled = await desk.wait_for(OrderCanceled)
        assert canceled.reason == "withdrawn before it was sent"
        assert desk.posts() == []
        assert desk.desk.settled.is_set()


async def test_an_entry_that_the_broker_has_no_time_for_is_withdrawn_before_it_is_tried_again(
    alpaca: AlpacaServer,
) -> None:
    alpaca.faults.add("rate_limited", "POST /v2/orders", retry_after=3.0)
    async with running(alpaca) as desk:
        desk.send(buy())
        await desk.until(lambda: len(desk.posts()) == 1)
        with anyio.fail_after(WALL_S):
            while desk.desk.sendings[ENTRY].has_left:
                await anyio.lowlevel.checkpoint()
        desk.send(cancel())
        canceled = await desk.wait_for(OrderCanceled)
        assert canceled.reason == "withdrawn before it was sent"
        assert len(desk.posts()) == 1
        assert alpaca.orders == []
        assert desk.desk.settled.is_set()


async def test_a_cancellation_waits_for_the_answer_to_its_order(alpaca: AlpacaServer) -> None:
    alpaca.faults.add("gateway_timeout_after", "POST /v2/orders")
    async with running(alpaca) as desk:
        desk.send(buy())
        await desk.wait_for(OrderUnknown)
        desk.send(cancel())
        await desk.wait_for(OrderCanceled)
        assert alpaca.orders[0].status == "canceled"


async def test_a_replacement_keeps_the_name(alpaca: AlpacaServer) -> None:
    async with running(alpaca) as desk:
        desk.send(buy())
        await desk.wait_for(OrderAccepted)
        desk.send(replace(limit_price=101.5))
        await desk.until(lambda: len(alpaca.orders) == 2 and alpaca.orders[0].status == "replaced")
        desk.event(alpaca.orders[0].client_order_id)  # as the broker does: first that the old one is over
        desk.event(alpaca.orders[1].client_order_id)
        replaced = await desk.wait_for(OrderReplaced)
        assert (replaced.client_order_id, replaced.limit_price) == (ENTRY, 101.5)
        (patched,) = alpaca.history.requests("PATCH /v2/orders/")
        assert patched.json == {"limit_price": "101.50"}


async def test_a_replacement_whose_answer_was_lost_is_looked_up(alpaca: AlpacaServer) -> None:
    async with running(alpaca) as desk:
        desk.send(buy())
        await desk.wait_for(OrderAccepted)
        alpaca.faults.add("gateway_timeout_after", "PATCH /v2/orders/*")
        desk.send(replace(limit_price=101.5))
        replaced = await desk.wait_for(OrderReplaced)
        assert replaced.limit_price == 101.5
        assert len(alpaca.history.requests("PATCH /v2/orders/")) == 1


async def test_a_replacement_that_did_not_happen_is_told(alpaca: AlpacaServer) -> None:
    async with running(alpaca) as desk:
        desk.send(buy())
        await desk.wait_for(OrderAccepted)
        alpaca.faults.add("gateway_timeout_before", "PATCH /v2/orders/*")
        desk.send(replace(limit_price=101.5))
        refused = await desk.wait_for(CancelRejected)
        assert "did not happen" in refused.reason
        desk.send(replace("mr-20261120-1:e1", limit_price=100.0))  # unchanged: 422, and as good as done
        await desk.until(lambda: len(alpaca.history.requests("PATCH /v2/orders/")) == 2)
        assert len(desk.of(CancelRejected)) == 1


async def test_a_silent_order_is_read_again(alpaca: AlpacaServer) -> None:
    async with running(alpaca) as desk:
        desk.send(buy())
        await desk.wait_for(OrderAccepted)
        await alpaca.fill(ENTRY, 99.5, 4)
        desk.send(LookUpOrder(ts_event=0, cause=1, client_order_id=ENTRY, broker_order_id="", symbol="SPY"))
        filled = await desk.wait_for(OrderFilled)
        assert (filled.quantity, filled.price, filled.cumulative, filled.done) == (4, 99.5, 4, False)


async def test_what_an_earlier_process_left_open_is_looked_up_and_cancels_are_repeated(
    alpaca: AlpacaServer,
) -> None:
    there, gone, stays = ENTRY, "mr-20261120-2:e1", "mr-20261120-3:e1"
    for name in (there, stays):
        await alpaca.place(
            symbol="SPY", qty="10", side="buy", type="limit", limit_price="100", client_order_id=name
        )

    def left_open(desk: Any) -> None:
        desk.desk.take_over(buy(there))
        desk.desk.take_over(buy(gone, lot_id="mr-20261120-2"))
        desk.desk.take_over(cancel(stays))

    async with running(alpaca, before=left_open) as desk:
        assert not desk.desk.settled.is_set()
        await desk.until(desk.desk.settled.is_set)
        await desk.wait_for(OrderCanceled)
        assert {one.client_order_id for one in desk.of(OrderAccepted)} == {there, stays}
        assert [one.client_order_id for one in desk.of(OrderRejected)] == [gone]
        assert desk.posts() == []
        assert alpaca.broker.by_client_id(stays).status == "canceled"


async def test_a_restarted_gateway_looks_up_what_was_being_sent(alpaca: AlpacaServer) -> None:
    alpaca.faults.add("stall_after", "POST /v2/orders")
    async with running(alpaca, timeouts=HASTY) as desk:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.build().run)
            desk.send(buy())
            await desk.until(lambda: alpaca.orders)
            group.cancel_scope.cancel()
        async with anyio.create_task_group() as group:
            group.start_soon(desk.build().run)
            await desk.wait_for(OrderAccepted)
            group.cancel_scope.cancel()
        assert len(desk.posts()) == 1


async def test_too_many_entries_at_once_are_refused_and_exits_are_not(alpaca: AlpacaServer) -> None:
    alpaca.hold("SPY", 10, 100)
    async with running(alpaca) as desk:
        desk.rest.gate.pause(30)
        desk.send(*(buy(f"mr-20261120-{n}:e1", lot_id=f"mr-20261120-{n}") for n in range(1, 52)))
        rejected = await desk.wait_for(OrderRejected)
        assert rejected.reason == "not sent: too many orders under way"
        desk.send(sell("mr-20261120-60:x1"))
        await anyio.wait_all_tasks_blocked()
        assert len(desk.of(OrderRejected)) == 1
        assert "mr-20261120-60:x1" in desk.desk.sendings


async def test_no_key_is_ever_where_it_does_not_belong(alpaca: AlpacaServer) -> None:
    """Neither in what was told nor in what was sent, but for the headers that authenticate."""
    secret = keys(alpaca).secret_key
    assert secret is not None
    alpaca.faults.add("refuse", "POST /v2/orders", status=401, html=True)
    async with running(alpaca) as desk:
        desk.send(buy())
        await desk.wait_for(OrderRejected)
        assert secret.reveal() not in repr(desk.told)
        assert alpaca.history.leaks(secret.reveal()) == []


async def test_a_sweep_withdraws_what_waits_and_takes_what_is_on_its_way(alpaca: AlpacaServer) -> None:
    """faults.md E 47: HALT while a POST is in flight and another entry has not left."""
    stall = alpaca.faults.add("stall_before", "POST /v2/orders")
    async with running(alpaca) as desk:
        desk.send(buy())
        await desk.until(desk.posts)
        desk.halt = "HALT is there"
        desk.rest.gate.pause(3.0)
        desk.send(buy("mr-20261120-2:e1", lot_id="mr-20261120-2"))
        await anyio.wait_all_tasks_blocked()
        results: list[Any] = []

        async def sweep() -> None:
            results.append(await desk.sweeper.cancel_all(entries_only=True, deadline_s=WALL_S))

        async with anyio.create_task_group() as group:
            group.start_soon(sweep)
            await desk.wait_for(OrderCanceled)
            stall.release()
        assert results[0].is_done
        assert desk.of(OrderCanceled)[0].client_order_id == "mr-20261120-2:e1"
        assert [one.status for one in alpaca.orders] == ["canceled"]


async def test_a_sweep_is_not_done_while_nobody_knows_of_an_entry_that_was_sent(alpaca: AlpacaServer) -> None:
    stall = alpaca.faults.add("stall_before", "POST /v2/orders")
    async with running(alpaca, timeouts=UNHURRIED) as desk:
        desk.send(buy())
        await desk.until(desk.posts)
        desk.halt = "HALT is there"
        swept = await desk.sweeper.cancel_all(entries_only=True, deadline_s=1.0)
        assert (swept.is_done, swept.left) == (False, (ENTRY,))
        stall.release()
        await desk.wait_for(OrderAccepted)


def test_one_wait_for_the_disk_serves_all_who_came_before_it() -> None:
    begun: list[int] = []
    is_begun, gate = threading.Event(), threading.Event()

    def sync() -> None:
        begun.append(1)
        is_begun.set()
        gate.wait(WALL_S)

    shared = SharedSync(sync)
    with ThreadPoolExecutor(6) as threads:
        first = threads.submit(shared)
        is_begun.wait(WALL_S)
        others = [threads.submit(shared) for _ in range(5)]
        while shared._asked < 6:  # until all of them wait
            os.sched_yield()
        assert len(begun) == 1
        gate.set()
        for one in (first, *others):
            one.result(WALL_S)
    assert len(begun) == 2


def test_who_asks_once_a_wait_for_the_disk_has_begun_is_not_served_by_it() -> None:
    waits: list[int] = []
    later = threading.Thread(target=lambda: shared())  # noqa: PLW0108 - it is made below

    def sync() -> None:
        waits.append(len(waits))
        if len(waits) == 1:
            later.start()

    shared = SharedSync(sync)
    shared()
    later.join(WALL_S)
    assert waits == [0, 1]


def test_each_who_waits_for_a_disk_that_fails_is_told() -> None:
    def sync() -> None:
        raise StorageUnavailable("full")

    shared = SharedSync(sync)
    with ThreadPoolExecutor(3) as threads:
        waits = [threads.submit(shared) for _ in range(3)]
        assert [str(one.exception(WALL_S)) for one in waits] == ["full"] * 3


def test_nobody_waits_for_ever_for_a_disk_that_hangs_another() -> None:
    is_begun, gate = threading.Event(), threading.Event()

    def sync() -> None:
        is_begun.set()
        gate.wait(WALL_S)

    shared = SharedSync(sync, patience=0.01)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(shared)
        is_begun.wait(WALL_S)
        with pytest.raises(StorageUnavailable, match="the disk did not answer"):
            shared()
        gate.set()
        first.result(WALL_S)
    shared()


async def test_what_was_taken_before_the_end_is_still_sent(alpaca: AlpacaServer) -> None:
    alpaca.hold("SPY", 10, 100)
    async with running(alpaca) as desk:
        gateway = desk.build()
        desk.send(sell())
        gateway.request_stop()
        with anyio.fail_after(WALL_S):
            await gateway.run()
        assert [one.client_order_id for one in alpaca.orders] == [EXIT]


async def test_a_command_that_crashes_the_gateway_does_not_come_back_and_the_others_do(
    alpaca: AlpacaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    alpaca.hold("SPY", 10, 100)
    async with running(alpaca) as desk:
        desk.inbox.close()  # the first instance ends: this test runs its own
        desk.inbox = Inbox()
        desk.rest.gate.pause(0.5)

        def broken(order: SubmitOrder) -> dict[str, object]:
            if order.client_order_id == ENTRY:
                raise RuntimeError("a bug")
            return submit_body(order)

        monkeypatch.setattr(submissions, "submit_body", broken)
        desk.send(sell(), buy())
        with pytest.raises(RuntimeError, match="a bug"):
            await desk.build().run()
        async with anyio.create_task_group() as group:
            group.start_soon(desk.build().run)
            await desk.wait_for(OrderAccepted)
            group.cancel_scope.cancel()
        assert [one.client_order_id for one in alpaca.orders] == [EXIT]
        assert [one.reason for one in desk.of(OrderRejected)] == ["not sent: its handling failed"]
        assert desk.desk.settled.is_set()
