"""Rules, folding and limits: what is told, when, and that nothing is lost or told too often."""

import itertools
from collections import defaultdict

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.alerting.notices import Notice, StreamNotice
from actors.alerting.router import FIRST_CONNECTION, LIMITED, NO_SINK, WAITING, Alert, Router, matches
from config.alerts import AlertRule, Alerts

SECOND = 1_000_000_000
MINUTE, HOUR = 60 * SECOND, 3_600 * SECOND
EVERYTHING = Alerts(rules=(AlertRule(level="INFO"),))


def notice(subject: str = "", **other: object) -> Notice:
    fields: dict[str, object] = {
        "event": "order_rejected",
        "level": "WARNING",
        "component": "execution",
        "title": "rejected",
        "subject": subject,
    }
    return Notice(**(fields | other))  # type: ignore[arg-type]


def router(settings: Alerts = EVERYTHING, sinks: tuple[str, ...] = ("phone", "mail")) -> Router:
    return Router(settings, sinks)


def with_limit(most: int) -> Alerts:
    return msgspec.structs.replace(EVERYTHING, most_an_hour=most)


# ---- rules ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "is_wanted"),
    [
        (AlertRule(), True),
        (AlertRule(level="ERROR"), False),
        (AlertRule(level="INFO", events=("order_rejected",)), True),
        (AlertRule(events=("halt_thrown",)), False),
        (AlertRule(components=("execution", "x")), True),
        (AlertRule(components=("x",)), False),
    ],
)
def test_a_rule_asks_for_level_event_and_component(rule: AlertRule, is_wanted: bool) -> None:
    assert matches(rule, notice()) is is_wanted


def test_what_no_rule_wants_is_not_told_and_leaves_nothing() -> None:
    quiet = router(Alerts())
    assert quiet.take(notice(event="error", level="ERROR"), 0, "a") == []
    assert quiet.due == 0


def test_an_alert_goes_to_the_sinks_of_every_rule_that_wants_it_and_to_all_by_default() -> None:
    settings = Alerts(rules=(AlertRule(sinks=("mail",)), AlertRule(sinks=("mail", "gone"))))
    (alert,) = router(settings).take(notice(), 5, "a")
    assert (alert.sinks, alert.delivery, alert.ts_event) == (("mail",), WAITING, 5)
    (alert,) = router().take(notice(), 5, "a")
    assert alert.sinks == ("phone", "mail")


def test_without_a_sink_the_history_says_so() -> None:
    (alert,) = router(sinks=()).take(notice(), 5, "a")
    assert alert.delivery == NO_SINK


# ---- folding -------------------------------------------------------------------------------------


def test_the_same_thing_is_told_once_in_a_window_and_counted_at_its_end() -> None:
    desk = router()
    assert len(desk.take(notice(), 0, "a")) == 1
    assert desk.due == 0
    for at in (1, 2, 3):
        assert desk.take(notice(), at * MINUTE, f"b{at}") == []
    assert desk.due == 15 * MINUTE
    assert desk.flush(15 * MINUTE - 1) == []
    (again,) = desk.flush(15 * MINUTE)
    assert (again.id, again.occurrences, again.is_repeat, again.last_seen) == ("a", 4, True, 3 * MINUTE)
    assert again.title == "3 more in 15 min: rejected"


def test_a_storm_that_goes_on_is_told_once_a_window_under_one_id() -> None:
    desk = router()
    told = [alert for at in range(61) for alert in desk.take(notice(), at * MINUTE, f"n{at}")]
    assert [(alert.id, alert.occurrences) for alert in told] == [
        ("n0", 1),
        ("n0", 15),
        ("n0", 30),
        ("n0", 45),
        ("n0", 60),
    ]
    assert [alert.occurrences for alert in desk.close()] == [61]


def test_after_a_quiet_window_the_same_thing_is_new() -> None:
    desk = router()
    desk.take(notice(), 0, "a")
    (alert,) = desk.take(notice(), 15 * MINUTE, "b")
    assert (alert.id, alert.occurrences, alert.is_repeat) == ("b", 1, False)


# ---- the limit -----------------------------------------------------------------------------------


def test_what_is_beyond_the_limit_is_one_digest_when_there_is_room() -> None:
    desk = router(with_limit(2))
    told = [alert for n in range(5) for alert in desk.take(notice(f"s{n}"), n * SECOND, f"i{n}")]
    assert [alert.delivery for alert in told] == [WAITING] * 2 + [LIMITED] * 3
    assert desk.due == HOUR
    (digest,) = [alert for alert in desk.flush(HOUR) if alert.event == "held_back"]
    assert (digest.title, digest.body, digest.occurrences) == (
        "3 alerts were held back",
        "3 order_rejected",
        3,
    )


def test_a_storm_of_warnings_never_hides_a_halt() -> None:
    desk = router(with_limit(1))
    for n in range(50):
        desk.take(notice(f"s{n}"), n, f"i{n}")
    (halt,) = desk.take(notice(event="halt_thrown", level="CRITICAL"), 60, "halt")
    assert halt.delivery == WAITING


# ---- streams -------------------------------------------------------------------------------------


def down(name: str = "market") -> StreamNotice:
    return StreamNotice(stream=name, is_up=False, reason="lost")


def up(name: str = "market") -> StreamNotice:
    return StreamNotice(stream=name, is_up=True)


