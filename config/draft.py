"""Settings while they are being put together: each value is checked as it comes and remembers whence."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from config.base import Section
from config.describe import bound_text, sections
from config.errors import ConfigError, nearest, printable
from config.schema import Settings
from config.strategies import StrategySettings

Path = tuple[str, ...]
"""A dotted key, split: ("account", "max_positions") or ("strategies", NAME, "params", KEY)."""

S = TypeVar("S", bound=Section)

_SECRET_WORDS = ("api_key", "secret", "password", "token")


class Draft:
    """Collects values, later ones over earlier ones.

    Attributes:
        sources: Dotted key to where its value was given.
    """

    def __init__(self) -> None:
        self.sources: dict[str, str] = {}
        self._sections: dict[str, dict[str, Any]] = {name: {} for name in sections()}
        self._strategies: dict[str, dict[str, Any]] = {}

    def put_table(self, document: Mapping[str, Any], where: str) -> None:
        """Lay a whole document (a TOML file or a snapshot) over what is there.

        Raises:
            ConfigError: A key is unknown or a value out of range.
        """
        for name, table in document.items():
            if not isinstance(table, Mapping):
                self._check_section(name, where)
                raise ConfigError(name, where, f"must be a table, [{name}]")
            if name != "strategies":
                self._check_section(name, where)
                for key, value in table.items():
                    self.put((name, key), value, where)
                continue
            for strategy, fields in table.items():
                if not isinstance(fields, Mapping):
                    raise ConfigError(
                        f"strategies.{strategy}", where, f"must be a table, [strategies.{strategy}]"
                    )
                self._put_strategy(strategy, fields, where)

    def put(self, path: Path, value: Any, where: str) -> None:
        """Set one value.

        Raises:
            ConfigError: The key is unknown or the value out of range.
        """
        key = ".".join(path)
        if path[0] == "strategies":
            self._put_strategy_value(path, value, where)
        else:
            self._check_section(path[0], where)
            if len(path) != 2:
                raise ConfigError(key, where, "must be named section.key")
            kind = _field_type(sections()[path[0]], path[1], key, where)
            self._sections[path[0]][path[1]] = _checked(value, kind, key, where)
        self.sources[key] = where

    def kind_of(self, path: Path) -> object:
        """Type a key asks for; None where the key is unknown or anything may stand."""
        if path[0] == "strategies":
            section: type[Section] | None = StrategySettings
            name = path[2] if len(path) == 3 else ""
        else:
            section = sections().get(path[0])
            name = path[1] if len(path) == 2 else ""
        if section is None:
            return None
        return {field.encode_name: field.type for field in msgspec.structs.fields(section)}.get(name)

    def build(self, known: frozenset[str]) -> Settings:
        """Make settings of it and check the values against each other.

        Args:
            known: Strategies that need no class, because they are built in.

        Raises:
            ConfigError: Two values do not go together, or a strategy has no class.
        """
        parts: dict[str, Any] = {
            name: self._build(section, self._sections[name], name) for name, section in sections().items()
        }
        book = []
        for name, fields in self._strategies.items():
            if name not in known and not fields.get("class"):
                where = self._given(f"strategies.{name}.")
                raise ConfigError(
                    f"strategies.{name}",
                    where,
                    f"is not built in; {nearest(name, known)} A strategy of your own needs "
                    'class = "module:Class"',
                )
            book.append(self._build(StrategySettings, {"name": name, **fields}, f"strategies.{name}"))
        try:
            return Settings(**parts, strategies=tuple(book))
        except ValueError as error:
            raise ConfigError("strategies", self._given("strategies."), str(error)) from None

    def _build(self, kind: type[S], values: dict[str, Any], prefix: str) -> S:
        try:
            return msgspec.convert(values, kind)
        except msgspec.ValidationError as error:
            raise ConfigError(prefix, self._given(prefix + "."), str(error)) from None

    def _given(self, prefix: str) -> str:
        """Where the values below a prefix came from, the defaults left out."""
        places = dict.fromkeys(where for key, where in self.sources.items() if key.startswith(prefix))
        places.pop("default", None)
        return ", ".join(places) or "default"

    def _put_strategy(self, name: str, fields: Mapping[str, Any], where: str) -> None:
        self._strategy(name, where)
        if fields.get("class"):
            self.put(("strategies", name, "class"), fields["class"], where)
        for field, value in fields.items():
            if field == "class":
                continue
            if field == "params" and isinstance(value, Mapping):
                for parameter, number in value.items():
                    self.put(("strategies", name, "params", parameter), number, where)
            else:
                self.put(("strategies", name, field), value, where)

    def _put_strategy_value(self, path: Path, value: Any, where: str) -> None:
        key = ".".join(path)
        if len(path) == 4 and path[2] == "params":
            params: dict[str, Any] = self._strategy(path[1], where).setdefault("params", {})
            params[path[3]] = value
            return
        if len(path) != 3:
            raise ConfigError(key, where, "must be named strategies.NAME.key or strategies.NAME.params.key")
        if path[2] == "name":
            raise ConfigError(key, where, "is given by the table's own name, [strategies.NAME]")
        kind = _field_type(StrategySettings, path[2], key, where)
        fields = self._strategy(path[1], where)
        checked = _checked(value, kind, key, where)
        if path[2] == "class" and checked != fields.get("class", ""):
            fields["params"] = {}
            self._forget(f"strategies.{path[1]}.params.")
        fields[path[2]] = checked

    def _forget(self, prefix: str) -> None:
        self.sources = {key: where for key, where in self.sources.items() if not key.startswith(prefix)}

    def _strategy(self, name: str, where: str) -> dict[str, Any]:
        if name not in self._strategies:
            kind = {field.name: field.type for field in msgspec.structs.fields(StrategySettings)}["name"]
            _checked(name, kind, f"strategies.{name}", where)
        return self._strategies.setdefault(name, {})

    def _check_section(self, name: str, where: str) -> None:
        if name not in self._sections:
            raise ConfigError(name, where, _unknown("section", name, [*self._sections, "strategies"]))


def _field_type(section: type[Section], name: str, key: str, where: str) -> object:
    kinds = {field.encode_name: field.type for field in msgspec.structs.fields(section)}
    if name not in kinds:
        raise ConfigError(key, where, _unknown("setting", name, list(kinds)))
    return kinds[name]


def _unknown(what: str, name: str, valid: list[str]) -> str:
    if any(word in name.lower() for word in _SECRET_WORDS):
        return "keys of the broker are read from the environment only (ALPACA_API_KEY, ALPACA_SECRET_KEY)"
    return f"is no {what}; {nearest(name, valid)}"


def _checked(value: Any, kind: Any, key: str, where: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        shown, wanted = printable(repr(value), 80), bound_text(kind)
        inside = f": {printable(str(error), 200)}" if "a table" in wanted else ""
        raise ConfigError(key, where, f"must be {wanted}, was {shown}{inside}") from None
