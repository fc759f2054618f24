"""Rows of the fault matrix that need more than a switch within a day: refusals for good, silence, busts.

And the table of where the rest is shown: `ELSEWHERE` for switches, `FINDINGS` for faults.md 1.
"""

import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import pytest

from runtime.messages.broker import BrokerStreamChanged, FillCorrected, OrderFilled, SubmitOrder
from runtime.messages.market import BarsRevised, FeedChanged
from runtime.messages.trading import SignalRaised
from tests.alpaca_server.faults import KINDS
from tests.faults import busy
from tests.faults.faulted_day import NO_HANDSHAKE, NO_PONG, Day, faulted_day
from tests.faults.history import posts
from tests.faults.test_fault_matrix import MATRIX, backfilled, reconnected

TESTS = Path(__file__).resolve().parents[1]

ELSEWHERE = {
    "silent_auth": "actors/gateways/test_market_stream.py::test_what_passes_by_itself_is_tried_again",
    "partial_207": "actors/broker/test_sweep.py::test_an_item_that_failed_is_asked_for_again",
    "stuck_new": "actors/gateways/test_order_gateway.py::test_a_silent_order_is_read_again",
    "stall_before": "actors/gateways/test_order_gateway.py::"
    "test_an_entry_the_broker_never_had_is_abandoned_and_not_sent_again",
    "partial_fill": "actors/broker/test_translate.py::"
    "test_events_doubled_and_mixed_with_rest_tell_every_share_once",
    "edit_frame": "actors/gateways/test_broker_stream.py::"
    "test_an_event_that_cannot_be_read_but_names_its_order_is_read_by_rest",
    "slot held 90 s": "actors/gateways/test_market_stream.py::test_a_taken_place_is_waited_for_slowly",
    "reconnect storm": "actors/gateways/test_market_stream.py::"
    "test_a_server_that_drops_every_connection_is_not_stormed",
    "both forms of the keys": "actors/gateways/test_broker_stream.py::"
    "test_keys_refused_in_one_form_are_sent_in_the_other",
    "stalled reads": "actors/broker/test_rest.py::test_stalled_reads_do_not_hold_up_orders",
}
"""Switches, and circumstances of alpaca.md 6 without one, that a gateway's own tests show."""

FINDINGS = {
    "1.1 screen and engine share no process": "tui/commands/test_trade.py::"
    "test_an_engine_starts_ends_and_goes_on",
    "1.2 hostile bytes": "runtime/test_text.py::test_nothing_that_moves_a_cursor_or_turns_a_line_is_left",
    "1.3 time-outs, no hidden repeat": "actors/broker/test_rest.py::"
    "test_each_failure_says_who_must_act_and_is_sent_once",
    "1.4 no zombie stream": "actors/gateways/test_broker_stream.py::"
    "test_garbage_means_catching_up_again_on_the_same_connection",
    "1.4 half-open": "actors/gateways/test_broker_stream.py::test_a_peer_that_answers_no_pings_is_dead",
    "1.4 back-fill": "actors/gateways/test_broker_stream.py::"
    "test_fills_missed_while_it_was_down_are_told_after_it_came_back",
    "1.5 trades.db FULL": "storage/test_database.py::test_each_database_is_synced_as_hard_as_it_is_worth",
    "1.6 sequence and chain": "storage/tape/test_damage.py::test_a_record_left_out_is_damage",
    "1.7 no open() of a database": "faults/test_streams_refused_and_mute.py::"
    "test_the_engine_opens_no_database_but_through_sqlite",
    "1.8 whole transactions": "actors/gateways/test_db_writer.py::"
    "test_a_cancelled_writer_writes_what_it_was_given",
    "1.9 the switch fails closed": "runtime/test_kill_switch.py::"
    "test_whatever_lies_under_the_name_is_a_halt_that_can_be_read_and_lifted",
    "1.10 secrets": "faults/test_secrets.py::test_no_key_is_in_anything_that_a_process_wrote",
}
"""The ten findings of faults.md 1."""


@pytest.mark.parametrize("row", [*ELSEWHERE.items(), *FINDINGS.items()], ids=lambda row: row[0])
def test_what_is_shown_elsewhere_is_shown_there(row: tuple[str, str]) -> None:
    path, _, name = row[1].partition("::")
    assert re.search(rf"def {name}\(", (TESTS / path).read_text())


def test_every_switch_of_the_broker_has_its_row() -> None:
    shown = {kind for row in MATRIX.values() for kind, _, _ in row.kinds} | ELSEWHERE.keys()
    shown |= {kind for kind, _, _ in FATAL.values()}
    here = Path(__file__).read_text()
    assert [kind for kind in KINDS if kind not in shown and f'add("{kind}"' not in here] == []


def matching(day: Day, pattern: str) -> int:
    """Rows of `error_log` with a pattern."""
    return sum(count for message, count in day.rows().items() if re.search(pattern, message))


FATAL: dict[str, tuple[str, str, dict[str, Any]]] = {
    "402": ("unauthorized", "market auth", {}),
    "405": ("symbol_limit", "market subscribe", {}),
    "409": ("insufficient_subscription", "market auth", {}),
    "410": ("market_error", "market subscribe", {"code": 410}),
}


@pytest.mark.parametrize("code", FATAL)
async def test_a_feed_refused_for_good_is_said_once_and_not_stormed(tmp_path: Path, code: str) -> None:
    kind, on, given = FATAL[code]
    refuse = lambda server: server.faults.add(kind, on, times=None, **given)  # noqa: E731
    async with faulted_day(tmp_path, before=refuse, ready=False) as day:
        await day.until(lambda: any(code in one.reason for one in day.of(FeedChanged)))
        await day.until(lambda: [one for one in day.of(BrokerStreamChanged) if one.ready])
        for _ in range(4):
            await day.pass_minute(heard=False)
        assert day.server.stream.connects == 1
        assert not day.of(SubmitOrder)
    assert await day.wrong() == []
    assert matching(day, f"market stream stopped.*{code}") == 1


