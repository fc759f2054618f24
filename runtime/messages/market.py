"""What the market sends: minutes and days as columns, statuses, the VIX."""

from typing import Annotated, Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from runtime.messages.base import Input

IdArray = NDArray[np.int32]
FloatArray = NDArray[np.float64]

OPEN, HIGH, LOW, CLOSE, VOLUME, TRADE_COUNT, VWAP = range(7)
COLUMNS = ("open", "high", "low", "close", "volume", "trade_count", "vwap")


class Columns(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True, eq=False):
    """One period of many symbols as read-only columns.

    Attributes:
        ids: (n,) int32, strictly ascending positions in the session's symbol table.
        values: (7, n) float64 in the order of `COLUMNS`: USD, shares (whole numbers, exact below
            2**53), trades, USD. Trade count and VWAP are NaN where the source has none.
    """

    ids: IdArray
    values: FloatArray

    @property
    def open(self) -> FloatArray:
        """(n,) USD."""
        row: FloatArray = self.values[OPEN]
        return row

    @property
    def high(self) -> FloatArray:
        """(n,) USD."""
        row: FloatArray = self.values[HIGH]
        return row

    @property
    def low(self) -> FloatArray:
        """(n,) USD."""
        row: FloatArray = self.values[LOW]
        return row

    @property
    def close(self) -> FloatArray:
        """(n,) USD."""
        row: FloatArray = self.values[CLOSE]
        return row

    @property
    def volume(self) -> FloatArray:
        """(n,) shares."""
        row: FloatArray = self.values[VOLUME]
        return row

    @property
    def trade_count(self) -> FloatArray:
        """(n,) trades, NaN where unknown."""
        row: FloatArray = self.values[TRADE_COUNT]
        return row

    @property
    def vwap(self) -> FloatArray:
        """(n,) USD, NaN where unknown."""
        row: FloatArray = self.values[VWAP]
        return row

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        mine, theirs = self._scalars(), other._scalars()
        return (
            mine == theirs
            and np.array_equal(self.ids, other.ids)
            and np.array_equal(self.values, other.values, equal_nan=True)
        )

    __hash__ = None  # type: ignore[assignment]

    def _scalars(self) -> tuple[object, ...]:
        skip = ("ids", "values")
        return tuple(getattr(self, name) for name in self.__struct_fields__ if name not in skip)

    @classmethod
    def of(
        cls,
        ids: IdArray | list[int],
        columns: FloatArray | list[list[float]],
        **fields: object,
    ) -> Self:
        """Build from (n,) ids and (5..7, n) columns; missing trade counts and VWAPs become NaN."""
        id_array = np.ascontiguousarray(ids, dtype=np.int32)
        values = np.full((7, len(id_array)), np.nan)
        given = np.asarray(columns, dtype=np.float64)
        values[: len(given)] = given
        id_array.flags.writeable = False
        values.flags.writeable = False
        return cls(ids=id_array, values=values, **fields)  # type: ignore[arg-type]


class Bars(Columns, frozen=True, kw_only=True, gc=False, array_like=True, tag=True, eq=False):
    """The minute that began at `ts_event`, known one minute later. A minute without a trade has no bar."""


class BarsRevised(Columns, frozen=True, kw_only=True, gc=False, array_like=True, tag=True, eq=False):
    """Late, corrected or backfilled bars of one minute: they mend state, they never trigger an entry."""

    reason: Literal["late", "updated", "backfill"] = "late"


class DailyBars(Columns, frozen=True, kw_only=True, gc=False, array_like=True, tag=True, eq=False):
    """The session's own daily bars, in the units of the history panels (20 min after the close).

    Attributes:
        adj_close: (n,) adjusted closes in the units of the panel's last row, 0 where unknown; empty where
            the source has none. A return over the session's end needs them: a dividend is no loss.
    """

    session: str
    adj_close: tuple[float, ...] = ()


class VixClose(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """The official VIX close of a session."""

    session: str
    level: float


class DailyReady(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """The session's daily data is complete (or was given up: `degraded`).

    Attributes:
        coverage: Share of the symbols with history and sector that have the session's daily bar.
    """

    session: str
    coverage: float
    degraded: bool = False


class TradingStatus(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A halt or its end."""

    symbol: str
    halted: bool
    code: str = ""
    reason: str = ""


class SymbolAdded(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A symbol that was not in the header's table; its id is the next free position."""

    symbol: str
    id: Annotated[int, msgspec.Meta(ge=0)]
    sector: str = ""


class FeedChanged(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """A stream went up or down. Down freezes entries; exits rest at the broker."""

    stream: str
    up: bool
    reason: str = ""


class BarsQuarantined(Input, frozen=True, kw_only=True, gc=False, array_like=True, tag=True):
    """Bars that were refused before they reached anybody: counted, logged, never used."""

    source: str
    reason: str
    count: int
    example: str = ""
