"""Numbers as a screen writes them: fixed decimals, thousands parted, sign and glyph, times in New York.

A number that would not fit its column is written shorter in its own unit, never cut.
"""

from datetime import UTC, datetime
from math import isfinite
from zoneinfo import ZoneInfo

from tui.panels.ink import Piece, Role

NONE = "-"
_NEW_YORK = ZoneInfo("America/New_York")
_SECOND = 1_000_000_000
_DEAD_BAND = 0.005
_PRICE = 10
_GAIN = 10
"""Characters of a column of prices, and of one of gains without glyph and sign."""


def money(value: float, room: int = 12) -> str:
    """USD with cents: 97,926.19; what has no room in so many characters in a larger unit: 12.35M."""
    if not isfinite(value):
        return NONE
    text = f"{value:,.2f}"
    for size, letter in ((1e6, "M"), (1e9, "B"), (1e12, "T")):
        if len(text) <= room:
            break
        text = f"{value / size:,.2f}{letter}"
    return text if len(text) <= room else f"{value:.2e}"


def dollars(value: float) -> str:
    """USD without cents."""
    return f"{value:,.0f}" if isfinite(value) and abs(value) < 1e8 else money(value)


def price(value: float | None) -> str:
    """USD a share: two decimals from a dollar on, four below; `-` for none."""
    if value is None or not isfinite(value):
        return NONE
    return money(value, _PRICE) if abs(value) >= 1 or value == 0 else f"{value:.4f}"


def gain(value: float) -> Piece:
    """P&L in USD with glyph, sign and colour."""
    return _signed(value, money(abs(value), _GAIN))


def gain_percent(fraction: float) -> Piece:
    """A fraction as percent with glyph, sign and colour."""
    return _signed(100 * fraction, f"{abs(100 * fraction):,.2f}%" if isfinite(fraction) else NONE)


def _signed(value: float, text: str) -> Piece:
    if not isfinite(value):
        return NONE, "quiet"
    if abs(value) < _DEAD_BAND:
        return f"·{text}", "quiet"
    return (f"▲+{text}", "up") if value > 0 else (f"▼-{text}", "down")


def percent(fraction: float, decimals: int = 2) -> str:
    """A fraction as percent."""
    return f"{100 * fraction:,.{decimals}f}%" if isfinite(fraction) else NONE


def shares(quantity: int, fraction: float = 0.0) -> str:
    """A signed number of shares; of a part of one, three decimals."""
    return f"{quantity + fraction:+,.3f}" if fraction else f"{quantity:+,d}"


def clock(at: int) -> str:
    """Time of day in New York; `-` for none."""
    return f"{_moment(at):%H:%M:%S}" if at else "--:--:--"


def minute(at: int) -> str:
    """Hours and minutes in New York."""
    return f"{_moment(at):%H:%M}" if at else "--:--"


def day(at: int) -> str:
    """Month and day in New York."""
    return f"{_moment(at):%m-%d}" if at else "--"


def stamp(at: int) -> str:
    """Date and time for names of files, UTC."""
    return f"{datetime.fromtimestamp(at // _SECOND, UTC):%Y%m%d-%H%M%S}"


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / _SECOND, _NEW_YORK)


def left(span: int) -> str:
    """A span of ns as a countdown: 22:43, 3:05:10; past or none is 0:00."""
    seconds = max(0, span) // _SECOND
    hours, rest = divmod(seconds, 3_600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def age(span: int) -> str:
    """A span of ns in words of one unit: 0.8s, 12s, 3m, 2h, 4d."""
    seconds = max(0, span) / _SECOND
    if seconds < 10:
        return f"{seconds:.1f}s"
    for size, unit, below in ((1, "s", 120), (60, "m", 7_200), (3_600, "h", 172_800)):
        if seconds < below:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds / 86_400:.0f}d"


def latency(span: int) -> str:
    """A short span of ns: 850us, 1.9ms, 1.2s."""
    if span < 1_000_000:
        return f"{span / 1e3:.0f}us"
    return f"{span / 1e6:.1f}ms" if span < _SECOND else f"{span / 1e9:.1f}s"


def count(value: float) -> str:
    """How many: 512, 12.3k, 4.1M."""
    for size, letter in ((1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / (1e3 if letter == 'k' else size):.1f}{letter}"
    return f"{value:,.0f}"


STATES: dict[str, Role] = {
    "ACTIVE": "good", "DEGRADED": "warn", "SHADOW": "accent", "PAUSED": "warn", "DISABLED": "bad",
    "INACTIVE": "faint", "NOT_BUILT": "faint", "OK": "good", "WARN": "warn", "HALT": "bad", "PAUSE": "warn",
    "DISABLE": "bad", "REDUCE": "warn", "up": "good", "connecting": "warn", "down": "bad", "none": "faint",
    "running": "good", "restarting": "warn", "stopped": "bad", "filled": "good", "closed": "text",
    "rejected": "bad", "denied": "warn", "expired": "faint", "canceled": "faint", "pending": "accent",
    "proposed": "accent", "ordered": "accent", "partially_filled": "warn", "CRITICAL": "bad", "ERROR": "bad",
    "WARNING": "warn", "INFO": "quiet", "DEBUG": "faint", "done": "good", "failed": "bad", "skipped": "faint",
}  # fmt: skip
"""How a state's word is coloured; one that is not named is plain text."""


_LEVELS = {"WARNING": "WARN", "CRITICAL": "CRIT"}


def level(name: str) -> Piece:
    """A level of the log in at most five letters."""
    return _LEVELS.get(name.upper(), name.upper()), state(name.upper())


def state(word: str) -> Role:
    """The role of a state's word."""
    return STATES.get(word, "text")
