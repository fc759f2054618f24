"""What reached the server: every byte of every connection, and every request and frame in plain form."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.walls import WALL_S


@dataclass(kw_only=True)
class Exchange:
    """One REST request or one frame that a client sent.

    Attributes:
        number: Place in the history. at: Market time it came, ns UTC.
        where: "rest", "market" or "trades".
        what: "POST /v2/orders", or a frame's action ("auth", "subscribe"), or "open" and "closed".
        headers: Of the request; names in small letters.
        body: Bytes of the request or frame, decompressed.
        json: The body decoded, where it could be.
        status: Of the answer; 0 while there is none, -1 if the connection was dropped or left mute.
        fault: The switch that was on, or "".
        applied: Whether the request took effect on the account.
    """

    number: int
    at: int
    where: Literal["rest", "market", "trades"]
    what: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    json: Any = None
    status: int = 0
    fault: str = ""
    applied: bool = False


class History:
    """All exchanges in the order they came; awaits what has not come yet."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.raw: dict[int, bytearray] = {}
        """Bytes as they came off each connection, by its number; frames in here are masked and packed."""
        self._changed = asyncio.Event()

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self.exchanges)

    def __len__(self) -> int:
        return len(self.exchanges)

    def add(self, **fields: Any) -> Exchange:
        """Record one exchange."""
        one = Exchange(number=len(self.exchanges), **fields)
        self.exchanges.append(one)
        self.touch()
        return one

    def touch(self) -> None:
        """Say that something changed, to those who wait."""
        self._changed.set()

    async def until(self, holds: Callable[[], Any], within: float = WALL_S) -> None:
        """Wait until a condition holds; looked at whenever anything happens at the server.

        Raises:
            TimeoutError: It did not within that many real seconds.
        """
        async with asyncio.timeout(within):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def requests(self, what: str = "", *, since: int = 0) -> list[Exchange]:
        """REST requests whose "METHOD /path" starts with `what`."""
        return [one for one in self.exchanges[since:] if one.where == "rest" and one.what.startswith(what)]

    def frames(self, where: str, what: str = "") -> list[Exchange]:
        """Frames that came on one of the streams."""
        return [one for one in self.exchanges if one.where == where and one.what.startswith(what)]

    def leaks(self, secret: str) -> list[str]:
        """Where a secret was seen other than in the headers and frames that authenticate."""
        sought, found = secret.encode(), []
        for one in self.exchanges:
            places = {name: text.encode() for name, text in one.headers.items()}
            places |= {"what": one.what.encode(), "query": repr(one.query).encode(), "body": one.body}
            for header in ("apca-api-key-id", "apca-api-secret-key"):
                places.pop(header, None)
            if one.what in ("auth", "authenticate"):
                del places["body"]
            found += [f"{one.number} {one.what}: {name}" for name, text in places.items() if sought in text]
        return found

    def received(self) -> bytes:
        """Every byte of every connection, one connection after the other."""
        return b"".join(bytes(chunk) for chunk in self.raw.values())
