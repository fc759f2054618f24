"""The log files of a folder, read as one: merged by time, filtered, and followed as they grow."""

import heapq
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from runtime.log_file import parts_of
from runtime.log_lines import LEVELS, parsed

Line = dict[str, Any]


class Filter(NamedTuple):
    """Which lines are wanted.

    Attributes:
        rank: Of the lowest level. components: of one of these parts or loggers; empty: all. since: ns UTC.
    """

    rank: int = 0
    components: tuple[str, ...] = ()
    since: int = 0

    def wants(self, line: Line) -> bool:
        """Whether a line is one of them."""
        if line["ts"] < self.since or LEVELS[line["level"]] < self.rank:
            return False
        logger = str(line.get("logger", ""))
        return not self.components or any(
            each in (line["component"], logger) or logger.startswith(f"{each}.") for each in self.components
        )


def logs_in(folder: Path) -> list[Path]:
    """The files that are written to now."""
    return sorted(folder.glob("*.log"))


def written(folder: Path) -> Iterator[Line]:
    """Every line of the files, with what was put aside of them, in order of time."""
    return _merged(_lines_of(parts_of(path)) for path in logs_in(folder))


def _merged(several: Iterable[Iterable[Line]]) -> Iterator[Line]:
    return heapq.merge(*several, key=lambda line: int(line["ts"]))


def _lines_of(parts: Iterable[Path]) -> Iterator[Line]:
    before = 0
    for part in parts:
        try:
            file = part.open(encoding="utf-8", errors="replace", newline="\n")
        except FileNotFoundError:  # put aside, or removed, this moment
            continue
        with file:
            for text in file:
                line = parsed(text.rstrip("\r\n"), before)
                before = line["ts"]
                yield line


class Tail:
    """The log files of a folder as they grow: each line is given once, to whoever asks next.

    A file that was put aside is read to its end before its successor.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Path, _Growing] = {}
        for path in logs_in(folder):
            self._files[path] = _Growing(path)

    def earlier(self) -> Iterator[Line]:
        """Everything there is at the beginning, in order of time; to be asked once, and first."""
        aside = [_lines_of(parts_of(path)[:-1]) for path in self._files]
        return _merged([*aside, self.grown()])

    def grown(self) -> list[Line]:
        """The lines that have come since the last time, in order of time."""
        found: list[Line] = []
        for path in logs_in(self._folder):
            known = self._files.get(path)
            if known is not None:
                found += known.rest()
                if known.is_same_as(path):
                    continue
                known.close()
            try:
                self._files[path] = _Growing(path)
            except FileNotFoundError:
                self._files.pop(path, None)
                continue
            found += self._files[path].rest()
        return sorted(found, key=lambda line: int(line["ts"]))

    def close(self) -> None:
        """Let go of the files."""
        for each in self._files.values():
            each.close()


class _Growing:
    """One file that is still written to."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._half = b""
        self._before = 0

    def rest(self) -> list[Line]:
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            self._file.seek(0)  # somebody emptied it
            self._half = b""
        *whole, self._half = (self._half + self._file.readall()).split(b"\n")
        found = []
        for text in whole:
            found.append(parsed(text.decode("utf-8", "replace").rstrip("\r"), self._before))
            self._before = found[-1]["ts"]
        return found

    def is_same_as(self, path: Path) -> bool:
        mine = os.fstat(self._file.fileno())
        try:
            there = path.stat()
        except FileNotFoundError:
            return True
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)

    def close(self) -> None:
        self._file.close()
