"""Which symbols may not be traded or not be borrowed, by what the loopback broker lists."""

from typing import Any

import pytest

from actors.broker import permits
from actors.broker.rest import Rest
from runtime.errors import BrokerUnavailable
from tests.alpaca_server.server import AlpacaServer

NOW = 1_795_170_000_000_000_000


@pytest.fixture
def alpaca_options() -> dict[str, Any]:
    return {"symbols": ("SPY", "QQQ", "IWM")}


async def test_what_is_listed_as_such_is_named_in_the_order_it_was_asked_for(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    alpaca.broker.assets["IWM"].tradable = False
    alpaca.broker.assets["IWM"].shortable = False
    alpaca.broker.assets["QQQ"].status = "inactive"
    alpaca.broker.assets["SPY"].borrow_status = "hard_to_borrow"
    read = await permits.read(rest, ("SPY", "QQQ", "IWM"), NOW)
    assert read.ts_event == NOW
    assert read.unborrowable == ("SPY", "IWM")
    assert "IWM" in read.untradable and "SPY" not in read.untradable
    assert len(alpaca.history.requests("GET /v2/assets")) == 1


async def test_a_symbol_that_is_not_listed_is_left_to_the_brokers_own_refusal(
    alpaca: AlpacaServer, rest: Rest
) -> None:
    read = await permits.read(rest, ("SPY", "NEVER"), NOW)
    assert (read.untradable, read.unborrowable) == ((), ())


async def test_symbols_that_nobody_asked_for_are_not_told(alpaca: AlpacaServer, rest: Rest) -> None:
    alpaca.broker.assets["QQQ"].tradable = False
    assert (await permits.read(rest, ("SPY",), NOW)).untradable == ()


@pytest.mark.parametrize("fields", [("borrow_status",), ("shortable",), ("tradable",), ("status",)])
async def test_a_field_that_the_broker_leaves_out_permits_nothing(
    alpaca: AlpacaServer, rest: Rest, fields: tuple[str, ...]
) -> None:
    """What is not said to be allowed is not."""
    strip = lambda rows: [{k: v for k, v in row.items() if k not in fields} for row in rows]  # noqa: E731
    alpaca.faults.add("edit", "GET /v2/assets", change=strip)
    read = await permits.read(rest, ("SPY",), NOW)
    if fields[0] in ("borrow_status", "shortable"):
        assert (read.untradable, read.unborrowable) == ((), ("SPY",))
    else:
        assert read.untradable == ("SPY",)


async def test_without_a_list_nothing_is_told(alpaca: AlpacaServer, rest: Rest) -> None:
    alpaca.faults.add("server_error_before", "GET /v2/assets", times=None)
    with pytest.raises(BrokerUnavailable):
        await permits.read(rest, ("SPY",), NOW)
