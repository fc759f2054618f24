"""What each message says to a person, and that the words of others cannot harm a terminal."""

import pytest

from actors.alerting.notices import Notice, StreamNotice, notices, of_error, worth_a_look
from actors.alerting.watch import Watch, row
from config.alerts import AlertRule, Alerts
from runtime.messages.base import Message
from runtime.messages.broker import BrokerStreamChanged, OrderRejected, OrderUnknown
from runtime.messages.corporate import SplitApplied, SplitAwaited
from runtime.messages.machine import ActorCrashed, ActorStopped, SessionStarted
from runtime.messages.market import FeedChanged
from runtime.messages.risk import (
    BreakerCleared,
    BreakerTripped,
    HaltConfirmed,
    HaltLifted,
    HaltThrown,
    Noted,
    StrategyChanged,
    TaskDone,
)
from runtime.messages.trading import PositionMismatched
from storage.statements import STATEMENTS
from tests.storage.books_samples import SESSION, trading_day

START = SessionStarted(ts_event=1, session=SESSION)


def only(said: Message) -> Notice | StreamNotice:
    found = list(notices(START, [said]))
    assert worth_a_look(START, [said])
    assert found == list(notices(said, []))  # type: ignore[arg-type]
    (notice,) = found
    return notice


def tripped(action: str, target: str = "", breaker: str = "daily_loss") -> BreakerTripped:
    return BreakerTripped(
        ts_event=1,
        cause=1,
        breaker=breaker,  # type: ignore[arg-type]
        action=action,  # type: ignore[arg-type]
        target=target,
        reason="equity is 2.1 % below",
        value=0.021,
        limit=0.02,
    )


@pytest.mark.parametrize(
    ("said", "event", "level", "component"),
    [
        (tripped("HALT"), "breaker_tripped", "CRITICAL", "breaker"),
        (tripped("PAUSE", "gap_fill"), "breaker_tripped", "WARNING", "gap_fill"),
        (tripped("DISABLE", "gap_fill", "strategy_loss"), "strategy_disabled", "WARNING", "gap_fill"),
        (
            BreakerCleared(ts_event=1, cause=1, breaker="daily_loss", target="", reason="next session"),
            "breaker_cleared",
            "INFO",
            "breaker",
        ),
        (HaltThrown(ts_event=1, reason="by hand"), "halt_thrown", "CRITICAL", "kill_switch"),
        (
            HaltConfirmed(ts_event=1, cause=1, flat=False, working=2),
            "halt_confirmed",
            "WARNING",
            "kill_switch",
        ),
        (HaltLifted(ts_event=1, by="user 1"), "halt_lifted", "WARNING", "kill_switch"),
        (
            PositionMismatched(ts_event=1, cause=1, symbol="SPY", ours=3, broker=5),
            "mismatch",
            "CRITICAL",
            "portfolio",
        ),
        (
            PositionMismatched(ts_event=1, cause=1, symbol="SPY", ours=5, broker=5),
            "mismatch",
            "INFO",
            "portfolio",
        ),
        (
            SplitApplied(
                ts_event=1,
                cause=1,
                symbol="SPY",
                numerator=10,
                denominator=1,
                source="announced",
                ex_date="2018-02-16",
                lots=(),
            ),
            "mismatch",
            "WARNING",
            "executor",
        ),
        (
            SplitAwaited(ts_event=1, cause=1, symbol="SPY", waits=True, reason="announced"),
            "mismatch",
            "WARNING",
            "executor",
        ),
        (
            ActorStopped(ts_event=1, cause=1, actor="gap_fill", reason="crashed too often"),
            "actor_stopped",
            "CRITICAL",
            "gap_fill",
        ),
        (
            OrderRejected(ts_event=1, client_order_id="x:e1", symbol="SPY", code=403, reason="no"),
            "order_rejected",
            "WARNING",
            "execution",
        ),
        (
            OrderUnknown(ts_event=1, client_order_id="x:e1", symbol="SPY", reason="504"),
            "order_unknown",
            "ERROR",
            "execution",
        ),
        (
            Noted(ts_event=1, cause=1, level="CRITICAL", component="regime", text="odd"),
            "error",
            "CRITICAL",
            "regime",
        ),
        (
            StrategyChanged(ts_event=1, cause=1, strategy="gap_fill", state="DISABLED"),
            "strategy_disabled",
            "WARNING",
            "gap_fill",
        ),
        (
            TaskDone(ts_event=1, cause=1, task="t", phase="TRADING", status="failed"),
            "error",
            "ERROR",
            "phase_clock",
        ),
    ],
)
def test_each_event_has_its_level_and_component(
    said: Message, event: str, level: str, component: str
) -> None:
    found = only(said)
    assert isinstance(found, Notice)
    assert (found.event, found.level, found.component) == (event, level, component)
    assert found.title


