"""Which symbols stand still, as far as the stream has told.

Source: alpaca.md 1.3.
"""

from collections.abc import Iterator, Sequence

from actors.broker.market_wire import MinuteBar, WireBar
from runtime.messages.market import TradingStatus


class Halts:
    """The halts of one connection's life."""

    def __init__(self) -> None:
        self._since: dict[str, int] = {}

    def note(self, status: TradingStatus) -> None:
        """Remember a halt until its end."""
        if status.halted:
            self._since[status.symbol] = status.ts_event
        else:
            self._since.pop(status.symbol, None)

    def ended_by(self, bars: Sequence[WireBar]) -> Iterator[TradingStatus]:
        """Trades after a halt prove its end, whose notice may have been lost with a connection."""
        for bar in bars if self._since else ():
            since = self._since.get(bar.S)
            if since is not None and type(bar) is MinuteBar and bar.ts > since and bar.v > 0:
                text = "trades again; the notice of its resumption was missed"
                yield TradingStatus(ts_event=bar.ts, symbol=bar.S, halted=False, reason=text)
