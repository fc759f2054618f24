"""Missed bars by REST: page by page, bad rows told, failures named."""

import pytest

from actors.broker.bar_history import BarHistory
from config.secrets import Secret, Secrets
from runtime.errors import BrokerRejected, BrokerUnavailable
from runtime.kernel.clock import LiveClock
from tests.actors.gateways.order_desk import HASTY, UNHURRIED
from tests.alpaca_server.fixture import alpaca, alpaca_options

__all__ = ["alpaca", "alpaca_options"]
MINUTE = 60_000_000_000


def history(server, **options):
    keys = Secrets(api_key=Secret(server.options.key), secret_key=Secret(server.options.secret))
    return BarHistory(server.urls.data, keys, LiveClock(), **options)


def laid(server, minutes=3, symbols=("AAPL", "SPY")):
    begins = server.clock.now()
    for symbol in symbols:
        server.lay_in(symbol, {begins + n * MINUTE: (10, 11, 9, 10.5, 100 + n) for n in range(minutes)})
    server.clock.move_to(begins + minutes * MINUTE)
    return begins


async def test_bars_come_by_time_with_both_ends_included(alpaca):
    begins = laid(alpaca)
    reader = history(alpaca)
    bars = await reader.minute_bars(["SPY", "AAPL", "NONE"], begins, begins + MINUTE)
    assert [(bar.S, (bar.ts - begins) // MINUTE) for bar in bars] == [
        ("AAPL", 0), ("SPY", 0), ("AAPL", 1), ("SPY", 1),
    ]  # fmt: skip
    assert (bars[0].o, bars[0].h, bars[0].l, bars[0].c, bars[0].v) == (10.0, 11.0, 9.0, 10.5, 100.0)
    (asked,) = alpaca.history.requests("GET /v2/stocks/bars")
    assert (asked.query["feed"], asked.query["adjustment"], asked.query["timeframe"]) == (
        "iex",
        "raw",
        "1Min",
    )
    await reader.aclose()


async def test_many_symbols_and_pages_are_read_to_the_end(alpaca):
    symbols = [f"S{chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(250)]
    begins = laid(alpaca, 60, symbols)
    reader = history(alpaca)
    bars = await reader.minute_bars(symbols, begins, begins + 59 * MINUTE)
    assert len({(bar.S, bar.ts) for bar in bars}) == len(bars) == 250 * 60
    assert len(alpaca.history.requests("GET /v2/stocks/bars")) == 3  # 12,000 bars in two pages, 3,000 in one
    await reader.aclose()


async def test_a_row_that_cannot_be_read_costs_the_others_nothing(alpaca, capsys):
    begins = laid(alpaca, 2, ["SPY"])
    broken = lambda body: {**body, "bars": {"SPY": [*body["bars"]["SPY"], {"t": 7}, None]}}  # noqa: E731
    alpaca.faults.add("edit", "GET /v2/stocks/bars", change=broken)
    reader = history(alpaca)
    assert len(await reader.minute_bars(["SPY"], begins, begins + MINUTE)) == 2
    assert "cannot be used" in capsys.readouterr().out
    await reader.aclose()


@pytest.mark.parametrize(
    ("kind", "given"),
    [("server_error_before", {}), ("drop_before", {}), ("stall_before", {}), ("gateway_timeout_before", {}),
     ("malformed", {"how": "html"}), ("malformed", {"how": "list"})],
)  # fmt: skip
async def test_no_answer_is_told_as_such_and_the_next_one_works(alpaca, kind, given):
    begins = laid(alpaca)
    alpaca.faults.add(kind, "GET /v2/stocks/bars", **given)
    reader = history(alpaca, timeouts=HASTY if kind == "stall_before" else UNHURRIED)
    with pytest.raises(BrokerUnavailable):
        await reader.minute_bars(["SPY"], begins, begins)
    await alpaca.until(lambda: alpaca.faults.fired)  # it may have been given up before it came
    assert len(await reader.minute_bars(["SPY"], begins, begins)) == 1
    await reader.aclose()


async def test_a_feed_the_plan_does_not_have_is_a_refusal(alpaca):
    alpaca.faults.add(
        "refuse", "GET /v2/stocks/bars", status=403, code=42210000,
        message="subscription does not permit querying recent SIP data",
    )  # fmt: skip
    reader = history(alpaca, feed="sip")
    with pytest.raises(BrokerRejected, match="SIP"):
        await reader.minute_bars(["SPY"], 0, MINUTE)
    await reader.aclose()


def told(minutes):
    """Bars by time and symbol."""
    rows = zip(minutes.ts.tolist(), minutes.codes.tolist(), minutes.values.T.tolist(), strict=True)
    return {(ts, minutes.names[code]): row for ts, code, row in rows}


async def test_columns_tell_the_same_bars_in_fewer_requests(alpaca):
    symbols = [f"S{chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(250)]
    begins = laid(alpaca, 60, symbols)
    reader = history(alpaca, lines=2)
    bars = await reader.minute_bars(symbols, begins, begins + 59 * MINUTE)
    place = len(alpaca.history)
    found = told(await reader.minute_columns(symbols, begins, begins + 59 * MINUTE))
    assert found == {(bar.ts, bar.S): [bar.o, bar.h, bar.l, bar.c, bar.v] for bar in bars}
    asked = alpaca.history.requests("GET /v2/stocks/bars", since=place)
    assert [len(one.query["symbols"].split(",")) for one in asked] == [166, 84]  # pages that are just full
    await reader.aclose()


async def test_columns_of_nothing_are_empty(alpaca):
    begins = laid(alpaca)
    reader = history(alpaca)
    assert len(await reader.minute_columns(["NONE"], begins, begins + MINUTE)) == 0
    assert len(await reader.minute_columns([], begins, begins + MINUTE)) == 0
    await reader.aclose()


async def test_a_row_that_cannot_be_read_costs_the_columns_nothing_else(alpaca, capsys):
    begins = laid(alpaca, 2, ["SPY", "AAPL"])
    broken = lambda body: {**body, "bars": {**body["bars"], "SPY": [*body["bars"]["SPY"], {"t": 7}]}}  # noqa: E731
    alpaca.faults.add("edit", "GET /v2/stocks/bars", change=broken)
    reader = history(alpaca)
    assert len(await reader.minute_columns(["SPY", "AAPL"], begins, begins + MINUTE)) == 4
    assert "cannot be used" in capsys.readouterr().out
    await reader.aclose()


@pytest.mark.parametrize("given", [{"how": "html"}, {"how": "list"}])
async def test_columns_of_what_is_no_page_are_no_answer(alpaca, given):
    begins = laid(alpaca)
    alpaca.faults.add("malformed", "GET /v2/stocks/bars", **given)
    reader = history(alpaca)
    with pytest.raises(BrokerUnavailable):
        await reader.minute_columns(["SPY"], begins, begins)
    assert len(await reader.minute_columns(["SPY"], begins, begins)) == 1
    await reader.aclose()
