"""A live session as screens see it: the feed beside the sequencer, looks at the machine, the socket."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from actors.gateways.db_writer import DbWriter
from actors.live_door import Door
from actors.operator import Operator, Switch, Unanswered
from actors.screen.feed import Feed
from actors.screen.frames import Frames, Lag, Looks
from actors.screen.seed import read_past, seed
from actors.screen.state import ScreenState
from config.schema import Settings
from runtime.error_sink import ErrorSink
from runtime.kernel.clock import Clock
from runtime.kernel.host import Host
from runtime.kernel.supervisor import GatewayFigures
from runtime.messages.session import SessionHeader
from runtime.text import one_line

_MOST_NAMED = 2_000
"""Characters of names of symbols that are not streamed."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What runs, for whoever looks at it.

    Attributes:
        gateways: Their figures, by name.
        clock: Market time. real: time of waits. stop: ends the session in order.
        unanswered: Says which entries may be on their way to the broker.
    """

    host: Host
    gateways: Callable[[], Mapping[str, GatewayFigures]]
    switch: Switch
    db: DbWriter
    clock: Clock
    real: Clock
    stop: Callable[[], None]
    unanswered: Unanswered


class LiveScreen:
    """The screen's side of a live session; made in a worker thread, because it reads the books.

    Args:
        errors: What the process logs at WARNING and above; it is shown too.

    Attributes:
        feed: To be told of every input, and of rows on their way to the books.
        not_streamed: Wanted symbols the data plan has no room for; left_out: which, by who wanted them.
    """

    def __init__(self, root: Path, header: SessionHeader, settings: Settings, errors: ErrorSink) -> None:
        self._root, self._header, self._settings = root, header, settings
        state = ScreenState(header, settings)
        seed(state, read_past(root, header.session))
        self.feed = Feed(state)
        self.not_streamed = 0
        self.left_out = ""
        self._unheard = errors.hear(self.feed.entry)

    def close(self) -> None:
        """The session is over: hear nothing more."""
        self._unheard()

    def open(self, parts: Parts, door: Door) -> None:
        """Be what is behind the door: publish frames, take commands."""
        operator = Operator(
            lambda: self.feed,
            parts.host.post,
            parts.switch,
            strategies=tuple(one.name for one in self._settings.strategies if one.enabled),
            root=self._root,
            now=parts.clock.now,
            real=parts.real,
            stop=parts.stop,
            external=lambda: parts.host.sequencer.actor("executor").external_words(),
            unanswered=parts.unanswered,
        )
        door.open(self._frames(parts), operator)

    def _frames(self, parts: Parts) -> Frames:
        sequencer, figures = parts.host.sequencer, parts.host.figures
        mode = self._settings.broker.mode
        return Frames(
            self.feed,
            Looks(
                now=parts.clock.now,
                real=parts.real.now,
                actors=sequencer.figures,
                gauges=lambda: sequencer.actor("breaker").gauges(),
                gateways=parts.gateways,
                details=self._details,
                lag=lambda: Lag(parts.host.waits, figures.worst_lag),
                db_lag=lambda: parts.db.depth,
            ),
            mode="LIVE" if mode == "live" else "PAPER",
            account=self._header.books,
            root=str(self._root),
            pid=os.getpid(),
            not_streamed=self.not_streamed,
        )

    def streams_down(self) -> list[str]:
        """What each stream that is not up says of itself."""
        return [f"{name}: {said}" for name, said in self._streams().items() if said not in ("", "ready")]

    def _details(self) -> Mapping[str, str]:
        told = self._streams()
        if not self.left_out:
            return told
        parts = (told["market_stream"], f"not streamed: {one_line(self.left_out, _MOST_NAMED)}")
        return {**told, "market_stream": "; ".join(part for part in parts if part)}

    def _streams(self) -> dict[str, str]:
        state = self.feed.state
        ready = state.orders_ready
        return {
            "market_stream": "; ".join(f"{name}: {why}" for name, why in state.feeds.items()),
            "broker_stream": "" if ready is None else "ready" if ready.ready else ready.reason,
        }
