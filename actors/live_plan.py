"""What one live session is to be, before anything of it exists."""

from collections.abc import Callable
from pathlib import Path

import msgspec

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
    """

    root: Path
    session: str
    books: str
    settings: Settings
    addresses: Addresses
    secrets: Secrets
    make: Callable[[], Start]
    speed: float = 1.0

    @property
    def tape_path(self) -> Path:
        """Where the session's tape belongs."""
        return self.root / self.settings.tapes.dir / f"{self.session}.tape"
