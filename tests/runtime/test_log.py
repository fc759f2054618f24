import io
import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from runtime import log
from runtime.error_fallback import append_fallback, read_fallback, spill
from runtime.error_sink import MOST_OF_ONE_PLACE, ErrorEntry, ErrorSink
from runtime.log_chain import speaking_for
from runtime.log_lines import component_of

CANARY = "s3cr3t-canary-value"
NOW = 1_518_791_400_000_000_000


class Capture:
    def __init__(self, level: str = "INFO") -> None:
        self.stream = io.StringIO()
        self.sink = ErrorSink()
        self.chain = log.configure(
            self.stream, clock=lambda: NOW, level=level, sink=self.sink, secrets=[CANARY, "ab"]
        )

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def capture() -> Iterator[Capture]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield Capture()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_is_one_json_object(capture: Capture) -> None:
    log.get_logger("storage.tape").info("opened", records=3)
    assert capture.lines() == [
        {"ts": NOW, "level": "INFO", "event": "opened", "logger": "storage.tape", "records": 3}
    ]
    assert capture.sink.take() == []


def test_a_warning_reaches_the_sink_with_its_place_and_component(capture: Capture) -> None:
    log.get_logger("actors.gateways.db_writer").warning("slow disk", seconds=2)
    (entry,) = capture.sink.take()
    assert (entry.level, entry.component, entry.logger_name) == (
        "WARNING",
        "db_writer",
        "actors.gateways.db_writer",
    )
    assert entry.message == "slow disk seconds=2"
    assert entry.source_file == __file__
    assert entry.line_number > 0
    assert entry.timestamp == entry.last_seen == NOW


def test_below_the_level_nothing_is_written(capture: Capture) -> None:
    log.get_logger("storage.x").debug("quiet")
    logging.getLogger("storage.x").debug("quiet")
    assert capture.lines() == []


def _fail(secret: str) -> None:
    local_variable_with_a_secret = secret
    raise ValueError(f"not {len(local_variable_with_a_secret)}")


def test_a_traceback_names_lines_and_shows_no_local_variables(capture: Capture) -> None:
    try:
        _fail("-".join(("unknown", "to", "the", "redactor")))
    except ValueError:
        log.get_logger("actors.x").exception("failed")
    (entry,) = capture.sink.take()
    assert entry.exception_type == "ValueError"
    assert "in _fail" in entry.exception_traceback
    assert "unknown-to-the-redactor" not in capture.stream.getvalue() + repr(entry)
    assert entry.source_file == __file__


def test_the_standard_librarys_loggers_end_in_the_same_chain(capture: Capture) -> None:
    logging.getLogger("alpaca.stream").error("lost %s after %d", "it", 3)
    (line,) = capture.lines()
    (entry,) = capture.sink.take()
    assert line["event"] == entry.message == "lost it after 3"
    assert entry.component == "alpaca"
    assert entry.source_file == __file__


