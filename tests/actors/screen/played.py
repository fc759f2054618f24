"""A small made-up market played through the whole system with a screen's feed beside it."""

from collections.abc import Callable
from typing import Any

import msgspec

from actors import system
from actors.gateways.replay_feed import MadeSession
from actors.screen.feed import Feed
from actors.screen.frames import Frames, Looks
from actors.screen.seed import Past, seed
from actors.screen.state import ScreenState
from config.schema import Settings
from config.snapshot import settings_hash, snapshot
from runtime.kernel.sequencer import Sequencer
from runtime.messages.machine import SessionEnded, SessionStarted
from storage.loaders.session_data import SessionData
from storage.projection import Projection


class Played:
    """Sessions one after the other; of each the feed, the frames and the sequencer.

    Args:
        after: Called after each input, with this.
    """

    def __init__(self, settings: Settings, after: Callable[["Played"], None] = lambda _: None) -> None:
        self.settings = settings
        self.after = after
        self.carried: dict[str, bytes] = {}
        self.at = 0
        self.feed: Feed
        self.frames: Frames
        self.sequencer: Sequencer

    def play(self, made: SessionData) -> None:
        session = MadeSession(made)
        header = msgspec.structs.replace(
            session.header,
            settings=snapshot(self.settings),
            settings_hash=settings_hash(self.settings),
            carried=self.carried,
            books="replay:test",
        )
        state = ScreenState(header, self.settings)
        seed(state, Past())
        feed = self.feed = Feed(state)
        projection = Projection(header.session, header.symbols)
        self.sequencer = sequencer = Sequencer(
            system.build(self.settings, header, session.panels, simulated=True),
            carried=self.carried,
            observers=[feed, lambda *seen: feed.rows(projection.rows(*seen)), self._after],
        )
        self.frames = Frames(
            feed,
            Looks(
                now=lambda: self.at,
                real=lambda: self.at,
                actors=sequencer.figures,
                gauges=lambda: sequencer.actor("breaker").gauges(),
            ),
            mode="REPLAY",
            account="replay:test",
            root="/somewhere",
            pid=1,
        )
        sequencer.post(
            "machine", SessionStarted(ts_event=header.starts, session=header.session), header.starts
        )
        for at, source, message in session.inputs():
            sequencer.post(source, message, at)
        sequencer.post("machine", SessionEnded(ts_event=header.ends, session=header.session), header.ends)
        self.carried = sequencer.carry()

    def _after(self, seq: int, at: int, message: Any, caused: Any) -> None:
        self.at = at
        self.after(self)

    def catch_up(self) -> None:
        while self.frames.fold():
            pass
