"""The switches: which fault happens at which request or frame, and how often.

A site is a text: "POST /v2/orders", "GET /stream" (an upgrade), "market connect", "market auth",
"market subscribe", "market data", "trades connect", "trades auth", "trades listen", "trades event fill",
"order submit", "order cancel", "order replace", "order fill", "order leg". A switch sits on sites by a shell
pattern and fires at the nth that fits.
Source: alpaca.md 6, faults.md 3 B, C and D.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

KINDS: dict[str, tuple[str, str]] = {
    # REST: before means the request had no effect, after that it had.
    "stall_before": ("* /*", "no answer; the request is carried out if the switch is released"),
    "stall_after": ("* /*", "carried out, no answer until the switch is released"),
    "drop_before": ("* /*", "connection aborted, no effect"),
    "drop_after": ("* /*", "carried out, connection aborted"),
    "gateway_timeout_before": ("* /*", "504 with HTML, no effect"),
    "gateway_timeout_after": ("* /*", "carried out, 504 with HTML"),
    "server_error_before": ("* /*", "500 with code 50010000, no effect"),
    "server_error_after": ("* /*", "carried out, 500"),
    "rate_limited": ("* /*", "429 with the X-RateLimit headers; retry_after: seconds for Retry-After"),
    "rate_limited_bare": ("* /*", "429 with no header and no JSON"),
    "refuse": ("* /*", "status, code, message and extra as given; html: a body that is no JSON"),
    "malformed": ("* /*", "carried out, 200 with a body that is wrong: `how` one of MALFORMED"),
    "edit": ("* /*", "carried out; `change` gets the decoded body and gives another"),
    "lag": ("GET /v2/orders*", "404 for orders that came last, `lookups` times"),
    "partial_207": ("DELETE /v2/*", "the first `count` items fail with 500 and stay as they are"),
    "events_first": ("* /v2/*", "the trade updates leave before the answer"),
    # The order's life at the broker.
    "async_reject": ("order submit", "200, then rejected"),
    "stuck_new": ("order submit", "stays pending_new until `acknowledge`"),
    "stuck_cancel": ("order cancel", "204, stays pending_cancel until `settle_cancels`; may still fill"),
    "cancel_rejected": ("order cancel", "204, then order_cancel_rejected; the order works on"),
    "replace_race": ("order replace", "200, but the old order fills first and the new one is rejected"),
    "replace_rejected": ("order replace", "200, then order_replace_rejected; the old order works on"),
    "partial_fill": ("order fill", "`quantity` shares (or `share` of the rest) only"),
    "leg_rejected": ("order leg", "one leg of a bracket is rejected when its parent has filled"),
    # Both streams; the site says which.
    "unauthorized": ("* auth", "the key is refused: 402 or unauthorized"),
    "silent_auth": ("* auth", "no answer to the authentication until the switch is released"),
    "drop_frame": ("market data", "a frame never comes"),
    "duplicate_frame": ("market data", "a frame comes `copies` times"),
    "reorder_frame": ("market data", "a frame comes after the next one"),
    "garbage_frame": ("market data", "`data` comes before the frame, binary or text by its type"),
    "broken_protocol": ("market data", "bytes that are no websocket frame"),
    "text_frame": ("market data", "JSON in a text frame on a msgpack connection"),
    "truncated_frame": ("market data", "half of the frame"),
    "close": ("market data", "closed with `code` and `reason` before the frame"),
    "abort": ("market data", "TCP reset instead of the frame; at `* connect` right after the upgrade"),
    "edit_frame": ("market data", "`change` gets the decoded message and gives another"),
    # Market data stream.
    "connection_limit": ("market auth", "406; the socket stays open"),
    "insufficient_subscription": ("market auth", "409"),
    "market_error": ("market *", "an error of your `code`, with its documented text"),
    "symbol_limit": ("market subscribe", "405; subscriptions stay as they were"),
    "partial_ack": ("market subscribe", "`missing` symbols (a list or a number) are left out"),
    "no_ack": ("* [sl]*", "no answer to the subscription until released; it holds nevertheless"),
    "bad_item": ("market data", "an item that cannot be read, in the middle of the batch"),
    "unknown_type": ("market data", "an item with a `T` nobody knows"),
    "bare_bars": ("market data", "bars without n and vw"),
    "padded_frame": ("market data", "a frame of more than `size` bytes (2 MiB)"),
    "slow_client": ("market data", "407, then closed"),
    # Trade updates.
    "unknown_event": ("trades event *", "the event is called `name`"),
    "unknown_status": ("trades event *", "the order's status is called `name`"),
}
"""Every kind with the sites it goes to by default and what it does."""

MALFORMED = ("html", "truncated", "empty", "missing_id", "other_client_order_id", "null_qty", "list")


@dataclass(kw_only=True, eq=False)
class Fault:
    """One switch.

    Attributes:
        nth: It fires first at the nth site that fits, counted from when it was put in.
        times: How often in all; None: for ever.
        chance: Share of the fitting sites at which it fires.
        hits: How often it did. seen: How many sites fitted.
    """

    kind: str
    on: str
    nth: int = 1
    times: int | None = 1
    chance: float = 1.0
    given: dict[str, Any] = field(default_factory=dict)
    hits: int = 0
    seen: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        """Let stalled requests go on, and those to come."""
        self.released.set()

    def get(self, name: str, default: Any) -> Any:
        """A parameter of the switch."""
        return self.given.get(name, default)


class Faults:
    """All switches that are on."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self.active: list[Fault] = []
        self.fired: list[tuple[str, str]] = []
        """Kind and site of every fault so far."""

    def add(
        self,
        kind: str,
        on: str | None = None,
        *,
        nth: int = 1,
        times: int | None = 1,
        chance: float = 1.0,
        **given: Any,
    ) -> Fault:
        """Put a switch on.

        Args:
            on: Shell pattern over sites; None: those the kind is made for.

        Raises:
            ValueError: No such kind.
        """
        if kind not in KINDS:
            near = get_close_matches(kind, KINDS, 1)
            raise ValueError(
                f"no fault is called {kind!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            )
        fault = Fault(kind=kind, on=on or KINDS[kind][0], nth=nth, times=times, chance=chance, given=given)
        self.active.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Take a switch off; what it stalled goes on."""
        fault.release()
        if fault in self.active:
            self.active.remove(fault)

    def clear(self) -> None:
        """Take all switches off."""
        for fault in list(self.active):
            self.remove(fault)

    def take(self, site: str, *kinds: str) -> Fault | None:
        """The first switch of these kinds that fires at a site; each that fits counts it."""
        chosen = None
        for fault in list(self.active):
            if fault.kind not in kinds or not fnmatchcase(site, fault.on):
                continue
            if fault.times is not None and fault.hits >= fault.times:
                continue
            fault.seen += 1
            due = fault.seen >= fault.nth and (fault.chance >= 1 or self._random.random() < fault.chance)
            if due and chosen is None:
                chosen = fault
        if chosen is not None:
            chosen.hits += 1
            self.fired.append((chosen.kind, site))
        return chosen

    def all(self, site: str, *kinds: str) -> list[Fault]:
        """Every switch of these kinds that fires at a site, in the order they were put on."""
        return [fault for kind in kinds if (fault := self.take(site, kind)) is not None]


Change = Callable[[Any], Any]
"""What an `edit` switch is given: the decoded body in, another out."""