def test_a_wrong_format_string_of_a_library_is_logged_all_the_same(
    capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    ours = [handler for handler in root.handlers if type(handler).__module__ == "runtime.log"]
    monkeypatch.setattr(root, "handlers", ours)  # pytest's own raise
    logging.getLogger("theirs").error("%d", "x")
    assert "while formatting" in str(capture.lines()[0]["event"])


def test_no_secret_leaves_by_any_door(capture: Capture) -> None:
    logger = log.get_logger("actors.x")
    logger.error(f"called with {CANARY}")
    logger.error("headers", headers={"APCA-API-SECRET-KEY": CANARY, "nested": [{"v": f"<{CANARY}>"}]})
    logger.error(
        "shaped", url="https://x?key=PK0123456789ABCDEFGH", secret_key="anything", auth="Bearer abc.def"
    )
    logging.getLogger("theirs").error("%s", {"x": CANARY})
    try:
        raise RuntimeError(f"refused {CANARY}")
    except RuntimeError as error:
        logger.error("caught", exc_info=True)
        logging.getLogger("theirs").exception("caught too")
        logger.error("as a value", error=error)
    everything = capture.stream.getvalue() + repr(capture.sink.take())
    assert CANARY not in everything
    assert "PK0123456789ABCDEFGH" not in everything
    assert "anything" not in everything
    assert "abc.def" not in everything
    assert everything.count("[redacted]") >= 10


def test_control_characters_become_visible(capture: Capture) -> None:
    log.get_logger("actors.x").error("\x1b]52;c;x\x07 \x9b31m \u202e", field="\x1b[2J", **{"na\x1bme": 1})
    written = capture.stream.getvalue()
    (entry,) = capture.sink.take()
    for hostile in ("\x1b", "\x07", "\x9b", "\u202e"):
        assert hostile not in written
        assert hostile not in entry.message
    assert "\\x1b]52;c;x\\x07" in entry.message
    assert "\\u001b" not in written


def test_a_lone_surrogate_can_be_stored(capture: Capture) -> None:
    log.get_logger("actors.x").error("bad \ud800 text")
    capture.sink.take()[0].message.encode()


def test_websockets_never_prints_its_frames() -> None:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    capture = Capture("DEBUG")
    logging.getLogger("websockets.client").debug("> TEXT auth")
    assert capture.lines() == []
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_closed_stream_does_not_reach_whoever_logs(capture: Capture) -> None:
    capture.stream.close()
    for _ in range(2):
        log.get_logger("actors.x").error("still alive")
    assert capture.chain.lost == 2
    lost, alive = sorted(capture.sink.take(), key=lambda entry: entry.component)
    assert lost.message.startswith("lines of the log are lost: ValueError")
    assert (lost.occurrences, alive.occurrences) == (1, 2)


def test_a_log_file_is_its_owners_only(tmp_path: Path) -> None:
    with log.open_log(tmp_path / "logs" / "engine.log") as file:
        file.write("x\n")
    assert stat.S_IMODE((tmp_path / "logs" / "engine.log").stat().st_mode) == 0o600


def put(sink: ErrorSink, message: str = "down", at: int = NOW) -> None:
    sink.put(timestamp=at, level="ERROR", logger_name="actors.x", message=message)


def test_a_storm_of_one_error_is_one_entry_with_a_count() -> None:
    sink = ErrorSink()
    for n in range(1_000):
        put(sink, at=NOW + n)
    (entry,) = sink.take()
    assert (entry.occurrences, entry.timestamp, entry.last_seen) == (1_000, NOW, NOW + 999)


def test_a_storm_goes_on_under_the_same_id_after_the_writer_has_taken_it() -> None:
    sink = ErrorSink()
    put(sink)
    (first,) = sink.take()
    put(sink, at=NOW + 1)
    (second,) = sink.take()
    assert (first.id, first.occurrences) == (second.id, 1)
    assert second.occurrences == 2
    assert sink.take() == []


def test_after_a_minute_the_same_error_is_a_new_entry() -> None:
    sink = ErrorSink()
    put(sink)
    put(sink, at=NOW + 60_000_000_000)
    assert [entry.occurrences for entry in sink.take()] == [1, 1]


def test_what_finds_no_room_is_counted_and_told_once() -> None:
    sink = ErrorSink(capacity=3)
    for n in range(10):
        put(sink, f"different {n}")
    assert sink.overflow == 7
    assert [entry.message for entry in sink.take()][-1] == "7 errors were not kept: more than 3 were waiting"
    assert sink.take() == []


def test_entries_given_back_come_first_and_only_once() -> None:
    sink = ErrorSink()
    put(sink, "a")
    taken = sink.take()
    put(sink, "b")
    put(sink, "a", NOW + 1)
    sink.give_back(taken)
    assert sorted((entry.message, entry.occurrences) for entry in sink.take()) == [("a", 2), ("b", 1)]


def test_one_line_of_code_that_says_ever_new_things_is_a_few_rows_and_a_count() -> None:
    sink = ErrorSink()
    for n in range(1_000):
        put(sink, f"order {n} failed", at=NOW + n)
    entries = sink.take()
    assert len(entries) == MOST_OF_ONE_PLACE + 1
    assert sum(entry.occurrences for entry in entries) == 1_000
    assert entries[-1].message.startswith("order 20 failed (and other things")
    assert sink.overflow == 0
    put(sink, "order 7000 failed", at=NOW + 61_000_000_000)
    assert [entry.message for entry in sink.take()] == ["order 7000 failed"]


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30 * 10**9), st.booleans()), max_size=200),
    st.integers(1, 30),
)
def test_whatever_is_put_is_a_row_a_count_or_told_to_be_lost(
    puts: list[tuple[int, int, bool]], capacity: int
) -> None:
    sink, at = ErrorSink(capacity), NOW
    seen: dict[str, int] = {}
    for text, wait, is_taken in puts:
        at += wait
        put(sink, f"order {text} failed", at)
        if is_taken:
            seen |= {entry.id: entry.occurrences for entry in sink.take() if entry.component != "log"}
    rest = sink.take()
    assert len(rest) <= capacity + 1
    seen |= {entry.id: entry.occurrences for entry in rest if entry.component != "log"}
    assert sum(seen.values()) + sink.overflow >= len(puts)
    assert sum(seen.values()) <= len(puts)


def test_what_is_put_without_the_log_is_cleaned_too(capture: Capture) -> None:
    capture.sink.put(
        timestamp=NOW,
        level="ERROR",
        logger_name="runtime.kernel.supervisor",
        message=f"crashed: {CANARY} \x1b[2J",
        exception_traceback=f"ValueError: {CANARY}",
        context=CANARY,
    )
    (entry,) = capture.sink.take()
    assert CANARY not in repr(entry)
    assert "\x1b" not in entry.message


