"""Daily bars of many symbols on the loopback host: what is asked in how many requests, and what is kept."""

from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from actors.broker.bar_history import BarHistory
from actors.live_history import LINES, Wanted, fill, read_days
from actors.market.calendar import midnight, sessions_between
from runtime.kernel.clock import LiveClock
from storage.loaders.daily import load_daily
from storage.loaders.first_days import NAME
from tests.actors.gateways.order_desk import UNHURRIED, keys
from tests.alpaca_server.fixture import alpaca, alpaca_options
from tests.alpaca_server.refusals import Refused
from tests.alpaca_server.server import AlpacaServer
from tests.walls import WALL_S

__all__ = ["alpaca", "alpaca_options"]

DAYS = tuple(sessions_between("2025-11-04", "2026-11-19"))[-260:]
"""So many that 36 symbols fit into a page."""
BARS = "GET /v2/stocks/bars"
NAMES = ("SPY", *(f"A{chr(65 + at // 26)}{chr(65 + at % 26)}" for at in range(79)))
GROUPS = 3
"""80 symbols are 36, 36 and 8."""
KNOWN_DAYS = DAYS[-2:]


@pytest.fixture(autouse=True)
def laid(alpaca: AlpacaServer) -> None:
    """Every symbol has two bars; the market's time is after them."""
    alpaca.clock.move_to(midnight("2026-11-20"))
    for name in NAMES:
        alpaca.lay_in(name, {midnight(day): (10, 11, 9, 10.5, 100) for day in KNOWN_DAYS}, "1Day")


def refusing(server: AlpacaServer, *bad: str, words: str = "") -> None:
    """Refuse questions with a symbol that cannot be read, with or without its name."""
    page = server.market.page

    def asked(symbols, *rest):
        for name in bad:
            if name in symbols:
                raise Refused(400, 40_010_001, words or f"invalid symbol: {name}")
        return page(symbols, *rest)

    server.market.page = asked


def wanted(folder: Path, names: tuple[str, ...] = NAMES) -> Wanted:
    return Wanted(kept=folder / NAME, own=(), names=names, sessions=DAYS)


def history(server: AlpacaServer) -> BarHistory:
    return BarHistory(
        server.urls.data,
        keys(server),
        LiveClock(),
        lines=LINES,
        timeouts=UNHURRIED,
    )


async def filled(server: AlpacaServer, want: Wanted) -> tuple[list[str], str]:
    """As while a session runs, one request after the other."""
    return await fill(lambda: want, lambda: history(server), WALL_S)


async def begun(server: AlpacaServer, want: Wanted, seconds: float) -> tuple[list[str], str]:
    """As at a start, in so many seconds."""
    names = await anyio.to_thread.run_sync(want.owed)
    answer = await read_days(history(server), names, *want.span, seconds)
    return await anyio.to_thread.run_sync(want.keep, names, answer), answer.why


def asked(server: AlpacaServer, since: int = 0) -> list[tuple[str, ...]]:
    """The groups of raw bars that were asked for, the largest first."""
    found = [tuple(one.query["symbols"].split(",")) for one in server.history.requests(BARS, since=since)
             if one.query["adjustment"] == "raw"]  # fmt: skip
    return sorted(found, key=len, reverse=True)


async def kept(path: Path) -> set[str]:
    found = await anyio.to_thread.run_sync(lambda: load_daily([path], now=midnight("2026-11-20")))
    return set(found.symbols)


async def test_many_symbols_go_into_one_request_and_nothing_is_asked_twice(alpaca, tmp_path):
    want = wanted(tmp_path)
    assert await filled(alpaca, want) == ([], "")
    assert [len(each) for each in asked(alpaca)] == [36, 36, 8]
    assert len(alpaca.history.requests(BARS)) == 3 * GROUPS
    assert all(one.query["limit"] == "10000" for one in alpaca.history.requests(BARS))
    assert await kept(want.kept) == set(NAMES)
    since = len(alpaca.history)
    assert await filled(alpaca, want) == ([], "")
    assert asked(alpaca, since) == []


async def test_what_strategies_name_is_asked_for_first(alpaca, tmp_path):
    first = NAMES[-5:]
    want = wanted(tmp_path, (*first, *NAMES))
    await filled(alpaca, want)
    first_group = tuple(alpaca.history.requests(BARS)[0].query["symbols"].split(","))
    assert first_group[:6] == ("SPY", *first)


