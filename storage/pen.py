"""What writers of rows share: the place on the tape, the input, and the rows so far."""

from collections.abc import Sequence
from typing import Any

import msgspec

from runtime.messages.base import Message
from storage.statements import Row

_json = msgspec.json.Encoder()


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

    def cause(self, kind: str, ids: tuple[str, str, str], ts: int, numbers: dict[str, Any]) -> None:
        """Add one link of the chain from bar to fill.

        Args:
            ids: Its own, of what it answers (or empty), of the lot. ts: ns UTC. numbers: what decided.
        """
        text = _json.encode(numbers).decode()
        self.out.append(("cause", (self.session, self.seq, len(self.out), ids[0], kind, *ids[1:], ts, text)))

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
    ) -> None:
        """Add a row of `error_log`, named by its place on the tape."""
        id = f"{self.session}-{self.seq}-{len(self.out)}"
        logger = f"actors.{component}"
        self.out.append(
            (
                "error",
                (
                    id,
                    ts,
                    level,
                    logger,
                    text,
                    file,
                    line,
                    exception,
                    traceback,
                    component,
                    1,
                    ts,
                    self.session,
                    self.seq,
                ),
            )
        )

    def place(self) -> tuple[int, int, int]:
        """Key of a log row: session, input, position among the input's rows."""
        return self.session, self.seq, len(self.out)


def json_text(value: Any) -> str:
    """Compact JSON; no number (NaN) becomes null."""
    return _json.encode(value).decode()