async def test_orders_refused_a_stream_mean_no_entries_and_one_row(tmp_path: Path) -> None:
    refuse = lambda server: server.faults.add("unauthorized", "trades auth", times=None)  # noqa: E731
    async with faulted_day(tmp_path, before=refuse, ready=False) as day:
        await day.until(lambda: [one for one in day.of(FeedChanged) if one.up])
        for _ in range(6):
            await day.pass_minute()
        assert day.of(SignalRaised)
        assert not posts(day.server)
    assert await day.wrong() == []
    assert matching(day, "trade stream stopped: a person must act") == 1


async def test_no_ack_of_listen_means_not_ready_and_nothing_leaves(tmp_path: Path) -> None:
    hold = lambda server: server.faults.add("no_ack", "trades listen", times=None)  # noqa: E731
    async with faulted_day(tmp_path, before=hold, ready=False, waits=NO_HANDSHAKE) as day:
        await day.until(lambda: [one for one in day.of(FeedChanged) if one.up])
        for _ in range(5):
            await day.pass_minute()
        assert day.of(SignalRaised)
        assert not posts(day.server)
        await day.calm()
    assert await day.wrong() == []


async def test_symbols_left_out_of_the_ack_are_asked_for_again(tmp_path: Path) -> None:
    forget = lambda server: server.faults.add("partial_ack", missing=["AA", "BB"])  # noqa: E731
    async with faulted_day(tmp_path, before=forget) as day:
        assert day.server.stream.subscribed("bars") == sorted(busy.SYMBOLS)
        await day.pass_minute()
    assert await day.wrong() == []


async def test_a_peer_that_answers_no_pings_is_left_for_another_connection(tmp_path: Path) -> None:
    async with faulted_day(tmp_path, waits=NO_PONG, connections_per_feed=2, trade_connections=2) as day:
        for _ in range(4):
            await day.pass_minute()
        frozen = [*day.server.stream.connections, *day.server.trades.connections]
        for one in frozen:
            one.freeze()
        await day.until(lambda: not day.up())
        await day.until(lambda: reconnected("market")(day) and reconnected("trades")(day))
        for one in frozen:
            one.thaw()
        for _ in range(4):
            await day.pass_minute()
        await day.calm()
    assert await day.wrong() == []
    assert matching(day, "market stream lost.*did not answer a ping") == 1
    assert matching(day, "trade stream lost.*did not answer a ping") == 1


async def test_pongs_but_no_data_in_market_hours_is_a_new_connection_and_the_gap_is_read(
    tmp_path: Path,
) -> None:
    async with faulted_day(tmp_path) as day:
        for _ in range(4):
            await day.pass_minute()
        day.server.stream.connections[0].mute = True
        for _ in range(3):
            await day.pass_minute(heard=False)
        await day.until(lambda: backfilled(day))
        for _ in range(4):
            await day.pass_minute()
        await day.calm()
    assert await day.wrong() == []
    assert matching(day, "connected but mute") == 1


async def test_a_corrected_bar_mends_and_triggers_nothing(tmp_path: Path) -> None:
    async with faulted_day(tmp_path) as day:
        for _ in range(6):
            await day.pass_minute()
        sent = len(day.of(SubmitOrder)), len(day.of(SignalRaised))
        await day.server.push_update("AA", 25, 26, 24, 25.5, 9_999, t=busy.OPEN + 4 * busy.MINUTE)
        await day.until(lambda: [one for one in day.of(BarsRevised) if one.reason == "updated"])
        await day.at_rest()
        assert (len(day.of(SubmitOrder)), len(day.of(SignalRaised))) == sent
        await day.calm()
    assert await day.wrong() == []


async def test_a_busted_fill_leaves_the_books_with_what_the_broker_holds(tmp_path: Path) -> None:
    async with faulted_day(tmp_path) as day:
        while not day.of(OrderFilled):
            await day.pass_minute()
        execution = day.server.broker.executions[-1].id
        await day.server.act(lambda broker: broker.bust(execution))
        await day.until(lambda: day.of(FillCorrected))
        await day.until(day._agrees)
        await day.at_rest()
    wrong = await day.wrong()
    assert [one for one in wrong if not one.startswith("I1 ")] == []


_watching: list[Counter[str]] = []


def _audit(event: str, given: tuple[Any, ...]) -> None:
    """What Python itself opens; SQLite's own opens are not told here."""
    if _watching and event == "open" and isinstance(given[0], str | bytes):
        name = given[0] if isinstance(given[0], str) else given[0].decode(errors="replace")
        if name.endswith((".db", ".db-wal", ".db-shm")):
            _watching[0][name] += 1


async def test_the_engine_opens_no_database_but_through_sqlite(tmp_path: Path) -> None:
    sys.addaudithook(_audit)  # for good: it does nothing while nobody watches
    _watching.append(Counter())
    try:
        os.close(os.open(tmp_path / "control.db", os.O_CREAT))  # the hook's own negative control
        async with faulted_day(tmp_path) as day:
            for _ in range(4):
                await day.pass_minute()
        await anyio.lowlevel.checkpoint()
        opened = Counter({Path(name).name: count for name, count in _watching[0].items()})
    finally:
        _watching.clear()
    assert opened == {"control.db": 1}
