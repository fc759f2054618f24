"""What the process itself logs lands in the run's error log, and the books close with everything in them."""

import logging
from pathlib import Path

import pytest

from actors.gateways.bookkeeper import Bookkeeper
from runtime.kernel.clock import ReplayClock
from runtime.log import get_logger
from runtime.messages.machine import SessionStarted
from runtime.messages.risk import Noted
from runtime.process_log import logging_to
from tests.actors.days import header


def rows(keeper: Bookkeeper) -> list[tuple[str, str, str]]:
    found = keeper.books.connection("performance").execute(
        "SELECT level, logger_name, message FROM error_log ORDER BY message"
    )
    return found.fetchall()


def test_warnings_of_any_logger_become_rows_and_lines_while_the_run_lasts(tmp_path: Path) -> None:
    clock = ReplayClock(1_520_000_000_000_000_000)
    path = tmp_path / "logs" / "run.log"
    with logging_to(path, clock=clock.now) as (errors, _):
        keeper = Bookkeeper(None, "replay:test", errors)
        get_logger("actors.gateways.replay_feed").warning("a feed hiccup", symbol="SPY")
        logging.getLogger("some.library").error("it broke")
        get_logger("tui").info("nothing to worry about")
        keeper.end()
        assert [(level, text.split(" ")[0]) for level, _, text in rows(keeper)] == [
            ("WARNING", "a"),
            ("ERROR", "it"),
        ]
        keeper.close()
    lines = path.read_text().splitlines()
    assert len(lines) == 3
    logging.getLogger("some.library").error("after the run: written nowhere, raised nowhere")
    assert len(path.read_text().splitlines()) == 3


def test_a_note_of_an_actor_is_a_row_with_the_input_it_belongs_to() -> None:
    keeper = Bookkeeper(None, "replay:test")
    keeper.begin(header())
    note = Noted(ts_event=1, cause=1, level="CRITICAL", component="portfolio", text="odd")
    keeper(1, 1, SessionStarted(ts_event=1, session="2018-03-05"), [note])
    keeper.end()
    ((level, _, text),) = rows(keeper)
    assert (level, text) == ("CRITICAL", "odd")
    keeper.close()


def test_an_input_before_the_session_has_begun_is_a_bug() -> None:
    keeper = Bookkeeper(None, "replay:test")
    with pytest.raises(AssertionError, match="begin first"):
        keeper(1, 1, SessionStarted(ts_event=1, session="2018-03-05"), [])
    keeper.close()
