"""`config`: every setting with its source, whether all can be used, and a file to begin with.

Exit codes: 0 shown, usable or written; 3 a setting is refused; 9 the file is there already or cannot be
written.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands.exits import CONFIG
from tui.commands.place import default_root

if TYPE_CHECKING:
    from config.errors import ConfigError
    from config.load import Loaded
    from config.schema import Settings
    from config.strategies import StrategySettings


def add(subparsers: Any) -> None:
    """Register `config` and its own commands."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "config", help="look at the settings, check them, or begin a file of them"
    )
    commands = parser.add_subparsers(dest="config_command", required=True, metavar="COMMAND")
    shown = commands.add_parser("show", help="print every setting with where it was given")
    shown.add_argument(
        "keys", nargs="*", metavar="KEY", help="only what begins so, like breakers or account.max"
    )
    add_settings_arguments(shown)
    shown.add_argument("--json", action="store_true", help="one JSON object, with bounds and meanings")
    shown.set_defaults(run=run_show)
    checked = commands.add_parser(
        "check", help="say whether the settings can be used, and what to know of them"
    )
    add_settings_arguments(checked)
    checked.add_argument("--json", action="store_true", help="one JSON object")
    checked.set_defaults(run=run_check)
    begun = commands.add_parser(
        "init", help="write a settings file with everything in it, commented out; never over another file"
    )
    begun.add_argument(
        "file",
        nargs="?",
        type=Path,
        default=Path("settings.toml"),
        metavar="FILE",
        help="where (default: settings.toml here); used by --config FILE or in RUNTIME_CONFIG",
    )
    begun.set_defaults(run=run_init)


def add_settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a command the two ways to change settings: `--config FILE` and `--set section.key=value`."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        default=_named_file(),
        metavar="FILE",
        help="a settings file (TOML); default: the one RUNTIME_CONFIG names",
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one setting, like breakers.daily_loss=0.01; may be repeated and beats file and environment",
    )


def _named_file() -> Path | None:
    named = os.environ.get("RUNTIME_CONFIG", "").strip()
    return Path(named) if named else None


def load_settings(arguments: argparse.Namespace, *, base: dict[str, Any] | None = None) -> "Loaded":
    """Load what `add_settings_arguments` asked for.

    Args:
        base: A tape's snapshot; with it the environment has no say, or a replay would not be one.

    Raises:
        ConfigError: A setting is refused.
    """
    from config.load import load
    from config.secrets import ENV_FILE, with_env_file

    environ = {} if base is not None else with_env_file(os.environ, default_root() / ENV_FILE)
    return load(arguments.config, environ=environ, overrides=arguments.overrides, base=base)


def run_init(arguments: argparse.Namespace) -> int:
    """Write a settings file to begin with."""
    from config.template import template
    from runtime.errors import DataError

    path = arguments.file
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise DataError(f"{path} is there already and is left as it is") from None
    with open(handle, "w", encoding="utf-8") as file:
        file.write(template())
    print(f"wrote {path}: every setting is in it, commented out; use it with --config {path}")
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    """Print the settings, or those whose key begins as asked."""
    import msgspec

    from config.describe import toml_value
    from config.errors import ConfigError, nearest, printable
    from config.snapshot import settings_hash

    try:
        loaded = load_settings(arguments)
        rows = _rows(loaded)
        sections = dict.fromkeys(row["key"].split(".")[0] for row in rows)
        for key in arguments.keys:
            if not any(row["key"].startswith(key) for row in rows):
                raise ConfigError(
                    "", "", f"no setting begins with {printable(key)!r}; {nearest(key, sections)}"
                )
    except ConfigError as error:
        return _refuse(error, as_json=arguments.json)
    if arguments.keys:
        rows = [row for row in rows if row["key"].startswith(tuple(arguments.keys))]
    if arguments.json:
        found = {
            "schema": 1,
            "settings_hash": settings_hash(loaded.settings),
            "keys": _keys(loaded),
            "settings": rows,
        }
        print(msgspec.json.encode(found).decode())
        return 0
    width = max(len(row["key"]) for row in rows)
    for row in rows:
        value, source = printable(toml_value(row["value"]), 1_000), printable(row["source"])
        print(f"{row['key']:<{width}} = {value}  # {source}")
    if not arguments.keys:
        for name, state in _keys(loaded).items():
            print(f"{name:<{width}} : {state}")
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    """Say what the settings amount to; a refused one ends with exit code 3."""
    import msgspec

    from config.errors import ConfigError
    from config.snapshot import settings_hash

    try:
        loaded = load_settings(arguments)
        check_strategies(loaded.settings)
    except ConfigError as error:
        return _refuse(error, as_json=arguments.json)
    notes = _notes(loaded)
    digest = settings_hash(loaded.settings)
    if arguments.json:
        found = {"schema": 1, "ok": True, "settings_hash": digest, "keys": _keys(loaded), "notes": notes}
        print(msgspec.json.encode(found).decode())
        return 0
    print(f"settings are valid, hash {digest}")
    for note in notes:
        print(f"note: {note}")
    return 0


