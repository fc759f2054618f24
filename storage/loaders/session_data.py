"""One session as data: what a trading day starts from, and its market inputs in order of time.

Files of `tape import` and the synthetic market both end here; from it a tape is written or a session is run.
Session times come from the caller: the calendar stands above this floor.
"""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from runtime.messages.base import Input
from runtime.messages.machine import Source
from runtime.messages.session import PanelRef, PhaseStart, SessionHeader


class Times(Protocol):
    """What the calendar knows of one trading day (dates ISO, times ns UTC)."""

    @property
    def session(self) -> str: ...
    @property
    def previous(self) -> str: ...
    @property
    def next(self) -> str: ...
    @property
    def starts(self) -> int: ...
    @property
    def open(self) -> int: ...
    @property
    def close(self) -> int: ...
    @property
    def ends(self) -> int: ...
    @property
    def early_close(self) -> bool: ...
    @property
    def phases(self) -> tuple[PhaseStart, ...]: ...


TimesOf = Callable[[str], Times]
"""Times of a session by its ISO date; ValueError if it is none."""


DAY_FIELDS = (
    "session",
    "previous",
    "next",
    "starts",
    "open",
    "close",
    "ends",
    "early_close",
    "phases",
    "next_open",
    "next_close",
)
"""What a header has from the calendar."""


def day_fields(session: str, times: TimesOf) -> dict[str, Any]:
    """The header's calendar fields of a session, by name.

    Raises:
        ValueError: The day is no session.
    """
    day = times(session)
    following = times(day.next)
    found = {name: getattr(day, name) for name in DAY_FIELDS if not name.startswith("next_")}
    return {**found, "next_open": following.open, "next_close": following.close}


class SessionData(msgspec.Struct, frozen=True, kw_only=True):
    """One session, ready to be recorded or run.

    Attributes:
        session to next_close, symbols, sectors, origin: As in `SessionHeader`.
        panels: Read-only arrays by name (`daily`, `daily_sessions`, `price_ratio`, `vix`, `vix_sessions`,
            `opening_volume`).
        inputs: (when it became known in ns UTC, source, message), ascending.
        bars: Number of minute bars. quarantined: refused rows by reason.
    """

    session: str
    previous: str
    next: str
    starts: int
    open: int
    close: int
    ends: int
    early_close: bool
    phases: tuple[PhaseStart, ...]
    next_open: int
    next_close: int
    symbols: tuple[str, ...]
    sectors: tuple[str, ...]
    panels: dict[str, NDArray[np.generic]]
    inputs: tuple[tuple[int, Source, Input], ...]
    origin: str
    bars: int = 0
    quarantined: dict[str, int] = {}

    def header(
        self, *, settings: dict[str, Any], settings_hash: str, panels: dict[str, PanelRef], **rest: Any
    ) -> SessionHeader:
        """The header of the session's tape.

        Args:
            settings: The settings snapshot. settings_hash: its hash.
            panels: Where each of `self.panels` was put.
            rest: Further header fields (carried, books, code_version, ...).
        """
        own = {name: getattr(self, name) for name in (*DAY_FIELDS, "symbols", "sectors", "origin")}
        return SessionHeader(
            settings=settings,
            settings_hash=settings_hash,
            panels=panels,
            **{**own, **rest},
        )


def yyyymmdd(session: str) -> int:
    """An ISO date as a number."""
    return int(session.replace("-", ""))


def calendar_before(session: str, count: int, times: TimesOf) -> list[str]:
    """The `count` sessions before one, ascending; fewer where the calendar begins."""
    found: list[str] = []
    try:
        day = times(session).previous
        while len(found) < count:
            found.append(day)
            day = times(day).previous
    except ValueError:
        pass
    return found[::-1]
