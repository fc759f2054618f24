"""What an order is called: `<lot>:<e|x|s|t><attempt>`, the same again after every restart.

The lot id is the signal's (`<strategy>-<yyyymmdd>-<n>`); the letter says what the order is for the lot.
"""

import re
from typing import NamedTuple

from runtime.messages.trading import Role

LONGEST = 48
"""Characters; the broker allows 128, the books 48."""

_LOT_ID = re.compile(r"[!-9;-~]+").fullmatch
"""Printable ASCII without colon or space."""

_LETTER_OF: dict[Role, str] = {"entry": "e", "exit": "x", "stop": "s", "target": "t"}
_ROLE_OF: dict[str, Role] = {letter: role for role, letter in _LETTER_OF.items()}


class OrderId(NamedTuple):
    """The parts of a client order id; `attempt` counts from 1."""

    lot_id: str
    role: Role
    attempt: int


def client_order_id(lot_id: str, role: Role, attempt: int) -> str:
    """Name a lot's order.

    Raises:
        ValueError: a lot id that is empty or holds a colon, space or anything but printable ASCII, an
            attempt below 1, or a name of more than 48 characters.
    """
    if attempt < 1:
        raise ValueError(f"an attempt counts from 1, was {attempt}")
    if _LOT_ID(lot_id) is None:
        raise ValueError(f"{lot_id!r} cannot be a lot id: printable ASCII without colon or space is needed")
    made = f"{lot_id}:{_LETTER_OF[role]}{attempt}"
    if len(made) > LONGEST:
        raise ValueError(f"client order id {made!r} has {len(made)} characters, {LONGEST} are allowed")
    return made


def parse(name: str) -> OrderId | None:
    """Take a client order id apart; None if it is not one of ours (a broker-made leg, a manual order)."""
    lot_id, colon, tail = name.rpartition(":")
    role = _ROLE_OF.get(tail[:1])
    digits = tail[1:]
    if not colon or role is None or not (digits.isascii() and digits.isdigit()) or digits[0] == "0":
        return None
    try:
        whole = client_order_id(lot_id, role, int(digits))
    except ValueError:
        return None
    return OrderId(lot_id, role, int(digits)) if whole == name else None
