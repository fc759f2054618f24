"""The REST client on the loopback broker: what it asks, what it reads, what goes wrong. alpaca.md 3 and A."""

import io
import logging
import traceback
from typing import Any

import anyio
import pytest

from actors.broker.limiter import Priority
from actors.broker.order_bodies import may_be_for_intent
from actors.broker.rest import NotSent, Rest
from config.secrets import Secrets
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused
from runtime.kernel.clock import LiveClock
from tests.actors.gateways.order_desk import HASTY, UNHURRIED
from tests.alpaca_server.server import AlpacaServer
from tests.walls import WALL_S

BODY = {
    "symbol": "SPY", "qty": "10", "side": "buy", "type": "limit", "time_in_force": "day",
    "limit_price": "100.00", "client_order_id": "mr-20261120-1:e1",
}  # fmt: skip


async def test_an_order_is_sent_read_changed_and_cancelled(alpaca: AlpacaServer, rest: Rest) -> None:
    order = await rest.submit(BODY, Priority.ENTRY)
    assert (order.client_order_id, order.qty, order.symbol) == ("mr-20261120-1:e1", "10", "SPY")
    assert (await rest.order(order.id)) is not None
    assert (await rest.order_by_client_id("mr-20261120-1:e1")) is not None
    new = await rest.replace(order.id, {"limit_price": "101.00"})
    assert (new.replaces, new.limit_price) == (order.id, "101")
    await rest.cancel(new.id)
    assert [one.status for one in await rest.orders(status="closed")] == ["replaced", "canceled"]
    assert await rest.orders() == []


async def test_what_the_broker_does_not_know_is_none(alpaca: AlpacaServer, rest: Rest) -> None:
    assert await rest.order("61e69015-8549-4bfd-b9c3-01e75843f47d") is None
    assert await rest.order_by_client_id("nobody") is None
    assert await rest.asset("NOPE") is None


async def test_a_proxys_not_found_proves_nothing(alpaca: AlpacaServer, rest: Rest) -> None:
    """faults.md 1.9, 5: "not found" only from a positive answer of the broker itself."""
    alpaca.faults.add("refuse", "GET /v2/orders*", status=404, html=True)
    with pytest.raises(BrokerUnavailable):
        await rest.order_by_client_id("nobody")


@pytest.mark.parametrize(
    ("words", "code", "proves"),
    [
        ("order not found for nobody", 0, True),
        ("order not found for nobody", 40410000, True),
        ("endpoint not found", 40410000, False),
        ("not found", 0, False),
    ],
)
async def test_a_not_found_without_a_code_is_judged_by_the_brokers_words(
    alpaca: AlpacaServer, rest: Rest, words: str, code: int, proves: bool
) -> None:
    alpaca.faults.add("refuse", "GET /v2/orders*", status=404, code=code, message=words)
    if proves:
        assert await rest.order_by_client_id("nobody") is None
        return
    with pytest.raises(BrokerUnavailable):
        await rest.order_by_client_id("nobody")


