"""What gateways wait by: the settings' defaults are theirs, and only market time is stretched."""

import inspect

from actors import live_waits
from actors.broker.market_feed import MarketStreamSettings
from actors.broker.minute_join import MinuteJoin
from actors.broker.order_line import Patience
from actors.broker.rest import Timeouts
from actors.broker.websocket import SocketLimits
from config.connections import Requests, Streams
from config.schema import Settings
from config.snapshot import settings_hash

URL = "ws://127.0.0.1/v2/iex"


def test_the_gateways_own_defaults_are_the_settings_defaults():
    assert live_waits.market_stream(Streams(), URL) == MarketStreamSettings(url=URL)
    assert live_waits.limits(Streams()) == SocketLimits()
    assert live_waits.timeouts(Requests()) == Timeouts()
    assert live_waits.patience(Requests(), 30.0) == Patience()
    join = inspect.signature(MinuteJoin).parameters
    assert live_waits.minute_waits(Streams()) == (join["wait"].default, join["early"].default)


def test_what_is_measured_in_market_time_lasts_as_long_in_real_time_at_any_speed():
    plain, fast = (live_waits.market_stream(Streams(), URL, speed) for speed in (1.0, 60.0))
    stretched = {"silence_s", "quarantine_s", "reread_s", "settle_s"}
    for name in MarketStreamSettings.__struct_fields__:
        was, now = getattr(plain, name), getattr(fast, name)
        assert now == (was * 60 if name in stretched else was), name
    assert live_waits.minute_waits(Streams(), 60.0) == (15_000_000_000, 120_000_000_000)


def test_another_time_out_does_not_make_another_session():
    patient = Settings(streams=Streams(ping_s=9.0), requests=Requests(total_s=20.0))
    assert settings_hash(patient) == settings_hash(Settings())