def _rows(loaded: "Loaded") -> list[dict[str, Any]]:
    """Every setting: key, value, source, bound and meaning."""
    import msgspec

    from config.describe import field_docs

    plain = msgspec.json.decode(msgspec.json.encode(loaded.settings))
    words = {doc.key: doc for doc in field_docs()}
    book = {f"strategies.{one['name']}": one for one in plain.pop("strategies")}
    rows: list[dict[str, Any]] = []
    for prefix, table in (*plain.items(), *book.items()):
        for name, value in table.items():
            key = f"{prefix}.{name}"
            if name == "params":
                rows.extend(_row(f"{key}.{inner}", number, loaded, "", "") for inner, number in value.items())
            elif name != "name" or prefix not in book:
                doc = words[key if prefix not in book else f"strategies.*.{name}"]
                rows.append(_row(key, value, loaded, doc.bound, doc.text))
    return rows


def _row(key: str, value: object, loaded: "Loaded", bound: str, text: str) -> dict[str, Any]:
    source = _told(loaded.sources.get(key, "default"))
    return {"key": key, "value": value, "source": source, "bound": bound, "text": text}


def _told(source: str) -> str:
    """A source as a person looks for it: a variable that the process itself has not is `.env`'s."""
    name = source.removeprefix("environment ")
    return source if name == source or os.environ.get(name, "").strip() else f".env {name}"


def _keys(loaded: "Loaded") -> dict[str, str]:
    """Whether the broker's keys and sinks of alerts are there; never what they are."""
    from config.secrets import ALERT_PREFIX, API_KEY, SECRET_KEY

    given = {API_KEY: loaded.secrets.api_key, SECRET_KEY: loaded.secrets.secret_key}
    shown = {name: "set" if secret is not None else "not set" for name, secret in given.items()}
    return shown | {ALERT_PREFIX + name.upper(): "set" for name in loaded.secrets.alert_sinks}


def _notes(loaded: "Loaded") -> list[str]:
    """What a person should know of valid settings before trading with them."""
    import math

    from actors.system import BUILT

    settings = loaded.settings
    trading = [one for one in settings.strategies if one.enabled and not one.shadow]
    total = math.fsum(one.allocation for one in trading)
    wanted = sum(one.max_positions for one in trading)
    notes = [f"{len(trading)} strategies enabled with {total:.4g} of the equity"]
    if wanted > settings.account.max_positions:
        notes.append(
            f"the strategies' own maxima sum to {wanted}, account.max_positions allows "
            f"{settings.account.max_positions}: slots are shared out by allocation"
        )
    idle = [one.name for one in trading if one.allocation == 0]
    if idle:
        notes.append(f"without an allocation, so without orders: {', '.join(idle)}")
    unbuilt = [one.name for one in trading if not one.class_path and one.name not in BUILT]
    if unbuilt:
        notes.append(f"not built yet, so inactive and without slots: {', '.join(unbuilt)}")
    if settings.broker.mode == "live":
        notes.append("broker.mode is live: orders move real money")
    if not loaded.secrets.complete:
        notes.append("the broker's keys are not set: demo and replay only")
    sinks = {
        name for rule in settings.alerts.rules for name in rule.sinks
    } - loaded.secrets.alert_sinks.keys()
    if sinks:
        notes.append(
            f"alerts.rules name sinks without an address in the environment: {', '.join(sorted(sinks))}"
        )
    return notes


def check_strategies(settings: "Settings") -> None:
    """Import every enabled strategy and let it judge its parameters.

    Raises:
        ConfigError: One cannot be imported, or refuses its parameters.
    """
    for strategy in settings.strategies:
        if strategy.enabled:
            _try_class(strategy)


def _try_class(strategy: "StrategySettings") -> None:
    """Import a strategy and let it judge its parameters; one of the user's own may fail in any way.

    Raises:
        ConfigError: The module cannot be imported, has no such class, or that refuses its parameters.
    """
    from actors.system import strategy_class
    from config.errors import ConfigError, printable

    key = f"strategies.{strategy.name}"
    try:
        found = strategy_class(strategy)
    except ConfigError:
        raise
    except Exception as error:
        shown = printable(f"{type(error).__name__}: {error}")
        raise ConfigError(
            f"{key}.class", "", f"{strategy.class_path!r} cannot be imported: {shown}"
        ) from error
    if found is None:
        return
    try:
        found.parameters(strategy.params)
    except Exception as error:
        raise ConfigError(f"{key}.params", "", printable(str(error))) from error


def _refuse(error: "ConfigError", *, as_json: bool) -> int:
    """Report a refused setting where the asker looks for it."""
    import msgspec

    if as_json:
        found = {"schema": 1, "ok": False, "key": error.key, "where": error.where, "error": str(error)}
        print(msgspec.json.encode(found).decode())
    else:
        print(f"error: {error}", file=sys.stderr)
    return CONFIG
