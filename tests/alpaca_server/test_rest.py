"""The REST side against alpaca.md 3 and 4."""

import json

import pytest

from tests.alpaca_server.clients import Rest

BRACKET = {
    "order_class": "bracket",
    "take_profit": {"limit_price": "105"},
    "stop_loss": {"stop_price": "95"},
}
ACCOUNT = {
    "id", "admin_configurations", "user_configurations", "account_number", "status", "crypto_status",
    "options_approved_level", "options_trading_level", "currency", "buying_power", "regt_buying_power",
    "effective_buying_power", "non_marginable_buying_power", "options_buying_power", "cash", "accrued_fees",
    "portfolio_value", "trading_blocked", "transfers_blocked", "account_blocked", "created_at",
    "trade_suspended_by_user", "multiplier", "shorting_enabled", "equity", "last_equity",
    "long_market_value", "short_market_value", "position_market_value", "initial_margin",
    "maintenance_margin", "last_maintenance_margin", "sma", "balance_asof", "crypto_tier",
    "intraday_adjustments", "pending_reg_taf_fees",
}  # fmt: skip
ORDER = {
    "id", "client_order_id", "created_at", "updated_at", "submitted_at", "filled_at", "expired_at",
    "canceled_at", "failed_at", "replaced_at", "replaced_by", "replaces", "asset_id", "symbol",
    "asset_class", "notional", "qty", "filled_qty", "filled_avg_price", "order_class", "order_type", "type",
    "side", "position_intent", "time_in_force", "limit_price", "stop_price", "status", "extended_hours",
    "legs", "trail_percent", "trail_price", "hwm", "subtag", "source", "expires_at",
}  # fmt: skip


async def test_the_account_has_the_captured_fields_and_no_pattern_day_trader(alpaca, rest):
    status, account = await rest("GET", "/v2/account")
    assert (status, set(account)) == (200, ACCOUNT)
    assert (account["cash"], account["buying_power"], account["status"]) == ("100000", "400000", "ACTIVE")


@pytest.mark.parametrize("alpaca_options", [{"legacy_account_fields": True, "legacy_asset_fields": True}])
async def test_fields_of_before_2026_can_be_had(alpaca, rest):
    assert "pattern_day_trader" in (await rest("GET", "/v2/account"))[1]
    assert "easy_to_borrow" in (await rest("GET", "/v2/assets/SPY"))[1]


async def test_the_account_is_marked_at_the_last_close(alpaca, rest):
    await rest.submit("a", "buy", 10)
    await alpaca.push_bar("SPY", 100, 101, 99, 100)
    await alpaca.push_bar("SPY", 101, 103, 101, 103)
    account = (await rest("GET", "/v2/account"))[1]
    assert (account["cash"], account["equity"], account["last_equity"]) == ("99000", "100030", "100000")
    (position,) = (await rest("GET", "/v2/positions"))[1]
    assert (position["qty"], position["avg_entry_price"], position["unrealized_pl"]) == ("10", "100", "30")
    assert position["qty_available"] == "10"
    assert (await rest("GET", "/v2/positions/AAPL")) == (
        404, {"code": 40410000, "message": "position does not exist"},
    )  # fmt: skip


async def test_configurations_can_suspend_trading(alpaca, rest):
    assert (await rest("GET", "/v2/account/configurations"))[1]["suspend_trade"] is False
    await rest("PATCH", "/v2/account/configurations", {"suspend_trade": True})
    status, body = await rest.submit("a", "buy", 1)
    assert (status, body["code"]) == (403, 40310000)
    assert (await rest("GET", "/v2/account"))[1]["trade_suspended_by_user"] is True


async def test_clock_and_calendar_know_early_closes(alpaca, rest):
    assert (await rest("GET", "/v2/clock"))[1] == {
        "timestamp": "2026-11-20T09:30:00-05:00", "is_open": True,
        "next_open": "2026-11-23T09:30:00-05:00", "next_close": "2026-11-20T16:00:00-05:00",
    }  # fmt: skip
    days = (await rest("GET", "/v2/calendar?start=2026-11-25&end=2026-11-30"))[1]
    assert [(day["date"], day["close"]) for day in days] == [
        ("2026-11-25", "16:00"), ("2026-11-27", "13:00"), ("2026-11-30", "16:00"),
    ]  # fmt: skip
    assert days[1] == {
        "date": "2026-11-27", "open": "09:30", "close": "13:00", "session_open": "0400",
        "session_close": "1700", "settlement_date": "2026-11-30",
    }  # fmt: skip


