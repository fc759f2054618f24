"""Closing what is ours: down to what the account would hold without us, whatever is refused or unanswered."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from actors.broker.desk import Desk
from actors.broker.directory import Directory
from actors.broker.rest import Rest
from actors.broker.sweep import Closing, Sweeper, close_ours
from runtime.kernel.clock import LiveClock
from tests.actors.broker.test_sweep import live, place
from tests.alpaca_server.server import AlpacaServer

WALL = LiveClock()
ROW = (100, 100, 100, 100)


@pytest_asyncio.fixture
async def alpaca_options() -> AsyncIterator[dict[str, str]]:
    yield {"fills": "quote"}


def ours(**held: int) -> Directory:
    """A directory in which so many shares are ours."""
    directory = Directory()
    for number, (symbol, shares) in enumerate(held.items(), 1):
        side = "buy" if shares > 0 else "sell"
        directory.add(f"mr-20261120-{number}:e1", symbol, filled=abs(shares), is_over=True, side=side)
    return directory


async def test_our_shares_go_and_those_of_others_in_the_same_symbol_stay(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    await alpaca.push_minute({"SPY": ROW, "AAPL": ROW})
    alpaca.hold("SPY", 15, 100)
    alpaca.hold("AAPL", -4, 100)
    alpaca.hold("TSLA", 5, 100)
    await place(alpaca, "mr-20261120-1:t1", side="sell", limit_price="120")
    await place(alpaca, "dashboard", qty="3", side="sell", limit_price="130")
    swept = await close_ours(rest, ours(SPY=10, AAPL=-4), WALL, Closing(), deadline_s=5)
    assert (swept.is_done, live(alpaca)) == (True, ["dashboard"])
    assert alpaca.positions == {"SPY": 5, "TSLA": 5}


async def test_where_others_sold_shares_of_ours_no_more_goes_than_is_there(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 7, 100)
    assert (await close_ours(rest, ours(SPY=10, AAPL=3), WALL, Closing(), deadline_s=5)).is_done
    assert alpaca.positions == {}


@pytest.mark.parametrize(
    "fault", ["drop_after", "drop_before", "server_error_after", "gateway_timeout_after"]
)
async def test_a_lost_answer_closes_nothing_twice(alpaca: AlpacaServer, rest: Rest, fault: str) -> None:
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 15, 100)
    alpaca.faults.add(fault, "DELETE /v2/positions/*", times=2)
    assert (await close_ours(rest, ours(SPY=10), WALL, Closing(), deadline_s=8)).is_done
    assert alpaca.positions == {"SPY": 5}


async def test_a_closing_order_that_waits_is_not_asked_for_again(rest: Rest, alpaca: AlpacaServer) -> None:
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 25, 100)
    alpaca.faults.add("stuck_new")
    stop = asyncio.Event()
    swept = await close_ours(rest, ours(SPY=10), WALL, Closing(), deadline_s=1.0, stop=stop)
    assert (swept.is_done, swept.left) == (False, ("SPY",))
    assert [int(one.qty) for one in alpaca.orders] == [10]


@pytest.mark.parametrize("first", ["ours", "everything"])
async def test_what_was_closed_once_is_not_closed_again_out_of_what_others_have(
    alpaca: AlpacaServer, rest: Rest, first: str
) -> None:
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 15, 100)
    sweeper = Sweeper(rest, Desk(ours(SPY=10)), WALL)
    assert (await (sweeper.close_ours if first == "ours" else sweeper.close_all)(deadline_s=5)).is_done
    alpaca.hold("SPY", 5, 100)
    assert (await sweeper.close_ours(deadline_s=5)).is_done
    assert alpaca.positions == {"SPY": 5}


async def test_a_closing_that_was_interrupted_goes_on_from_what_it_found_at_first(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    await alpaca.push_minute({"SPY": ROW, "AAPL": ROW})
    alpaca.hold("SPY", 15, 100)
    alpaca.hold("AAPL", 15, 100)
    sweeper = Sweeper(rest, Desk(ours(SPY=10, AAPL=10)), WALL)
    alpaca.faults.add("server_error_before", "DELETE /v2/positions/AAPL")
    assert not (await sweeper.close_ours(deadline_s=0)).is_done
    assert alpaca.positions == {"SPY": 5, "AAPL": 15}
    assert (await sweeper.close_ours(deadline_s=5)).is_done
    assert alpaca.positions == {"SPY": 5, "AAPL": 5}


async def test_with_nothing_of_ours_nothing_is_touched(alpaca: AlpacaServer, rest: Rest) -> None:
    alpaca.hold("SPY", 15, 100)
    await place(alpaca, "dashboard", qty="3", side="sell", limit_price="130")
    assert (await close_ours(rest, Directory(), WALL, Closing(), deadline_s=5)).is_done
    assert (alpaca.positions, live(alpaca)) == ({"SPY": 15}, ["dashboard"])
