"""How connections to the broker are kept: streams, requests, and how long is waited for what.

All in seconds of real time, also where market time runs faster. No part of a snapshot or its hash: they
change what reaches the actors and when, never what is decided from it.
"""

from typing import Annotated, Literal

import msgspec

from config.base import Count, Seconds, Section, WholeNumber

Wait = Annotated[float, msgspec.Meta(ge=0, le=3_600)]


class Streams(Section, frozen=True, kw_only=True):
    """The two websockets, in seconds of real time; no part of a snapshot or its hash."""

    encoding: Literal["msgpack", "json"] = "msgpack"
    """What is asked for on the market stream; answers may come in either. Source: alpaca.md 1.1."""

    minute_wait_s: Wait = 0.25
    """How long after a minute's end its bars are awaited. Source: architecture 8."""

    minute_early_s: Wait = 2.0
    """How far the broker's clock may be ahead of ours before a bar counts as from the future.
    Source: design."""

    silence_s: Seconds = 90.0
    """Without a word in market hours a connected stream is mute. Source: faults.md B 17."""

    handshake_s: Seconds = 15.0
    """From the open connection to the last acknowledgement. Source: alpaca.md 1.1, ten to authenticate."""

    open_s: Seconds = 5.0
    """For a connection to open. Source: alpaca.md, client libraries B."""

    close_s: Seconds = 2.0
    """For the other side to confirm a close. Source: alpaca.md, client libraries B."""

    ping_s: Seconds = 5.0
    """Between two pings. Source: alpaca.md, client libraries B."""

    pong_s: Seconds = 5.0
    """A ping without an answer for so long: the connection is dead. Source: alpaca.md, client libraries B."""

    retry_first_s: Seconds = 0.5
    """First wait after a fault that passes by itself; doubles. Source: faults.md B 15."""

    retry_max_s: Seconds = 30.0
    """Most seconds between two such tries. Source: faults.md B 15."""

    slow_first_s: Seconds = 5.0
    """First wait where the server needs time (406, 429). Source: alpaca.md 1.5."""

    slow_max_s: Seconds = 60.0
    """Most seconds between two such tries. Source: alpaca.md 1.5, a dead session keeps its place for 90 s."""

    lasting_s: Seconds = 30.0
    """A connection that was ready for so long starts the waits anew. Source: design."""

    quarantine_s: Seconds = 1.0
    """Refused bars are told at most so often. Source: design."""

    reread_s: Seconds = 5.0
    """After something unreadable its minute is read by REST so much later. Source: design."""

    settle_s: Seconds = 75.0
    """Bars that REST did not have yet are asked for again after so long. Source: alpaca.md 1.4."""

    backfill_tries: Count = 5
    """How often a gap is asked for before it is given up. Source: design."""


class Requests(Section, frozen=True, kw_only=True):
    """REST, in seconds of real time; no part of a snapshot or its hash."""

    per_minute: Annotated[int, msgspec.Meta(ge=100, le=10_000)] = 200
    """Most requests a minute, to the trading host and to the data host each. Source: alpaca.md 1.5."""

    connect_s: Seconds = 3.0
    """To connect. Source: faults.md C 32."""

    read_s: Seconds = 5.0
    """Between two pieces of an answer. Source: faults.md C 32."""

    total_s: Seconds = 10.0
    """For a whole call. Source: faults.md C 32."""

    lookups: Count = 5
    """Definite noes after which an order counts as unknown to the broker. Source: faults.md C 30."""

    absent_s: Wait = 5.0
    """And so long after the first. Source: faults.md C 30."""

    pause_first_s: Seconds = 0.25
    """Between two attempts; doubles. Source: design."""

    pause_max_s: Seconds = 2.0
    """Most seconds between two attempts. Source: design."""

    entry_s: Seconds = 10.0
    """An entry that could not be sent for so long is given up; a reducing order never is. Source: design."""

    late_s: Seconds = 30.0
    """When an abandoned entry is looked for once more. Source: faults.md C 30."""

    resends: WholeNumber = 3
    """How often a reducing order that the broker never had is sent again. Source: faults.md C 29."""

    at_once: Count = 1_000
    """Most commands under way; entries beyond are refused. Source: design."""