async def test_a_skewed_clock_is_skewed_everywhere(alpaca, rest):
    alpaca.clock.skew_ns = 5_000_000_000
    _, _, headers = await rest.raw("GET", "/v2/account")
    assert headers["Date"] == "Fri, 20 Nov 2026 14:30:05 GMT"
    assert (await rest("GET", "/v2/clock"))[1]["timestamp"] == "2026-11-20T09:30:05-05:00"


async def test_assets_lack_what_was_removed(alpaca, rest):
    alpaca.broker.assets.put("DEAD", status="inactive", tradable=False)
    assert {one["symbol"] for one in (await rest("GET", "/v2/assets?status=active"))[1]} == {"AAPL", "SPY"}
    asset = (await rest("GET", "/v2/assets/SPY"))[1]
    assert asset["borrow_status"] == "easy_to_borrow"
    assert "easy_to_borrow" not in asset
    assert (await rest("GET", f"/v2/assets/{asset['id']}"))[1] == asset
    assert (await rest("GET", "/v2/assets/NOPE"))[0] == 404


async def test_an_order_is_answered_with_its_legs(alpaca, rest):
    status, order = await rest.submit("a", "buy", 10, **BRACKET)
    assert (status, set(order), order["status"]) == (200, ORDER, "pending_new")
    assert [(leg["type"], leg["status"]) for leg in order["legs"]] == [("limit", "held"), ("stop", "held")]
    assert order["qty"] == "10"
    assert (await rest("GET", f"/v2/orders/{order['id']}"))[1]["legs"] is None
    nested = (await rest("GET", f"/v2/orders/{order['id']}?nested=true"))[1]
    assert [leg["id"] for leg in nested["legs"]] == [leg["id"] for leg in order["legs"]]
    found = await rest("GET", "/v2/orders:by_client_order_id?client_order_id=a")
    assert found[1]["id"] == order["id"]
    assert await rest("GET", "/v2/orders:by_client_order_id?client_order_id=b") == (
        404, {"code": 40410000, "message": "order not found for b"},
    )  # fmt: skip


async def test_orders_are_listed_flat_or_nested_with_filters_and_cursors(alpaca, rest):
    first = (await rest.submit("a", "buy", 10, **BRACKET))[1]
    await alpaca.push_bar("SPY", 100, 100, 100, 100)
    await rest.submit("b", "buy", 1, symbol="AAPL", type="limit", limit_price="50")

    async def ids(query):
        return [row["client_order_id"][:4] for row in (await rest("GET", "/v2/orders" + query))[1]]

    assert await ids("") == ["b", "c11e", "c11e"]
    assert await ids("?direction=asc&status=closed") == ["a"]
    assert await ids("?status=all&nested=true") == ["b", "a"]
    assert await ids("?status=all&symbols=AAPL") == ["b"]
    assert await ids("?status=all&side=sell&limit=1") == ["c11e"]
    assert await ids(f"?status=all&direction=asc&after_order_id={first['legs'][1]['id']}") == ["b"]
    assert await ids("?status=all&after=2026-11-20T14:30:30Z&symbols=AAPL,SPY") == ["b"]
    assert await ids("?status=all&until=2026-11-20T14:30:30Z") == ["c11e", "c11e", "a"]
    assert (await rest("GET", "/v2/orders?limit=501"))[0] == 422
    assert (await rest("GET", "/v2/orders?after_order_id=x&before_order_id=y"))[0] == 422


