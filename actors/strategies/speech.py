"""What a strategy may say, and in whose name: anything else never leaves its host.

A strategy may be of anybody's making, so what it says is checked as if it came from outside. It knows the
message types, the names and numbers a host gives out, and nothing of whether a trade makes sense.
"""

import math
from collections.abc import Mapping

import msgspec

from actors.strategies.context import StrategyContext
from runtime.messages.risk import Noted
from runtime.messages.trading import SignalRaised
from runtime.text import one_line

REASON = 500
"""Most characters of a reason or a note."""
NAME = 64
"""Most characters of a symbol, a lot, a group or a feature's name; a parameter hash has as many."""
FEATURES = 50
"""Most features of a signal; further ones are left out."""
DIGITS = 9


def heard(said: object, context: StrategyContext) -> SignalRaised | Noted:
    """What was said, stamped with the present moment, its free text made printable and short.

    Raises:
        TypeError: It is neither a signal nor a note: orders and approvals are not a strategy's to give.
        msgspec.ValidationError: A field is of the wrong type.
    """
    now, seq = context.moment.now, context.moment.seq
    kind = type(said)
    if kind is SignalRaised:
        signal: SignalRaised = said  # type: ignore[assignment]  # exactly this type, as just seen
        told = msgspec.structs.replace(
            signal,
            ts_event=now,
            cause=seq,
            reason=clipped(signal.reason),
            features=few(signal.features) if signal.features else signal.features,
        )
        return msgspec.convert(msgspec.to_builtins(told), SignalRaised)
    if kind is Noted:
        note: Noted = said  # type: ignore[assignment]
        told_note = msgspec.structs.replace(
            note, ts_event=now, cause=seq, component=context.name, text=clipped(note.text)
        )
        return msgspec.convert(msgspec.to_builtins(told_note), Noted)
    raise TypeError(
        f"strategy {context.name} said {kind.__name__}; it may only raise signals and write notes"
    )


def foreign(signal: SignalRaised, context: StrategyContext) -> str:
    """Why a signal is not one of this strategy's own; empty when it is."""
    if signal.strategy != context.name:
        return f"speaks for {clipped(signal.strategy, NAME)!r}"
    number = signal.id.removeprefix(context.prefix)
    if (
        number == signal.id
        or not 0 < len(number) <= DIGITS
        or not (number.isascii() and number.isdigit())
        or number[0] == "0"
        or int(number) > context.signals
    ):
        return f"id {clipped(signal.id, NAME)!r} was not given out to it"
    names = signal.symbol, signal.lot_id, signal.group_id or "", signal.params_hash
    if "".join(names).isprintable() and max(map(len, names)) <= NAME:
        return ""
    for name in names:
        if len(name) > NAME or one_line(name) != name:
            return f"{clipped(name, NAME)!r} is no name"
    return ""


def clipped(text: str, limit: int = REASON) -> str:
    """Printable, on one line, at most `limit` characters."""
    if len(text) <= limit and text.isprintable():
        return text
    return one_line(text[:limit])[:limit]


def few(features: Mapping[str, float]) -> dict[str, float]:
    """Features with finite numbers and names that are short and printable, and not too many of them."""
    first = list(features.items())[:FEATURES]
    return {clipped(name, NAME): float(value) for name, value in first if math.isfinite(value)}