async def test_the_account_its_clock_calendar_assets_and_positions_are_read(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    alpaca.hold("SPY", -3, 737.91)
    account = await rest.account()
    assert (account.status, account.account_number) == ("ACTIVE", alpaca.options.account_number)
    assert (await rest.clock()).is_open
    days = await rest.calendar("2026-11-26", "2026-11-27")
    assert [(day.date, day.open, day.close) for day in days] == [("2026-11-27", "09:30", "13:00")]
    asset = await rest.asset("SPY")
    assert asset is not None
    assert asset.can_trade
    assert asset.can_short
    assert asset.easy_to_borrow is None
    assert "SPY" in [one.symbol for one in await rest.assets()]
    assert [(one.symbol, one.qty, one.side) for one in await rest.positions()] == [("SPY", "-3", "short")]


async def test_fills_are_read_page_by_page_oldest_first(alpaca: AlpacaServer, rest: Rest) -> None:
    order = await rest.submit({**BODY, "qty": "130"}, Priority.ENTRY)
    for _ in range(130):
        await alpaca.fill("mr-20261120-1:e1", 100, 1)
    fills = await rest.fills(order_id=order.id)
    assert [one.cum_qty for one in fills] == [str(n) for n in range(1, 131)]
    assert len(alpaca.history.requests("GET /v2/account/activities/FILL")) == 2


async def test_a_full_sweep_of_orders_pages_by_id(alpaca: AlpacaServer, rest: Rest) -> None:
    for n in range(501):
        alpaca.broker.submit({**BODY, "qty": "1", "limit_price": "1.00", "client_order_id": f"o{n}"})
    found = await rest.orders(nested=False)
    assert [one.client_order_id for one in found] == [f"o{n}" for n in range(501)]
    first, second = alpaca.history.requests("GET /v2/orders")
    assert "after_order_id" not in first.query
    assert second.query["after_order_id"] == found[499].id


FAILURES: list[tuple[str, dict[str, Any], type[Exception], bool]] = [
    ("gateway_timeout_before", {}, BrokerUnavailable, True),
    ("server_error_before", {}, BrokerUnavailable, True),
    ("drop_before", {}, BrokerUnavailable, True),
    ("stall_before", {}, BrokerUnavailable, True),
    ("malformed", {"how": "html"}, BrokerUnavailable, True),
    ("malformed", {"how": "truncated"}, BrokerUnavailable, True),
    ("malformed", {"how": "list"}, BrokerUnavailable, True),
    ("rate_limited", {"retry_after": 7}, BrokerUnavailable, False),
    ("rate_limited_bare", {}, BrokerUnavailable, False),
    ("refuse", {"status": 403, "code": 40310000, "message": "no"}, BrokerRejected, False),
    ("refuse", {"status": 422, "html": True}, BrokerRejected, False),
    ("refuse", {"status": 401, "html": True}, KeysRefused, False),
    ("refuse", {"status": 403, "code": None, "message": "forbidden."}, KeysRefused, False),
]


@pytest.mark.parametrize(
    ("kind", "given", "error", "is_unknown", "rest"),
    [(*row, HASTY if row[0] == "stall_before" else UNHURRIED) for row in FAILURES],
    indirect=["rest"],
    ids=str,
)
async def test_each_failure_says_who_must_act_and_is_sent_once(
    alpaca: AlpacaServer,
    rest: Rest,
    kind: str,
    given: dict[str, Any],
    error: type[Exception],
    is_unknown: bool,
) -> None:
    alpaca.faults.add(kind, "POST /v2/orders", times=None, **given)
    with pytest.raises(error) as caught:
        await rest.submit(BODY, Priority.ENTRY)
    if isinstance(caught.value, BrokerUnavailable):
        assert caught.value.is_unknown == is_unknown
        assert caught.value.retry_after == given.get("retry_after", caught.value.retry_after)
    await alpaca.until(lambda: alpaca.faults.fired)  # it may have been given up before it came
    assert len(alpaca.history.requests("POST")) == 1


async def test_a_host_that_is_not_there_had_nothing_sent_to_it(alpaca: AlpacaServer, rest: Rest) -> None:
    await alpaca.stop(keep_port=True)
    with pytest.raises(BrokerUnavailable, match="could not connect") as caught:
        await rest.submit(BODY, Priority.ENTRY)
    assert not caught.value.is_unknown


async def test_stalled_reads_do_not_hold_up_orders(alpaca: AlpacaServer, rest: Rest) -> None:
    """alpaca.md A, M4-1: six stalled calls blocked every other user of the default threads."""
    stall = alpaca.faults.add("stall_before", "GET /v2/account", times=None)
    answers = []

    async def read() -> None:
        answers.append(await rest.account())

    async with anyio.create_task_group() as group:
        for _ in range(12):
            group.start_soon(read)
        await alpaca.until(lambda: len(alpaca.history.requests("GET /v2/account")) >= 4)
        with anyio.fail_after(WALL_S):
            await rest.submit(BODY, Priority.ENTRY)
        assert answers == []  # all of them still wait
        stall.release()
    assert len(answers) == 12


async def test_the_last_look_stops_the_bytes(alpaca: AlpacaServer, rest: Rest) -> None:
    with pytest.raises(NotSent, match="halted"):
        await rest.submit(BODY, Priority.ENTRY, lambda: "halted")
    assert len(alpaca.history) == 0


async def test_unknown_fields_and_statuses_are_taken_as_they_come(alpaca: AlpacaServer, rest: Rest) -> None:
    def strange(body: Any) -> Any:
        return {**body, "status": "simmering", "new_field": {"x": [1]}, "order_class": "mleg", "qty": 10}

    alpaca.faults.add("edit", "POST /v2/orders", change=strange)
    order = await rest.submit(BODY, Priority.ENTRY)
    assert (order.status, order.qty) == ("simmering", 10)


async def test_a_position_that_cannot_be_read_is_not_left_out(alpaca: AlpacaServer, rest: Rest) -> None:
    alpaca.hold("SPY", 10, 100)
    alpaca.faults.add("edit", "GET /v2/positions", change=lambda body: [*body, {"qty": "5"}])
    with pytest.raises(BrokerUnavailable, match="no list"):
        await rest.positions()


CANARY = {"key": "PKCANARYKEY", "secret": "canary-secret"}


@pytest.mark.parametrize("rest", [HASTY], indirect=True)
@pytest.mark.parametrize("alpaca_options", [CANARY])
async def test_no_failure_shows_a_key(
    alpaca: AlpacaServer, rest: Rest, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """faults.md 1.10: whatever is raised, logged at any level or shown with its whole chain."""
    caplog.set_level(logging.DEBUG)
    seen = io.StringIO()
    kinds = ("drop_before", "stall_before", "gateway_timeout_before", "malformed", "rate_limited")
    for kind in kinds:
        alpaca.faults.add(kind, "GET /v2/account")
        with pytest.raises(BrokerUnavailable) as caught:
            await rest.account()
        await alpaca.until(lambda kind=kind: alpaca.faults.fired[-1:] == [(kind, "GET /v2/account")])
        traceback.print_exception(caught.value, file=seen)
        seen.write(repr(vars(caught.value)) + repr(caught.value.__cause__) + repr(caught.value.__context__))
    assert [kind for kind, _ in alpaca.faults.fired] == list(kinds)
    text = seen.getvalue() + caplog.text + "".join(capsys.readouterr()) + repr(vars(rest))
    assert [secret for secret in CANARY.values() if secret in text] == []


async def test_no_keys_is_said_before_anything_is_sent(alpaca: AlpacaServer) -> None:
    rest = Rest(alpaca.urls.trading, Secrets(), LiveClock())
    with pytest.raises(KeysRefused, match="no keys"):
        await rest.account()
    assert len(alpaca.history) == 0


EXIT = {
    "symbol": "SPY", "qty": "10", "side": "sell", "type": "market", "time_in_force": "day",
    "client_order_id": "mr-20261120-1:x1", "position_intent": "sell_to_close",
}  # fmt: skip


@pytest.mark.parametrize("alpaca_options", [{"intents": "refused"}])
async def test_a_broker_that_does_not_know_the_intent_gets_exits_without_it(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    alpaca.hold("SPY", 20, 100)
    await rest.submit(EXIT, Priority.EXIT)
    await rest.submit({**EXIT, "client_order_id": "mr-20261120-2:x1"}, Priority.EXIT)
    assert [one.client_order_id for one in alpaca.orders] == ["mr-20261120-1:x1", "mr-20261120-2:x1"]
    posts = alpaca.history.requests("POST /v2/orders")
    assert ["position_intent" in one.json for one in posts] == [True, False, False]


async def test_an_exit_of_nothing_is_refused_once_and_keeps_its_intent(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    for _ in range(2):
        with pytest.raises(BrokerRejected, match="position intent mismatch"):
            await rest.submit(EXIT, Priority.EXIT)
    assert len(alpaca.history.requests("POST /v2/orders")) == 2


async def test_an_exit_that_is_refused_for_its_form_is_refused_without_the_intent_too(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    alpaca.hold("SPY", 20, 100)
    with pytest.raises(BrokerRejected, match="time_in_force"):
        await rest.submit({**EXIT, "time_in_force": "never"}, Priority.EXIT)
    await rest.submit(EXIT, Priority.EXIT)
    with pytest.raises(BrokerRejected, match="must be unique"):
        await rest.submit(EXIT, Priority.EXIT)
    posts = alpaca.history.requests("POST /v2/orders")
    assert ["position_intent" in one.json for one in posts] == [True, False, True, True]


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, 40010000, "bad request"),
        (422, 40010001, "invalid parameters"),
        (422, 0, "Extra inputs are not permitted"),
        (422, 42210000, "position_intent is not allowed for this asset class"),
        (403, 40310000, "position_intent requires permission"),
    ],
)
async def test_however_the_intent_is_refused_the_exit_goes_without_it(
    alpaca: AlpacaServer, rest: Rest, status: int, code: int, message: str
) -> None:
    alpaca.hold("SPY", 20, 100)
    alpaca.faults.add("refuse", "POST /v2/orders", status=status, code=code, message=message)
    await rest.submit(EXIT, Priority.EXIT)
    posts = alpaca.history.requests("POST /v2/orders")
    assert [("position_intent" in one.json, one.applied) for one in posts] == [(True, False), (False, True)]


BARE = {"status": 422, "code": 0, "message": "Unprocessable Entity"}


@pytest.mark.parametrize("held", [0, 4, -10])
async def test_an_exit_goes_without_its_intent_only_if_there_is_something_to_close(
    alpaca: AlpacaServer, rest: Rest, held: int
) -> None:
    """A refusal without a code says nothing: the position may be gone, and a sale would open a short one."""
    if held:
        alpaca.hold("SPY", held, 100)
    await alpaca.push_minute({"SPY": (100, 100, 100, 100)})
    alpaca.faults.add("refuse", "POST /v2/orders", **BARE)
    with pytest.raises(BrokerRejected, match=f"mismatch: the account has {held} shares of SPY"):
        await rest.submit(EXIT, Priority.EXIT)
    assert alpaca.orders == []


async def test_a_refusal_without_a_code_takes_the_intent_off_one_order_only(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    alpaca.hold("SPY", 20, 100)
    alpaca.faults.add("refuse", "POST /v2/orders", **BARE)
    await rest.submit(EXIT, Priority.EXIT)
    await rest.submit({**EXIT, "client_order_id": "mr-20261120-2:x1"}, Priority.EXIT)
    posts = alpaca.history.requests("POST /v2/orders")
    assert ["position_intent" in one.json for one in posts] == [True, False, True]


async def test_an_exit_whose_position_cannot_be_read_goes_all_the_same(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    alpaca.hold("SPY", 20, 100)
    alpaca.faults.add("refuse", "POST /v2/orders", **BARE)
    alpaca.faults.add("server_error_before", "GET /v2/positions/*", times=None)
    await rest.submit(EXIT, Priority.EXIT)
    assert [one.client_order_id for one in alpaca.orders] == ["mr-20261120-1:x1"]


@pytest.mark.parametrize("alpaca_options", [{"intents": "refused"}])
async def test_where_no_intent_is_taken_every_exit_looks_at_its_position(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    alpaca.hold("SPY", 10, 100)
    await alpaca.push_minute({"SPY": (100, 100, 100, 100)})
    await rest.submit(EXIT, Priority.EXIT)
    await alpaca.fill(str(EXIT["client_order_id"]), 100, 10)
    with pytest.raises(BrokerRejected, match="mismatch"):
        await rest.submit({**EXIT, "client_order_id": "mr-20261120-2:x1"}, Priority.EXIT)
    assert len(alpaca.orders) == 1


async def test_an_exit_that_is_refused_for_its_shares_keeps_its_intent(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    alpaca.faults.add(
        "refuse", "POST /v2/orders", status=403, code=40310000, message="insufficient qty available for order"
    )
    with pytest.raises(BrokerRejected, match="insufficient qty"):
        await rest.submit(EXIT, Priority.EXIT)
    assert len(alpaca.history.requests("POST /v2/orders")) == 1


@pytest.mark.parametrize(
    "said",
    [
        "position intent mismatch, inferred: sell_to_open, specified: sell_to_close",
        "Position intent mismatch, inferred: sell_to_open, specified: sell_to_close",
        "position_intent mismatch",
    ],
)
def test_however_a_mismatch_is_written_the_exit_is_not_sent_without_its_intent(said: str) -> None:
    """Without it the order would open a position on the other side."""
    for code in (0, 40_010_001, 42_210_000):
        assert not may_be_for_intent(EXIT, BrokerRejected(said, status=422, code=code))
