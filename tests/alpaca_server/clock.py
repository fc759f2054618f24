"""Market time of the emulator, and how Alpaca writes moments down.

Time stands still until a test moves it, or runs from a start at a speed. Nothing here sleeps.
"""

import time
from datetime import UTC, datetime
from email.utils import format_datetime
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE


class MarketClock:
    """The one clock of the emulated service, ns UTC.

    Args:
        start: ISO time with an offset.
        speed: Market seconds a real second; 0: it moves only when told.
    """

    def __init__(self, start: str, speed: float = 0.0) -> None:
        self._base = ns(start)
        self._speed = speed
        self._since = time.monotonic_ns()
        self.held = False
        """Whether it waits at its start until `release`."""
        self._last = 0
        self.skew_ns = 0
        """What the service's own clock is ahead of market time: every time it tells is off by this."""

    @property
    def stands(self) -> bool:
        """Whether time moves only when told."""
        return not self._speed

    def now(self) -> int:
        """Market time."""
        if not self._speed or self.held:
            return self._base
        return self._base + int((time.monotonic_ns() - self._since) * self._speed)

    def release(self) -> None:
        """Begin to run, if it was held."""
        if self.held:
            self.held = False
            self._since = time.monotonic_ns()

    def told(self) -> int:
        """Market time as the service tells it."""
        return self.now() + self.skew_ns

    def unique(self) -> int:
        """A moment for a stamp: later than every one before it, at least by a microsecond."""
        self._last = max(self.now(), self._last + 1_000)
        return self._last + self.skew_ns

    def move_to(self, moment: int) -> None:
        """Go forward to a moment; never backward, and not at all when time runs by itself."""
        if not self._speed:
            self._base = max(self._base, moment)

    def real_seconds_to(self, moment: int) -> float:
        """Real time until a moment of market time; 0 when it is past or time stands."""
        return max(0.0, (moment - self.now()) / self._speed / SECOND) if self._speed else 0.0

    def http_date(self) -> str:
        """Market time for the `Date` header."""
        return format_datetime(datetime.fromtimestamp(self.told() // SECOND, UTC), usegmt=True)


def ns(text: str) -> int:
    """ISO 8601 with offset, up to nine digits after the second, to ns UTC."""
    head, dot, tail = text.partition(".")
    digits = "".join(c for c in tail.split("+")[0].split("-")[0].rstrip("Z")) if dot else ""
    zone = tail[len(digits) :] if dot else ""
    moment = datetime.fromisoformat((head + zone) if dot else text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp()) * SECOND + int(digits.ljust(9, "0") or 0)


def rfc3339(moment: int) -> str:
    """UTC with `Z` and as many digits as it takes, at most nine: 2026-07-24T14:42:49.354133121Z."""
    seconds, rest = divmod(moment, SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f"{rest:09d}".rstrip("0")
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def new_york(moment: int) -> datetime:
    """Wall-clock time in New York, to the second."""
    return datetime.fromtimestamp(moment // SECOND, NEW_YORK)


def new_york_text(moment: int) -> str:
    """As /v2/clock tells it: 2026-07-24T10:42:48.601374373-04:00."""
    at = new_york(moment).isoformat()
    digits = f"{moment % SECOND:09d}".rstrip("0")
    return f"{at[:19]}.{digits}{at[19:]}" if digits else at


def midnight(moment: int) -> int:
    """Start of the New York day a moment lies in, ns UTC: the stamp of its daily bar."""
    day = new_york(moment).replace(hour=0, minute=0, second=0)
    return round(day.timestamp()) * SECOND
