"""From the settings to the connections of gateways and what they wait by.

Waits are real seconds, told in market time where that counts.
"""

from actors.broker.bar_history import BarHistory
from actors.broker.market_feed import MarketStreamSettings
from actors.broker.order_line import Patience
from actors.broker.rest import Rest, Timeouts
from actors.broker.stream_faults import BackOff
from actors.broker.trade_socket import TradeSocket
from actors.broker.websocket import SocketLimits
from actors.live_plan import Plan
from config.connections import Requests, Streams
from runtime.kernel.clock import Clock

SECOND = 1_000_000_000
SPARE = 4
"""Of the data host's requests a minute one in so many is for what can wait."""


def limits(streams: Streams) -> SocketLimits:
    """Limits of a websocket."""
    return SocketLimits(
        open_s=streams.open_s, close_s=streams.close_s, ping_s=streams.ping_s, pong_s=streams.pong_s
    )


def market_stream(streams: Streams, url: str, speed: float = 1.0) -> MarketStreamSettings:
    """How the market stream is kept.

    Args:
        speed: Market seconds a real second; what is measured in market time lasts as long as without it.
    """
    return MarketStreamSettings(
        url=url,
        encoding=streams.encoding,
        limits=limits(streams),
        handshake_s=streams.handshake_s,
        silence_s=streams.silence_s * speed,
        quarantine_s=streams.quarantine_s * speed,
        reread_s=streams.reread_s * speed,
        settle_s=streams.settle_s * speed,
        lasting_s=streams.lasting_s,
        retry_first_s=streams.retry_first_s,
        retry_most_s=streams.retry_max_s,
        slow_first_s=streams.slow_first_s,
        slow_most_s=streams.slow_max_s,
        backfill_tries=streams.backfill_tries,
    )


def minute_waits(streams: Streams, speed: float = 1.0) -> tuple[int, int]:
    """How long a minute is awaited, and how early a bar may be, ns of market time."""
    return (
        round(streams.minute_wait_s * speed * SECOND),
        round(streams.minute_early_s * speed * SECOND),
    )


def timeouts(requests: Requests) -> Timeouts:
    """Time-outs of a request."""
    return Timeouts(connect=requests.connect_s, read=requests.read_s, total=requests.total_s)


def patience(requests: Requests, confirm_s: float) -> Patience:
    """How long the order gateway waits for what."""
    return Patience(
        lookups=requests.lookups,
        absent=requests.absent_s,
        first=requests.pause_first_s,
        most=requests.pause_max_s,
        entry=requests.entry_s,
        confirm=confirm_s,
        late=requests.late_s,
        resends=requests.resends,
        at_once=requests.at_once,
    )


def trading_rest(plan: Plan, real: Clock) -> Rest:
    """Requests to the trading host, within the settings' time-outs and budget."""
    requests = plan.settings.requests
    return Rest(
        plan.addresses.trading,
        plan.secrets,
        real,
        timeouts=timeouts(requests),
        requests_per_minute=requests.per_minute,
    )


def bar_history(plan: Plan, real: Clock, *, part: int = 1) -> BarHistory:
    """Requests to the data host, likewise.

    Args:
        part: Of the requests a minute it has one in so many: `SPARE` for what can wait, so that gaps of the
            stream are read at once.
    """
    requests = plan.settings.requests
    return BarHistory(
        plan.addresses.data,
        plan.secrets,
        real,
        feed=plan.settings.data.feed,
        timeouts=timeouts(requests),
        requests_per_minute=max(1, requests.per_minute // part),
    )


def trade_socket(plan: Plan, real: Clock) -> TradeSocket:
    """The trade stream's transport."""
    streams = plan.settings.streams
    return TradeSocket(
        plan.addresses.trading_stream,
        plan.secrets,
        real,
        limits=limits(streams),
        handshake_s=streams.handshake_s,
    )


def back_off(streams: Streams, name: str) -> BackOff:
    """Waits of a stream between two connections."""
    return BackOff(
        name,
        first=round(streams.retry_first_s * SECOND),
        most=round(streams.retry_max_s * SECOND),
        slow_first=round(streams.slow_first_s * SECOND),
        slow_most=round(streams.slow_max_s * SECOND),
        lasting=round(streams.lasting_s * SECOND),
    )
