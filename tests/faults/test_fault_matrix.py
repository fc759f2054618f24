"""Every switch of the fault matrix on a whole engine: what it does about it, told once, one story afterwards.

`MATRIX` is the table: a row is a switch in the words of alpaca.md 6, the behaviour in brackets there (or what
faults.md 3 B to D expects), and where a gateway's own tests show the finer points of it.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest

from runtime.messages.broker import BrokerStreamChanged, OrderFilled, OrderRejected
from runtime.messages.market import BarsRevised, FeedChanged
from tests.faults.faulted_day import NO_ANSWER, NO_HANDSHAKE, Day, faulted_day

POST, STREAM, TRADES = "POST /v2/orders", "GET /v2/iex", "GET /stream"
MINUTES = 16
SWITCHED = 4
"""The minute before which a switch is put on: some orders have gone, more will."""

Switch = tuple[str, str | None, dict[str, Any]]


class Row(NamedTuple):
    """One row of the matrix.

    Attributes:
        switch: In the words of the source. expected: likewise, in brackets there.
        kinds: What is put on before minute SWITCHED: kind, site and parameters.
        told: One pattern for each error it must leave, found in exactly one row of `error_log` each. A `?`
            before it: in one at most, because the stream may tell of the order before its answer is missed.
        shows: Of the day, that it happened as expected.
        gap: Whether a minute may be lost on the stream without anybody's noticing.
        waits: Settings of the time-out that it is about.
    """

    switch: str
    expected: str
    kinds: tuple[Switch, ...]
    told: tuple[str, ...] = ()
    shows: Callable[[Day], Any] = lambda day: True
    gap: bool = False
    waits: tuple[str, ...] = ()


def reconnected(stream: str) -> Callable[[Day], Any]:
    """Whether a stream was down, and came back."""

    def look(day: Day) -> bool:
        kind: Any = FeedChanged if stream == "market" else BrokerStreamChanged
        ups = [one.up if kind is FeedChanged else one.ready for one in day.of(kind)]
        return ups.count(True) >= 2 and ups[-1]

    return look


def backfilled(day: Day) -> bool:
    """Whether the market stream came back and what it missed was read by REST."""
    reasons = {one.reason for one in day.of(BarsRevised)}
    return bool(reconnected("market")(day)) and (
        "backfill" in reasons or bool(day.server.history.requests("GET /v2/stocks/bars"))
    )


def looked_up(day: Day) -> bool:
    """Whether an order whose answer was lost was asked for by its own id."""
    asked = day.server.history.requests("GET /v2/orders:by_client_order_id")
    return bool(asked)


def rejected(words: str) -> Callable[[Day], Any]:
    """Whether an order was told as rejected, with these words."""
    return lambda day: any(words in one.reason for one in day.of(OrderRejected))


def fills(day: Day) -> bool:
    return len(day.of(OrderFilled)) > 2


def once(kind: str, on: str | None = None, **given: Any) -> tuple[Switch, ...]:
    return ((kind, on, given),)


MATRIX: dict[str, Row] = {
    # -- market data ---------------------------------------------------------------------------
    **{
        f"market close {code}": Row(
            f"close {code}", "reconnect, gap by REST", once("close", code=code),
            (rf"market stream lost.*{code}",), backfilled,
        )
        for code in (1000, 1001, 1011)
    },
    "market abort": Row(
        "TCP abort", "reconnect, gap by REST", once("abort", "market data"), ("market stream lost",),
        backfilled,
    ),
    "market 407": Row(
        "407 then close", "reconnect, backfill, alarm", once("slow_client"),
        (r"market stream lost.*407",), backfilled,
    ),
    "market 406": Row(
        "406 n times, then ok", "slow retry, no storm",
        (("abort", "market data", {}), ("connection_limit", None, {"times": 3})),
        ("market stream lost.*connection broke", "406.*attempt=2", "406.*attempt=3", "406.*attempt=4"),
        backfilled,
    ),
    "market upgrade 429": Row(
        "HTTP 429 at upgrade", "slow retry",
        (("abort", "market data", {}), ("rate_limited_bare", STREAM, {})),
        ("market stream lost.*connection broke", r"market stream lost.*429"), backfilled,
    ),
    "market upgrade 503": Row(
        "HTTP 503 at upgrade", "retry",
        (("abort", "market data", {}), ("refuse", STREAM, {"status": 503, "html": True})),
        ("market stream lost.*connection broke", r"market stream lost.*503"), backfilled,
    ),
    "market garbage": Row("garbage frame", "quarantined, the stream lives", once("garbage_frame"),
                          ("not a readable frame",), fills),
    "market text frame": Row("text frame on a msgpack socket", "understood", once("text_frame"), (), fills),
    "market truncated": Row("truncated frame", "quarantined, its minute read by REST", once(
        "truncated_frame"), ("not a readable frame",), fills, gap=True),
    "market broken protocol": Row("corrupt frame", "reconnect, gap by REST", once("broken_protocol"),
                                  ("market stream lost",), backfilled),
    "market bad item": Row("batch with one bad item", "the others delivered", once("bad_item"),
                           ("not a readable frame",), fills),
    "market unknown T": Row("unknown T", "ignored", once("unknown_type"), (), fills),
    "market bare bars": Row("missing n and vw", "bars all the same", once("bare_bars"), (), fills),
    "market duplicate": Row("duplicate bar", "told once", once("duplicate_frame", copies=2),
                            ("duplicate",), fills),
    "market gap": Row("bar gap", "not waited for", once("drop_frame"), (), fills, gap=True),
    "market reordered": Row("frames out of order", "late bars revise, trigger nothing", once("reorder_frame"),
                            (), fills, gap=True),
    "market 2 MiB": Row("2 MiB frame", "read", once("padded_frame"), (), fills),
    # -- trade updates ---------------------------------------------------------------------------
    "trades abort": Row("missed events during a disconnect", "catch-up", once("abort", "trades event *"),
                        ("trade stream lost.*broke",), reconnected("trades")),
    "trades close": Row("close 1011", "reconnect, catch-up", once("close", "trades event *", code=1011),
                        ("trade stream lost",), reconnected("trades")),
    "trades dropped fill": Row("fill event lost", "read by REST at the next sign", once(
        "drop_frame", "trades event partial_fill"), (), fills),
    "trades duplicate": Row("duplicate", "told once", once("duplicate_frame", "trades event *", times=4), (),
                            fills),
    "trades reordered": Row("events out of order", "every share once", once(
        "reorder_frame", "trades event *", times=4), (), fills),
    "trades unknown event": Row("unknown event", "logged, order re-read", once("unknown_event"),
                                ("an event of an unknown kind",), fills),
    "trades unknown status": Row("unknown status", "no end", once("unknown_status"), (), fills),
    "trades garbage": Row("garbage frame", "not READY, catch-up", once(
        "garbage_frame", "trades event *", data=b"\x00\xff"), ("cannot be read",), fills),
    "trades events first": Row("event before POST response", "survived", once("events_first", POST, times=3),
                               (), fills),
    "trades unauthorized once": Row("unauthorized", "the other form of the keys", (
        ("abort", "trades event *", {}), ("unauthorized", "trades auth", {})), ("trade stream lost",),
        reconnected("trades")),
    "trades no ack": Row("no `listening` ack", "not READY, again", (
        ("abort", "trades event *", {}), ("no_ack", "trades listen", {})),
        ("trade stream lost.*broke",), reconnected("trades"), waits=NO_HANDSHAKE),
    # -- REST ------------------------------------------------------------------------------------
    **{
        f"rest {kind}": Row(
            words, expected, once(kind, POST), (r"?is unknown: (?!cancellation)",), looked_up,
            waits=NO_ANSWER if kind == "stall_after" else (),
        )
        for kind, words, expected in (
            ("stall_after", "stall", "unknown, looked up, not sent again"),
            ("drop_before", "connection drop before accept", "looked up, abandoned"),
            ("drop_after", "connection drop after accept", "looked up, taken over"),
            ("gateway_timeout_before", "504 before", "looked up, abandoned"),
            ("gateway_timeout_after", "504 after accept (HTML)", "looked up, taken over"),
            ("server_error_before", "500 before", "looked up, abandoned"),
            ("server_error_after", "500 after", "looked up, taken over"),
        )
    },
    "rest 429": Row("429 with headers", "a definite no, sent again later", once("rate_limited", POST,
                    retry_after=0), (), fills),
    "rest 429 bare": Row("429 without headers", "a definite no, sent again later", once(
        "rate_limited_bare", POST), (), fills),
    "rest duplicate id": Row("duplicate client_order_id 422", "it is there: looked up", once(
        "refuse", POST, status=422, code=40010001, message="client_order_id must be unique"),
        (r"?is unknown: (?!cancellation)",), looked_up),
    "rest 403 funds": Row("403 insufficient buying power", "denied, reason kept", once(
        "refuse", POST, status=403, code=40310000, message="insufficient buying power"),
        ("insufficient buying power",), rejected("insufficient buying power")),
    "rest 403 wash": Row("403 wash trade", "the entry is denied", once(
        "refuse", POST, status=403, code=40310000,
        message="potential wash trade detected. use complex orders"), ("wash trade",),
        rejected("wash trade")),
    "rest 422 tick": Row("422 sub-penny", "denied, reason kept", once(
        "refuse", POST, status=422, code=42210000, message="invalid limit_price 1.001. sub-penny increment"),
        ("sub-penny",), rejected("sub-penny")),
    "rest html error": Row("non-JSON error", "a refusal all the same", once(
        "refuse", POST, status=403, html=True), ("403",), rejected("403")),
    **{
        f"rest malformed {how}": Row(
            "malformed 200", "ambiguous, as a lost answer", once("malformed", POST, how=how),
            (r"?is unknown: (?!cancellation)",), looked_up,
        )
        for how in ("html", "truncated", "empty", "missing_id", "other_client_order_id", "null_qty", "list")
    },
    "rest async reject": Row("200 then async rejected", "rejected", once("async_reject"),
                             ("rejected after it was taken",), lambda day: day.of(OrderRejected)),
    "rest lag": Row("404 lag", "asked again, not sent again",
                    (("drop_after", POST, {}), ("lag", None, {"lookups": 2})),
                    (r"?is unknown: (?!cancellation)",), looked_up),
    "rest cancel lost": Row("connection drop on a cancel", "repeated", once(
        "drop_before", "DELETE /v2/orders/*"), (), fills),
    "rest cancel 500": Row("500 on a cancel", "repeated", once("server_error_before", "DELETE /v2/orders/*"),
                           (), fills),
    "rest cancel rejected": Row("cancel race", "order works on, state from the broker", once(
        "cancel_rejected"), (), fills),
    "rest stuck cancel": Row("stuck pending_cancel", "looked up", once("stuck_cancel"), (), fills),
    "rest replace race": Row("PATCH race", "remaining from the broker", once("replace_race"), (), fills),
    "rest replace rejected": Row("PATCH refused later", "the old order works on", once(
        "replace_rejected"), (), fills),
    "rest leg rejected": Row("bracket leg rejected", "protected otherwise, or sold", once("leg_rejected"), (),
                             fills),
    "rest unknown enums": Row("unknown enum values", "taken as they come", (
        ("edit", "GET /v2/account", {"change": lambda body: body | {"crypto_status": "GALACTIC"},
                                     "times": None}),
        ("edit", POST, {"change": lambda body: body | {"order_class": "spiral", "asset_class": "dream"},
                        "times": None})), (), fills),
}  # fmt: skip

OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "text frames": ("trade updates in text frames", {"trade_frames": "text"}),
    "binary frames": ("trade updates in binary frames", {"trade_frames": "binary"}),
    "old assets and accounts": (
        "asset with easy_to_borrow, account with PDT fields",
        {"legacy_asset_fields": True, "legacy_account_fields": True},
    ),
    "new assets and accounts": (
        "asset without easy_to_borrow, account without PDT fields",
        {"legacy_asset_fields": False, "legacy_account_fields": False},
    ),
    "no event ids": ("event_id optional", {"event_ids": False}),
    "pending told": ("pending_cancel and held legs told", {"announce_pending": True, "held_events": True}),
    "fresh replacements": ("a replacement keeps the original quantity", {"replacement": "fresh"}),
}
"""Switches that are a property of the account or the service: the whole day is under them."""


@pytest.mark.parametrize("name", MATRIX)
async def test_a_fault_is_met_as_expected_told_once_and_nothing_is_lost(tmp_path: Path, name: str) -> None:
    row = MATRIX[name]
    wanted = {kind for kind, _, _ in row.kinds}
    async with faulted_day(tmp_path, waits=row.waits) as day:
        for _ in range(SWITCHED):
            await day.pass_minute()
        for kind, on, given in row.kinds:
            day.server.faults.add(kind, on, **given)
        for _ in range(MINUTES - SWITCHED):
            await day.pass_minute(heard=not row.gap)
        with anyio.move_on_after(5):  # what comes with a connection's return may come after the last minute
            await day.until(lambda: {kind for kind, _ in day.server.faults.fired} >= wanted)
        fired = {kind for kind, _ in day.server.faults.fired}
        await day.calm()
    assert fired == wanted, "a switch never fired"
    assert await day.wrong() == []
    rows = day.rows()
    for pattern in row.told:
        found = {
            message: count for message, count in rows.items() if re.search(pattern.removeprefix("?"), message)
        }
        count = sum(found.values())
        assert count == 1 or (count == 0 and pattern[0] == "?"), f"{pattern!r} in {rows}"
    assert row.shows(day), rows


@pytest.mark.parametrize("name", OPTIONS)
async def test_whatever_the_service_is_like_the_day_is_the_same_story(tmp_path: Path, name: str) -> None:
    async with faulted_day(tmp_path, **OPTIONS[name][1]) as day:
        for _ in range(MINUTES):
            await day.pass_minute()
        await day.calm()
    assert await day.wrong() == []
    assert fills(day)
    # No order was believed to be on its way out that nobody had asked to go.
    assert not [message for message in day.rows() if message.startswith("no news of")]
