"""What must never be written, and how it is taken out: known secrets, and what looks like one."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from runtime.text import printable

_REDACTED = "[redacted]"
_SECRET_NAMES = re.compile(r"key_id|secret|passw|token|authori[sz]ation|api_?key|credential", re.IGNORECASE)
_SECRET_SHAPES = re.compile(r"\b(?:PK|AK|CK)[A-Z0-9]{16,24}\b|(?<=[Bb]earer )\S+")
_SHORTEST_SECRET = 6


class Redactor:
    """Takes secrets out of everything that is written.

    Args:
        secrets: Values that must never appear; shorter ones than six characters would hit plain words.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({s for s in secrets if len(s) >= _SHORTEST_SECRET}, key=lambda s: (-len(s), s))
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def text(self, value: str) -> str:
        """Replace known secrets and what looks like one."""
        if self._known is not None:
            value = self._known.sub(_REDACTED, value)
        return _SECRET_SHAPES.sub(_REDACTED, value)

    def clean(self, value: str) -> str:
        """The same, and nothing in it that a terminal would obey."""
        return printable(self.text(value))

    def value(self, value: Any, depth: int = 8) -> Any:
        """The same inside mappings and sequences; other objects, and what lies deeper, become their text."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping) and depth:
            return {
                self.clean(str(name)): (
                    _REDACTED if _SECRET_NAMES.search(str(name)) else self.value(item, depth - 1)
                )
                for name, item in value.items()
            }
        if isinstance(value, list | tuple) and depth:
            return [self.value(item, depth - 1) for item in value]
        return self.clean(value if isinstance(value, str) else text_of(value))


def text_of(value: object) -> str:
    """An object's `repr`, whatever that does."""
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a broken __repr__ must not break the log
        return f"<{type(value).__name__}: {type(error).__name__} in repr>"
