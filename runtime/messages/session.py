"""What a trading day starts from: the header of its tape."""

from typing import Any

import msgspec

from runtime.messages.risk import Phase

SCHEMA = 1


class PanelRef(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable array under `tapes/blobs/<sha256>.npy`."""

    sha256: str
    shape: tuple[int, ...]
    dtype: str


class TapePart(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier part of the session, from whose end this one goes on.

    Attributes:
        name: Its tape's, without a folder and as before it is compressed.
        last_seq: Number of its last input. chain: its hash chain at the end, hex.
    """

    name: str
    last_seq: int
    chain: str


class PhaseStart(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One row of the session's phase table."""

    phase: Phase
    ts: int


class SessionHeader(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a session starts from; a tape with this header and its blobs stands alone.

    Attributes:
        session: ISO date of the trading day. previous, next: neighbouring trading days.
        starts, open, close, ends: ns UTC; starts and ends are 18:00 ET of the previous trading day and
            of this one.
        phases: The day's phase table in time order.
        settings: The whole settings snapshot as plain data; settings_hash: SHA-256 of its sorted JSON.
        symbols: The symbol table; ids are positions. sectors: sector ETF of each symbol, or "".
        carried: What crosses sessions, msgpack, one entry per decision actor.
        panels: As-of history that ends with the previous session (storage/panels.py names them).
        books: Whose books these are: `live:<account>`, `paper:<account>` or `replay:<run>`.
        cpu: CPU feature level NumPy dispatches on.
    """

    schema: int = SCHEMA
    session: str
    previous: str
    next: str
    starts: int
    open: int
    close: int
    ends: int
    early_close: bool
    phases: tuple[PhaseStart, ...]
    settings: dict[str, Any]
    settings_hash: str
    symbols: tuple[str, ...]
    sectors: tuple[str, ...]
    carried: dict[str, bytes] = {}
    panels: dict[str, PanelRef] = {}
    books: str = ""
    code_version: str = ""
    python: str = ""
    numpy: str = ""
    cpu: str = ""
    origin: str = ""
    """Where the inputs come from: `live`, `import <file>`, `synthetic seed=<n>`."""
    next_open: int = 0
    next_close: int = 0
    """Open and close of the next trading day, ns UTC; 0 where it is not known."""
    parts: tuple[TapePart, ...] = ()
    """The session's earlier parts, oldest first. `carried` is then where each actor stands at the end of the
    last of them; regime and strategies begin as they did that day and hear its market again."""

    @property
    def part(self) -> int:
        """Which part of the session this is, counted from 1."""
        return len(self.parts) + 1