def test_a_finaliser_that_logs_while_its_thread_is_in_the_sink_or_in_a_line_does_not_hang(
    capture: Capture,
) -> None:
    inner = log.get_logger("storage.inner")
    said: list[str] = []

    class Talkative(ErrorSink):
        def _fold(self, found: ErrorEntry, fresh: list[ErrorEntry]) -> None:
            if not said:
                said.append("once")
                inner.error("from inside the sink")
            super()._fold(found, fresh)

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            if len(said) == 1:
                said.append("twice")
                inner.error("from inside the stream")
            return super().write(text)

    sink, stream = Talkative(), Stream()
    log.configure(stream, clock=lambda: NOW, sink=sink)
    log.get_logger("storage.outer").error("outer")
    assert sorted(entry.message for entry in sink.take()) == [
        "from inside the sink",
        "from inside the stream",
        "outer",
    ]
    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert sorted(events) == ["from inside the sink", "from inside the stream", "outer"]


def test_every_new_entry_is_heard_once_and_its_repetitions_are_not() -> None:
    sink = ErrorSink()
    heard: list[tuple[str, int]] = []
    also: list[str] = []
    end = sink.hear(lambda entry: heard.append((entry.message, entry.occurrences)))
    sink.hear(lambda entry: also.append(entry.message))
    for text in ("a", "a", "b"):
        put(sink, text)
    end()
    put(sink, "c")
    assert heard == [("a", 1), ("b", 1)]
    assert also == ["a", "b", "c"]


@pytest.mark.parametrize("level", ["ERROR", "CRITICAL"])
def test_a_warning_is_a_row_even_where_the_log_is_quieter(level: str) -> None:
    before = logging.getLogger().level
    loud = Capture(level)
    log.get_logger("storage.x").warning("ours")
    logging.getLogger("theirs").warning("theirs")
    logging.getLogger("theirs").log(35, "between two levels")
    assert loud.lines() == []
    assert [(entry.message, entry.level) for entry in loud.sink.take()] == [
        ("ours", "WARNING"),
        ("theirs", "WARNING"),
        ("between two levels", "WARNING"),
    ]
    log.release()
    logging.getLogger().setLevel(before)


def test_a_long_traceback_keeps_its_beginning_and_its_end(capture: Capture) -> None:
    def deep(n: int) -> None:
        if n == 0:
            raise ValueError("x" * 9_000 + " the end of it")
        if n % 2:
            deep(n - 1)
        else:
            deep(n - 1)

    try:
        deep(60)
    except ValueError:
        log.get_logger("storage.x").exception("deep")
    (entry,) = capture.sink.take()
    assert entry.exception_traceback.startswith("Traceback")
    assert entry.exception_traceback.rstrip().endswith("the end of it")
    assert len(entry.exception_traceback) < 13_000


def test_a_value_that_contains_itself_is_logged_all_the_same(capture: Capture) -> None:
    knot: dict[str, object] = {}
    knot["knot"] = knot
    log.get_logger("storage.x").error("odd", value=knot)
    assert len(capture.sink.take()) == 1


def test_all_that_is_said_for_a_component_counts_as_its_own(
    capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("apprise"), "propagate", True)  # who sends alerts keeps its log
    with speaking_for("alerts"):
        logging.getLogger("apprise").warning("not sent")
        log.get_logger("actors.x").warning("neither")
    assert [entry.component for entry in capture.sink.take()] == ["alerts", "alerts"]


def test_a_line_torn_by_a_full_disk_spoils_nothing_but_itself(tmp_path: Path) -> None:
    sink = ErrorSink()
    path = tmp_path / "errors.jsonl"
    put(sink, "before")
    append_fallback(path, sink.take())
    with path.open("ab") as file:
        file.write(b'{"id": "torn')
    put(sink, "after")
    assert spill(sink, path)
    entries, bad = read_fallback(path)
    assert ([entry.message for entry in entries], bad) == (["before", "after"], 1)


def test_an_entry_that_was_kept_twice_is_read_once_as_it_last_was(tmp_path: Path) -> None:
    sink = ErrorSink()
    path = tmp_path / "errors.jsonl"
    put(sink)
    assert spill(sink, path)
    put(sink, at=NOW + 1)
    assert spill(sink, path)
    ((entry,), _) = read_fallback(path)
    assert entry.occurrences == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_the_fallback_file_cannot_take_stays_in_the_sink(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where a folder should be")
    sink = ErrorSink()
    put(sink)
    assert not spill(sink, tmp_path / "logs" / "errors.jsonl")
    assert len(sink.take()) == 1


def test_the_sink_wakes_whoever_listens() -> None:
    sink = ErrorSink()
    woken: list[int] = []
    sink.listen(lambda: woken.append(1))
    put(sink)
    assert woken == [1]


def test_the_fallback_file_survives_a_torn_line(tmp_path: Path) -> None:
    sink = ErrorSink()
    put(sink, "one")
    put(sink, "two")
    entries = sink.take()
    path = tmp_path / "logs" / "errors-fallback.jsonl"
    append_fallback(path, entries)
    with path.open("ab") as file:
        file.write(b'{"id": "torn')
    assert read_fallback(path) == (entries, 1)
    assert read_fallback(tmp_path / "none") == ([], 0)


def test_a_loggers_name_tells_its_component() -> None:
    assert component_of("runtime.kernel.host") == "kernel"
    assert component_of("actors.gateways.market_stream") == "market_stream"
    assert component_of("websockets.client") == "websockets"
