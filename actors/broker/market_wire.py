"""What a frame of the market stream says: items typed where they are known, the rest named and counted.

A frame is decoded as a whole; only if that fails is it taken apart item by item, so one bad item costs the
others nothing. Nothing here raises for what came from outside.
Source: alpaca.md 1.1-1.3; faults 3.3.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from runtime.messages.market import TradingStatus
from runtime.text import one_line
from storage.loaders import quarantine

MINUTE = 60_000_000_000
Moment = Annotated[datetime, msgspec.Meta(tz=True)]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_PRICE = quarantine.MINUTES.most


class Item(msgspec.Struct, frozen=True, kw_only=True, tag_field="T", gc=False):
    """One object of a frame; unknown keys are ignored."""


class WireBar(Item, frozen=True, kw_only=True, gc=False):
    """What every bar has: symbol, open, high, low, close (USD), volume (shares), start of the bar.

    Attributes:
        n, vw: Trades and their average price (USD); absent from some feeds.
    """

    S: str
    o: float
    h: float
    l: float  # noqa: E741 - the broker's own key
    c: float
    v: float
    t: Moment
    n: float | None = None
    vw: float | None = None

    @property
    def ts(self) -> int:
        """Start of the bar, ns UTC."""
        return nanoseconds(self.t)


class MinuteBar(WireBar, frozen=True, kw_only=True, tag="b", gc=False):
    """A minute that has just ended."""


class UpdatedBar(WireBar, frozen=True, kw_only=True, tag="u", gc=False):
    """A minute corrected by late trades, half a minute after it was first told."""


class DailyBar(WireBar, frozen=True, kw_only=True, tag="d", gc=False):
    """The running day, told every minute."""


class Status(Item, frozen=True, kw_only=True, tag="s", gc=False):
    """A halt, a resumption or one of many other notices; even without a time it must not be lost."""

    S: str
    sc: str
    t: Moment | None = None
    sm: str = ""
    rc: str = ""
    rm: str = ""
    z: str = ""


class Band(Item, frozen=True, kw_only=True, tag="l", gc=False):
    """Limit-up and limit-down prices; a pause they lead to comes as a status."""

    S: str


class Success(Item, frozen=True, kw_only=True, tag="success", gc=False):
    """`connected` or `authenticated`."""

    msg: str = ""


class Refused(Item, frozen=True, kw_only=True, tag="error", gc=False):
    """What the server did not like; the code is the contract, the text is for people."""

    code: int = 0
    msg: str = ""


class Subscribed(Item, frozen=True, kw_only=True, tag="subscription", gc=False):
    """The whole subscription as it now stands, by channel."""

    trades: list[str] = []
    quotes: list[str] = []
    bars: list[str] = []
    updated_bars: list[str] = msgspec.field(default=[], name="updatedBars")
    daily_bars: list[str] = msgspec.field(default=[], name="dailyBars")
    statuses: list[str] = []
    lulds: list[str] = []


AnyItem = MinuteBar | UpdatedBar | DailyBar | Status | Band | Success | Refused | Subscribed
_KNOWN = ("b", "u", "d", "s", "l", "success", "error", "subscription")


class Bad(msgspec.Struct, frozen=True, kw_only=True):
    """Something that came and cannot be used, fit for a log line."""

    reason: str
    example: str


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame, taken apart.

    Attributes:
        items: In the order they came.
        bad: What could not be read. ignored: items of kinds that nobody asked for.
    """

    items: list[AnyItem] = []
    bad: list[Bad] = []
    ignored: int = 0


class _Kind(msgspec.Struct, frozen=True):
    T: str


_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
"""All a decoder is known to raise: bad UTF-8 and depth are no MsgspecError."""

_Decoders = tuple[Any, Any, Any]
_JSON: _Decoders = (
    msgspec.json.Decoder(list[AnyItem]),
    msgspec.json.Decoder(list[msgspec.Raw]),
    msgspec.json.Decoder(_Kind),
)
_JSON_ITEM = msgspec.json.Decoder(AnyItem)
_MSGPACK: _Decoders = (
    msgspec.msgpack.Decoder(list[AnyItem]),
    msgspec.msgpack.Decoder(list[msgspec.Raw]),
    msgspec.msgpack.Decoder(_Kind),
)
_MSGPACK_ITEM: Any = msgspec.msgpack.Decoder(AnyItem)


