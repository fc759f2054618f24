"""Which of the session's symbols the broker does not trade, or does not lend: read once at a start.

Only what the broker says counts: a symbol it does not list is left to its own refusal.
Source: alpaca.md 3.8; strategies 0.
"""

from collections.abc import Iterable
from typing import Protocol

from actors.broker import wire
from runtime.messages.account import AssetsRead


class Reads(Protocol):
    """The part of the REST client that it takes."""

    async def assets(self) -> list[wire.Asset]:
        """Every active US equity."""


async def read(rest: Reads, symbols: Iterable[str], now: int) -> AssetsRead:
    """Ask for the assets, one request.

    Raises:
        BrokerRejected, BrokerUnavailable, KeysRefused: No list.
    """
    listed = {asset.symbol: asset for asset in await rest.assets()}
    known = [listed[symbol] for symbol in symbols if symbol in listed]
    return AssetsRead(
        ts_event=now,
        untradable=tuple(asset.symbol for asset in known if not asset.can_trade),
        unborrowable=tuple(asset.symbol for asset in known if not asset.can_short),
    )
