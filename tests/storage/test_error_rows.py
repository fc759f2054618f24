"""Rows of `error_log` from the tape: storms are counted, what was resolved stays so until it comes again."""

import sqlite3
from collections.abc import Iterator

import pytest

from runtime.messages.base import Message
from runtime.messages.machine import ErrorResolved, SessionStarted
from runtime.messages.risk import Noted
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
        if isinstance(said, ErrorResolved):
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
