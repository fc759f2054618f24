"""Tables on terminals of any width: numbers are never broken, nothing is wider than the terminal."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.commands import output

COLUMNS = ("strategy", "P&L", "why it is silent")
ROWS = [("relative_volume_breakout", -2_454.9, "nothing has met its conditions"), ("gap_fill", 1.0, None)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    stream = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", stream)
        patch.setenv("COLUMNS", str(width))
        patch.setenv("TERM", "xterm")
        patch.delenv("NO_COLOR", raising=False)
        output.print_table("Strategies", COLUMNS, ROWS)
    return re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())


@pytest.mark.parametrize("width", [14, 24, 40, 60, 80, 200])
def test_a_table_fits_its_terminal_and_breaks_no_number(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    said = shown(width, monkeypatch)
    assert max(map(len, said.splitlines())) <= width
    assert "-2,454.90" in said


def test_where_a_table_has_no_room_its_rows_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(24, monkeypatch).splitlines()
    assert lines[1:4] == ["Strategies", "  relative_volume_breako", "    P&L -2,454.90, why"]
    assert "-" not in shown(24, monkeypatch).splitlines()[-1]


@given(st.text(max_size=300))
def test_no_value_of_a_table_moves_a_cursor(value: str) -> None:
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202e\u2066]", output.text(value))
