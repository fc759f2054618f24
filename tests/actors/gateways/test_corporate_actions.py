"""Announcements on the loopback host: read at the start and at PRE_MARKET, or told as unavailable."""

import anyio
import anyio.lowlevel
import pytest

from actors.broker.bar_history import BarHistory
from actors.broker.rest import Timeouts
from actors.gateways.corporate_actions import CorporateActions
from actors.market.calendar import session_times
from runtime.kernel.clock import LiveClock, ReplayClock
from runtime.kernel.gateway import Inbox
from runtime.messages.corporate import CorporateActionsRead
from runtime.messages.session import PhaseStart, SessionHeader
from storage.loaders.session_data import day_fields
from tests.actors.gateways.order_desk import HASTY, UNHURRIED
from tests.actors.gateways.streaming import keys
from tests.alpaca_server.corporate import announced
from tests.alpaca_server.server import AlpacaServer
from tests.walls import WALL_S

SESSION = "2026-11-20"
TIMES = session_times(SESSION)
HOUR = 3_600_000_000_000


class Reading:
    """The gateway, its clock and what it told."""

    def __init__(
        self,
        server: AlpacaServer,
        *,
        at: int = TIMES.open,
        held: tuple[str, ...] = (),
        timeouts: Timeouts = UNHURRIED,
    ) -> None:
        fields = day_fields(SESSION, session_times) | {
            "phases": (PhaseStart(phase="PRE_MARKET", ts=TIMES.open - 3 * HOUR),)
        }
        header = SessionHeader(**fields, settings={}, settings_hash="", symbols=("AAA",), sectors=("",))
        self.clock = ReplayClock(at)
        self.told: list[CorporateActionsRead] = []
        self.history = BarHistory(server.urls.data, keys(server), LiveClock(), timeouts=timeouts)
        self.gateway = CorporateActions(
            Inbox(), lambda source, message: self.told.append(message), header=header, source=self.history,
            held=lambda: held, clock=self.clock, real=LiveClock(),
        )  # fmt: skip

    async def run(self) -> list[CorporateActionsRead]:
        await self.gateway.run()
        await self.history.aclose()
        return self.told


def announce(server: AlpacaServer, symbol: str, new: float, old: float, ex_date: str) -> None:
    kind, row = announced(symbol, new, old, ex_date)
    server.market.corporate_actions.setdefault(kind, []).append(row)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr("actors.gateways.corporate_actions._SECOND", 1_000)


async def test_splits_of_our_symbols_and_holdings_of_the_last_days_are_told(alpaca):
    announce(alpaca, "AAA", 10, 1, SESSION)
    announce(alpaca, "HELD", 1, 8, "2026-11-17")
    announce(alpaca, "ZZZ", 2, 1, SESSION)
    announce(alpaca, "AAA", 2, 1, "2026-11-23")
    announce(alpaca, "AAA", 2, 1, "2026-11-02")
    (told,) = await Reading(alpaca, held=("HELD",)).run()
    assert told.available
    assert (told.session, told.since) == (SESSION, "2026-11-10")
    assert [(one.symbol, one.numerator, one.denominator) for one in told.actions] == [
        ("HELD", 1, 8),
        ("AAA", 10, 1),
    ]


async def test_before_pre_market_it_is_read_again_when_that_begins(alpaca):
    reading = Reading(alpaca, at=TIMES.open - 10 * HOUR)
    async with anyio.create_task_group() as group:
        group.start_soon(reading.run)
        with anyio.fail_after(WALL_S):
            while not reading.told:
                await anyio.lowlevel.checkpoint()
            announce(alpaca, "AAA", 10, 1, SESSION)
            while len(reading.told) < 2:
                reading.clock.advance(TIMES.open - 3 * HOUR)
                await anyio.lowlevel.checkpoint()
    assert [len(one.actions) for one in reading.told] == [0, 1]


@pytest.mark.parametrize(
    ("kind", "given", "asked"),
    [("server_error_before", {}, 3), ("stall_before", {}, 3), ("drop_before", {}, 3),
     ("malformed", {"how": "html"}, 3),
     ("refuse", {"status": 404, "code": 40410000, "message": "endpoint not found"}, 3),
     ("refuse", {"status": 403, "code": 40310000, "message": "not in your plan"}, 1)],
)  # fmt: skip
async def test_without_an_answer_the_session_is_told_so_once(alpaca, kind, given, asked):
    alpaca.faults.add(kind, "GET /v1/corporate-actions", times=None, **given)
    timeouts = HASTY if kind == "stall_before" else UNHURRIED
    (told,) = await Reading(alpaca, timeouts=timeouts).run()
    assert not told.available
    assert told.reason
    assert told.actions == ()
    assert len(alpaca.history.requests("GET /v1/corporate-actions")) == asked


@pytest.mark.parametrize(
    ("kind", "given", "absent"),
    [
        ("refuse", {"status": 404, "html": True}, True),
        ("refuse", {"status": 404, "code": 40410000, "message": "endpoint not found"}, True),
        ("refuse", {"status": 403, "code": 40310000, "message": "not in your plan"}, True),
        ("refuse", {"status": 403, "code": 0, "message": "forbidden."}, True),
        ("refuse", {"status": 401, "code": 0, "message": "unauthorized."}, False),
        ("refuse", {"status": 422, "code": 40010001, "message": "invalid types"}, False),
        ("server_error_before", {}, False),
        ("rate_limited", {"retry_after": 0}, False),
        ("malformed", {"how": "html"}, False),
    ],
)
async def test_that_an_account_has_none_is_told_apart_from_failures_that_pass(
    alpaca, kind, given, absent, capsys
):
    alpaca.faults.add(kind, "GET /v1/corporate-actions", times=None, **given)
    (told,) = await Reading(alpaca).run()
    assert (told.available, told.absent) == (False, absent)
    assert ("this account has no corporate actions" in capsys.readouterr().out) == absent


async def test_after_a_failure_that_says_it_has_none_one_that_passes_counts(alpaca):
    """What was heard last is told: a proxy's word is not the host's."""
    alpaca.faults.add("refuse", "GET /v1/corporate-actions", status=404, html=True)
    alpaca.faults.add("server_error_before", "GET /v1/corporate-actions", nth=2, times=None)
    (told,) = await Reading(alpaca).run()
    assert not told.available
    assert not told.absent


async def test_an_answer_after_a_failure_counts(alpaca):
    announce(alpaca, "AAA", 10, 1, SESSION)
    alpaca.faults.add("server_error_before", "GET /v1/corporate-actions")
    (told,) = await Reading(alpaca).run()
    assert told.available
    assert len(told.actions) == 1


async def test_pages_are_read_to_the_last(alpaca):
    for _ in range(1_001):
        announce(alpaca, "AAA", 10, 1, SESSION)
    (told,) = await Reading(alpaca).run()
    assert len(told.actions) == 1_001
    assert len(alpaca.history.requests("GET /v1/corporate-actions")) == 2
