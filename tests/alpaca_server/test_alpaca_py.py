"""The vendor's own client takes the server for Alpaca: every model it makes of an answer is valid."""

import threading
import warnings
from datetime import UTC, date, datetime

import pytest

from tests.walls import WALL_S

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of its own websockets
    from alpaca.common.exceptions import APIError
    from alpaca.data.historical import StockHistoricalDataClient
    from alpaca.data.live import StockDataStream
    from alpaca.data.requests import StockBarsRequest, StockLatestBarRequest
    from alpaca.data.timeframe import TimeFrame
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderClass, OrderSide, OrderType, QueryOrderStatus, TimeInForce
    from alpaca.trading.requests import (
        ClosePositionRequest,
        GetCalendarRequest,
        GetOrdersRequest,
        LimitOrderRequest,
        MarketOrderRequest,
        ReplaceOrderRequest,
        StopLossRequest,
        TakeProfitRequest,
    )
    from alpaca.trading.stream import TradingStream


@pytest.fixture
def client(hosted_alpaca):
    server = hosted_alpaca.server
    made = TradingClient(server.options.key, server.options.secret, url_override=server.urls.trading)
    made._retry = 0
    yield made
    made._session.close()


@pytest.fixture
def alpaca_options():
    return {"legacy_asset_fields": True}  # its Asset model still asks for easy_to_borrow


def bracket(name):
    return MarketOrderRequest(
        symbol="SPY", qty=10, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, client_order_id=name,
        order_class=OrderClass.BRACKET, take_profit=TakeProfitRequest(limit_price=105),
        stop_loss=StopLossRequest(stop_price=95),
    )  # fmt: skip


def minute(hosted, *row):
    hosted.call(lambda server: server.push_bar("SPY", *row))


def test_account_clock_calendar_and_assets(client):
    assert client.get_account().buying_power == "400000"
    assert client.get_clock().is_open
    days = client.get_calendar(GetCalendarRequest(start=date(2026, 11, 27), end=date(2026, 11, 27)))
    assert days[0].close == datetime(2026, 11, 27, 13)
    assert {asset.symbol for asset in client.get_all_assets()} == {"AAPL", "SPY"}
    assert client.get_asset("SPY").tradable


def test_a_bracket_from_order_to_exit(hosted_alpaca, client):
    order = client.submit_order(bracket("a"))
    assert [leg.status.value for leg in order.legs] == ["held", "held"]
    minute(hosted_alpaca, 100, 100, 100, 100)
    (position,) = client.get_all_positions()
    assert (position.qty, position.qty_available) == ("10", "0")
    target = client.get_order_by_client_id("a").legs[0]
    new = client.replace_order_by_id(target.id, ReplaceOrderRequest(limit_price=104))
    assert new.replaces == target.id
    with pytest.raises(APIError) as refused:
        client.close_position("SPY", ClosePositionRequest(qty="5"))
    assert (refused.value.status_code, refused.value.code) == (403, 40310000)
    client.cancel_order_by_id(new.id)
    client.close_position("SPY")
    minute(hosted_alpaca, 101, 101, 101, 101)
    assert client.get_all_positions() == []
    closed = client.get_orders(GetOrdersRequest(status=QueryOrderStatus.CLOSED, limit=500))
    assert len(closed) == 5
    fills = client.get("/account/activities/FILL", {"direction": "asc"})
    assert [fill["price"] for fill in fills] == ["100", "101"]


def test_limits_cancel_all_and_close_all(hosted_alpaca, client):
    for name in ("a", "b"):
        client.submit_order(
            LimitOrderRequest(
                symbol="SPY", qty=1, side=OrderSide.BUY, type=OrderType.LIMIT, limit_price=90,
                time_in_force=TimeInForce.GTC, client_order_id=name,
            )
        )  # fmt: skip
    assert [one.status for one in client.cancel_orders()] == [200, 200]
    hosted_alpaca.call(lambda server: server.hold("AAPL", 3, 10))
    (answer,) = client.close_all_positions(cancel_orders=True)
    assert (answer.symbol, answer.status) == ("AAPL", 200)


def test_an_accepted_order_behind_a_504_is_found_by_its_id(hosted_alpaca, client):
    hosted_alpaca.call(lambda server: server.faults.add("gateway_timeout_after", "POST /v2/orders"))
    with pytest.raises(APIError) as timeout:
        client.submit_order(bracket("a"))
    assert timeout.value.status_code == 504
    with pytest.raises(APIError) as twice:
        client.submit_order(bracket("a"))
    assert (twice.value.status_code, twice.value.code) == (422, 40010001)
    assert client.get_order_by_client_id("a").client_order_id == "a"


def test_history_and_latest_bars(hosted_alpaca):
    server = hosted_alpaca.server
    minute(hosted_alpaca, 100, 102, 99, 101)
    client = StockHistoricalDataClient(
        server.options.key, server.options.secret, url_override=server.urls.data
    )
    bars = client.get_stock_bars(
        StockBarsRequest(
            symbol_or_symbols=["SPY"], timeframe=TimeFrame.Minute,
            start=datetime(2026, 11, 20, 14, tzinfo=UTC), end=datetime(2026, 11, 20, 15, tzinfo=UTC),
        )
    )  # fmt: skip
    assert [(bar.open, bar.close, bar.volume) for bar in bars["SPY"]] == [(100, 101, 1000)]
    latest = client.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols="SPY"))
    assert latest["SPY"].timestamp == datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    client._session.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_both_of_its_streams(hosted_alpaca, client):
    server = hosted_alpaca.server
    key, secret = server.options.key, server.options.secret
    seen, done = [], threading.Event()

    async def note(what):
        seen.append(what)
        if len(seen) >= 6:
            done.set()

    trades = TradingStream(key, secret, url_override=server.urls.trading_stream)
    bars = StockDataStream(key, secret, url_override=server.urls.data_stream)
    trades.subscribe_trade_updates(note)
    bars.subscribe_bars(note, "SPY")
    threads = [threading.Thread(target=stream.run, daemon=True) for stream in (trades, bars)]
    for thread in threads:
        thread.start()
    hosted_alpaca.call(
        lambda s: s.until(
            lambda: s.stream.subscribed("bars") and any(one.streams for one in s.trades.listeners)
        )
    )
    client.submit_order(bracket("a"))
    minute(hosted_alpaca, 100, 100, 100, 100)
    assert done.wait(WALL_S)
    stops = [threading.Thread(target=stream.stop) for stream in (trades, bars)]
    for stop in stops:
        stop.start()
    while any(thread.is_alive() for thread in threads):  # its reader looks up only when something comes
        hosted_alpaca.call(lambda s: s.place(symbol="AAPL", qty="1", side="buy"))
        minute(hosted_alpaca, 100, 100, 100, 100)
    for thread in stops:
        thread.join(WALL_S)
    events = [str(getattr(one.event, "value", one.event)) for one in seen if hasattr(one, "event")]
    assert events[:3] == ["pending_new", "new", "fill"]
    assert any(getattr(one, "symbol", "") == "SPY" for one in seen)
