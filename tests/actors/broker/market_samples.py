"""Bars and frames as the data service writes them, and a joiner to put them into."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgpack
import msgspec

from actors.broker.market_wire import MinuteBar, UpdatedBar
from actors.broker.minute_join import MinuteJoin, Quarantine

MINUTE = 60_000_000_000
SECOND = 1_000_000_000
OPEN = 1_763_649_000_000_000_000  # 2025-11-20T14:30:00Z
SYMBOLS = ("AAA", "BBB", "CCC")


def moment(ts: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ts // 1000)


def bar(symbol: str = "AAA", minute: int = 0, close: float = 10.0, *, updated: bool = False, **fields: Any):
    kind = UpdatedBar if updated else MinuteBar
    values = {"o": close, "h": close, "l": close, "c": close, "v": 100.0, "n": 3.0, "vw": close} | fields
    return kind(S=symbol, t=moment(OPEN + minute * MINUTE), **values)


def item(kind: str = "b", symbol: str = "AAA", minute: int = 0, **fields: Any) -> dict[str, Any]:
    values = {"o": 10.0, "h": 10.5, "l": 9.5, "c": 10.25, "v": 100, "n": 3, "vw": 10.1} | fields
    return {"T": kind, "S": symbol, "t": moment(OPEN + minute * MINUTE), **values}


def packed(*items: Any) -> bytes:
    return msgpack.packb(list(items), datetime=True)


def json_text(*items: Any) -> str:
    return msgspec.json.encode(list(items)).decode()


class Joined:
    """A joiner with its quarantine; three symbols, all awaited."""

    def __init__(self, wanted=SYMBOLS, **options: Any) -> None:
        self.refused = Quarantine("market stream")
        options = {"starts": OPEN - 16 * 60 * MINUTE, "ends": OPEN + 8 * 60 * MINUTE} | options
        self.join = MinuteJoin(SYMBOLS, refused=self.refused, **options)
        self.join.await_symbols(wanted)

    def reasons(self) -> dict[str, int]:
        return {one.reason: one.count for one in self.refused.tell(0)}
