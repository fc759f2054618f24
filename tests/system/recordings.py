"""The demo's market, made once, and what plays and records it."""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from actors.gateways.bookkeeper import Bookkeeper
from actors.gateways.replay_feed import MadeSession, TapeSession
from actors.market.calendar import session_times
from actors.playback import Playback, Summary
from runtime.messages.base import Decision, Input, Message
from runtime.messages.codec import encode
from storage.loaders.sessions import SessionData
from storage.loaders.synthetic import synthetic_sessions
from storage.panels import PanelStore
from storage.tape import TapeWriter
from tests.system import days

BOOKS = "replay:test"
DEMO = days.GOLDEN_PROFILE.parents[1] / "config" / "demo.toml"

Rows = dict[str, list[tuple[Any, ...]]]


@cache
def demo_market() -> tuple[SessionData, ...]:
    """Ten made-up sessions."""
    return tuple(synthetic_sessions(times=session_times))


class DecisionLog:
    """Observer: the digest of what every input caused, by session and place."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, bytes]] = []

    def __call__(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        digest = hashlib.sha256(b"".join(encode(one) for one in caused if isinstance(one, Decision)))
        self.entries.append((f"{seq} {at} {type(message).__name__}", digest.digest()))


def record(
    sessions: Sequence[SessionData],
    folder: Path,
    observers: Sequence[Callable[..., None]] = (),
    *overrides: str,
) -> tuple[list[Path], Summary]:
    """Play sessions as the demo does and keep their tapes."""
    store = PanelStore(folder / "blobs")
    paths: list[Path] = []

    def tape(header: Any) -> TapeWriter:
        paths.append(folder / f"{header.session}.tape")
        return TapeWriter(paths[-1], header, durable=False)

    player = Playback(days.settings(DEMO, *overrides), record=tape, observers=observers, books=BOOKS)
    return paths, player.run([MadeSession(made, store) for made in sessions])


def replay(
    tapes: Sequence[Path],
    root: Path | None = None,
    observers: Sequence[Callable[..., None]] = (),
    *overrides: str,
) -> tuple[Summary, Rows]:
    """A new process's work: play tapes into the root's books (or into memory); summary and all rows."""
    keeper = Bookkeeper(root, BOOKS)
    chosen = days.settings(DEMO, *overrides)
    player = Playback(chosen, projection=keeper, observers=observers, books=BOOKS)
    try:
        summary = player.run([TapeSession(tape) for tape in tapes])
        found = rows(keeper)
    finally:
        keeper.close()
    return summary, found


def rows(keeper: Bookkeeper) -> Rows:
    """Every row of every table, in order."""
    return {
        f"{name}.{table}": all_rows
        for name in ("trades", "performance")
        for table, all_rows in _tables(keeper.books.connection(name))
    }


def _tables(link: sqlite3.Connection) -> list[tuple[str, list[tuple[Any, ...]]]]:
    names = link.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    found = []
    for (name,) in names:
        width = len(link.execute(f"SELECT * FROM {name} LIMIT 0").description)
        order = ", ".join(str(place) for place in range(1, width + 1))
        found.append((name, link.execute(f"SELECT * FROM {name} ORDER BY {order}").fetchall()))
    return found
