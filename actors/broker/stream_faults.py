"""Why a stream ended, what to do about it, and how long to wait before the next try.

Source: alpaca.md 1.2, 1.5 and 2.1.
"""

from typing import Literal

from runtime.kernel.supervisor import back_off, is_worth_a_warning
from runtime.text import one_line

SECOND = 1_000_000_000
Remedy = Literal["stop", "slow", "retry"]
"""A person must mend it; the server needs time; try again soon."""


class StreamFault(Exception):
    """A stream cannot go on as it is.

    Attributes:
        remedy: What helps. code: the server's own, or the HTTP status; 0: none.
        reason: In plain words, fit for a log and a screen.
    """

    def __init__(self, remedy: Remedy, reason: str, code: int = 0) -> None:
        self.remedy: Remedy = remedy
        self.code = code
        self.reason = one_line(reason, 300)
        super().__init__(self.reason)


_KEYS = "check ALPACA_API_KEY and ALPACA_SECRET_KEY, and that they are of this account's mode"
_IN_BAND: dict[int, tuple[Remedy, str]] = {
    400: ("stop", "the server did not understand us; this is a fault of ours"),
    402: ("stop", f"the keys were refused: {_KEYS}"),
    404: ("retry", "the server waited too long for our keys"),
    405: ("stop", "more symbols than the data plan allows: lower the symbol limit in the settings"),
    406: ("slow", "another connection holds the only place of this account"),
    407: ("retry", "the server gave up on us as too slow; what it held for us is lost and is read again"),
    408: ("stop", "the account has no access to this version of the feed"),
    409: ("stop", "the feed is not part of the data plan: choose another feed in the settings"),
    410: ("stop", "a channel does not exist on this feed: choose another feed in the settings"),
    411: ("stop", "the token does not cover this feed"),
    500: ("retry", "the server failed"),
}


def refused(code: int, message: str) -> StreamFault:
    """What an error told inside the stream means; unknown ones are tried again slowly."""
    remedy, meaning = _IN_BAND.get(code, ("slow", "the server refused with a code we do not know"))
    return StreamFault(remedy, f"{code} {message}: {meaning}", code)


def refused_upgrade(status: int) -> StreamFault:
    """What an HTTP answer instead of a websocket means."""
    if status == 429:
        return StreamFault("slow", "HTTP 429: too many connections or attempts", status)
    if status in (401, 403):
        return StreamFault("stop", f"HTTP {status}: the keys were refused: {_KEYS}", status)
    if 400 <= status < 500 and status not in (408, 425):
        return StreamFault("stop", f"HTTP {status}: the address is wrong: check the stream's URL", status)
    return StreamFault("retry", f"HTTP {status}: the server is not available", status)


MOST_REASONS = 4
"""Reasons that are told in an outage though its failures are not: what fails in many ways is one outage."""
STEADY = 3_600 * SECOND
"""A connection that was ready for so long ends an outage: the next failure is told from the beginning."""


class BackOff:
    """How long to wait before the next connection, by what ended the last one, and what of it is told.

    The wait doubles with every failure in a row and starts anew after a connection that lasted; the jitter
    is the kernel's, so two gateways that fell together come back apart.

    Args:
        name: The gateway's. first, most: Waits after a fault that passes by itself, ns of real time.
        slow_first, slow_most: The same where the server needs time (a dead session holds its place for
            90 s). lasting: A connection that was ready for so long was a good one, ns.
    """

    def __init__(
        self,
        name: str,
        *,
        first: int = SECOND // 2,
        most: int = 30 * SECOND,
        slow_first: int = 5 * SECOND,
        slow_most: int = 60 * SECOND,
        lasting: int = 30 * SECOND,
    ) -> None:
        self._name = name
        self._spans = {"retry": (first, most), "slow": (slow_first, slow_most)}
        self._lasting = lasting
        self.attempt = 0
        """Failures in a row."""
        self._failures = self._returns = 0
        """Of the outage: all of them, and those after a connection that lasted."""
        self._reasons: dict[str, None] = {}

    def after(self, remedy: Literal["slow", "retry"], ready_for: int = 0) -> int:
        """The wait now, ns of real time.

        Args:
            ready_for: How long the connection that ended had been ready, ns.
        """
        if ready_for >= STEADY:
            self._failures = self._returns = 0
            self._reasons.clear()
        self._failures += 1
        self._returns += ready_for >= self._lasting
        self.attempt = 1 if ready_for >= self._lasting else self.attempt + 1
        first, most = self._spans[remedy]
        return back_off(self._name, self.attempt, first, most)

    def is_news(self, reason: str) -> bool:
        """Whether the latest failure is worth a warning: by its number, or for a reason not told yet.

        However reasons alternate and connections come and go, a night is a few dozen warnings at most: an
        outage is over only when a connection has lasted for an hour.
        """
        is_new = reason not in self._reasons and len(self._reasons) < MOST_REASONS
        if is_new:
            self._reasons[reason] = None
        is_return = self.attempt == 1 and self._returns > 0 and is_worth_a_warning(self._returns)
        return is_new or is_return or is_worth_a_warning(self._failures)
