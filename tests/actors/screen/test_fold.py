"""The fold beside the actors whose messages it folds: what it shows is what they hold."""

from functools import cache
from itertools import pairwise

import msgspec
import pytest

from actors.screen.feed import Feed
from actors.screen.seed import Past, seed
from actors.screen.state import ScreenState
from runtime.messages.screen import SCHEMA
from runtime.messages.screen_wire import Wire, pack, unpack
from tests.actors.screen.played import Played
from tests.actors.screen.reader import TABLES, Reader
from tests.system import days
from tests.system.recordings import DEMO, demo_market

MICRO = 1_000_000


@cache
def two_days() -> Played:
    """The first two sessions of the demo's market; what must hold is looked at after every 50th input."""

    def look(played: Played) -> None:
        played.count = getattr(played, "count", 0) + 1
        if played.count % 50 == 0:
            played.catch_up()
            reader.take(unpack(pack(Wire(frame=played.frames.changes()))[4:]).frame)
            compare(played, reader)

    reader = Reader()
    played = Played(days.settings(DEMO), look)
    played.reader = reader
    for session in demo_market()[:2]:
        reader.__init__()
        played.count = 0
        played.play(session)
    played.catch_up()
    reader.take(played.frames.changes())
    return played


def compare(played: Played, reader: Reader) -> None:
    """Lots, marks, orders and money as portfolio and executor have them."""
    book = played.sequencer.actor("portfolio")._book
    shown = reader.tables["positions"]
    assert shown.keys() == book.lots.keys()
    for key, row in shown.items():
        lot = book.refresh(book.lots[key])
        assert (row.symbol, row.strategy, row.quantity) == (lot.symbol, lot.strategy, lot.quantity)
        assert row.last == pytest.approx(lot.mark / MICRO, abs=1e-6)
        profit = (lot.unrealised + lot.realised) / MICRO
        assert row.pnl == pytest.approx(profit, abs=0.02)
    assert reader.head.equity == pytest.approx(book.equity / MICRO)
    executor = played.sequencer.actor("executor")
    working = {name for lot in executor._lots.values() for name, o in lot.orders.items() if o.is_live}
    assert {key for key, row in reader.tables["orders"].items() if row.working} == working
    held = {}
    for lot in book.lots.values():
        held[lot.strategy] = held.get(lot.strategy, 0) + 1
    assert {key: row.held for key, row in reader.tables["strategies"].items() if row.held} == held
    profits = book.profits()
    for key, row in reader.tables["strategies"].items():
        assert row.total_pnl == pytest.approx(profits.get(key, 0.0), abs=0.01)


def test_lots_marks_orders_slots_and_money_are_those_of_the_actors_all_day_long() -> None:
    played = two_days()
    assert len(played.reader.tables["trades"]) > 0
    assert len(played.reader.tables["signals"]) > 0


def test_frame_by_frame_a_reader_comes_to_what_a_whole_frame_tells() -> None:
    played = two_days()
    late = Reader()
    late.take(played.frames.whole())
    for name in TABLES:
        assert played.reader.tables[name] == late.tables[name], name
    assert played.reader.curves == late.curves
    assert played.reader.head == late.head


def test_every_signal_has_become_something_that_the_messages_say() -> None:
    rows = two_days().reader.tables["signals"].values()
    assert {row.became for row in rows} <= {"denied", "expired", "rejected", "ordered", "filled", "closed"}
    closed = {row.key for row in rows if row.became == "closed" and row.kind != "CLOSE"}
    assert closed <= two_days().reader.tables["trades"].keys()
    assert closed


def test_errors_have_the_ids_of_the_books_and_are_counted_by_level() -> None:
    played = two_days()
    errors = played.reader.tables["errors"].values()
    assert all(row.key.startswith("20") for row in errors)
    assert any(row.component == "stumbler" and "Traceback" in row.traceback for row in errors)
    head = played.reader.head
    counted = {level: sum(row.level == level for row in errors) for level in ("CRITICAL", "ERROR", "WARNING")}
    assert counted == {"CRITICAL": head.critical, "ERROR": head.errors, "WARNING": head.warnings}


def test_a_strategy_says_why_it_is_silent() -> None:
    rows = two_days().reader.tables["strategies"]
    assert rows["pairs_trading"].silent == "not built yet"
    assert all(row.silent for row in rows.values())  # after the close nobody trades


def test_breakers_are_gauges_against_their_limits() -> None:
    played = two_days()
    gauges = played.reader.tables["gauges"]
    breakers = played.settings.breakers
    assert gauges["daily_loss"].limit == breakers.daily_loss
    assert gauges["drawdown"].limit == breakers.drawdown
    chain = played.sequencer.actor("breaker")._chain.state()
    expected = max(0.0, 1 - chain.last / chain.opening)
    assert gauges["daily_loss"].value == pytest.approx(expected)
    assert "strategy_loss mean_reversion" in gauges


def test_the_days_profit_is_counted_from_the_last_close() -> None:
    played = two_days()
    head = played.reader.head
    opening = played.feed.state.opening
    assert head.day_pnl == pytest.approx(head.equity - opening)
    assert sum(row.day_pnl for row in played.reader.tables["strategies"].values()) == pytest.approx(
        head.day_pnl, abs=0.05
    )


def test_orders_that_were_carried_over_are_as_old_as_their_lots() -> None:
    played = Played(days.settings(DEMO))
    for session in demo_market()[:3]:
        played.play(session)
    state = ScreenState(played.feed.state.header, played.settings)
    seed(state, Past())
    assert len(state.orders.rows) > 0
    for order in state.orders.rows:
        assert order.at == state.holdings.lots[order.lot].entry_at < state.header.starts


def test_nothing_is_folded_while_nobody_looks() -> None:
    played = Played(days.settings())
    played.play(demo_market()[0])
    assert played.feed.depth == played.sequencer.inputs
    assert played.feed.state.seq == 0
    pieces = 1
    while played.frames.fold():
        pieces += 1
    assert pieces > 1
    assert played.feed.state.seq == played.sequencer.inputs
    assert played.feed.state.is_over


def test_a_screen_that_comes_late_reads_the_log_in_the_order_of_its_times() -> None:
    played = Played(days.settings(DEMO))
    played.play(demo_market()[0])
    played.catch_up()
    log = played.frames.whole().log.rows
    assert any(row.level == "WARNING" for row in log)
    assert [row.at for row in log] == sorted(row.at for row in log)


def test_the_days_curve_goes_on_while_nothing_is_held() -> None:
    played = Played(days.settings(DEMO))
    played.play(demo_market()[0])
    played.catch_up()
    at = played.feed.state.today.changes().at
    assert max(after - before for before, after in pairwise(at)) <= 120_000_000_000
    assert played.feed.state.header.close - at[-1] <= 60_000_000_000


def test_every_frame_survives_the_wire() -> None:
    played = two_days()
    whole = played.frames.whole()
    sent = pack(Wire(frame=whole))
    assert b"schema" in sent  # also where it is the default one
    assert unpack(sent[4:]) == Wire(frame=msgspec.structs.replace(whole, schema=SCHEMA))
    assert msgspec.structs.replace(whole, whole=False) != whole
    assert isinstance(played.feed, Feed)
