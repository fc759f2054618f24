"""The status line and the transport: what stands there, and that it stands still."""

import msgspec
import pytest
from rich.cells import cell_len

from runtime.messages.screen import Transport
from tests.tui import frames
from tui.panels.bar import kept
from tui.panels.status import Connection, status_parts
from tui.panels.transport import share
from tui.view import EMPTY, View, fold

HOUR = 3_600_000_000_000


def _line(view: View, width: int = 300) -> str:
    parts = kept(status_parts(view, Connection(is_up=True)), width, 2)
    return "  ".join("".join(text for text, _ in each.pieces) for each in parts)


@pytest.mark.parametrize("width", [78, 118, 158])
def test_the_age_of_the_last_bars_moves_nothing_else_as_it_grows(width: int) -> None:
    view = fold(EMPTY, frames.whole())
    assert view.head is not None
    shown = {
        cell_len(_line(msgspec.structs.replace(view, at=view.head.bar_at + age), width).partition("bars")[0])
        for age in (2_000_000_000, 12_000_000_000, 59_000_000_000)
    }
    lengths = {
        cell_len(_line(msgspec.structs.replace(view, at=view.head.bar_at + age), width))
        for age in (2_000_000_000, 12_000_000_000, 59_000_000_000)
    }
    assert len(shown) == len(lengths) == 1


def test_what_was_not_measured_is_not_shown_as_nought() -> None:
    line = _line(fold(EMPTY, frames.whole(head=frames.head(p99_ns=0, lag_worst_ns=0))))
    assert "p99" not in line
    assert "longest wait" not in line
    assert "longest wait 4.0ms" in _line(fold(EMPTY, frames.whole(head=frames.head(lag_worst_ns=4_000_000))))


def test_a_session_after_a_weekend_is_as_far_as_its_own_day_is() -> None:
    def far(hours: int, at: int) -> float:
        return share(
            Transport(
                playing=True,
                ended=False,
                speed=60.0,
                session="2026-11-16",
                starts=0,
                at=at * HOUR,
                ends=hours * HOUR,
            )
        )

    assert far(72, 60) == far(24, 12) == 0.5
    assert far(72, 1) == 0.0
