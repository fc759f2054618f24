"""A sample that fails on purpose, so that the demo shows a supervised restart.

It watches one symbol, trades nothing, and raises once on the thirtieth minute of every third session.
"""

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from actors.strategies.base import Bars, SignalRaised, Strategy
from actors.strategies.context import MINUTE


class Seen(msgspec.Struct, frozen=True):
    """How many sessions it has seen."""

    sessions: int


class Stumbler(Strategy):
    """Raises `RuntimeError` where it is told to; otherwise silent."""

    name: ClassVar[str] = "stumbler"

    class Params(msgspec.Struct, frozen=True, kw_only=True):
        """When it fails: at this minute of every so many sessions."""

        minute: int = 30
        every: int = 3

    def start(self) -> None:
        self._sessions = 0

    def restore(self, state: bytes) -> None:
        self._sessions = msgspec.msgpack.decode(state, type=Seen).sessions

    def carry(self) -> Seen:
        return Seen(self._sessions + 1)

    def on_bars(self, bars: Bars) -> Iterator[SignalRaised]:
        due = self.context.open + self.params.minute * MINUTE
        if bars.ts_event == due and self._sessions % self.params.every == 1:
            raise RuntimeError("this sample strategy stumbles on purpose")
        yield from ()
