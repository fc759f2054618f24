"""Minute bars from recorded Alpaca frames: JSON lines, plain or gzipped; only `T: "b"` is a minute bar."""

import gzip
import math
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np

from runtime.errors import DataError
from storage.loaders.minute import MinuteBars
from storage.loaders.quarantine import BAD_TIME, MALFORMED, MINUTES, RawRows, Refusals, admit

KINDS = {
    "b": "bars",
    "t": "trades",
    "q": "quotes",
    "u": "updated bars",
    "d": "daily bars",
    "s": "statuses",
    "c": "corrections",
    "x": "cancels",
}
"""Alpaca's frame types in words."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS = ("o", "h", "l", "c", "v", "n", "vw")
_decode = msgspec.json.Decoder().decode


def load_frames(path: Path, *, now: int) -> MinuteBars:
    """Read and judge a file of Alpaca-style frames, one JSON object (or a list of them) a line.

    Trade frames and all others are counted in `ignored`; `n` and `vw` are optional.

    Args:
        path: `.jsonl` or `.jsonl.gz`.
        now: ns UTC; a later bar is refused.

    Raises:
        DataError: No such file, not text, or a torn or broken gzip.
    """
    refusals = Refusals(path.name)
    ignored: dict[str, int] = {}
    names: dict[str, int] = {}
    codes: list[int] = []
    stamps: list[int] = []
    numbers: list[tuple[float, ...]] = []
    for frame in _frames(path, refusals):
        kind = frame.get("T")
        if kind != "b":
            word = KINDS.get(kind, "other frames") if isinstance(kind, str) else "other frames"
            ignored[word] = ignored.get(word, 0) + 1
            continue
        symbol, stamp = frame.get("S"), _nanoseconds(frame.get("t"))
        if not isinstance(symbol, str):
            refusals.add(MALFORMED, stamp, repr(frame))
        elif stamp == 0:
            refusals.add(BAD_TIME, 0, repr(frame))
        else:
            codes.append(names.setdefault(symbol, len(names)))
            stamps.append(stamp)
            numbers.append(tuple(_number(frame.get(key)) for key in _NUMBERS))
    raw = RawRows(
        names=tuple(names),
        codes=np.array(codes, dtype=np.int32),
        ts=np.array(stamps, dtype=np.int64),
        values=np.array(numbers, dtype=np.float64).reshape(-1, len(_NUMBERS)).T.copy(),
    )
    rows = admit(raw, refusals, now=now, limits=MINUTES)
    return MinuteBars(source=path.name, rows=rows, refusals=refusals, ignored=ignored)


def _frames(path: Path, refusals: Refusals) -> Iterator[dict[str, Any]]:
    """Every frame of the file; a line that is none is refused and reading goes on."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with _open(path) as lines:
            for line in lines:
                if not line.strip():
                    continue
                try:
                    found = _decode(line)
                except msgspec.DecodeError:
                    found = None
                for frame in found if isinstance(found, list) else [found]:
                    if isinstance(frame, dict):
                        yield frame
                    else:
                        refusals.add(MALFORMED, 0, line[:120].decode("utf-8", "replace").strip())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read to its end ({error})") from None


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def _nanoseconds(text: object) -> int:
    """ns UTC of an ISO time with a zone; 0 where it is none. Digits below a microsecond are dropped."""
    if not isinstance(text, str):
        return 0
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return 0
    if when.tzinfo is None:
        return 0
    since = when - _EPOCH
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return microseconds * 1000 if 0 < microseconds < 2**63 // 1000 else 0


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
