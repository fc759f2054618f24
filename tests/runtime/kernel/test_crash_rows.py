"""A gateway's crash is one row: an error where it is started again, critical where it is not."""

import json

import pytest

from runtime.error_sink import ErrorSink
from runtime.kernel.crash_rows import recorder_of
from runtime.kernel.supervisor import GatewayCrash

CRASH = GatewayCrash(
    at=1_000, gateway="market_stream", error="no such file", exception_type="OSError", traceback="Traceback",
    source_file="market_stream.py", line_number=7, attempt=3, recent=2, verdict="restart", delay=400,
    message_type="Bars",
)  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "level"),
    [
        ("restart", "ERROR"),
        ("stopping", "ERROR"),
        ("escalated", "CRITICAL"),
        ("stopped", "CRITICAL"),
        ("failed", "CRITICAL"),
    ],
)
def test_a_crash_is_one_row_with_all_that_is_known_of_it(verdict: str, level: str) -> None:
    heard = []
    errors = ErrorSink()
    errors.hear(heard.append)
    values = {name: getattr(CRASH, name) for name in CRASH.__struct_fields__} | {"verdict": verdict}
    recorder_of(errors)(GatewayCrash(**values))
    (row,) = heard
    assert (row.timestamp, row.level, row.component) == (1_000, level, "market_stream")
    assert row.message == f"market_stream crashed ({verdict}): no such file"
    assert (row.source_file, row.line_number, row.exception_type) == ("market_stream.py", 7, "OSError")
    assert json.loads(row.context) == {"message_type": "Bars", "attempt": 3, "delay_ns": 400}
