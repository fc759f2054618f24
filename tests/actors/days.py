"""A trading day's header, without a calendar: times are hours of an ordinary March day."""

from typing import Any

from runtime.kernel.actor import Actor, Moment
from runtime.messages.base import Message
from runtime.messages.risk import Phase
from runtime.messages.session import PhaseStart, SessionHeader

MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MIDNIGHT = 1_520_208_000_000_000_000
"""2018-03-05 00:00 UTC; New York is 5 h behind."""

NORMAL: tuple[tuple[Phase, float], ...] = (
    ("OVERNIGHT", -6.0),
    ("PRE_MARKET", 6.5),
    ("MARKET_OPEN", 9.5),
    ("TRADING", 9.5 + 5 / 60),
    ("MARKET_CLOSE", 15.75),
    ("AFTER_HOURS", 16.0),
)
EARLY: tuple[tuple[Phase, float], ...] = (
    *NORMAL[:4],
    ("MARKET_CLOSE", 12.75),
    ("AFTER_HOURS", 13.0),
    ("OVERNIGHT", 15.0),
)


def at(hour: float) -> int:
    """Hour of the day in New York, ns UTC."""
    return MIDNIGHT + round((hour + 5) * 60) * MINUTE


def header(*, early: bool = False, day: int = 0, **fields: Any) -> SessionHeader:
    """Monday 2018-03-05, or so many days later."""
    shift = day * DAY
    table = EARLY if early else NORMAL
    facts: dict[str, Any] = {
        "session": f"2018-03-{5 + day:02}",
        "previous": "2018-03-02" if day == 0 else f"2018-03-{4 + day:02}",
        "next": f"2018-03-{6 + day:02}",
        "starts": at(-6) + shift,
        "open": at(9.5) + shift,
        "close": at(13 if early else 16) + shift,
        "ends": at(18) + shift,
        "early_close": early,
        "phases": tuple(PhaseStart(phase=phase, ts=at(hour) + shift) for phase, hour in table),
        "settings": {},
        "settings_hash": "",
        "symbols": ("SPY", "IBM"),
        "sectors": ("", "XLK"),
    }
    return SessionHeader(**(facts | fields))


class Stage:
    """One actor with a moment of its own: give it a message at a time, get what it says."""

    def __init__(self, actor: Actor, name: str) -> None:
        self.actor = actor
        self.moment = Moment()
        self.moment.seq = 1
        actor.attach(name, self.moment)
        self.handlers = actor.bound_handlers()

    def tell(self, message: Message, now: int) -> list[Message]:
        """Hand over one message at a time of ns UTC."""
        self.moment.now = now
        self.moment.seq += 1
        return list(self.handlers[type(message)](message) or ())
