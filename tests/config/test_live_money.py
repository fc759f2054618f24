"""Real money needs three things at once; an address belongs to the mode it is used in."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigError
from config.live_money import LIVE_ACCOUNT, Addresses, LiveRefused, addresses, confirm, permit
from config.load import load
from config.machine import Endpoints

FILE = "/etc/trading.toml"


def test_real_money_passes_with_all_three_and_names_its_account() -> None:
    assert permit("live", FILE, live=True, environ={LIVE_ACCOUNT: " 123456789 "}) == "123456789"


@pytest.mark.parametrize(
    ("file", "flag", "named"),
    [three for three in itertools.product([True, False], repeat=3) if not all(three)],
)
def test_with_any_of_the_three_missing_it_is_refused_and_each_is_named(
    file: bool, flag: bool, named: bool
) -> None:
    with pytest.raises(LiveRefused) as caught:
        permit(
            "live",
            FILE if file else "--set",
            live=flag,
            environ={LIVE_ACCOUNT: "1"} if named else {LIVE_ACCOUNT: " "},
        )
    said = str(caught.value)
    assert ("in the settings file (it came from: --set)" in said) is not file
    assert ("--live on the command line" in said) is not flag
    assert (f"{LIVE_ACCOUNT}=<account number>" in said) is not named


@pytest.mark.parametrize("source", ["default", "--set", "snapshot", "environment BROKER_MODE"])
def test_the_mode_counts_only_from_the_settings_file(source: str) -> None:
    with pytest.raises(LiveRefused, match="in the settings file"):
        permit("live", source, live=True, environ={LIVE_ACCOUNT: "1"})


def test_paper_needs_nothing_and_does_not_take_the_live_flag() -> None:
    assert permit("paper", "default", live=False, environ={LIVE_ACCOUNT: "1"}) == ""
    with pytest.raises(LiveRefused, match=r'broker\.mode is "paper"'):
        permit("paper", FILE, live=True, environ={LIVE_ACCOUNT: "1"})


def test_the_keys_must_belong_to_the_account_that_was_named() -> None:
    confirm("123", "123")
    confirm("", "PA1")
    for other in ("1234", "PA123", "", None):
        with pytest.raises(LiveRefused, match="names 123"):
            confirm("123", other)


def test_the_addresses_follow_mode_and_feed() -> None:
    assert addresses(Endpoints(), "paper", "iex") == Addresses(
        "https://paper-api.alpaca.markets",
        "https://data.alpaca.markets",
        "wss://paper-api.alpaca.markets/stream",
        "wss://stream.data.alpaca.markets/v2/iex",
    )
    live = addresses(Endpoints(), "live", "sip")
    assert (live.trading, live.data_stream) == (
        "https://api.alpaca.markets",
        "wss://stream.data.alpaca.markets/v2/sip",
    )


def test_loopback_addresses_come_from_the_environment() -> None:
    environ = {
        "ALPACA_TRADING_URL": "http://127.0.0.1:1234/",
        "ALPACA_DATA_URL": "http://localhost:1",
        "ALPACA_TRADING_STREAM_URL": "ws://127.0.0.1:2/stream",
        "ALPACA_DATA_STREAM_URL": "ws://[::1]:3/v2/iex",
    }
    settings = load(environ=environ).settings
    assert addresses(settings.endpoints, "paper", settings.data.feed) == Addresses(
        "http://127.0.0.1:1234", "http://localhost:1", "ws://127.0.0.1:2/stream", "ws://[::1]:3/v2/iex"
    )


@pytest.mark.parametrize(
    ("field", "url", "becomes"),
    [
        ("trading", "http://127.0.0.1:1/v2", "http://127.0.0.1:1"),
        ("data", "http://127.0.0.1:1/v2/", "http://127.0.0.1:1"),
        ("data", "http://127.0.0.1:1/data", "http://127.0.0.1:1/data"),
        ("trading_stream", "ws://127.0.0.1:1", "ws://127.0.0.1:1/stream"),
        ("trading_stream", "ws://127.0.0.1:1/", "ws://127.0.0.1:1"),
        ("trading_stream", "ws://127.0.0.1:1/orders", "ws://127.0.0.1:1/orders"),
        ("data_stream", "ws://127.0.0.1:1", "ws://127.0.0.1:1/v2/sip"),
        ("data_stream", "ws://127.0.0.1:1/v2", "ws://127.0.0.1:1/v2/sip"),
        ("data_stream", "ws://127.0.0.1:1/v2/test", "ws://127.0.0.1:1/v2/test"),
        ("data_stream", "ws://127.0.0.1:1/", "ws://127.0.0.1:1"),
    ],
)
def test_a_host_alone_will_do_with_or_without_the_version(field: str, url: str, becomes: str) -> None:
    found = addresses(Endpoints(**{field: url}), "paper", "sip")
    assert getattr(found, field) == becomes


@pytest.mark.parametrize(
    ("field", "url", "mode", "words"),
    [
        ("trading", "https://api.alpaca.markets", "paper", "is the live host"),
        ("trading", "https://paper-api.alpaca.markets/", "live", "is the paper host"),
        ("trading_stream", "wss://API.alpaca.markets/stream", "paper", "is the live host"),
        ("trading", "http://paper-api.alpaca.markets", "paper", "must be https"),
        ("data_stream", "ws://10.0.0.1/v2/iex", "paper", "must be wss"),
        ("data", "ftp://x", "paper", "must be an address"),
        ("data", "https://", "paper", "must be an address"),
        ("data", "https://[", "paper", "must be an address"),
        ("data", "https://x:99999", "paper", "must be an address"),
        ("data", "https://key:word@x", "paper", "must not hold a name or password"),
    ],
)
def test_an_address_of_the_other_mode_or_in_clear_is_refused(
    field: str, url: str, mode: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        addresses(Endpoints(**{field: url}), mode, "iex")  # type: ignore[arg-type]
    assert caught.value.key == f"endpoints.{field}"


@given(st.text())
def test_any_text_is_an_address_or_refused(url: str) -> None:
    try:
        found = addresses(Endpoints(data=url), "paper", "iex").data
    except ConfigError:
        return
    assert found.startswith("https://") or "localhost" in found or "127.0.0.1" in found or "[::1]" in found
