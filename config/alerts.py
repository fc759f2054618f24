"""Which events are told to a person, through which sinks, and how often.

A sink's address is a secret and no setting: `TRADING_ALERT_NAME` in the environment or in `.env` names the
sink `name` and holds its URL, as `apprise` reads it.
"""

from typing import Annotated, Literal

import msgspec

from config.base import Minutes, Seconds, Section

AlertLevel = Literal["INFO", "WARNING", "ERROR", "CRITICAL"]
LEVELS: tuple[AlertLevel, ...] = ("INFO", "WARNING", "ERROR", "CRITICAL")
"""Ascending."""

AlertEvent = Literal[
    "breaker_tripped",
    "breaker_cleared",
    "halt_thrown",
    "halt_confirmed",
    "halt_lifted",
    "mismatch",
    "strategy_disabled",
    "strategy_enabled",
    "actor_stopped",
    "engine_failed",
    "stream_down",
    "stream_up",
    "order_rejected",
    "order_unknown",
    "day_summary",
    "error",
    "held_back",
    "test",
]
"""What can be told: `error` is any other row of error_log, `held_back` a digest of what the limit held."""

_TOLD: tuple[AlertEvent, ...] = (
    *("breaker_tripped", "breaker_cleared", "halt_thrown", "halt_confirmed", "halt_lifted", "mismatch"),
    *("strategy_disabled", "strategy_enabled", "actor_stopped", "engine_failed", "stream_down"),
    *("stream_up", "order_rejected", "order_unknown", "day_summary"),
)


class AlertRule(Section, frozen=True, kw_only=True):
    """What is told, and to whom; an empty list means any."""

    level: AlertLevel = "WARNING"
    """The least level."""

    events: tuple[AlertEvent, ...] = ()
    """Only these."""

    components: tuple[str, ...] = ()
    """Only what comes from these: a strategy, an actor, a gateway, a library."""

    sinks: tuple[str, ...] = ()
    """Only through these, by the names their variables give them."""


class Alerts(Section, frozen=True, kw_only=True):
    """What a person is told, and how often. Sinks are addresses in TRADING_ALERT_NAME; without one nothing
    is sent, and the history says so.
    """

    rules: tuple[AlertRule, ...] = (
        AlertRule(level="INFO", events=_TOLD),
        AlertRule(level="CRITICAL", events=("error",)),
    )
    """What matches any of them is told: level (the least), events, components, sinks; an empty or missing
    list means any. Source: seed, alert_manager."""

    window_min: Minutes = 15.0
    """Minutes in which the same event of the same thing is told once and counted; what was counted is told
    at their end. Source: design."""

    most_an_hour: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 20
    """Most alerts in any hour; what is beyond is told as one digest when there is room. CRITICAL ones have
    as many of their own. Source: design."""

    stream_grace_s: Annotated[float, msgspec.Meta(ge=0, le=3_600)] = 5.0
    """Seconds a stream may be down before it is told; at a start twelve times as long. Source: faults 4."""

    timeout_s: Seconds = 10.0
    """Seconds a sink may take; then the alert counts as failed. Source: design."""