def nanoseconds(moment: datetime) -> int:
    """An aware datetime as ns UTC, without the rounding of a float."""
    since = moment - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def decode(frame: str | bytes) -> Frame:
    """Take a frame apart, whichever of the two encodings it is in; never raises.

    JSON begins with a bracket, which no msgpack array does, so a text frame on a msgpack socket (or the
    other way round) is understood.
    """
    data = frame.encode("utf-8", "surrogatepass") if isinstance(frame, str) else frame
    is_json = isinstance(frame, str) or data[:1] in (b"[", b"{", b" ", b"\n", b"\r", b"\t")
    whole, parts, kind = _JSON if is_json else _MSGPACK
    try:
        return Frame(items=whole.decode(data))
    except _UNREADABLE:
        pass
    try:
        pieces = parts.decode(data)
    except _UNREADABLE:
        return Frame(bad=[Bad(reason=quarantine.MALFORMED, example=_shown(data))])
    item = _JSON_ITEM if is_json else _MSGPACK_ITEM
    return _by_piece(pieces, item, kind)


def _by_piece(pieces: list[msgspec.Raw], item: Any, kind: Any) -> Frame:
    items: list[AnyItem] = []
    bad: list[Bad] = []
    ignored = 0
    for piece in pieces:
        try:
            items.append(item.decode(piece))
        except _UNREADABLE:
            if _is_known(piece, kind):
                bad.append(Bad(reason=quarantine.MALFORMED, example=_shown(bytes(piece))))
            else:
                ignored += 1
    return Frame(items=items, bad=bad, ignored=ignored)


def _is_known(piece: msgspec.Raw, kind: Any) -> bool:
    """Whether a piece that cannot be read matters: only a readable, unknown kind does not."""
    try:
        return kind.decode(piece).T in _KNOWN
    except _UNREADABLE:
        return True


def _shown(data: bytes) -> str:
    return one_line(repr(data[:120]), 200)


def refusal(bar: WireBar, ts: int, now: int, is_known: bool = False) -> str:
    """Why a minute's bar may not be used, or nothing: the rules for bars from files, for one row.

    Args:
        ts: Its start, ns UTC. now: ns UTC; a later bar cannot have happened.
        is_known: Whether its symbol is in our table, so that its form needs no look.
    """
    o, h, low, c = bar.o, bar.h, bar.l, bar.c
    if ts <= 0:
        return quarantine.BAD_TIME
    if ts % MINUTE:
        return quarantine.OFF_MINUTE
    if ts > now:
        return quarantine.FUTURE
    if not is_known and not quarantine.is_symbol(bar.S):
        return quarantine.BAD_SYMBOL
    # Written so that a NaN, which compares as False, is refused.
    if not (o - o == 0.0 and h - h == 0.0 and low - low == 0.0 and c - c == 0.0):
        return quarantine.NO_PRICE
    if min(o, h, low, c) <= 0.0:
        return quarantine.NOT_POSITIVE
    if max(o, h, low, c) > _MOST_PRICE:
        return quarantine.ABSURD
    if h < low:
        return quarantine.CROSSED
    if max(o, c) > h or min(o, c) < low:
        return quarantine.OUTSIDE
    if not (0.0 <= bar.v < quarantine.MAX_VOLUME and bar.v == int(bar.v)):
        return quarantine.BAD_VOLUME
    return ""


def described(bar: WireBar) -> str:
    """A bar, short enough for a log line and fit for a terminal."""
    when = bar.t.strftime("%Y-%m-%dT%H:%M:%SZ") if bar.t.year >= 1000 else "no time"
    prices = f"o={bar.o:g} h={bar.h:g} l={bar.l:g} c={bar.c:g} v={bar.v:g}"
    return one_line(f"{bar.S[:20]!r} {when} {prices}", 200)


_HALTS = frozenset(("2", "H", "P"))
_RESUMES = frozenset(("3", "T"))
_PAUSE_REASONS = frozenset(("M", "LUDP", "LUDS"))


def trading_status(status: Status, now: int) -> TradingStatus | None:
    """What a status says about trading; None if it says nothing (imbalances, price indications).

    A resumption of quotes (Q) is none of trades; limit-up limit-down (F) halts only with a pause as reason.
    Source: alpaca.md 1.3.
    """
    halted = status.sc in _HALTS or (status.sc == "F" and status.rc in _PAUSE_REASONS)
    if not halted and status.sc not in _RESUMES:
        return None
    return TradingStatus(
        ts_event=now if status.t is None else nanoseconds(status.t),
        symbol=status.S,
        halted=halted,
        code=one_line(status.rc or status.sc, 20),
        reason=one_line(status.rm or status.sm, 200),
    )
