"""Settings from all their sources: defaults < profile < file < environment < `--set`."""

import os
import stat
import tomllib
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from config.describe import is_text
from config.draft import Draft
from config.errors import ConfigError, printable
from config.schema import Settings
from config.secrets import Secrets, from_environment
from config.snapshot import from_snapshot, snapshot
from config.strategies import DEFAULT_STRATEGIES

ENVIRONMENT = {
    "TRADING_CAPITAL": ("account", "trading_capital"),
    "TRADING_SYSTEM_ROOT": ("paths", "root"),
    "LOG_LEVEL": ("log", "level"),
    "ALPACA_TRADING_URL": ("endpoints", "trading"),
    "ALPACA_DATA_URL": ("endpoints", "data"),
    "ALPACA_TRADING_STREAM_URL": ("endpoints", "trading_stream"),
    "ALPACA_DATA_STREAM_URL": ("endpoints", "data_stream"),
}
"""Environment variables that set something (seed, appendix B); an empty one sets nothing."""

MOST_BYTES = 1_000_000
"""A longer settings file is refused: it is something else."""

_HERE = Path(__file__).parent


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """Settings and how they came about.

    Attributes:
        sources: Dotted key to `default`, `profile full`, `snapshot`, the file's path,
            `environment NAME` or `--set`.
        secrets: The broker's keys, kept apart from the settings.
    """

    settings: Settings
    sources: dict[str, str]
    secrets: Secrets


def load(
    path: Path | None = None,
    *,
    environ: Mapping[str, str],
    overrides: Sequence[str] = (),
    base: dict[str, Any] | None = None,
) -> Loaded:
    """Put the settings together.

    Args:
        path: A settings file (TOML) with the keys that differ from the defaults.
        environ: The environment; pass an empty one where it must not have a say (a replay under the
            settings of its tape).
        overrides: `section.key=value`, value in TOML or bare text.
        base: A snapshot that takes the place of the defaults; what it does not know has its default, but
            it alone says which strategies there are.

    Raises:
        ConfigError: A file cannot be read, a key is unknown, a value out of range, or two do not go together.
    """
    document = _read(path) if path is not None else {}
    parsed = [_parse_override(text) for text in overrides]
    draft = Draft()
    defaults = _read(_HERE / "default.toml")
    if base is None:
        draft.put_table(defaults, "default")
    else:
        draft.put_table({name: table for name, table in defaults.items() if name != "strategies"}, "default")
        draft.put_table(_as_document(base), "snapshot")
    if _profile_asked(document, parsed) == "full":
        draft.put_table(_read(_HERE / "full.toml"), "profile full")
    if path is not None:
        draft.put_table(document, str(path))
    for name, variable in ENVIRONMENT.items():
        text = environ.get(name, "").strip()
        if text:
            draft.put(variable, _from_environment(text, draft.kind_of(variable)), f"environment {name}")
    for key, text in parsed:
        draft.put(key, _from_text(text, draft.kind_of(key)), "--set")
    settings = draft.build(frozenset(strategy.name for strategy in DEFAULT_STRATEGIES))
    return Loaded(settings=settings, sources=draft.sources, secrets=from_environment(environ))


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            if stat.S_ISREG(about.st_mode) and about.st_mode & stat.S_IWOTH:
                raise ConfigError(
                    "", str(path), "everybody may write it, so it is not believed: chmod o-w it"
                )
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError("", str(path), f"cannot be read: {error.strerror or error}") from None
    if len(content) > MOST_BYTES:
        raise ConfigError("", str(path), f"is no settings file: longer than {MOST_BYTES:,} bytes")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError("", str(path), f"is not UTF-8 text: byte {error.start}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError("", str(path), f"is not valid TOML: {printable(str(error))}") from None


def _as_document(base: dict[str, Any]) -> dict[str, Any]:
    """A snapshot in the shape of a settings file: strategies as tables by name."""
    plain = snapshot(from_snapshot(base))
    strategies = {
        strategy["name"]: {key: value for key, value in strategy.items() if key != "name"}
        for strategy in plain["strategies"]
    }
    return {**plain, "strategies": strategies}


def _parse_override(text: str) -> tuple[tuple[str, ...], str]:
    name, sign, value = text.partition("=")
    path = tuple(part.strip() for part in name.split("."))
    if not sign or len(path) < 2 or not all(path):
        raise ConfigError("", "--set", f"must look like section.key=value, was {printable(repr(name), 80)}")
    return path, value.strip()


def _profile_asked(document: dict[str, Any], overrides: Sequence[tuple[tuple[str, ...], str]]) -> object:
    account = document.get("account")
    asked = account.get("profile") if isinstance(account, dict) else None
    for path, text in overrides:
        if path == ("account", "profile"):
            asked = text.strip("\"'")
    return asked


def _from_environment(text: str, kind: object) -> object:
    """Words in any case, numbers as people write them; what is no number stays text, to be refused."""
    if is_text(kind):
        return text.upper() if typing.get_origin(kind) is Literal else text
    return _number(text)


def _from_text(text: str, kind: object) -> object:
    """Read a value as TOML; where that fails, or text is asked for, as the bare text."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text if is_text(kind) else _number(text)
    if parsed.keys() != {"value"} or (is_text(kind) and not isinstance(parsed["value"], str)):
        return text
    return parsed["value"]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
