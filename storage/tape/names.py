"""Which file holds which part of which session: `2018-03-05.tape`, `2018-03-05.2.tape`, either compressed.

A session has one part, unless it was gone on with under changed settings or code.
"""

import re
from pathlib import Path
from typing import NamedTuple

from storage.tape.format import COMPRESSED, SUFFIX

_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\.([2-9]|[1-9]\d+))?\.tape(\.zst)?")


class TapeName(NamedTuple):
    """What a tape's name says; in order of sessions, then of parts.

    Attributes:
        session: ISO date. part: counted from 1.
    """

    session: str
    part: int
    is_compressed: bool


def read_name(path: Path) -> TapeName | None:
    """What the name of a file says, or None: it is no session's tape."""
    found = _NAME.fullmatch(path.name)
    return TapeName(found[1], int(found[2] or 1), bool(found[3])) if found else None


def part_name(session: str, part: int) -> str:
    """The name of a part's tape while it is not compressed."""
    return f"{session}{SUFFIX}" if part == 1 else f"{session}.{part}{SUFFIX}"


def tapes_in(folder: Path) -> list[Path]:
    """Every session's tapes in a folder, oldest session first, its parts in order."""
    named = [(name, path) for path in folder.glob("*.tape*") if (name := read_name(path)) is not None]
    return [path for _, path in sorted(named)]


def parts_in(folder: Path, session: str) -> list[Path]:
    """A session's tapes in a folder, in order of their parts."""
    return [path for path in tapes_in(folder) if path.name[: len(session)] == session]


def part_beside(path: Path, name: str) -> Path:
    """Where another part lies that a tape names: beside it, perhaps compressed by now."""
    plain = path.with_name(name)
    packed = path.with_name(name.removesuffix(SUFFIX) + COMPRESSED)
    return packed if packed.exists() and not plain.exists() else plain
