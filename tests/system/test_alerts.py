"""Alerts of a whole session: live they leave, on a tape fed again and in a replay they do not."""

import io
import logging
import sqlite3
from pathlib import Path

import anyio.lowlevel
import anyio.to_thread
import msgspec
import pytest
import pytest_asyncio

from actors.engine import Engine
from config.alerts import Alerts
from config.secrets import Secret, to_hide
from runtime import kill_switch
from runtime.log import configure, get_logger, release
from runtime.messages.risk import HaltThrown
from tests.actors.gateways.http_sink import HttpSink, http_sink
from tests.alpaca_server.server import AlpacaServer
from tests.demo_run import demo
from tests.system.live_day import FLAT, SETTINGS, Live, lay_files, running
from tests.walls import WALL_S


@pytest_asyncio.fixture
async def server():
    async with AlpacaServer(symbols=("SPY",), start="2026-11-20T09:29:00-05:00") as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_files(tmp_path)
    return tmp_path


class Told(Live):
    """A live engine with one sink."""

    def __init__(self, server: AlpacaServer, root: Path, sink: HttpSink) -> None:
        patient = Alerts(stream_grace_s=600)
        super().__init__(server, root, msgspec.structs.replace(SETTINGS, alerts=patient))
        plan = self.engine._plan
        secrets = msgspec.structs.replace(plan.secrets, alert_sinks={"phone": Secret(sink.url())})
        self.engine = Engine(
            msgspec.structs.replace(plan, secrets=secrets),
            clock=self.clock,
            real=self.real,
            errors=self.errors,
            observers=[self._see],
        )


def history(root: Path) -> list[tuple[str, str, str]]:
    with sqlite3.connect(root / "db" / "performance.db") as link:
        found = link.execute("SELECT event, level, delivery FROM alert_log ORDER BY timestamp, id").fetchall()
    link.close()
    return found


async def test_a_halt_is_told_once_and_not_again_when_the_tape_is_fed_again(server, root):
    with http_sink() as sink:
        live = Told(server, root, sink)
        async with running(live):
            await live.minute(0, FLAT)
            await anyio.to_thread.run_sync(
                lambda: kill_switch.throw(root, "a person says so", at=live.clock.now())
            )
            await live.until(lambda: live.of(HaltThrown))
            await anyio.to_thread.run_sync(sink.wait, 2)
        assert sink.titles() == [
            "PAPER CRITICAL: HALT: trading is halted",
            "PAPER WARNING: halt carried out: no entry works",
        ]
        assert "a person says so" in sink.got[0]["message"]
        rows = await anyio.to_thread.run_sync(history, root)
        assert rows == [
            ("halt_thrown", "CRITICAL", "sent to phone"),
            ("halt_confirmed", "WARNING", "sent to phone"),
        ]
        again = Told(server, root, sink)
        async with running(again):
            await again.minute(1, FLAT)
        # The kill switch says at every start that it is thrown: within the window that is only counted.
        assert len(sink.got) == 2
        rows = await anyio.to_thread.run_sync(history, root)
        assert rows[:2] == [
            ("halt_thrown", "CRITICAL", "sent to phone"),
            ("halt_confirmed", "WARNING", "sent to phone"),
        ]


def written(root: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())


async def test_neither_an_address_nor_a_key_is_in_any_file_of_the_root(server, root):
    with http_sink() as sink:
        sink.status = 500
        live = Told(server, root, sink)
        secrets = live.engine._plan.secrets
        lines = io.StringIO()
        configure(lines, clock=live.clock.now, sink=live.errors, secrets=to_hide(secrets), level="DEBUG")
        try:
            async with running(live):
                get_logger("actors.x").error("called with", address=sink.url(), words=[sink.url()])
                await anyio.to_thread.run_sync(
                    lambda: kill_switch.throw(root, "a person says so", at=live.clock.now())
                )
                await anyio.to_thread.run_sync(sink.wait, 2)
        finally:
            release()
            logging.getLogger().setLevel(logging.WARNING)
        found = await anyio.to_thread.run_sync(written, root) + lines.getvalue().encode()
    assert b"failed: phone" in found
    assert b"[redacted]" in found
    for value in to_hide(secrets):
        if len(value) >= 6:
            assert value.encode() not in found


def test_the_demo_sends_nothing_and_its_history_says_why() -> None:
    with sqlite3.connect(demo()[0] / "db" / "performance.db") as link:
        deliveries = link.execute("SELECT DISTINCT delivery FROM alert_log").fetchall()
        events = {event for (event,) in link.execute("SELECT DISTINCT event FROM alert_log")}
        (days,) = link.execute("SELECT count(*) FROM alert_log WHERE event = 'day_summary'").fetchone()
    link.close()
    assert deliveries == [("not sent: replay",)]
    assert {"breaker_tripped", "breaker_cleared", "day_summary"} <= events
    assert days == 10


async def test_the_screen_is_told_of_alerts_and_of_what_became_of_them(server, root):
    with http_sink() as sink:
        live = Told(server, root, sink)
        async with running(live):
            await anyio.to_thread.run_sync(
                lambda: kill_switch.throw(root, "a person says so", at=live.clock.now())
            )
            await live.until(lambda: live.of(HaltThrown))
            await anyio.to_thread.run_sync(sink.wait, 2)
            feed = live.engine.outlet.screen.feed
            with anyio.fail_after(WALL_S):
                while [row.sent for row in feed.state.journal.alerts] != ["sent to phone"] * 2:
                    await anyio.lowlevel.checkpoint()
                    feed.fold()
            assert [row.event for row in feed.state.journal.alerts] == ["halt_thrown", "halt_confirmed"]
