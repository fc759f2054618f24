"""Alerts reach their sinks without anybody waiting; what cannot be sent is one warning and no loop."""

import importlib
import io
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import msgspec
import pytest

from actors.alerting.router import LIMITED
from actors.alerting.watch import Row
from actors.gateways.alerts import MISSED, STOPPING, AlertDesk, AlertGateway
from actors.notify.courier import Courier
from config.alerts import AlertRule, Alerts
from config.secrets import Secret, Secrets, to_hide
from runtime.error_sink import ErrorSink
from runtime.kernel.clock import LiveClock, ReplayClock
from runtime.log import configure, get_logger, release
from runtime.messages.machine import SessionStarted
from runtime.messages.risk import HaltThrown, Noted
from tests.actors.gateways.http_sink import HttpSink, http_sink
from tests.storage.books_samples import DAY, SESSION, T0
from tests.walls import WALL_S

MINUTE = 60_000_000_000
TOKEN = "t0ken-of-this-sink"
EVERYTHING = Alerts(rules=(AlertRule(level="INFO"),), timeout_s=WALL_S)
START = SessionStarted(ts_event=T0, session=SESSION)


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with http_sink() as found:
        yield found


class Desk:
    """A desk with its gateway, a log that ends in a sink, and a list in the place of the books."""

    def __init__(self, settings: Alerts, **addresses: str) -> None:
        self.secrets = Secrets(alert_sinks={name: Secret(url) for name, url in addresses.items()})
        self.errors = ErrorSink()
        self.stream = io.StringIO()
        self.clock = ReplayClock(T0)
        self.rows: list[Row] = []
        self.seq = 0
        self.desk = AlertDesk(
            settings,
            self.secrets,
            session=SESSION,
            account="paper",
            clock=self.clock,
            real=LiveClock(),
            errors=self.errors,
        )
        self._written = anyio.Event()

    def log_rows(self, rows: Sequence[Row]) -> bool:
        self.rows += rows
        self._written.set()
        return True

    def see(self, *caused: object, message: object = START) -> None:
        self.seq += 1
        self.desk.observe(self.seq, self.clock.now(), message, list(caused))  # type: ignore[arg-type]

    def halt(self, reason: str = "by hand") -> None:
        self.see(message=HaltThrown(ts_event=T0, reason=reason))

    def deliveries(self) -> dict[str, str]:
        """What became of each alert so far, by id."""
        found = {str(params[0]): str(params[10]) for key, params in self.rows if key == "alert"}
        return found | {
            str(params[2]): str(params[0]) for key, params in self.rows if key == "alert_delivery"
        }

    async def settled(self, count: int) -> dict[str, str]:
        """Wait until so many alerts are not waiting any more."""
        with anyio.fail_after(WALL_S):
            while sum(state != "waiting" for state in self.deliveries().values()) < count:
                self._written = anyio.Event()
                await self._written.wait()
        return self.deliveries()


@asynccontextmanager
async def running(settings: Alerts, **addresses: str) -> AsyncIterator[Desk]:
    found = Desk(settings, **addresses)
    level = logging.getLogger().level
    configure(
        found.stream, clock=found.clock.now, sink=found.errors, secrets=to_hide(found.secrets), level="DEBUG"
    )
    found.desk.go_live(found.log_rows)
    gateway = AlertGateway("alerts", found.desk.inbox, lambda *_: None, desk=found.desk)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(gateway.run)
            yield found
            gateway.request_stop()
        found.desk.close()
    finally:
        release()
        logging.getLogger().setLevel(level)
    everything = found.stream.getvalue() + repr(found.errors.take()) + repr(found.rows)
    assert TOKEN not in everything


async def test_an_alert_reaches_every_sink_with_its_level_and_words(sink: HttpSink) -> None:
    async with running(EVERYTHING, phone=sink.url(), mail=sink.url()) as desk:
        desk.halt("drawdown too deep")
        assert await desk.settled(1) == {f"{DAY}-1-0": "sent to phone, mail"}
    assert sink.titles() == ["PAPER CRITICAL: HALT: trading is halted"] * 2
    assert sink.got[0]["type"] == "failure"
    assert "drawdown too deep" in sink.got[0]["message"]
    assert "09:30:00 ET" in sink.got[0]["message"]


async def test_a_sink_that_refuses_is_one_warning_until_it_works_again(sink: HttpSink) -> None:
    sink.status = 500
    async with running(EVERYTHING, phone=sink.url()) as desk:
        for n in range(4):
            desk.halt()
            desk.clock.advance(T0 + (n + 1) * 15 * MINUTE)
        states = await desk.settled(4)
        assert all(state.startswith("failed: phone: ") for state in states.values())
        (warning,) = desk.errors.take()
        assert (warning.level, warning.component, warning.occurrences) == ("WARNING", "alerts", 1)
        assert "told once" in warning.message
        assert "500" in warning.message
        sink.status = 200
        desk.halt()
        states = await desk.settled(5)
        assert states[f"{DAY}-5-0"] == "sent to phone"
        desk.clock.advance(T0 + 90 * MINUTE)
        sink.status = 500
        desk.halt()
        await desk.settled(6)
        assert len(desk.errors.take()) == 1
    assert len(sink.got) == 6


async def test_a_sink_that_is_gone_gives_its_reason_without_its_address() -> None:
    with http_sink() as gone:
        url = gone.url()
    async with running(EVERYTHING, phone=url) as desk:
        desk.halt()
        (state,) = (await desk.settled(1)).values()
    assert state.startswith("failed: phone: A Connection error")
    assert TOKEN not in state


