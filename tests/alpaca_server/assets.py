"""What can be traded: the emulator's table of assets, and an asset as REST writes it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class Asset:
    """One US equity."""

    id: str
    symbol: str
    name: str = ""
    exchange: str = "NASDAQ"
    status: str = "active"
    tradable: bool = True
    marginable: bool = True
    shortable: bool = True
    borrow_status: str = "easy_to_borrow"
    fractionable: bool = True
    attributes: list[str] = field(default_factory=lambda: ["has_options", "overnight_tradable"])

    def json(self, *, legacy: bool) -> dict[str, Any]:
        """The asset as REST writes it.

        Args:
            legacy: With the two fields whose removal was dated 2026-09-22.
        """
        written = {
            "id": self.id,
            "class": "us_equity",
            "exchange": self.exchange,
            "symbol": self.symbol,
            "name": self.name or f"{self.symbol} Common Stock",
            "status": self.status,
            "tradable": self.tradable,
            "marginable": self.marginable,
            "shortable": self.shortable,
            "borrow_status": self.borrow_status,
            "fractionable": self.fractionable,
            "margin_requirement_long": "30",
            "margin_requirement_short": "30",
            "attributes": self.attributes,
        }
        if legacy:
            written["easy_to_borrow"] = self.borrow_status == "easy_to_borrow"
            written["maintenance_margin_requirement"] = 30
        return written


class Assets(dict[str, Asset]):
    """Assets by symbol."""

    def put(self, symbol: str, **fields: Any) -> Asset:
        """Add an asset, or change fields of a known one."""
        known = self.get(symbol)
        if known is None:
            known = self[symbol] = Asset(id=f"0a55e700-0000-4000-8000-{len(self) + 1:012x}", symbol=symbol)
        for name, value in fields.items():
            setattr(known, name, value)
        return known
