"""The settings file to begin with: it changes nothing, and each setting in it can be put in force."""

import tomllib
from pathlib import Path

from config.describe import field_docs
from config.load import load
from config.snapshot import settings_hash
from config.template import template, uncommented

DEFAULTS = settings_hash(load(environ={}).settings)


def hash_of(tmp_path: Path, text: str) -> str:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return settings_hash(load(path, environ={}).settings)


def test_as_it_is_it_changes_nothing(tmp_path: Path) -> None:
    assert hash_of(tmp_path, template()) == DEFAULTS
    assert all(value == {} or name == "strategies" for name, value in tomllib.loads(template()).items())


def test_with_every_setting_in_force_it_says_the_defaults(tmp_path: Path) -> None:
    text = uncommented(template())
    assert hash_of(tmp_path, text) == DEFAULTS
    given = tomllib.loads(text)
    for doc in field_docs():
        section, name = doc.key.split(".", 1)
        if section != "strategies":
            assert name in given[section], doc.key
            assert doc.text.split(maxsplit=1)[0] in template()


def test_one_setting_put_in_force_is_that_one(tmp_path: Path) -> None:
    text = template().replace("#daily_loss = 0.02", "daily_loss = 0.01", 1)
    path = tmp_path / "settings.toml"
    path.write_text(text)
    loaded = load(path, environ={})
    assert loaded.settings.breakers.daily_loss == 0.01
    assert [key for key, source in loaded.sources.items() if source == str(path)] == ["breakers.daily_loss"]
