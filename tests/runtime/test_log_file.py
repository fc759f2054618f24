"""The log file: whole lines, put aside when full, nothing lost while it can be written."""

import os
import stat
from pathlib import Path

import pytest

from runtime.log_file import LogFile, parts_of


def text_of(path: Path) -> list[str]:
    return [line for part in parts_of(path) for line in part.read_text().splitlines()]


def test_it_is_its_owners_only_and_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "a.log"
    for line in ("one\n", "two\n"):
        with LogFile(path) as file:
            assert file.write(line) == len(line)
            file.flush()
    assert path.read_text() == "one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_full_file_is_put_aside_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with LogFile(path, most_bytes=100, kept=2) as file:
        for n in range(50):
            file.write(f"line {n:04d}\n")
    assert [part.name for part in parts_of(path)] == ["a.log.2", "a.log.1", "a.log"]
    assert all(part.stat().st_size <= 100 for part in parts_of(path))
    assert text_of(path) == [f"line {n:04d}" for n in range(20, 50)]
    assert all(stat.S_IMODE(part.stat().st_mode) == 0o600 for part in parts_of(path))


def test_nothing_is_kept_where_nothing_is_to_be_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with LogFile(path, most_bytes=20, kept=0) as file:
        for n in range(10):
            file.write(f"line {n:04d}\n")
    assert text_of(path) == ["line 0008", "line 0009"]


def test_a_line_longer_than_a_file_may_be_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with LogFile(path, most_bytes=10, kept=3) as file:
        file.write("x" * 50 + "\n")
        file.write("y\n")
    assert text_of(path) == ["x" * 50, "y"]


def test_a_line_that_a_crash_cut_short_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text('{"ts": 1, "ev')
    with LogFile(path) as file:
        file.write("whole\n")
        file.write("again\n")
    assert text_of(path) == ['{"ts": 1, "ev', "whole", "again"]


def test_where_it_cannot_be_put_aside_it_is_written_on(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    (tmp_path / "a.log.1").mkdir()
    (tmp_path / "a.log.1" / "x").touch()
    with LogFile(path, most_bytes=20, kept=1) as file:
        for n in range(5):
            file.write(f"line {n:04d}\n")
    assert path.read_text().splitlines() == [f"line {n:04d}" for n in range(5)]


def test_what_is_written_after_the_end_is_refused(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "a.log")
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.write("x\n")


def test_a_full_disk_is_told_to_the_writer() -> None:
    file = LogFile.__new__(LogFile)
    file._path, file._most, file._kept, file._size, file._is_torn = Path("/dev/full"), 100, 1, 0, False
    file._handle = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="No space left"):
        file.write("x\n")
    file.close()
