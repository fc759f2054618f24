"""What to say on a market socket until it is live: keys, the subscription in pieces, and whether it holds.

Pure: it is told what came and answers what to send. The acknowledged set is the server's whole
subscription, so it alone says what will be streamed.
Source: alpaca.md 1.1 and 1.2.
"""

from collections.abc import Sequence
from typing import Any, Literal

from actors.broker import stream_faults
from actors.broker.market_wire import Refused, Subscribed, Success
from config.secrets import Secrets

CHUNK = 300
"""Symbols a message: the server's own limit is on the size of a message."""
CHANNELS = ("bars", "updatedBars", "statuses", "dailyBars")
"""What is subscribed, all of it for every symbol."""

_MOST_ASKED = 3
"""How often a symbol that is not acknowledged is asked for."""

State = Literal["connecting", "authenticating", "subscribing", "live"]
Say = dict[str, Any]


class Handshake:
    """One connection from its opening to its last acknowledgement.

    Args:
        wanted: Symbols to stream. secrets: both keys.
        channels: `bars` is always among them.
    """

    def __init__(
        self,
        wanted: Sequence[str],
        secrets: Secrets,
        *,
        channels: Sequence[str] = CHANNELS,
        chunk: int = CHUNK,
    ) -> None:
        self._secrets = secrets
        self._channels = tuple(channels)
        self._chunk = chunk
        self._wanted = tuple(dict.fromkeys(wanted))
        self._to_ask: list[Say] = []
        self._asked = 0
        self._acknowledged: dict[str, frozenset[str]] = {}
        self.state: State = "connecting"

    def receive(self, item: Success | Refused | Subscribed) -> list[Say]:
        """Take in a control message; what to send next.

        Raises:
            StreamFault: The server refused something that cannot be mended on this connection.
        """
        match item:
            case Success(msg="connected"):
                if self.state == "connecting":
                    self.state = "authenticating"
                    return [self._authentication()]
            case Success(msg="authenticated"):
                if self.state in ("connecting", "authenticating"):
                    self.state = "subscribing"
                    return self._ask(self._wanted)
            case Subscribed():
                return self._acknowledge(item)
            case Refused():
                return self._answer(item)
        return []

    def want(self, wanted: Sequence[str]) -> list[Say]:
        """Change the wanted set on a live connection; what to send."""
        before, self._wanted = self._wanted, tuple(dict.fromkeys(wanted))
        if self.state in ("connecting", "authenticating"):
            return []
        dropped = [name for name in before if name not in self._wanted]
        gone = [self._say("unsubscribe", part) for part in self._parts(dropped)]
        added = [name for name in self._wanted if name not in self._acknowledged.get("bars", frozenset())]
        self._asked = 0
        if not added:
            return gone
        self.state = "subscribing"
        return [*gone, *self._ask(added)]

    @property
    def missing(self) -> tuple[str, ...]:
        """Wanted symbols whose bars the server has not acknowledged."""
        bars = self._acknowledged.get("bars", frozenset())
        return tuple(name for name in self._wanted if name not in bars)

    @property
    def missing_channels(self) -> tuple[str, ...]:
        """Channels that the server acknowledged for no symbol at all."""
        if not self._wanted:
            return ()
        return tuple(name for name in self._channels if not self._acknowledged.get(name))

    def _authentication(self) -> Say:
        key, secret = self._secrets.api_key, self._secrets.secret_key
        if key is None or secret is None:
            raise stream_faults.StreamFault("stop", "no keys: set ALPACA_API_KEY and ALPACA_SECRET_KEY")
        return {"action": "auth", "key": key.reveal(), "secret": secret.reveal()}

    def _ask(self, symbols: Sequence[str]) -> list[Say]:
        """Begin to subscribe; the next piece goes when this one is acknowledged."""
        self._asked += 1
        self._to_ask = [self._say("subscribe", part) for part in self._parts(symbols)]
        if not self._to_ask:
            self.state = "live"
            return []
        return [self._to_ask.pop(0)]

    def _parts(self, symbols: Sequence[str]) -> list[list[str]]:
        return [list(symbols[at : at + self._chunk]) for at in range(0, len(symbols), self._chunk)]

    def _say(self, action: str, symbols: list[str]) -> Say:
        return {"action": action} | dict.fromkeys(self._channels, symbols)

    def _acknowledge(self, item: Subscribed) -> list[Say]:
        self._acknowledged = {
            "bars": frozenset(item.bars),
            "updatedBars": frozenset(item.updated_bars),
            "dailyBars": frozenset(item.daily_bars),
            "statuses": frozenset(item.statuses),
            "lulds": frozenset(item.lulds),
        }
        if self.state != "subscribing":
            return []
        if self._to_ask:
            return [self._to_ask.pop(0)]
        if self.missing and self._asked < _MOST_ASKED:
            return self._ask(self.missing)
        self.state = "live"
        return []

    def _answer(self, item: Refused) -> list[Say]:
        if item.code == 403:  # already authenticated: that is what was wanted
            return []
        if item.code == 401 and self.state != "authenticating":
            self.state = "authenticating"
            self._asked = 0
            return [self._authentication()]
        raise stream_faults.refused(item.code, item.msg)
