"""`status --watch` without a process: what makes it look, what it shows again, how it draws.

With a process, a pipe and a terminal it is in `test_status`.
"""

import io
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tui.commands import status_watch
from tui.commands.watching import ADDED, DELETED, MODIFIED

STANDING: dict[str, Any] = {
    "equity": {"minute": 1_795_170_000_000_000_000, "equity": 97_000.0}, "phase": "TRADING", "positions": [1],
    "orders": [], "breakers": [], "error_counts": [{"rows": 2}, {"rows": 3}], "engine": {"running": True},
    "halted": False, "halt_reason": "",
}  # fmt: skip


class Screen(io.StringIO):
    def __init__(self, *, is_one: bool) -> None:
        super().__init__()
        self._is_one = is_one

    def isatty(self) -> bool:
        return self._is_one


class Kernel:
    """Stands in for the kernel: each wait ends with a change, after the last one comes Ctrl-C."""

    def __init__(self, changes: int) -> None:
        self.left = changes
        self.watched: list[list[Path]] = []
        self.closed = 0

    def __call__(self, folders: Sequence[Path], matters: Callable[[int, str], bool]) -> "Kernel":
        self.watched.append(list(folders))
        return self

    def __enter__(self) -> "Kernel":
        return self

    def __exit__(self, *_: object) -> None:
        self.closed += 1

    def wait(self, seconds: float = 0.0) -> bool:
        if seconds:
            return False
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return True


def watched(
    standings: Sequence[dict[str, Any]],
    root: Path,
    *,
    as_json: bool = False,
    screen: bool = False,
    show: Callable[[Any], None] = print,
    between: Callable[[int], None] = lambda at: None,
) -> tuple[str, Kernel]:
    """Everything that is written while the root stands so, look by look."""
    kernel, out, looks = Kernel(len(standings) - 1), Screen(is_one=screen), iter(enumerate(standings))

    def look(_: Path) -> dict[str, Any]:
        at, found = next(looks)
        between(at)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(status_watch, "FolderWatch", kernel)
        patch.setattr(status_watch, "standing", look)
        patch.setattr(sys, "stdout", out)
        patch.setenv("TERM", "xterm")
        with pytest.raises(KeyboardInterrupt):
            status_watch.watch(root, 0.0, 1, show, as_json=as_json)
    return out.getvalue(), kernel


@given(st.lists(st.integers(0, 2), min_size=1, max_size=12))
def test_only_what_differs_from_the_last_picture_is_shown_again(tmp_path_factory, numbers: list[int]) -> None:
    root = tmp_path_factory.mktemp("root")
    said, _ = watched([STANDING | {"positions": [0] * one} for one in numbers], root, as_json=True)
    shown = [len(json.loads(line)["positions"]) for line in said.splitlines()]
    assert shown == [one for at, one in enumerate(numbers) if at == 0 or one != numbers[at - 1]]


def test_a_line_says_how_it_stands(tmp_path: Path) -> None:
    said, _ = watched([STANDING], tmp_path)
    assert said == (
        "2026-11-20 05:20:00 ET  phase TRADING  equity 97,000.00  positions 1  orders 0  breakers 0  "
        "errors 5  engine runs\n"
    )


def test_a_line_of_a_halted_root_without_marks(tmp_path: Path) -> None:
    halted = {"halted": True, "halt_reason": "odd\x1b[2J fills", "engine": {"running": False}}
    said, _ = watched([STANDING | halted | {"equity": None, "error_counts": []}], tmp_path)
    assert said.startswith("-  phase TRADING  equity -  ")
    assert said.endswith("errors 0  engine stopped  HALTED odd\\x1b[2J fills\n")


def test_a_folder_that_is_made_meanwhile_is_watched_from_then_on(tmp_path: Path) -> None:
    def between(at: int) -> None:
        if at == 1:
            (tmp_path / "killswitch").mkdir()

    (tmp_path / "db").mkdir()
    (tmp_path / "logs").mkdir()
    _, kernel = watched([STANDING] * 4, tmp_path, between=between)
    before, after = [tmp_path, tmp_path / "db"], [tmp_path, tmp_path / "db", tmp_path / "killswitch"]
    assert kernel.watched == [before, after]
    assert kernel.closed == 2


@pytest.mark.parametrize(
    ("kind", "path", "matters"),
    [
        (MODIFIED, "/r/db/trades.db", True),
        (MODIFIED, "/r/db/trades.db-wal", True),
        (MODIFIED, "/r/db/trades.db-shm", False),
        (ADDED, "/r/db/trades.db-wal", False),
        (DELETED, "/r/db/trades.db", False),
        (ADDED, "/r/killswitch/HALT", True),
        (DELETED, "/r/killswitch/HALT", True),
        (ADDED, "/r/run/engine.sock", True),
        (ADDED, "/r/killswitch", True),
        (ADDED, "/r/logs", False),
        (MODIFIED, "/r/settings.toml", False),
    ],
)
def test_what_reading_the_books_does_beside_them_is_no_change(kind: int, path: str, matters: bool) -> None:
    """Else it would wake itself for ever."""
    assert status_watch._matters(kind, path) == matters


def shown(lines: Sequence[str]) -> Callable[[Any], None]:
    return lambda found: print("\n".join(lines))


@example(lines=["a", "b", "c", "d"], height=4, width=20)
@example(lines=["a", "b", "c"], height=4, width=20)
@given(
    lines=st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60), max_size=20),
    height=st.integers(4, 24),
    width=st.integers(10, 50),
)
def test_a_picture_fits_the_terminal_and_says_what_it_hides(
    tmp_path_factory, lines: list[str], height: int, width: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            shutil, "get_terminal_size", lambda: type("Size", (), {"lines": height, "columns": width})
        )
        said, _ = watched([STANDING], tmp_path_factory.mktemp("root"), screen=True, show=shown(lines))
    assert said.startswith("\x1b[2J\x1b[H")
    drawn = said.removeprefix("\x1b[2J\x1b[H").removesuffix("\x1b[J").split("\x1b[K\n")[:-1]
    asked = ("\n".join(lines) + "\n").splitlines()
    assert len(drawn) <= height - 1
    assert all(len(line) <= width for line in drawn)
    if len(asked) <= height - 1:
        assert drawn == [line[:width] for line in asked]
    else:
        hidden = len(asked) - len(drawn) + 1
        assert drawn[-1] == f"({hidden} more lines: make the terminal taller)"[:width]


def test_later_pictures_are_drawn_over_the_first_without_clearing(tmp_path: Path) -> None:
    later = STANDING | {"phase": "MARKET_CLOSE"}
    said, _ = watched([STANDING, later], tmp_path, screen=True, show=lambda found: print(found["phase"]))
    assert said == "\x1b[2J\x1b[HTRADING\x1b[K\n\x1b[J\x1b[HMARKET_CLOSE\x1b[K\n\x1b[J"


@pytest.mark.parametrize("term", ["dumb", None])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, term: str | None
) -> None:
    monkeypatch.setattr(sys, "stdout", Screen(is_one=True))
    if term is None:
        monkeypatch.delenv("TERM", raising=False)
    else:
        monkeypatch.setenv("TERM", term)
    assert not status_watch._is_screen()
    monkeypatch.setenv("TERM", "xterm")
    assert status_watch._is_screen()
    monkeypatch.setattr(sys, "stdout", None)
    assert not status_watch._is_screen()