async def test_a_group_that_does_not_come_costs_the_others_nothing_and_alone_is_asked_for_next(
    alpaca, tmp_path
):
    want = wanted(tmp_path)
    stalled = alpaca.faults.add("stall_before", BARS, nth=2)
    missing, why = await begun(alpaca, want, 3.0)
    assert 8 <= len(missing) < len(NAMES)
    assert why == "not in time (3 s)"
    assert await kept(want.kept) == set(NAMES) - set(missing)
    stalled.release()
    since = len(alpaca.history)
    assert await filled(alpaca, want) == ([], "")
    assert {name for group in asked(alpaca, since) for name in group} == {"SPY", *missing}
    assert await kept(want.kept) == set(NAMES)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("server_error_before", {}),
        ("gateway_timeout_before", {}),
        ("drop_before", {}),
        ("malformed", {"how": "truncated"}),
        ("rate_limited", {"retry_after": 0}),
    ],
)
async def test_an_answer_that_fails_once_is_asked_for_again_at_once(alpaca, tmp_path, kind, given):
    alpaca.faults.add(kind, BARS, nth=4, **given)
    assert await filled(alpaca, wanted(tmp_path)) == ([], "")
    assert await kept(tmp_path / NAME) == set(NAMES)


async def test_a_host_that_is_not_there_is_soon_given_up_and_nothing_is_written(alpaca, tmp_path):
    alpaca.faults.add("server_error_before", BARS, times=None)
    missing, why = await filled(alpaca, wanted(tmp_path))
    assert missing == list(NAMES)
    assert "500" in why
    assert len(alpaca.history.requests(BARS)) <= 3 + LINES
    assert list(tmp_path.iterdir()) == []


async def test_a_plan_without_the_feed_is_asked_once_a_line(alpaca, tmp_path):
    alpaca.faults.add(
        "refuse", BARS, times=None, status=403, code=42_210_000, message="subscription does not permit"
    )
    missing, why = await filled(alpaca, wanted(tmp_path))
    assert missing == list(NAMES)
    assert "subscription does not permit" in why
    assert len(alpaca.history.requests(BARS)) <= LINES


@pytest.mark.parametrize("words", ["", "bad request"])
async def test_symbols_that_the_broker_cannot_read_cost_no_other_its_history(alpaca, tmp_path, words, capsys):
    """It says which one, or it is looked for."""
    names = (*NAMES[:10], "BRK-B", *NAMES[10:50], "NOT OK", *NAMES[50:])
    refusing(alpaca, "BRK-B", "NOT OK", words=words)
    want = wanted(tmp_path, names)
    assert await filled(alpaca, want) == ([], "")
    assert await kept(want.kept) == set(NAMES)
    assert "2: BRK-B, NOT OK" in capsys.readouterr().out
    assert len(alpaca.history.requests(BARS)) <= (15 if not words else 60)
    since = len(alpaca.history)
    assert await filled(alpaca, want) == ([], "")
    assert asked(alpaca, since) == []


async def test_a_name_that_is_a_part_of_the_refused_one_is_not_taken_for_it(alpaca, tmp_path):
    refusing(alpaca, "AAA.W")
    assert await filled(alpaca, wanted(tmp_path, (*NAMES, "AAA.W"))) == ([], "")
    assert await kept(tmp_path / NAME) == set(NAMES)


async def test_a_refusal_that_is_not_about_symbols_ends_the_search_for_one(alpaca, tmp_path):
    alpaca.faults.add("refuse", BARS, times=None, status=400, code=40_010_001, message="bad timeframe")
    missing, why = await filled(alpaca, wanted(tmp_path))
    assert len(missing) > len(NAMES) / 2
    assert "bad timeframe" in why
    assert len(alpaca.history.requests(BARS)) < 60
    assert list(tmp_path.iterdir()) == []


async def test_a_refusal_of_every_symbol_is_not_taken_for_their_having_no_bars(alpaca, tmp_path):
    """So few that each was asked for alone."""
    alpaca.faults.add("refuse", BARS, times=None, status=400, code=40_010_001, message="bad timeframe")
    missing, why = await filled(alpaca, wanted(tmp_path, NAMES[:4]))
    assert missing == list(NAMES[:4])
    assert "bad timeframe" in why
    assert list(tmp_path.iterdir()) == []


async def test_symbols_without_a_bar_are_told_once_and_not_asked_for_at_every_start(alpaca, tmp_path, capsys):
    want = wanted(tmp_path, (*NAMES, "GONE", "NEVER"))
    assert await filled(alpaca, want) == ([], "")
    assert "2: GONE, NEVER" in capsys.readouterr().out
    since = len(alpaca.history)
    assert await filled(alpaca, want) == ([], "")
    assert asked(alpaca, since) == []
    assert "GONE" not in capsys.readouterr().out


async def test_a_page_that_is_not_the_last_is_followed_to_the_end(alpaca):
    rows = {midnight(day): (10, 11, 9, 10.5, 100) for day in DAYS}
    for name in NAMES[:40]:
        alpaca.lay_in(name, rows, "1Day")
    reader = history(alpaca)
    found = await reader.daily_columns(NAMES[:40], midnight(DAYS[0]), midnight(DAYS[-1]), adjustment="split")
    assert len(found) == 40 * len(DAYS)
    assert len(alpaca.history.requests(BARS)) == 2
    await reader.aclose()
