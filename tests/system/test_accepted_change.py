"""Settings change in mid-session and a person accepts it: nothing is sent twice, lost or forgotten."""

from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from actors.verification import verify
from config.load import load
from runtime.errors import BooksRefused
from runtime.messages.machine import SessionParted, SessionStarted
from runtime.messages.trading import LotChanged
from storage.tape import TapeReader, parts_in
from tests.alpaca_server.server import AlpacaServer
from tests.system.live_day import ONE_STRATEGY, SESSION, UP, Live, lay_files, running
from tests.system.test_engine import ENTRY, TARGET, books, in_thread, orders_sent, until_entered

OTHER = load(None, environ={}, overrides=[*ONE_STRATEGY, "breakers.daily_loss=0.01"]).settings


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY",), start="2026-11-20T09:29:00-05:00") as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_files(tmp_path)
    return tmp_path


def accepting(server: AlpacaServer, root: Path, told: list[str], chosen=OTHER) -> Live:
    """An engine that is started with the change accepted."""
    live = Live(server, root, chosen)
    live.engine._plan = msgspec.structs.replace(live.plan_of(SESSION), accept=told.append)
    return live


def standing(live: Live) -> dict[str, object]:
    """Where every actor stands, readable."""
    return {name: msgspec.msgpack.decode(raw) for name, raw in live.engine.sequencer.standing().items()}


@pytest.mark.parametrize("crash", [True, False], ids=["crash", "stop"])
async def test_an_open_lot_goes_on_under_the_changed_settings(server, root, crash):
    first = Live(server, root)
    async with running(first, crash=crash):
        await until_entered(first)
        before = standing(first)
    with pytest.raises(BooksRefused, match=r"daily_loss.*--accept-change") as refused:
        await Live(server, root, OTHER).engine.run()
    assert "0.02" in str(refused.value)
    told: list[str] = []
    second = accepting(server, root, told)
    async with running(second):
        (begun,) = second.of(SessionStarted)
        assert begun.part == 2
        assert second.engine.resumed == 0
        after = standing(second)
        assert after["portfolio"]["lots"] == before["portfolio"]["lots"]
        await until_closed_again(second)
    assert len(told) == 1
    print(told[0])
    await assert_one_trade_in_two_parts(server, root)
    third = Live(server, root, OTHER)
    async with running(third):
        assert third.engine.resumed > 5
    await assert_one_trade_in_two_parts(server, root)


async def until_closed_again(live: Live) -> None:
    """The target is reached and the lot is flat."""
    await live.minute(6, UP)
    await live.until(lambda: any(one.state == "closed" for one in live.of(LotChanged)))
    await live.until(lambda: len([one for one in live.told if b"OrderCanceled" in one[0]]) == 1)


async def assert_one_trade_in_two_parts(server: AlpacaServer, root: Path) -> None:
    assert orders_sent(server) == [ENTRY]
    assert not any(server.positions.values())
    (trade,) = await in_thread(books, root, "trades", "SELECT id, side, entry_price, exit_price FROM trades")
    assert trade == ("gap_fill-20261120-1", "long", 99.6, TARGET)
    states = await in_thread(books, root, "trades", "SELECT role, status FROM orders ORDER BY role")
    assert states == [("entry", "filled"), ("stop", "canceled"), ("target", "filled")]
    one, two = await in_thread(parts_in, root / "tapes", SESSION)
    assert (one.name, two.name) == ("2026-11-20.tape", "2026-11-20.2.tape")
    kinds = await in_thread(lambda: [type(entry.message) for entry in TapeReader(one)])
    assert kinds[-1] is SessionParted
    for path in (one, two):
        verdict = await in_thread(verify, path)
        assert verdict.identical, verdict.text()
        assert verdict.inputs
