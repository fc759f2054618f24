"""What writers of rows share: the place on the tape, the input, and the rows so far."""

from collections.abc import Sequence
from typing import Any

import msgspec

from runtime.messages.base import Message
from runtime.messages.trading import LotChanged
from storage.statements import Row

_json = msgspec.json.Encoder()

_WINDOW = 60_000_000_000
_REMEMBERED = 1_000


class _Said(msgspec.Struct):
    """An error that was told within the last minute: its row, and how often."""

    id: str
    ts: int
    seq: int
    count: int = 0


class Pen:
    """Writes the rows of one session, input by input.

    Args:
        session: ISO date of the trading day.
        symbols: The session's symbol table, so that a signal's chain can begin with its bar.

    Attributes:
        seq, at: The input being written and when it was known, ns UTC.
        message, caused: The input and all it caused.
        out: Its rows so far.
    """

    def __init__(self, session: str, symbols: Sequence[str] = ()) -> None:
        self.session = int(session.replace("-", ""))
        self.date = session
        self.ids = {symbol: index for index, symbol in enumerate(symbols)}
        self.seq = 0
        self.at = 0
        self.message: Message | None = None
        self.caused: Sequence[Message] = ()
        self.out: list[Row] = []
        self._said: dict[tuple[str, str, str, int], _Said] = {}
        self._lots: dict[str, LotChanged] | None = None

    def begin(self, seq: int, at: int, message: Message, caused: Sequence[Message]) -> list[Row]:
        """Take up an input; the list its rows will be in."""
        self.seq, self.at, self.message, self.caused = seq, at, message, caused
        self.out, self._lots = [], None
        return self.out

    def lots_of_fills(self) -> dict[str, LotChanged]:
        """What became of lots by the ids of the fills that the input told of, as the books said."""
        if self._lots is None:
            changes = [said for said in self.caused if isinstance(said, LotChanged)]
            self._lots = {change.execution_id: change for change in changes}
        return self._lots

    def cause(self, kind: str, ids: tuple[str, str, str], ts: int, numbers: dict[str, Any]) -> None:
        """Add one link of the chain from bar to fill.

        Args:
            ids: Its own, of what it answers (or empty), of the lot. ts: ns UTC. numbers: what decided.
        """
        self.out.append(("cause", self._link(kind, ids, ts, numbers)))

    def cause_once(self, kind: str, ids: tuple[str, str, str], ts: int, numbers: dict[str, Any]) -> None:
        """Add a link unless there is one of its kind for the same id; arguments as `cause`."""
        self.out.append(("cause_once", (*self._link(kind, ids, ts, numbers), ids[0], kind)))

    def _link(
        self, kind: str, ids: tuple[str, str, str], ts: int, numbers: dict[str, Any]
    ) -> tuple[Any, ...]:
        text = _json.encode(numbers).decode()
        return self.session, self.seq, len(self.out), ids[0], kind, *ids[1:], ts, text

    def error(
        self,
        level: str,
        component: str,
        text: str,
        ts: int,
        *,
        file: str = "",
        line: int = 0,
        exception: str = "",
        traceback: str = "",
        context: str = "",
    ) -> None:
        """Add a row of `error_log`, named by its place on the tape; the same within a minute counts on it."""
        key = (level, component, text, line)
        said = self._said.pop(key, None)
        if said is None or ts - said.ts >= _WINDOW:
            said = _Said(f"{self.session}-{self.seq}-{len(self.out)}", ts, self.seq)
        said.count += 1
        self._said[key] = said
        while len(self._said) > _REMEMBERED:
            del self._said[next(iter(self._said))]
        self.out.append(
            (
                "error",
                (
                    *(said.id, said.ts, level, f"actors.{component}", text, file, line, exception, traceback),
                    *(component, said.count, ts, self.session, said.seq, context),
                ),
            )
        )

    def place(self) -> tuple[int, int, int]:
        """Key of a log row: session, input, position among the input's rows."""
        return self.session, self.seq, len(self.out)


def json_text(value: Any) -> str:
    """Compact JSON; no number (NaN) becomes null."""
    return _json.encode(value).decode()


def micros(dollars: float) -> int | None:
    """USD as integer micro-dollars; None, which the schema refuses, if it is no number."""
    return round(dollars * 1_000_000) if abs(dollars) < float("inf") else None
