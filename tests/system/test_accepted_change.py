"""Settings or code change in mid-session and a person accepts: nothing is sent twice, lost or forgotten."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
import pytest_asyncio

from actors import accepted_change, refeed
from actors.strategies.gap_fill import GapFillStrategy
from actors.verification import verify
from config.load import load
from config.schema import Settings
from runtime.errors import BooksRefused
from runtime.messages.broker import BrokerStreamChanged
from runtime.messages.machine import SessionParted, SessionStarted
from runtime.messages.trading import LotChanged, SignalRaised
from storage.environment import environment
from storage.standing import Standing, read_standing, standing_row
from storage.statements import STATEMENTS, Mark
from storage.tape import TapeReader, parts_in
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_day import FLAT, ONE_STRATEGY, SESSION, UP, Live, lay_files, running
from tests.system.live_days import days_of, to_the_end
from tests.system.test_engine import ENTRY, TARGET, books, in_thread, orders_sent, until_entered

DOWN = (99.6, 99.6, 99.2, 99.3, 50_000)
"""A minute that loses a little, above the stop."""


def settings(*overrides: str) -> Settings:
    return load(None, environ={}, overrides=[*ONE_STRATEGY, *overrides]).settings


OTHER = settings("breakers.daily_loss=0.01")
THIRD = settings("breakers.daily_loss=0.015")
TIGHT = settings("breakers.rapid_loss=0.0001")
TIGHTER = settings("breakers.rapid_loss=0.0001", "breakers.daily_loss=0.01")


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY",), start="2026-11-20T09:29:00-05:00") as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_files(tmp_path)
    return tmp_path


def accepting(server: AlpacaServer, root: Path, told: list[str], chosen: Settings = OTHER) -> Live:
    """An engine that is started with the change accepted."""
    live = Live(server, root, chosen)
    live.engine._plan = msgspec.structs.replace(live.plan_of(SESSION), accept=told.append)
    return live


def standing(live: Live) -> dict[str, Any]:
    """Where every actor stands, readable."""
    return {name: msgspec.msgpack.decode(raw) for name, raw in live.engine.sequencer.standing().items()}


async def until_closed(live: Live, number: int = 6) -> None:
    """The target is reached in a minute and the lot is flat."""
    await live.minute(number, UP)
    await live.until(lambda: any(one.state == "closed" for one in live.of(LotChanged)))
    await live.until(lambda: len([one for one in live.told if b"OrderCanceled" in one[0]]) == 1)


async def assert_one_trade(server: AlpacaServer, root: Path, parts: int = 2) -> list[Path]:
    """One order at the server, flat there and in the books; the session's tapes, the last one identical."""
    assert orders_sent(server) == [ENTRY]
    assert not any(server.positions.values())
    (trade,) = await in_thread(books, root, "trades", "SELECT id, side, entry_price, exit_price FROM trades")
    assert trade == ("gap_fill-20261120-1", "long", 99.6, TARGET)
    states = await in_thread(books, root, "trades", "SELECT role, status FROM orders ORDER BY role")
    assert states == [("entry", "filled"), ("stop", "canceled"), ("target", "filled")]
    assert await in_thread(books, root, "trades", "SELECT sum(quantity) FROM positions") == [(0,)]
    tapes: list[Path] = await in_thread(parts_in, root / "tapes", SESSION)
    names = ["2026-11-20.tape", "2026-11-20.2.tape", "2026-11-20.3.tape"]
    assert [path.name for path in tapes] == names[:parts]
    for path in tapes[:-1]:
        kinds = await in_thread(lambda path=path: [type(entry.message) for entry in TapeReader(path)])
        assert kinds[-1] is SessionParted
    await assert_identical(tapes[-1])
    return tapes


async def assert_identical(*tapes: Path) -> None:
    for path in tapes:
        verdict = await in_thread(verify, path)
        assert verdict.identical, verdict.text()
        assert verdict.inputs