def test_a_stream_that_is_back_in_time_is_not_told() -> None:
    desk = router()
    assert desk.take(down(), 0, "a") == []
    assert desk.take(up(), 2 * SECOND, "b") == []
    assert desk.take(down(), 100 * SECOND, "c") == []
    assert desk.take(up(), 104 * SECOND, "d") == []
    assert desk.due == 0


def test_a_stream_that_stays_down_is_told_and_so_is_its_return() -> None:
    desk = router()
    desk.take(up(), 0, "a")
    desk.take(down(), 10 * SECOND, "b")
    assert desk.due == 15 * SECOND
    (lost,) = desk.flush(15 * SECOND)
    assert (lost.event, lost.level, lost.body) == ("stream_down", "ERROR", "lost")
    assert desk.flush(16 * SECOND) == []
    (back,) = desk.take(up(), 40 * SECOND, "c")
    assert (back.event, back.title) == ("stream_up", "the stream market is up again after 30 s")


def test_the_first_connection_may_take_longer() -> None:
    desk = router()
    desk.take(down(), 0, "a")
    assert desk.due == FIRST_CONNECTION * 5 * SECOND


def test_after_a_restart_a_stream_has_the_grace_of_a_first_connection() -> None:
    desk = router()
    desk.take(up(), 0, "a")
    desk.take(down("other"), 0, "b")
    desk.flush(HOUR)
    desk.connect_anew()
    assert desk.due == 0
    desk.take(down(), 2 * HOUR, "c")
    assert desk.due == 2 * HOUR + FIRST_CONNECTION * 5 * SECOND
    (back,) = desk.take(up("other"), 2 * HOUR, "d")
    assert back.event == "stream_up"


def test_without_a_grace_a_stream_is_told_at_once() -> None:
    desk = router(msgspec.structs.replace(EVERYTHING, stream_grace_s=0))
    (lost,) = desk.take(down(), 0, "a")
    assert lost.event == "stream_down"


# ---- properties ----------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.integers(0, 20 * MINUTE),
        st.sampled_from(["a", "b", "c", "d"]),
        st.sampled_from(["INFO", "WARNING", "ERROR", "CRITICAL"]),
    ),
    max_size=60,
)


def played(steps: list[tuple[int, str, str]], most: int, idle: int = 0) -> list[tuple[int, Alert]]:
    """Alerts with the time at which they were told, the desk looked at in between as a timer would."""
    desk, at, told = router(with_limit(most)), 0, []
    for number, (wait, subject, level) in enumerate(steps):
        until = at + wait
        while 0 < desk.due <= until:
            at = max(at, desk.due)
            told += [(at, alert) for alert in desk.flush(at)]
        at = until
        told += [(at, alert) for alert in desk.take(notice(subject, level=level), at, f"n{number}")]
    for _ in range(idle):
        if not desk.due:
            break
        at = max(at, desk.due)
        told += [(at, alert) for alert in desk.flush(at)]
    return told


@given(STEPS, st.integers(1, 5))
def test_in_no_hour_more_than_the_limit_is_sent(steps: list[tuple[int, str, str]], most: int) -> None:
    sent = [(at, alert) for at, alert in played(steps, most) if alert.delivery == WAITING]
    for is_critical in (True, False):
        times = [at for at, alert in sent if (alert.level == "CRITICAL") is is_critical]
        for first in times:
            assert sum(first <= at < first + HOUR for at in times) <= most


@given(STEPS, st.integers(1, 5))
def test_everything_that_happened_is_told_once_counted_or_in_a_digest(
    steps: list[tuple[int, str, str]], most: int
) -> None:
    last: dict[str, int] = defaultdict(int)
    digests = limited = 0
    for _, alert in played(steps, most, idle=1_000):
        if alert.event == "held_back":
            digests += alert.occurrences
            continue
        if alert.delivery == LIMITED:
            limited += alert.occurrences - last[alert.id]
        last[alert.id] = alert.occurrences
    assert sum(last.values()) == len(steps)
    assert digests == limited


@given(STEPS, st.integers(1, 5))
def test_the_same_thing_is_told_at_most_once_a_window(steps: list[tuple[int, str, str]], most: int) -> None:
    times: dict[str, list[int]] = defaultdict(list)
    for at, alert in played(steps, most, idle=1_000):
        if alert.event != "held_back":
            times[alert.id].append(at)
    for each in times.values():
        assert all(second - first >= 15 * MINUTE for first, second in itertools.pairwise(each))


@given(STEPS, st.integers(1, 5))
def test_the_same_times_give_the_same_alerts(steps: list[tuple[int, str, str]], most: int) -> None:
    assert played(steps, most, idle=50) == played(steps, most, idle=50)


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=40))
@example([(0, True), (0, False), (5, True), (0, False), (5, True)])  # due as the first one's window closes
def test_a_stream_is_told_down_and_up_in_turn(steps: list[tuple[int, bool]]) -> None:
    desk, at, told = router(msgspec.structs.replace(EVERYTHING, window_min=0.001)), 0, []
    for number, (wait, is_up) in enumerate(steps):
        at += wait * SECOND
        told += desk.take(up() if is_up else down(), at, str(number))
    told += desk.flush(at + HOUR)
    events = [alert.event for alert in told if not alert.is_repeat]
    assert all(one != other for one, other in itertools.pairwise(events))
    assert events[:1] != ["stream_up"]
