import io
import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from runtime import log
from runtime.error_sink import ErrorSink, append_fallback, read_fallback

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
        "gateways",
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
    log.get_logger("actors.x").error("still alive")
    assert capture.chain.lost == 1
    assert len(capture.sink.take()) == 1


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
    assert log.component_of("runtime.kernel.host") == "kernel"
    assert log.component_of("websockets.client") == "websockets"
