"""May this start trade real money, and do its addresses belong to the account it says?

Real money needs three things that no slip of the hand does together: `broker.mode = "live"` in the settings
file, `--live` on the command line, and the account's number in the environment. The broker's own answer is
compared with that number before anything trades.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from config.errors import ConfigError, printable
from config.machine import Endpoints

Mode = Literal["paper", "live"]

LIVE_ACCOUNT = "TRADING_LIVE_ACCOUNT"
"""Environment variable that names the account whose money it is."""

_TRADING_HOST = {"paper": "paper-api.alpaca.markets", "live": "api.alpaca.markets"}
_DATA_HOST, _STREAM_HOST = "data.alpaca.markets", "stream.data.alpaca.markets"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class LiveRefused(ConfigError):
    """Real money was asked for by some of the three ways only, or for another account."""

    def __init__(self, problem: str) -> None:
        super().__init__("", "live money", problem)


class Addresses(NamedTuple):
    """Where the broker is, without versions; the data stream has its feed in the path."""

    trading: str
    data: str
    trading_stream: str
    data_stream: str


def permit(mode: Mode, source: str, *, live: bool, environ: Mapping[str, str]) -> str:
    """The number of the account that may trade real money; empty: this start trades on paper.

    Args:
        mode: `broker.mode`. source: where it was given, as `config.load` tells it.
        live: Whether `--live` is on the command line.

    Raises:
        LiveRefused: It is neither plainly paper nor plainly live; the text says what is missing.
    """
    if mode == "paper":
        if live:
            raise LiveRefused(
                '--live, but broker.mode is "paper": say broker.mode = "live" in the settings file'
            )
        return ""
    missing = []
    if source in ("default", "--set", "snapshot") or source.startswith("environment "):
        missing.append(f'broker.mode = "live" in the settings file (it came from: {printable(source)})')
    if not live:
        missing.append("--live on the command line")
    account = environ.get(LIVE_ACCOUNT, "").strip()
    if not account:
        missing.append(f"{LIVE_ACCOUNT}=<account number> in the environment")
    if missing:
        raise LiveRefused(f"orders would move real money; missing: {'; '.join(missing)}")
    return account


def confirm(named: str, found: str | None) -> None:
    """See that the broker speaks of the account that was named.

    Args:
        named: What `permit` returned. found: the broker's account number.

    Raises:
        LiveRefused: It is another one.
    """
    if named and found != named:
        shown = printable(found or "none")
        raise LiveRefused(f"{LIVE_ACCOUNT} names {printable(named)}, the keys belong to {shown}")


def addresses(endpoints: Endpoints, mode: Mode, feed: str) -> Addresses:
    """The broker's addresses for a mode, with those that the settings name in their place.

    A host alone will do, and with the version as the broker's documents have it: what belongs behind it is
    known. Other paths are taken as they are; a lone slash is one.

    Raises:
        ConfigError: One is no address, is not encrypted though it leaves this machine, or belongs to the
            other mode.
    """
    host = _TRADING_HOST[mode]
    named = (
        _checked("trading", endpoints.trading or f"https://{host}", "http", mode),
        _checked("data", endpoints.data or f"https://{_DATA_HOST}", "http", mode),
        _checked("trading_stream", endpoints.trading_stream or f"wss://{host}", "ws", mode),
        _checked("data_stream", endpoints.data_stream or f"wss://{_STREAM_HOST}", "ws", mode),
    )
    trading, data = (url.rstrip("/").removesuffix("/v2") for url in named[:2])
    orders, bars = named[2:]
    if not urlsplit(orders).path:
        orders = f"{orders}/stream"
    if urlsplit(bars).path in ("", "/v2", "/v2/"):
        bars = f"{bars.rstrip('/').removesuffix('/v2')}/v2/{feed}"
    return Addresses(trading, data, orders.rstrip("/"), bars.rstrip("/"))


def _checked(name: str, url: str, scheme: str, mode: Mode) -> str:
    key = f"endpoints.{name}"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in (scheme, f"{scheme}s"):
        raise ConfigError(key, "", f"must be an address like {scheme}s://host, was {printable(repr(url))}")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(key, "", "must not hold a name or password")
    if parts.scheme == scheme and host not in _LOOPBACK:
        raise ConfigError(key, "", f"must be {scheme}s: only this machine itself is spoken to in clear")
    other: Mode = "live" if mode == "paper" else "paper"
    if host == _TRADING_HOST[other]:
        raise ConfigError(key, "", f'{host} is the {other} host, but broker.mode is "{mode}"')
    return url
