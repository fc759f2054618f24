"""Closing what is ours: down to what the account would hold without us, whatever is refused or unanswered."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from actors.broker import wire
from actors.broker.desk import Desk
from actors.broker.directory import Directory
from actors.broker.limiter import Priority
from actors.broker.rest import Rest
from actors.broker.sweep import Sweeper
from runtime.kernel.clock import LiveClock
from runtime.messages.base import Input
from runtime.messages.broker import OrderFilled
from tests.actors.broker.test_sweep import live, place
from tests.alpaca_server.server import AlpacaServer
from tests.walls import WALL_S

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


def sweeper_of(rest: Rest, directory: Directory, told: list[Input] | None = None) -> Sweeper:
    post = [].append if told is None else told.append
    return Sweeper(rest, Desk(directory), WALL, post=post, clock=WALL)


async def test_our_shares_go_and_those_of_others_in_the_same_symbol_stay(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    await alpaca.push_minute({"SPY": ROW, "AAPL": ROW})
    alpaca.hold("SPY", 15, 100)
    alpaca.hold("AAPL", -4, 100)
    alpaca.hold("TSLA", 5, 100)
    await place(alpaca, "mr-20261120-1:t1", side="sell", limit_price="120")
    await place(alpaca, "dashboard", qty="3", side="sell", limit_price="130")
    swept = await sweeper_of(rest, ours(SPY=10, AAPL=-4)).close_ours(deadline_s=WALL_S)
    assert (swept.is_done, live(alpaca)) == (True, ["dashboard"])
    assert alpaca.positions == {"SPY": 5, "TSLA": 5}


async def test_where_others_sold_shares_of_ours_no_more_goes_than_is_there(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 7, 100)
    assert (await sweeper_of(rest, ours(SPY=10, AAPL=3)).close_ours(deadline_s=WALL_S)).is_done
    assert alpaca.positions == {}


@pytest.mark.parametrize(
    "fault", ["drop_after", "drop_before", "server_error_after", "gateway_timeout_after"]
)
async def test_a_lost_answer_closes_nothing_twice(alpaca: AlpacaServer, rest: Rest, fault: str) -> None:
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 15, 100)
    alpaca.faults.add(fault, "POST /v2/orders", times=2)
    assert (await sweeper_of(rest, ours(SPY=10)).close_ours(deadline_s=WALL_S)).is_done
    assert alpaca.positions == {"SPY": 5}


async def test_a_closing_order_that_waits_is_not_asked_for_again(rest: Rest, alpaca: AlpacaServer) -> None:
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 25, 100)
    alpaca.faults.add("stuck_new")
    stop = asyncio.Event()
    swept = await sweeper_of(rest, ours(SPY=10)).close_ours(deadline_s=1.0, stop=stop)
    assert (swept.is_done, swept.left) == (False, ("SPY",))
    assert [int(one.qty) for one in alpaca.orders] == [10]


@pytest.mark.parametrize("first", ["ours", "everything"])
async def test_what_was_closed_once_is_not_closed_again_out_of_what_others_have(
    alpaca: AlpacaServer, rest: Rest, first: str
) -> None:
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 15, 100)
    sweeper = sweeper_of(rest, ours(SPY=10))
    assert (await (sweeper.close_ours if first == "ours" else sweeper.close_all)(deadline_s=WALL_S)).is_done
    alpaca.hold("SPY", 5, 100)
    assert (await sweeper.close_ours(deadline_s=WALL_S)).is_done
    assert alpaca.positions == {"SPY": 5}


async def test_a_closing_that_was_interrupted_goes_on_from_what_it_found_at_first(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    await alpaca.push_minute({"SPY": ROW, "AAPL": ROW})
    alpaca.hold("SPY", 15, 100)
    alpaca.hold("AAPL", 15, 100)
    sweeper = sweeper_of(rest, ours(SPY=10, AAPL=10))
    alpaca.faults.add("server_error_before", "POST /v2/orders", nth=2)
    assert not (await sweeper.close_ours(deadline_s=0)).is_done
    assert alpaca.positions == {"SPY": 5, "AAPL": 15}
    assert (await sweeper.close_ours(deadline_s=WALL_S)).is_done
    assert alpaca.positions == {"SPY": 5, "AAPL": 5}


async def test_with_nothing_of_ours_nothing_is_touched(alpaca: AlpacaServer, rest: Rest) -> None:
    alpaca.hold("SPY", 15, 100)
    await place(alpaca, "dashboard", qty="3", side="sell", limit_price="130")
    assert (await sweeper_of(rest, Directory()).close_ours(deadline_s=WALL_S)).is_done
    assert (alpaca.positions, live(alpaca)) == ({"SPY": 15}, ["dashboard"])


@pytest.mark.parametrize("is_traded", [True, False], ids=["traded", "waiting"])
async def test_what_an_earlier_process_sent_is_found_by_its_name_and_not_sent_again(
    alpaca: AlpacaServer, rest: Rest, is_traded: bool
) -> None:
    """Nothing of the first closing is kept: no tape, no answer."""
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 15, 100)
    if not is_traded:
        alpaca.faults.add("stuck_new")
    await sweeper_of(rest, ours(SPY=10)).close_ours(deadline_s=0)
    assert alpaca.positions == {"SPY": 5 if is_traded else 15}
    told: list[Input] = []
    directory = ours(SPY=10)
    swept = await sweeper_of(rest, directory, told).close_ours(deadline_s=1.5)
    assert swept.is_done == is_traded
    assert [one.client_order_id for one in alpaca.orders] == ["mr-20261120-1:x1"]
    if is_traded:
        assert alpaca.positions == {"SPY": 5}
        assert [
            (one.client_order_id, one.quantity, one.done) for one in told if isinstance(one, OrderFilled)
        ] == [("mr-20261120-1:x1", 10, True)]
        assert directory.held() == {}


async def test_after_a_closing_order_that_was_cancelled_the_rest_goes_under_the_next_name(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 15, 100)
    alpaca.faults.add("stuck_new")
    await sweeper_of(rest, ours(SPY=10)).close_ours(deadline_s=0)
    alpaca.faults.clear()
    (stuck,) = alpaca.orders
    await rest.cancel(stuck.id)
    assert (await sweeper_of(rest, ours(SPY=10)).close_ours(deadline_s=WALL_S)).is_done
    assert alpaca.positions == {"SPY": 5}
    assert [one.client_order_id for one in alpaca.orders] == ["mr-20261120-1:x1", "mr-20261120-1:x2"]


async def test_a_closing_order_of_more_than_is_there_by_now_is_cancelled(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    """Somebody else closed our shares while it waited: it would open a short position."""
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 10, 100)
    alpaca.faults.add("stuck_new")
    sweeper = sweeper_of(rest, ours(SPY=10))
    assert not (await sweeper.close_ours(deadline_s=0)).is_done
    alpaca.hold("SPY", 0, 100)
    assert (await sweeper.close_ours(deadline_s=WALL_S)).is_done
    assert (alpaca.positions, live(alpaca)) == ({}, [])


async def test_lots_of_one_symbol_go_one_by_one_and_no_more_than_the_account_has(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 12, 100)
    directory = ours(SPY=10)
    directory.add("mr-20261120-9:e1", "SPY", filled=6, is_over=True, side="buy")
    assert (await sweeper_of(rest, directory).close_ours(deadline_s=WALL_S)).is_done
    assert [(one.client_order_id, int(one.qty)) for one in alpaca.orders] == [
        ("mr-20261120-1:x1", 10),
        ("mr-20261120-9:x1", 2),
    ]
    assert alpaca.positions == {}


async def test_what_others_buy_meanwhile_stays_theirs(alpaca: AlpacaServer, rest: Rest) -> None:
    await alpaca.push_minute({"SPY": ROW, "AAPL": ROW})
    alpaca.hold("SPY", 10, 100)
    alpaca.hold("AAPL", 10, 100)
    sweeper = sweeper_of(rest, ours(SPY=10, AAPL=10))
    alpaca.faults.add("server_error_before", "POST /v2/orders", times=2)
    assert not (await sweeper.close_ours(deadline_s=0)).is_done
    alpaca.hold("SPY", 18, 100)
    assert (await sweeper.close_ours(deadline_s=WALL_S)).is_done
    assert alpaca.positions == {"SPY": 8}


async def test_when_the_whole_account_goes_our_lots_go_by_their_names_and_the_rest_with_them(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    await alpaca.push_minute({"SPY": ROW, "TSLA": ROW})
    alpaca.hold("SPY", 15, 100)
    alpaca.hold("TSLA", -3, 100)
    told: list[Input] = []
    directory = ours(SPY=10)
    assert (await sweeper_of(rest, directory, told).close_all(ours=True, deadline_s=WALL_S)).is_done
    assert alpaca.positions == {}
    assert [one.quantity for one in told if isinstance(one, OrderFilled)] == [10]


async def test_where_the_broker_refuses_our_own_order_the_whole_account_goes_without_it(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 10, 100)
    alpaca.faults.add("server_error_before", "POST /v2/orders", times=None)
    assert (await sweeper_of(rest, ours(SPY=10)).close_all(ours=True, deadline_s=WALL_S)).is_done
    assert alpaca.positions == {}


async def test_a_lot_of_which_the_stream_tells_meanwhile_that_it_is_closed_is_left_alone(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    await alpaca.push_minute({"SPY": ROW, "AAPL": ROW})
    alpaca.hold("SPY", 10, 100)
    alpaca.hold("AAPL", 15, 100)
    directory = ours(SPY=10, AAPL=10)

    def tell(_: Input) -> None:
        """While SPY is being closed an order of the lot in AAPL trades."""
        directory.add("mr-20261120-2:x1", "AAPL", filled=10, is_over=True, side="sell")
        alpaca.hold("AAPL", 5, 100)

    sweeper = Sweeper(rest, Desk(directory), WALL, post=tell, clock=WALL)
    assert (await sweeper.close_ours(deadline_s=WALL_S)).is_done
    assert alpaca.positions == {"AAPL": 5}


async def test_a_stop_that_was_replaced_and_has_traded_unheard_is_not_sold_once_more(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    """Nobody told that the replacement exists: the order we know only says what has taken its place."""
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 15, 100)
    await place(alpaca, "mr-20261120-1:s1", side="sell", type="stop", stop_price="90", limit_price=None)
    directory = ours(SPY=10)
    (stop,) = alpaca.orders
    directory.add("mr-20261120-1:s1", "SPY", broker_order_id=stop.id, is_accepted=True)
    await rest.replace(stop.id, {"stop_price": "95"})
    await alpaca.push_minute({"SPY": (94, 94, 94, 94)})
    assert alpaca.positions == {"SPY": 5}
    assert (await sweeper_of(rest, directory).close_ours(deadline_s=WALL_S)).is_done
    assert alpaca.positions == {"SPY": 5}


@pytest.mark.parametrize("dialect", ["carried", "fresh"])
async def test_both_parts_of_an_entry_that_was_replaced_unheard_are_closed(
    rest: Rest, alpaca: AlpacaServer, dialect: str
) -> None:
    object.__setattr__(alpaca.options, "replacement", dialect)
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 5, 100)
    await place(alpaca, "mr-20261120-1:e1", side="buy", limit_price="90", qty="20")
    (entry,) = alpaca.orders
    await alpaca.fill(entry, 90, 4)
    new = await rest.replace(entry.id, {"limit_price": "91"})
    await alpaca.fill(alpaca.broker.order(new.id), 91, 6)
    directory = Directory()
    directory.add("mr-20261120-1:e1", "SPY", broker_order_id=entry.id, is_accepted=True, side="buy")
    fills, late = rest.fills, [3]

    async def lagging(**about: Any) -> list[wire.Activity]:
        late[0] -= 1
        return [one for one in await fills(**about) if late[0] < 0 or one.order_id != new.id]

    rest.fills = lagging  # type: ignore[method-assign]
    assert (await sweeper_of(rest, directory).close_ours(deadline_s=5)).is_done
    assert alpaca.positions == {"SPY": 5}


async def test_nothing_of_others_goes_while_it_is_not_clear_what_a_replaced_stop_has_sold(
    rest: Rest, alpaca: AlpacaServer
) -> None:
    """Of ten four are sold by the stop and four by what replaced it: two are left, beside five of others."""
    object.__setattr__(alpaca.options, "replacement", "fresh")
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 15, 100)
    await place(alpaca, "mr-20261120-1:s1", side="sell", type="stop", stop_price="90", limit_price=None)
    directory = ours(SPY=10)
    (stop,) = alpaca.orders
    directory.add("mr-20261120-1:s1", "SPY", broker_order_id=stop.id, is_accepted=True)
    await alpaca.fill(stop, 90, 4)
    new = await rest.replace(stop.id, {"stop_price": "89"})
    await alpaca.fill(alpaca.broker.order(new.id), 89, 4)
    fills, late = rest.fills, [4]

    async def lagging(**about: Any) -> list[wire.Activity]:
        late[0] -= 1
        return [one for one in await fills(**about) if late[0] < 0 or one.order_id != new.id]

    rest.fills = lagging  # type: ignore[method-assign]
    assert (await sweeper_of(rest, directory).close_ours(deadline_s=5)).is_done
    assert alpaca.positions == {"SPY": 5}


async def test_an_order_of_ours_that_cannot_be_read_does_not_keep_the_account_open(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 10, 100)
    directory = ours(SPY=10)
    directory.add("mr-20261120-1:s1", "SPY")
    alpaca.faults.add("server_error_before", "GET /v2/orders:by_client_order_id", times=None)
    assert (await sweeper_of(rest, directory).close_all(ours=True, deadline_s=WALL_S)).is_done
    assert alpaca.positions == {}


async def test_an_exit_that_works_though_nothing_of_ours_is_left_is_cancelled(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    """Its lot has been sold otherwise: it would sell what others have."""
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 5, 100)
    alpaca.faults.add("stuck_new")
    await place(alpaca, "mr-20261120-1:x1", qty="5", side="sell", type="market", limit_price=None)
    directory = ours(SPY=10)
    directory.add("mr-20261120-1:s1", "SPY", filled=10, is_over=True, side="sell")
    assert (await sweeper_of(rest, directory).close_ours(deadline_s=WALL_S)).is_done
    assert (alpaca.positions, live(alpaca)) == ({"SPY": 5}, [])


@pytest.mark.parametrize("is_all", [False, True], ids=["ours", "everything"])
async def test_a_position_that_the_broker_shows_late_is_closed_all_the_same(
    alpaca: AlpacaServer, rest: Rest, monkeypatch: pytest.MonkeyPatch, is_all: bool
) -> None:
    """The entry traded a moment ago: what was bought is in no list of positions yet."""
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 15, 100)
    looks, positions = [0], rest.positions

    async def late(*, priority: Priority) -> list[wire.Position]:
        looks[0] += 1
        return [] if looks[0] <= 4 else await positions(priority=priority)

    monkeypatch.setattr(rest, "positions", late)
    sweeper = sweeper_of(rest, ours(SPY=10))
    swept = await (
        sweeper.close_all(ours=True, deadline_s=WALL_S) if is_all else sweeper.close_ours(deadline_s=WALL_S)
    )
    assert swept.is_done
    assert alpaca.positions == ({} if is_all else {"SPY": 5})


async def test_an_order_of_ours_that_comes_late_does_not_have_our_lots_closed_without_their_names(
    alpaca: AlpacaServer, rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop under way when everything was cancelled: what it closes is booked all the same."""
    await alpaca.push_minute({"SPY": ROW})
    alpaca.hold("SPY", 15, 100)
    lists, orders = [0], rest.orders

    async def late(**asked: Any) -> list[wire.Order]:
        lists[0] += 1
        if lists[0] == 3:  # after both lists of what is cancelled
            await place(alpaca, "mr-20261120-1:t1", side="sell", limit_price="120")
        return await orders(**asked)

    monkeypatch.setattr(rest, "orders", late)
    told: list[Input] = []
    assert (await sweeper_of(rest, ours(SPY=10), told).close_all(ours=True, deadline_s=WALL_S)).is_done
    assert (alpaca.positions, live(alpaca)) == ({}, [])
    assert [one.quantity for one in told if isinstance(one, OrderFilled)] == [10]
