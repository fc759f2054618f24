"""What kind of Alpaca account and service is emulated; whatever alpaca.md only infers is a switch here."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Options:
    """One account of one user.

    Attributes:
        key, secret: The only pair that is let in.
        cash: USD the account starts with. multiplier: Of equity, what may be bought; 4: margin account.
        fills: "next_bar": an order trades in bars that end after it came, at the open, the limit or the stop;
            "quote": it also trades at once against the last quote when that makes it marketable.
        fill_latency_s: Market seconds from an order's start to its trade against the quote; one capture
            of the service shows 0.8.
        spread: USD between bid and ask around the last close, for quotes.
        partial_chance: Share of fills that come in two parts (the service's paper figure is 0.1).
        rate_limit: Requests a minute (real time), 0: none.
        data_latency_s: Seconds (real time) until the data host begins to answer a request.
        symbol_limit: Symbols a market stream may subscribe to, 0: any. sip: Whether the plan has SIP.
        trade_frames: Paper sends its trade updates in binary frames, live in text.
        wash_exempts_existing: Whether a resting bracket or OCO, too, is no opposite side of a wash trade.
        announce_pending: Whether pending_cancel and pending_replace are told.
        accepted_event: Whether an order queued for the next open is told as `accepted`.
        held_events: Whether the legs of a bracket are told as `held`.
        stop_leg_status: What the stop of a filled bracket shows beside its working target.
        replacement: "carried": the new order has the old one's fills; "fresh": it starts from nothing with
            the whole quantity, as users have seen.
        bust_follows: Whether an order's own filled_qty follows a bust. busts_listed: whether FILL activities
            go on to show what was taken back.
        intents: What becomes of an order's position_intent: compared with the position and refused where it
            differs (as users have seen for stocks and options), ignored, or not understood.
        event_ids: Whether events carry `event_id`, which is optional since 2026-07-15.
        legacy_asset_fields: Whether assets still have easy_to_borrow and maintenance_margin_requirement.
        legacy_account_fields: Whether accounts still have the pattern day trader's fields.
        close_after_fatal: Whether the market stream is closed after 402, 404 and 409.
        connections_per_feed, trade_connections: How many may be open at once.
        dead_slot_s: Seconds (real time) for which a session that died without a close frame keeps its
            slot; None: until `slots.release`. The service's figure is about 90.
        auth_timeout_s: Seconds (real time) a market stream has to authenticate.
        slow_client_s: Seconds (real time) a frame may wait for a client that does not read; then its
            connection is reset without a word, as 407 may not arrive.
        market_batch: Items in one frame at most.
        compress: Whether permessage-deflate is accepted.
        seed: Of the partial fills and of the faults that come by chance.
    """

    key: str = "PKLOOPBACK0000000000"
    secret: str = "loopback-secret-0123456789abcdef"
    account_number: str = "PA3LOOPBACK1"
    cash: Decimal = Decimal(100_000)
    multiplier: int = 4
    shorting_enabled: bool = True
    fills: Literal["next_bar", "quote"] = "next_bar"
    fill_latency_s: float = 0.0
    spread: Decimal = Decimal(0)
    partial_chance: float = 0.0
    rate_limit: int = 200
    data_latency_s: float = 0.0
    symbol_limit: int = 0
    sip: bool = True
    trade_frames: Literal["binary", "text"] = "binary"
    wash_exempts_existing: bool = True
    announce_pending: bool = False
    accepted_event: bool = True
    held_events: bool = False
    stop_leg_status: Literal["new", "held"] = "new"
    replacement: Literal["carried", "fresh"] = "carried"
    bust_follows: bool = True
    busts_listed: bool = False
    intents: Literal["enforced", "ignored", "refused"] = "enforced"
    event_ids: bool = True
    legacy_asset_fields: bool = False
    legacy_account_fields: bool = False
    close_after_fatal: bool = True
    connections_per_feed: int = 1
    trade_connections: int = 1
    dead_slot_s: float | None = 0.0
    auth_timeout_s: float = 10.0
    slow_client_s: float = 5.0
    market_batch: int = 500
    compress: bool = True
    seed: int = 0