# ---- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("crash", [True, False], ids=["crash", "stop"])
async def test_an_open_lot_its_bracket_and_a_tripped_breaker_go_on_under_other_settings(server, root, crash):
    first = Live(server, root, TIGHT)
    async with running(first, crash=crash):
        await until_entered(first)
        await first.minute(6, DOWN)
        before = standing(first)
        orders = first.engine.header
    (row,) = before["breaker"]["chain"]["rows"]
    assert row["breaker"] == "rapid_loss"
    with pytest.raises(BooksRefused, match=r"breakers.daily_loss was 0.02, is 0.01.*--accept-change"):
        await Live(server, root, TIGHTER).engine.run()
    told: list[str] = []
    second = accepting(server, root, told, TIGHTER)
    async with running(second):
        (begun,) = second.of(SessionStarted)
        assert (begun.part, second.engine.resumed) == (2, 0)
        after = standing(second)
        assert after["portfolio"]["lots"] == before["portfolio"]["lots"]
        assert after["portfolio"]["records"] == before["portfolio"]["records"]
        assert after["breaker"]["chain"]["rows"] == [row]
        assert after["breaker"]["chain"]["opening"] == before["breaker"]["chain"]["opening"]
        assert after["breaker"]["guard"] == before["breaker"]["guard"]
        assert after["executor"]["lots"] == before["executor"]["lots"]
        assert after["gap_fill"]["today"] == before["gap_fill"]["today"]
        assert second.engine.header.symbols == orders.symbols
        assert not second.of(SignalRaised)
        await second.minute(7, FLAT)
        await until_closed(second, 8)
    assert "rapid_loss HALT" in told[0]
    assert "1 lots: SPY +" in told[0]
    assert "2 open orders" in told[0]
    assert "7 minutes" in told[0]
    await assert_identical(*await assert_one_trade(server, root))
    third = Live(server, root, TIGHTER)
    async with running(third):
        assert third.engine.resumed > 5
    await assert_identical(*await assert_one_trade(server, root))
    found = await in_thread(books, root, "performance", "SELECT breaker_type FROM circuit_breaker_state")
    assert found == [("rapid_loss",)]


async def test_a_third_part_goes_on_from_the_second(server, root):
    first = Live(server, root)
    async with running(first, crash=True):
        await until_entered(first)
    told: list[str] = []
    async with running(accepting(server, root, told), crash=True) as second:
        await second.minute(6, FLAT)
        before = standing(second)
    third = accepting(server, root, told, THIRD)
    async with running(third):
        assert standing(third)["gap_fill"] == before["gap_fill"]
        await until_closed(third, 7)
    assert [text.split(";")[0] for text in told] == [
        "session 2026-11-20 goes on as part 2",
        "session 2026-11-20 goes on as part 3",
    ]
    await assert_identical(*await assert_one_trade(server, root, parts=3))


async def test_accepting_without_a_change_is_a_plain_restart(server, root):
    first = Live(server, root)
    async with running(first, crash=True):
        await until_entered(first)
    told: list[str] = []
    second = accepting(server, root, told, first.settings)
    async with running(second):
        assert second.engine.resumed > 5
        await until_closed(second)
    assert told == []
    await assert_one_trade(server, root, parts=1)


async def test_another_account_cannot_be_accepted(server, root):
    first = Live(server, root)
    async with running(first, crash=True):
        await until_entered(first)
    told: list[str] = []
    second = accepting(server, root, told)
    second.engine._plan = msgspec.structs.replace(second.engine._plan, books="paper:ANOTHER")
    with pytest.raises(BooksRefused, match=r"the account \(was paper:PA3LOOPBACK1, is paper:ANOTHER\)"):
        await second.engine.run()
    assert told == []


async def test_a_start_that_died_between_the_two_tapes_is_done_again(server, root, monkeypatch):
    first = Live(server, root)
    async with running(first, crash=True):
        await until_entered(first)

    def dies(*_: Any, **__: Any) -> None:
        raise KeyError("the second tape")

    with monkeypatch.context() as broken:
        writer = accepted_change.TapeWriter
        broken.setattr(accepted_change, "part_name", dies)
        with pytest.raises(KeyError):
            await accepting(server, root, []).engine.run()
        assert accepted_change.TapeWriter is writer
    async with running(Live(server, root), crash=True) as again:  # the change can still be taken back
        assert again.engine.resumed > 5
    second = accepting(server, root, [])
    async with running(second):
        await until_closed(second)
    await assert_identical(*await assert_one_trade(server, root))


async def test_at_six_in_the_evening_both_tapes_are_put_away_and_monday_goes_on_from_the_second(server, root):
    first = Live(server, root)
    async with running(first, crash=True):
        await first.minute(0, FLAT)
    live = Live(server, root, OTHER)
    days = days_of(
        live, plan=lambda session: msgspec.structs.replace(live.plan_of(session), accept=lambda text: None)
    )
    live.engine = days.engine
    async with anyio.create_task_group() as group:
        group.start_soon(days.run)
        await live.ready()
        await live.minute(1, FLAT)
        await to_the_end(live)
        await live.until(lambda: [one.part for one in live.of(SessionStarted)] == [2, 1])
        await live.until(lambda: len([one for one in live.of(BrokerStreamChanged) if one.ready]) == 2)
        days.stop()
    tapes = sorted(path for path in await in_thread(lambda: [*(root / "tapes").iterdir()]) if path.suffix)
    names = [path.name for path in tapes]
    assert names == ["2026-11-20.2.tape.zst", "2026-11-20.tape.zst", "2026-11-23.tape"]
    await assert_identical(*tapes)


# ---- code -------------------------------------------------------------------------------------


