"""Rows of `error_log` from the tape: storms are counted, what was resolved stays so until it comes again."""

import sqlite3
from collections.abc import Iterator

import pytest

from runtime.messages.base import Message
from runtime.messages.machine import ErrorResolved, SessionStarted
from runtime.messages.risk import HaltLifted, HaltThrown, Noted
from storage.books import Books
from storage.projection import Projection
from storage.statements import Mark
from tests.storage.books_samples import DAY, SESSION, T0

SECOND = 1_000_000_000
QUERY = (
    "SELECT timestamp, last_seen, occurrences, seq, is_resolved, resolved_by, note FROM error_log ORDER BY id"
)


def noted(at: int, text: str = "odd") -> Noted:
    return Noted(ts_event=at, cause=1, level="WARNING", component="regime", text=text)


@pytest.fixture
def books() -> Iterator[Books]:
    with Books(None, "paper:1", "memory") as found:
        yield found


def play(books: Books, *events: tuple[int, Message]) -> sqlite3.Connection:
    projection = Projection(SESSION)
    for seq, (at, said) in enumerate(events, 1):
        if isinstance(said, ErrorResolved | HaltThrown | HaltLifted):
            rows = projection.rows(seq, at, said, [])
        else:
            rows = projection.rows(seq, at, SessionStarted(ts_event=at, session=SESSION), [said])
        books.apply(rows, Mark(DAY, seq), at)
        books.commit()
    return books.connection("performance")


def test_the_same_note_within_a_minute_is_one_row_with_a_count(books: Books) -> None:
    times = [T0, T0 + SECOND, T0 + 59 * SECOND, T0 + 60 * SECOND]
    found = play(books, *((at, noted(at)) for at in times)).execute(QUERY).fetchall()
    assert [row[:4] for row in found] == [(T0, T0 + 59 * SECOND, 3, 1), (times[3], times[3], 1, 4)]


def test_different_notes_are_different_rows(books: Books) -> None:
    found = play(books, (T0, noted(T0, "a")), (T0, noted(T0, "b"))).execute(QUERY).fetchall()
    assert [row[2] for row in found] == [1, 1]


def id_of(first: Noted) -> str:
    rows = Projection(SESSION).rows(1, T0, SessionStarted(ts_event=T0, session=SESSION), [first])
    return next(str(params[0]) for key, params in rows if key == "error")


def test_a_person_resolves_a_row_with_a_note(books: Books) -> None:
    first = noted(T0)
    resolved = ErrorResolved(ts_event=T0 + 5, error_id=id_of(first), by="user 1000", note="known")
    ((*_, is_resolved, by, note),) = play(books, (T0, first), (T0 + 5, resolved)).execute(QUERY).fetchall()
    assert (is_resolved, by, note) == (1, "user 1000", "known")


def test_a_resolved_row_that_comes_again_is_open_again(books: Books) -> None:
    first = noted(T0)
    resolved = ErrorResolved(ts_event=T0 + 5, error_id=id_of(first), by="user 1000", note="known")
    link = play(books, (T0, first), (T0 + 5, resolved), (T0 + 9, noted(T0 + 9)))
    ((_, last, count, _, is_resolved, _, note),) = link.execute(QUERY).fetchall()
    assert (last, count, is_resolved, note) == (T0 + 9, 2, 0, "known")


def test_writing_a_row_again_keeps_it_resolved(books: Books) -> None:
    first = noted(T0)
    events = Projection(SESSION).rows(1, T0, SessionStarted(ts_event=T0, session=SESSION), [first])
    resolved = ErrorResolved(ts_event=T0 + 5, error_id=id_of(first), by="me")
    link = play(books, (T0, first), (T0 + 5, resolved))
    books.log(row for row in events if row[0] == "error")
    books.commit()
    ((*_, is_resolved, _, _),) = link.execute(QUERY).fetchall()
    assert is_resolved == 1


OPEN = "SELECT message FROM error_log WHERE level = 'CRITICAL' AND NOT is_resolved ORDER BY timestamp"


def thrown(at: int, reason: str = "a storm") -> HaltThrown:
    return HaltThrown(ts_event=at, reason=reason)


def test_who_resumes_has_seen_to_every_halt_before(books: Books) -> None:
    crash = Noted(ts_event=T0, cause=1, level="CRITICAL", component="regime", text="odd")
    lifted = HaltLifted(ts_event=T0 + 9, by="user 1000")
    link = play(books, (T0, thrown(T0)), (T0 + 1, crash), (T0 + 5, thrown(T0 + 5, "more")), (T0 + 9, lifted))
    assert link.execute(OPEN).fetchall() == [("odd",)]
    seen = "SELECT resolved_at, resolved_by, note FROM error_log WHERE is_resolved"
    assert link.execute(seen).fetchall() == [(T0 + 9, "user 1000", "resumed")] * 2


@pytest.mark.parametrize("reason", ["a storm", "another"])
def test_a_halt_after_the_resumption_is_open(books: Books, reason: str) -> None:
    lifted = HaltLifted(ts_event=T0 + 5, by="me")
    again = thrown(T0 + 6, reason)
    link = play(books, (T0, thrown(T0)), (T0 + 5, lifted), (T0 + 6, again))
    assert link.execute(OPEN).fetchall() == [(f"trading halted: {reason}",)]


def test_a_resumption_that_is_told_late_leaves_the_halt_after_it(books: Books) -> None:
    """A tape that is fed again writes old rows after new ones."""
    lifted = HaltLifted(ts_event=T0 + 5, by="me")
    link = play(books, (T0 + 6, thrown(T0 + 6)), (T0 + 5, lifted))
    assert link.execute(OPEN).fetchall() == [("trading halted: a storm",)]