async def test_an_address_that_is_none_is_told_without_being_shown() -> None:
    async with running(EVERYTHING, phone=f"nonsense://{TOKEN}") as desk:
        desk.halt()
        (state,) = (await desk.settled(1)).values()
        (warning,) = desk.errors.take()
    assert state == "failed: phone: its address is none that can be used"
    assert "sink=phone" in warning.message


async def test_a_sink_that_hangs_holds_up_neither_the_session_nor_the_other_sink(sink: HttpSink) -> None:
    quick = msgspec.structs.replace(EVERYTHING, timeout_s=2.0)
    await anyio.to_thread.run_sync(importlib.import_module, "apprise")  # not within the limit of the sinks
    sink.open.clear()
    with http_sink() as other:
        async with running(quick, slow=sink.url(), quick=other.url()) as desk:
            desk.halt()
            states = await desk.settled(1)
            assert states[f"{DAY}-1-0"] == "sent to quick; failed: slow: no answer within 2 s"
            desk.clock.advance(T0 + 15 * MINUTE)
            desk.halt()
            states = await desk.settled(2)
            assert (
                states[f"{DAY}-2-0"] == "sent to quick; failed: slow: it is still busy with an earlier alert"
            )
            sink.open.set()
    assert len(other.got) == 2


async def test_what_the_process_logs_is_told_where_a_rule_asks_for_it(sink: HttpSink) -> None:
    rules = Alerts(rules=(AlertRule(level="ERROR", events=("error",), components=("order_gateway",)),))
    async with running(rules, phone=sink.url()) as desk:
        get_logger("actors.gateways.market_stream").error("not asked for")
        get_logger("actors.gateways.order_gateway").warning("too low")
        await anyio.to_thread.run_sync(get_logger("actors.gateways.order_gateway").error, "an odd answer")
        await desk.settled(1)
    assert sink.titles() == ["PAPER ERROR: order_gateway: an odd answer"]


async def test_a_storm_of_errors_is_one_alert_and_one_count(sink: HttpSink) -> None:
    async with running(EVERYTHING, phone=sink.url()) as desk:
        for _ in range(500):
            desk.see(Noted(ts_event=T0, cause=1, level="ERROR", component="regime", text="no VIX"))
        await desk.settled(1)
        desk.clock.advance(T0 + 15 * MINUTE)
        with anyio.fail_after(WALL_S):
            await anyio.to_thread.run_sync(sink.wait, 2)
        await desk.settled(1)
    assert sink.titles() == ["PAPER ERROR: regime: no VIX", "PAPER ERROR: 499 more in 15 min: regime: no VIX"]
    counts = [params[3] for key, params in desk.rows if key == "alert"]
    assert counts == [1, 500]


async def test_nothing_that_alerts_themselves_say_is_ever_an_alert(sink: HttpSink) -> None:
    sink.status = 500
    async with running(EVERYTHING, phone=sink.url()) as desk:
        get_logger("actors.gateways.alerts").critical("one of its own")
        desk.halt()
        await desk.settled(1)
    assert len(sink.got) == 1


async def test_what_is_beyond_the_limit_is_not_sent_and_the_history_says_so(sink: HttpSink) -> None:
    async with running(msgspec.structs.replace(EVERYTHING, most_an_hour=1), phone=sink.url()) as desk:
        for n in range(3):
            desk.see(Noted(ts_event=T0, cause=1, level="ERROR", component="regime", text=f"odd {n}"))
        states = await desk.settled(3)
        assert sorted(states.values()) == [LIMITED, LIMITED, "sent to phone"]
        desk.clock.advance(T0 + 60 * MINUTE)
        await anyio.to_thread.run_sync(sink.wait, 2)
        await desk.settled(4)
    assert sink.titles()[1] == "PAPER WARNING: 2 alerts were held back"


async def test_without_a_sink_nothing_is_sent_and_the_history_says_so() -> None:
    async with running(EVERYTHING) as desk:
        desk.halt()
        assert await desk.settled(1) == {f"{DAY}-1-0": "not sent: no sink"}


async def test_what_a_tape_tells_of_before_the_start_is_not_sent_again(sink: HttpSink) -> None:
    desk = Desk(EVERYTHING, phone=sink.url())
    desk.halt()
    desk.desk.go_live(desk.log_rows)
    assert desk.deliveries() == {f"{DAY}-1-0": MISSED}
    assert desk.rows[0][0] == "alerts_abandoned"
    desk.desk.close()
    desk.clock.advance(T0 + 15 * MINUTE)
    desk.halt()
    assert desk.deliveries()[f"{DAY}-2-0"] == STOPPING
    assert sink.got == []


async def test_no_key_of_the_broker_leaves_in_an_alert(sink: HttpSink) -> None:
    desk = Desk(EVERYTHING, phone=sink.url())
    key = "secret-key-of-the-broker"
    secrets = Secrets(secret_key=Secret(key), alert_sinks={"phone": Secret(sink.url())})
    courier = Courier("phone", Secret(sink.url()), "PAPER", to_hide(secrets))
    desk.desk.couriers["phone"] = courier
    desk.desk.go_live(desk.log_rows)
    desk.halt(f"called with {key}")
    gateway = AlertGateway("alerts", desk.desk.inbox, lambda *_: None, desk=desk.desk)
    gateway.request_stop()
    await gateway.run()
    desk.desk.close()
    assert "called with [redacted]" in sink.got[0]["message"]


async def test_a_rule_for_a_sink_without_an_address_is_a_warning() -> None:
    settings = Alerts(rules=(AlertRule(sinks=("pager",)),))
    async with running(settings) as desk:
        (warning,) = desk.errors.take()
    assert "sinks=pager" in warning.message
