"""How far long work has come: on a plain terminal a line per session, on a good one a bar, else nothing."""

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.commands import progress
from tui.commands.progress import Progress


class Terminal(io.StringIO):
    """A stderr that is one, or is not."""

    def __init__(self, *, is_one: bool = True) -> None:
        super().__init__()
        self._is_one = is_one

    def isatty(self) -> bool:
        return self._is_one


def terminal(
    monkeypatch: pytest.MonkeyPatch, *, is_one: bool = True, quiet: bool = False, bar: bool = False
) -> Terminal:
    found = Terminal(is_one=is_one)
    monkeypatch.setattr(sys, "stderr", found)
    monkeypatch.setattr(progress, "is_quiet", lambda: quiet)
    monkeypatch.setattr(progress, "decorated", lambda stream: bar)
    monkeypatch.setenv("COLUMNS", "80")
    return found


def played(*steps: tuple[str, float], total: int = 3, shown: bool = True) -> None:
    with Progress(total, shown=shown) as told:
        for session, share in steps:
            told.update(session, share)


STEPS = (("2026-11-16", 0.0), ("2026-11-16", 0.5), ("2026-11-17", 0.0), ("2026-11-18", 1.0))


def test_on_a_plain_terminal_each_session_is_a_line_when_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = terminal(monkeypatch)
    played(*STEPS)
    assert shown.getvalue() == "2026-11-16 (1 of 3)\n2026-11-17 (2 of 3)\n2026-11-18 (3 of 3)\n"


@pytest.mark.parametrize(
    ("is_one", "quiet", "shown"), [(False, False, True), (True, True, True), (True, False, False)]
)
def test_it_is_silent_elsewhere_and_where_it_shall_be(
    monkeypatch: pytest.MonkeyPatch, is_one: bool, quiet: bool, shown: bool
) -> None:
    found = terminal(monkeypatch, is_one=is_one, quiet=quiet)
    bar = Progress(3, shown=shown)
    assert not bar.shown
    with bar:
        pass
    assert found.getvalue() == ""


def test_without_a_stderr_at_all_it_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert not Progress(1, shown=True).shown


def test_a_bar_names_the_session_and_ends_with_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = terminal(monkeypatch, bar=True)
    played(*STEPS)
    assert "2026-11-18" in shown.getvalue()
    assert "(1 of 3)" not in shown.getvalue()


def test_a_bar_is_stopped_when_the_work_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch, bar=True)
    bar = Progress(3, shown=True)
    with pytest.raises(KeyboardInterrupt), bar:
        bar.update("2026-11-16", 0.5)
        raise KeyboardInterrupt
    assert not bar._bar.live.is_started


def test_a_narrow_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = terminal(monkeypatch, bar=True)
    monkeypatch.setenv("COLUMNS", "49")
    played(("2026-11-16", 0.0))
    assert shown.getvalue() == "2026-11-16 (1 of 3)\n"
    monkeypatch.setenv("COLUMNS", "50")
    played(("2026-11-17", 0.0))
    assert "(1 of 3)" not in shown.getvalue().split("\n", 1)[1]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_the_bar_never_goes_back_and_ends_where_the_last_session_does(parts: list[int]) -> None:
    seen: list[float] = []

    class Bar:
        def update(self, task: object, *, completed: float, description: str) -> None:
            seen.append(completed)

    told = Progress(len(parts), shown=False)
    told._bar = Bar()
    for day, count in enumerate(parts):
        for part in range(count + 1):
            told.update(f"day {day}", part / count)
    assert seen == sorted(seen)
    assert seen[-1] == len(parts)
