"""A REST request as the handlers see it, and their answer."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.alpaca_server.faults import Fault
from tests.alpaca_server.refusals import Refused, parameters


@dataclass(kw_only=True)
class Call:
    """One request.

    Attributes:
        path: Values of the path's parts in braces.
        lag: The switch that hides the newest orders, if it fired.
        partial: The switch that lets the first items of a 207 fail, if it fired.
    """

    path: dict[str, str]
    query: dict[str, str]
    body: bytes = b""
    lag: Fault | None = None
    partial: Fault | None = None

    def json(self) -> dict[str, Any]:
        """The body decoded; refuses what is no object."""
        try:
            decoded = json.loads(self.body or b"{}")
        except ValueError:
            raise parameters("request body format is invalid") from None
        if not isinstance(decoded, dict):
            raise parameters("request body format is invalid")
        return decoded

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """An integer of the query within bounds."""
        text = self.query.get(name, str(default))
        if not text.isdigit() or not least <= int(text) <= most:
            raise Refused(422, 40_010_001, f"invalid {name}")
        return int(text)

    def symbols(self) -> list[str]:
        """Symbols of the query, as asked for."""
        return [one for one in self.query.get("symbols", "").split(",") if one]


@dataclass(kw_only=True)
class Answer:
    """What goes back; `body` is written as JSON, None as nothing."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