@pytest.fixture
def other_code(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Code of another version, as far as the engine knows."""
    there = msgspec.structs.replace(environment(), code_version="another")
    for module in (refeed, accepted_change):
        monkeypatch.setattr(module, "environment", lambda: there)
    yield monkeypatch


def speaks_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy gives other reasons from now on: what the inputs caused is not what they would cause."""
    entry = GapFillStrategy._entry

    def otherwise(self: GapFillStrategy, *facts: Any) -> SignalRaised:
        return msgspec.structs.replace(entry(self, *facts), reason="for another reason")

    monkeypatch.setattr(GapFillStrategy, "_entry", otherwise)


async def test_code_that_decides_the_same_is_accepted_as_settings_are(server, root, other_code):
    first = Live(server, root)
    async with running(first, crash=True):
        await until_entered(first)
    told: list[str] = []
    second = accepting(server, root, told, first.settings)
    async with running(second):
        await until_closed(second)
    assert "the code (was " in told[0]
    assert "found identical" in told[0]
    await assert_identical(*await assert_one_trade(server, root))


def kept(root: Path) -> Standing | None:
    with sqlite3.connect(root / "db" / "trades.db") as link:
        found = read_standing(link)
    link.close()
    return found


def put(root: Path, row: Standing | None) -> None:
    """Let the books have been written less far."""
    with sqlite3.connect(root / "db" / "trades.db") as link:
        link.execute("DELETE FROM standing")
        if row is not None:
            statement, parameters = standing_row(row)
            link.execute(STATEMENTS[statement].sql, parameters)
    link.close()


async def test_code_that_decides_otherwise_takes_the_session_over_from_the_books(server, root, other_code):
    first = Live(server, root)
    async with running(first, crash=True):
        await until_entered(first)
        before = standing(first)
    found = await in_thread(kept, root)
    assert found is not None
    assert found.mark.session == 20261120
    speaks_otherwise(other_code)
    told: list[str] = []
    second = accepting(server, root, told, first.settings)
    async with running(second):
        after = standing(second)
        assert after["portfolio"]["lots"] == before["portfolio"]["lots"]
        assert after["executor"]["lots"] == before["executor"]["lots"]
        assert after["breaker"]["chain"]["opening"] == before["breaker"]["chain"]["opening"]
        assert after["gap_fill"]["today"] == before["gap_fill"]["today"]
        await until_closed(second)
    assert "out of the books" in told[0]
    one, two = await assert_one_trade(server, root)
    verdict = await in_thread(verify, one)
    assert not verdict.identical  # that is what has changed
    assert "for another reason" in verdict.first_message
    third = Live(server, root)
    async with running(third):
        assert third.engine.resumed > 5
    await assert_identical(two)


@pytest.mark.parametrize("covers", [True, False], ids=["some", "nothing"])
async def test_what_the_books_lack_is_decided_again_if_the_same_orders_come_of_it(
    server, root, other_code, covers
):
    first = Live(server, root)
    async with running(first, crash=True):
        for number in range(3):
            await first.minute(number, FLAT)
        sequencer = first.engine.sequencer
        earlier = Standing(
            mark=Mark(20261120, sequencer.seq), at=sequencer.moment.now, actors=sequencer.standing()
        )
        for number in range(3, 5):
            await first.minute(number, FLAT)
        await first.until(lambda: len(orders_sent(server)) == 1)
        await first.minute(5, FLAT)
        await first.until(lambda: first.of(LotChanged))
        before = standing(first)
    await in_thread(put, root, earlier if covers else None)
    speaks_otherwise(other_code)
    told: list[str] = []
    second = accepting(server, root, told, first.settings)
    async with running(second):
        assert standing(second)["portfolio"]["lots"] == before["portfolio"]["lots"]
        await until_closed(second)
    assert f"as of input {earlier.mark.seq if covers else 0}," in told[0]
    await assert_one_trade(server, root)


async def test_code_that_would_have_sent_other_orders_than_the_books_cover_is_refused(
    server, root, other_code
):
    first = Live(server, root)
    async with running(first, crash=True):
        for number in range(3):
            await first.minute(number, FLAT)
        sequencer = first.engine.sequencer
        earlier = Standing(
            mark=Mark(20261120, sequencer.seq), at=sequencer.moment.now, actors=sequencer.standing()
        )
        for number in range(3, 5):
            await first.minute(number, FLAT)
        await first.until(lambda: len(orders_sent(server)) == 1)
    await in_thread(put, root, earlier)
    with other_code.context() as silent:
        silent.setattr(GapFillStrategy, "_entries", lambda self, bars: iter(()))
        told: list[str] = []
        with pytest.raises(BooksRefused, match="0 orders would leave, 1 did"):
            await accepting(server, root, told, first.settings).engine.run()
    assert told == []
    assert [path.name for path in await in_thread(parts_in, root / "tapes", SESSION)] == ["2026-11-20.tape"]
    await assert_identical(root / "tapes" / "2026-11-20.tape")
