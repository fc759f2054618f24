"""Keys of the broker: from the environment or `.env` only, never printed, never stored."""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote

import msgspec

from config.errors import ConfigError

API_KEY = "ALPACA_API_KEY"
SECRET_KEY = "ALPACA_SECRET_KEY"

ALERT_PREFIX = "TRADING_ALERT_"
"""`TRADING_ALERT_PHONE` holds the address of the sink `phone`."""

ENV_FILE = ".env"
_MOST_BYTES = 100_000
_SINK = re.compile(r"[A-Z][A-Z0-9_]{0,31}\Z")
_SEPARATORS = re.compile(r"[/:@?&=#,;\s]+")
_HOST = re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[a-z0-9-]+\.)+[a-z]{2,24}|localhost)\Z", re.IGNORECASE)
_SHORTEST_PART = 8
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*\Z", re.DOTALL)


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
    """The broker's keys; None where the environment has none. And the addresses of alert sinks, by name."""

    api_key: Secret | None = None
    secret_key: Secret | None = None
    alert_sinks: dict[str, Secret] = {}

    @property
    def complete(self) -> bool:
        """Whether the broker can be reached with them."""
        return self.api_key is not None and self.secret_key is not None


def from_environment(environ: Mapping[str, str]) -> Secrets:
    """Read the keys; an empty variable counts as none."""
    sinks = {
        name.removeprefix(ALERT_PREFIX).lower(): Secret(value.strip())
        for name, value in sorted(environ.items())
        if name.startswith(ALERT_PREFIX) and _SINK.match(name.removeprefix(ALERT_PREFIX)) and value.strip()
    }
    return Secrets(
        api_key=_secret(environ, API_KEY), secret_key=_secret(environ, SECRET_KEY), alert_sinks=sinks
    )


def to_hide(secrets: Secrets) -> list[str]:
    """Every value that must never be written: keys, addresses, and what is secret inside an address."""
    found = [key.reveal() for key in (secrets.api_key, secrets.secret_key) if key is not None]
    for sink in secrets.alert_sinks.values():
        address = sink.reveal()
        scheme, _, rest = address.partition("://")
        parts = [part for piece in _SEPARATORS.split(rest or scheme) for part in (piece, unquote(piece))]
        found += [address, *(part for part in parts if len(part) >= _SHORTEST_PART and not _HOST.match(part))]
    return list(dict.fromkeys(found))


def with_env_file(environ: Mapping[str, str], path: Path) -> dict[str, str]:
    """The environment, and below it what a `.env` file says; without the file the environment alone.

    Lines are `NAME=value`, with or without `export` and quotes; `#` begins a comment at a line's start or,
    without quotes, after a space. Nothing is expanded.

    Raises:
        ConfigError: The file can be read or written by others, is not ours, or has a line that is none of
            this; no value is ever part of the text.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return dict(environ)
    except OSError as error:
        raise ConfigError("", str(path), f"cannot be read: {error.strerror}") from None
    try:
        _trust(os.fstat(handle), path)
        content = os.read(handle, _MOST_BYTES + 1)
    finally:
        os.close(handle)
    if len(content) > _MOST_BYTES:
        raise ConfigError("", str(path), f"is longer than {_MOST_BYTES:,} bytes")
    return {**_parsed(content, path), **environ}


def _trust(about: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise ConfigError("", str(path), "is no file")
    if about.st_uid not in (0, os.geteuid()):
        raise ConfigError("", str(path), f"belongs to user {about.st_uid}, so its keys are not used")
    if about.st_mode & 0o077:
        mode = stat.S_IMODE(about.st_mode)
        raise ConfigError("", str(path), f"others may read or write it (mode {mode:04o}): chmod 600 it")


def _parsed(content: bytes, path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError("", str(path), "is not UTF-8 text") from None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.match(line)
        value = _unquoted(match[2]) if match else None
        if match is None or value is None:
            raise ConfigError("", str(path), f"line {number} is not NAME=value")
        found[match[1]] = value
    return found


def _unquoted(value: str) -> str | None:
    """A value without quotes and comment; None: its quotes do not close."""
    if value[:1] in ("'", '"'):
        inner, quote, rest = value[1:].partition(value[0])
        return inner if quote and (not rest.strip() or rest.lstrip().startswith("#")) else None
    return value.partition(" #")[0].rstrip()


def _secret(environ: Mapping[str, str], name: str) -> Secret | None:
    value = environ.get(name, "").strip()
    return Secret(value) if value else None
