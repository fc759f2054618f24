"""No setting is there for show: each is read by the product, or says who will read it."""

import ast
from pathlib import Path

import msgspec
import pytest

from actors.strategies.host_rules import HostRules
from actors.system import host_rules
from config.describe import field_docs, sections
from config.schema import Settings, StrategySettings
from storage.loaders.quarantine import ADJUSTED_DAYS, DAYS

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("actors", "runtime", "storage", "tui")
LIVE = "Read by the live engine."

UNREAD = {
    "account.profile": "read while the settings are loaded",
}
"""Beside those of the live engine, which say so themselves."""


def attributes_read() -> set[str]:
    """Names behind a dot in any module of the product."""
    found: set[str] = set()
    for folder in PRODUCT:
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found.update(node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return found


def test_every_setting_is_read_or_says_who_will_read_it() -> None:
    read = attributes_read()
    later = {doc.key for doc in field_docs() if LIVE in doc.text}
    keys = {
        f"{name}.{field.name}"
        for name, section in sections().items()
        for field in msgspec.structs.fields(section)
    } | {f"strategies.*.{field.name}" for field in msgspec.structs.fields(StrategySettings)}
    unread = {key for key in keys if key.rpartition(".")[2] not in read}
    assert unread - later - UNREAD.keys() == set()
    assert UNREAD.keys() <= unread, "a setting that is read has no place among the exceptions"


def test_only_sections_of_the_machine_wait_for_the_live_engine() -> None:
    later = {doc.key.partition(".")[0] for doc in field_docs() if LIVE in doc.text}
    assert later <= {"orders", "data", "supervision", "tapes", "kill_switch", "log", "broker"}


def test_the_hosts_own_defaults_are_the_settings_defaults() -> None:
    assert host_rules(Settings()) == HostRules()


def test_the_loaders_own_default_is_the_settings_default() -> None:
    ratio = Settings().data.absurd_price_ratio
    assert DAYS.up == ADJUSTED_DAYS.up == ratio
    assert DAYS.down == ADJUSTED_DAYS.down == pytest.approx(1 / ratio)


def test_every_number_of_the_host_comes_from_a_setting_but_the_liquidity_threshold() -> None:
    plain = Settings()
    other = Settings(
        ensemble=msgspec.structs.replace(
            plain.ensemble,
            intraday_expiry_min=1.5,
            daily_expiry_min=2.0,
            cooldown_sessions=7,
            min_stop_ticks=9,
            min_stop_bps=11.0,
        ),
        data=msgspec.structs.replace(
            plain.data,
            lookback_coverage=0.5,
            universe_coverage=0.6,
            feed_watchdog_s=1.0,
            spy_watchdog_min=0.5,
            halt_no_bar_min=12.0,
            halt_resume_min=13.0,
            odd_move_tolerance=0.04,
        ),
        limits=msgspec.structs.replace(plain.limits, require_exits=False),
    )
    found, usual = host_rules(other), HostRules()
    same = [name for name in HostRules.__struct_fields__ if getattr(found, name) == getattr(usual, name)]
    assert same == ["liquid_dollars"]
    assert (found.intraday_life, found.feed_silence, found.min_stop_frac) == (
        90_000_000_000,
        1_000_000_000,
        pytest.approx(0.0011),
    )
