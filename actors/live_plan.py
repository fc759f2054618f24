"""What one live session is to be, before anything of it exists."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from actors.broker.market_time import MarketTime
from actors.live_session import Start
from config.live_money import Addresses
from config.schema import Settings
from config.secrets import Secrets


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What one session is to be.

    Attributes:
        root: Where tapes and books go; the caller holds its lock.
        session: ISO date of the trading day. books: whose, `paper:<account>` or `live:<account>`.
        make: Lays out the session if it has no tape yet; called in a worker thread.
        speed: Market seconds a real second: waits of the settings are real time.
        market_time: Keeps a driven clock at the broker's; None: market time is real time.
        accept: Told what was done when the session goes on although settings or code have changed; None:
            such a change is refused.
    """

    root: Path
    session: str
    books: str
    settings: Settings
    addresses: Addresses
    secrets: Secrets
    make: Callable[[], Start]
    speed: float = 1.0
    market_time: MarketTime | None = None
    accept: Callable[[str], None] | None = None

    @property
    def tapes(self) -> Path:
        """Where tapes belong."""
        return self.root / self.settings.tapes.dir