@pytest.mark.parametrize(
    ("said", "stream"),
    [
        (FeedChanged(ts_event=1, stream="market", up=False), "market"),
        (BrokerStreamChanged(ts_event=1, ready=False), "orders"),
    ],
)
def test_both_streams_are_followed(said: Message, stream: str) -> None:
    found = only(said)
    assert isinstance(found, StreamNotice)
    assert (found.stream, found.is_up) == (stream, False)


def test_what_is_no_news_is_none() -> None:
    for said in (
        StrategyChanged(ts_event=1, cause=1, strategy="gap_fill", state="ACTIVE"),
        TaskDone(ts_event=1, cause=1, task="t", phase="TRADING", status="done"),
    ):
        assert list(notices(START, [said])) == []
    assert not worth_a_look(START, [])


def test_a_mismatch_is_told_once_with_the_words_of_its_note() -> None:
    note = Noted(ts_event=1, cause=1, level="CRITICAL", component="portfolio", text="SPY: our lots sum to 3")
    other = Noted(ts_event=1, cause=1, level="CRITICAL", component="portfolio", text="SPYG: something else")
    said = PositionMismatched(ts_event=1, cause=1, symbol="SPY", ours=3, broker=5)
    found = [one for one in notices(START, [note, other, said]) if isinstance(one, Notice)]
    assert [one.event for one in found] == ["error", "mismatch"]
    assert "our lots sum to 3" in found[1].body


def test_the_day_is_summed_up_with_its_strategies() -> None:
    found = [
        notice
        for _, _, message, caused in trading_day()
        for notice in notices(message, caused)
        if isinstance(notice, Notice) and notice.event == "day_summary"
    ]
    (day,) = found
    assert day.level == "INFO"
    assert day.title.startswith(SESSION)
    assert "trades: " in day.body
    assert "equity " in day.body


def test_hostile_words_are_harmless() -> None:
    hostile = "\x1b]52;c;x\x07\n\u202eevil" + "x" * 10_000
    for said in (
        OrderRejected(ts_event=1, client_order_id=hostile, symbol=hostile, code=1, reason=hostile),
        HaltThrown(ts_event=1, reason=hostile),
        Noted(ts_event=1, cause=1, level="ERROR", component="x", text=hostile),
    ):
        found = only(said)
        assert isinstance(found, Notice)
        text = found.title + found.body
        assert not any(bad in text for bad in ("\x1b", "\x07", "\n", "\u202e"))
        assert len(text) < 3_000


def test_a_crash_is_an_error_of_its_actor() -> None:
    crash = ActorCrashed(
        ts_event=1,
        cause=1,
        actor="gap_fill",
        ordinal=3,
        message_type="Bars",
        message_digest="ab",
        error="E: x",
    )
    found = only(crash)
    assert isinstance(found, Notice)
    assert (found.event, found.level, found.component) == ("error", "ERROR", "gap_fill")


def test_an_errors_first_line_is_its_title() -> None:
    found = of_error("CRITICAL", "db_writer", "it broke\nand how", "x.py:3")
    assert (found.title, found.body, found.level) == ("db_writer: it broke", "and how", "CRITICAL")


def test_a_session_watched_twice_tells_the_same_under_the_same_ids() -> None:
    settings = Alerts(rules=(AlertRule(level="INFO"),))
    told = []
    for _ in range(2):
        watch = Watch(settings, SESSION)
        alerts = [alert for event in trading_day() for alert in watch.observe(*event)] + watch.close()
        told.append([row(alert, "not sent: replay") for alert in alerts])
    assert told[0] == told[1] != []
    key, params = told[0][0]
    assert STATEMENTS[key].sql.count("?") == len(params)
    assert str(params[0]).startswith("20180216-")
