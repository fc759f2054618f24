"""Errors in a file while the database cannot take them: read back, whatever a full disk left of them."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import error_fallback
from runtime.error_fallback import FALLBACK, append_fallback, read_fallback, spill
from runtime.error_sink import ErrorEntry, ErrorSink


def entry(name: str = "a", message: str = "odd", **fields: object) -> ErrorEntry:
    plain = {"timestamp": 1, "level": "ERROR", "logger_name": "test", "last_seen": 1}
    return ErrorEntry(id=name, message=message, **(plain | fields))  # type: ignore[arg-type]


def filled(sink: ErrorSink, *messages: str) -> ErrorSink:
    for message in messages:
        sink.put(timestamp=1, level="ERROR", logger_name="test", message=message)
    return sink


entries = st.lists(
    st.builds(
        entry,
        st.sampled_from("abcd"),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        occurrences=st.integers(1, 2**40),
    ),
    max_size=6,
)


@given(batches=st.lists(entries, max_size=4))
def test_what_was_kept_is_read_back_and_the_last_word_on_an_entry_counts(
    tmp_path_factory, batches: list[list[ErrorEntry]]
) -> None:
    path = tmp_path_factory.mktemp("logs") / FALLBACK
    for batch in batches:
        append_fallback(path, batch)
    found, bad = read_fallback(path)
    assert {one.id: one for one in found} == {one.id: one for batch in batches for one in batch}
    assert bad == 0


@given(cut=st.integers(0, 400), later=entries)
def test_a_line_that_was_torn_spoils_no_other(tmp_path_factory, cut: int, later: list[ErrorEntry]) -> None:
    """A full disk may cut it anywhere; what comes after begins a line of its own."""
    path = tmp_path_factory.mktemp("logs") / FALLBACK
    append_fallback(path, [entry("first"), entry("torn", "x" * 40)])
    whole = path.read_bytes()
    first = whole.index(b"\n", 1) + 1
    path.write_bytes(whole[: min(len(whole), first + cut)])
    append_fallback(path, later)
    found, bad = read_fallback(path)
    names = {one.id for one in found}
    assert {"first", *(one.id for one in later)} <= names
    assert bad + ("torn" in names) <= 1


def test_without_a_file_there_is_nothing_to_read(tmp_path: Path) -> None:
    assert read_fallback(tmp_path / FALLBACK) == ([], 0)


@pytest.mark.parametrize("line", [b"no JSON", b'{"id": 7}', b'{"id": "a"}', b"\xff\xfe", b"[]"])
def test_lines_that_are_no_entries_are_counted(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / FALLBACK
    append_fallback(path, [entry()])
    path.write_bytes(path.read_bytes() + line + b"\n\n")
    found, bad = read_fallback(path)
    assert ([one.id for one in found], bad) == (["a"], 1)


def test_nobody_else_can_read_the_file_or_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "logs" / FALLBACK
    append_fallback(path, [entry()])
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_the_file_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / FALLBACK
    append_fallback(path, [entry()])
    monkeypatch.setattr(error_fallback, "MOST_BYTES", 2 * path.stat().st_size)
    append_fallback(path, [entry()])  # to the last byte
    before = path.read_bytes()
    with pytest.raises(OSError, match="longer than"):
        append_fallback(path, [entry()])
    assert path.read_bytes() == before


def test_what_waits_moves_to_the_file_once(tmp_path: Path) -> None:
    sink, path = filled(ErrorSink(), "one", "two"), tmp_path / FALLBACK
    assert spill(sink, path)
    assert sink.take() == []
    assert [one.message for one in read_fallback(path)[0]] == ["one", "two"]
    written = path.read_bytes()
    assert spill(sink, path)
    assert path.read_bytes() == written


def test_what_cannot_be_written_stays_in_the_sink(tmp_path: Path) -> None:
    sink = filled(ErrorSink(), "one", "two")
    (tmp_path / "logs").write_text("a file where the folder should be")
    assert not spill(sink, tmp_path / "logs" / FALLBACK)
    assert [one.message for one in sink.take()] == ["one", "two"]


def test_an_entry_that_was_written_in_part_stays_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink, path, write = filled(ErrorSink(), "one"), tmp_path / FALLBACK, os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:10]))
    assert not spill(sink, path)
    monkeypatch.undo()
    assert spill(sink, path)
    found, bad = read_fallback(path)
    assert ([one.message for one in found], bad) == (["one"], 1)