async def test_cancel_answers_204_and_a_replacement_is_a_new_order(alpaca, rest):
    order = (await rest.submit("a", "buy", 10, type="limit", limit_price="90"))[1]
    status, new = await rest("PATCH", f"/v2/orders/{order['id']}", {"qty": "5", "client_order_id": "b"})
    assert (status, new["replaces"], new["qty"]) == (200, order["id"], "5")
    assert (await rest("GET", f"/v2/orders/{order['id']}"))[1]["status"] == "replaced"
    assert await rest.raw("DELETE", f"/v2/orders/{new['id']}") is not None
    assert (await rest("GET", f"/v2/orders/{new['id']}"))[1]["status"] == "canceled"
    assert await rest("DELETE", f"/v2/orders/{new['id']}") == (204, None)
    assert (await rest("DELETE", f"/v2/orders/{order['id']}"))[0] == 422
    assert (await rest("DELETE", "/v2/orders/nobody"))[0] == 404


async def test_cancel_all_is_a_207(alpaca, rest):
    await rest.submit("a", "buy", 10, type="limit", limit_price="90")
    await rest.submit("b", "buy", 10, type="limit", limit_price="80")
    status, items = await rest("DELETE", "/v2/orders")
    assert (status, [item["status"] for item in items]) == (207, [200, 200])
    assert not alpaca.broker.live


async def test_positions_are_closed_one_or_all(alpaca, rest):
    alpaca.hold("SPY", 10, 100)
    alpaca.hold("AAPL", -4, 50)
    status, order = await rest("DELETE", "/v2/positions/SPY?qty=3")
    assert (status, order["side"], order["qty"], order["type"]) == (200, "sell", "3", "market")
    status, items = await rest("DELETE", "/v2/positions")
    assert status == 207
    assert [(item["symbol"], item["status"]) for item in items] == [("SPY", 403), ("AAPL", 200)]
    assert items[0]["body"] == {
        "code": 40310000, "message": "insufficient qty available for order (requested: 10, available: 7)",
        "symbol": "SPY", "existing_qty": "10", "held_for_orders": "3", "available": "7",
    }  # fmt: skip
    _, items = await rest("DELETE", "/v2/positions?cancel_orders=true")
    assert [item["status"] for item in items] == [200, 200]
    await alpaca.push_minute({"SPY": (100, 100, 100, 100), "AAPL": (50, 50, 50, 50)})
    assert alpaca.positions == {}


async def test_fills_are_paged_by_the_last_id(alpaca, rest):
    for number in range(5):
        await rest.submit(f"n{number}", "buy", 1)
        await alpaca.push_bar("SPY", 100 + number, 110, 99, 100)
    path = "/v2/account/activities/FILL?direction=asc&page_size=2"
    seen, token = [], ""
    while page := (await rest("GET", path + token))[1]:
        seen += [row["price"] for row in page]
        token = f"&page_token={page[-1]['id']}"
    assert seen == ["100", "101", "102", "103", "104"]
    newest = (await rest("GET", "/v2/account/activities/FILL?page_size=1"))[1][0]
    assert newest["price"] == "104"
    assert newest["id"].startswith("20261120093400000::")  # New York wall time
    assert (newest["type"], newest["leaves_qty"], newest["cum_qty"]) == ("fill", "0", "1")
    later = "/v2/account/activities/FILL?after=2026-11-20T14:32:30Z&direction=asc"
    assert [row["price"] for row in (await rest("GET", later))[1]] == ["103", "104"]
    only = f"/v2/account/activities/FILL?order_id={newest['order_id']}"
    assert len((await rest("GET", only))[1]) == 1


async def test_bars_are_paged_over_all_symbols(alpaca, rest):
    for n in range(3):
        await alpaca.push_minute({"SPY": (n + 1, 9, 1, 5), "AAPL": (n + 1, 9, 1, 5)})
    path = "/v2/stocks/bars?symbols=SPY,AAPL,NONE&timeframe=1Min&start=2026-11-20T14:30:00Z&limit=4"
    page = (await rest("GET", path))[1]
    assert {symbol: len(bars) for symbol, bars in page["bars"].items()} == {"AAPL": 3, "SPY": 1}
    assert list(page["bars"]["AAPL"][0]) == ["t", "o", "h", "l", "c", "v", "n", "vw"]
    rest_of = (await rest("GET", path + f"&page_token={page['next_page_token']}"))[1]
    assert ({s: len(b) for s, b in rest_of["bars"].items()}, rest_of["next_page_token"]) == ({"SPY": 2}, None)
    one = "/v2/stocks/bars?symbols=SPY&timeframe=1Min&start=2026-11-20T14:31:00Z&end=2026-11-20T14:31:00Z"
    assert [bar["o"] for bar in (await rest("GET", one))[1]["bars"]["SPY"]] == [2]
    newest = (await rest("GET", "/v2/stocks/bars/latest?symbols=SPY,NONE"))[1]["bars"]
    assert {symbol: bar["o"] for symbol, bar in newest.items()} == {"SPY": 3}
    assert (await rest("GET", "/v2/stocks/bars?symbols=SPY&timeframe=7Min"))[0] == 400


