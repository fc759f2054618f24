"""Keys of the broker: from the environment only, never printed, never stored."""

from collections.abc import Mapping
from typing import NoReturn

import msgspec

API_KEY = "ALPACA_API_KEY"
SECRET_KEY = "ALPACA_SECRET_KEY"


class Secret:
    """A value that shows itself only to whoever calls `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(Secret)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not to be stored")


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's keys; None where the environment has none."""

    api_key: Secret | None = None
    secret_key: Secret | None = None

    @property
    def complete(self) -> bool:
        """Whether the broker can be reached with them."""
        return self.api_key is not None and self.secret_key is not None


def from_environment(environ: Mapping[str, str]) -> Secrets:
    """Read the keys; an empty variable counts as none."""
    return Secrets(api_key=_secret(environ, API_KEY), secret_key=_secret(environ, SECRET_KEY))


def _secret(environ: Mapping[str, str], name: str) -> Secret | None:
    value = environ.get(name, "").strip()
    return Secret(value) if value else None
