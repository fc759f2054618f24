"""Settings as plain data: what a tape keeps of them, and the hash that tells two settings apart."""

import hashlib
import json
from typing import Any

import msgspec

from config.errors import ConfigError
from config.schema import Settings

LEFT_OUT = ("paths", "endpoints", "alerts", "streams", "requests")
"""Sections that say where things are on one machine, or whom to tell, not how to trade."""


def snapshot(settings: Settings) -> dict[str, Any]:
    """Turn settings into plain data (dicts, lists, text, numbers); places and secrets are left out."""
    plain = json.loads(msgspec.json.encode(settings))
    return {section: table for section, table in plain.items() if section not in LEFT_OUT}


def settings_hash(settings: Settings) -> str:
    """SHA-256 (hex) of the snapshot's sorted JSON; equal wherever the same numbers are set."""
    text = json.dumps(snapshot(settings), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def from_snapshot(plain: dict[str, Any]) -> Settings:
    """Read a snapshot back; a setting it is too old to know has its default.

    Raises:
        ConfigError: It has a key or a value that this version refuses.
    """
    try:
        return msgspec.convert(plain, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError("", "settings snapshot", str(error)) from None


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What differs between two snapshots, one `section.key was X, is Y` each, in order of the keys."""
    old, new = _flat(before), _flat(after)
    return [
        f"{key} was {_shown(old, key)}, is {_shown(new, key)}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) or (key in old) != (key in new)
    ]


def _flat(plain: object, prefix: str = "") -> dict[str, object]:
    """Every value under its dotted key; strategies by their names."""
    if isinstance(plain, list) and plain and all(isinstance(one, dict) and "name" in one for one in plain):
        plain = {one["name"]: one for one in plain}
    if not isinstance(plain, dict):
        return {prefix: plain}
    found: dict[str, object] = {}
    for key, value in plain.items():
        found |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found


def _shown(flat: dict[str, object], key: str) -> str:
    return json.dumps(flat[key]) if key in flat else "not there"