async def test_a_gap_on_the_stream_is_in_the_history(alpaca, rest):
    await alpaca.push_minute({"SPY": (1, 1, 1, 1)}, stream=False)
    alpaca.lay_in("SPY", {"2026-11-19T05:00:00Z": (1, 2, 1, 2, 1_000)}, "1Day")
    minutes = (await rest("GET", "/v2/stocks/bars?symbols=SPY&timeframe=1Min"))[1]["bars"]
    assert len(minutes["SPY"]) == 1
    days = "/v2/stocks/bars?symbols=SPY&timeframe=1Day&start=2026-11-01T00:00:00Z"
    assert (await rest("GET", days))[1]["bars"]["SPY"][0]["t"] == "2026-11-19T05:00:00Z"
    snapshot = (await rest("GET", "/v2/stocks/snapshots?symbols=SPY"))[1]["SPY"]
    assert snapshot["dailyBar"]["c"] == 1
    assert "prevDailyBar" not in snapshot


@pytest.mark.parametrize("alpaca_options", [{"sip": False}])
async def test_recent_sip_data_needs_its_plan(alpaca, rest):
    path = "/v2/stocks/bars?symbols=SPY&timeframe=1Min&feed=sip&start=2026-11-19T14:30:00Z"
    status, body = await rest("GET", path)
    assert (status, body["message"]) == (403, "subscription does not permit querying recent SIP data")
    assert (await rest("GET", path + "&end=2026-11-20T14:15:00Z"))[0] == 200


async def test_who_has_no_key_gets_no_json(alpaca):
    async with Rest(alpaca, headers={}) as stranger:
        status, body, _ = await stranger.raw("GET", "/v2/account")
        assert (status, body[:6]) == (401, b"<html>")
    async with Rest(alpaca, headers=alpaca.headers | {"APCA-API-SECRET-KEY": "wrong"}) as stranger:
        assert await stranger("GET", "/v2/account") == (401, {"message": "unauthorized."})


@pytest.mark.parametrize("alpaca_options", [{"rate_limit": 3}])
async def test_the_fourth_request_of_a_minute_is_too_many(alpaca, rest):
    left = []
    for _ in range(3):
        status, _, headers = await rest.raw("GET", "/v2/account")
        left.append((status, headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]))
    assert left == [(200, "3", "2"), (200, "3", "1"), (200, "3", "0")]
    status, body, headers = await rest.raw("GET", "/v2/account")
    assert (status, json.loads(body)["code"]) == (429, 42910000)
    assert 0 < int(headers["X-RateLimit-Reset"]) - 1_795_185_000 <= 60
    assert (await rest("GET", "/v2/stocks/bars/latest?symbols=SPY"))[0] == 200  # the data host counts apart


async def test_unknown_endpoints_and_unreadable_bodies(alpaca, rest):
    assert await rest("GET", "/v2/nothing") == (404, {"code": 40410000, "message": "endpoint not found"})
    assert (await rest("POST", "/v2/orders", [1, 2]))[0] == 422


async def test_what_was_sent_is_on_record(alpaca, rest):
    await rest.submit("a", "buy", 1)
    (post,) = alpaca.history.requests("POST /v2/orders")
    assert (post.status, post.applied, post.json["client_order_id"]) == (200, True, "a")
    assert alpaca.options.secret.encode() in alpaca.history.received()
    assert alpaca.history.leaks(alpaca.options.secret) == []
    await rest("GET", f"/v2/orders?symbols={alpaca.options.secret}")
    assert alpaca.history.leaks(alpaca.options.secret) == ["1 GET /v2/orders: query"]
