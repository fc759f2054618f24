"""The chain of causes of one lot as lines: bar, signal, sizing, verdict, orders, fills, profit.

Pure: takes what `explain` answers and lays it out for a width. Everything in it came through the books, so
unknown kinds and missing numbers are shown as they are, never an error.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

from rich.cells import cell_len

from tui.panels import figures
from tui.panels.ink import Piece, Role
from tui.panels.lines import fit, wrapped
from tui.safe import clean

Line = tuple[Piece, ...]
Numbers = Mapping[str, Any]

_TIME, _KIND = 10, 13
_BESIDE = 48
"""Cells from which on what a link says stands beside its kind; where there are less, below it."""
_MOST_LINES = 6
_EXIT = "EXIT"
"""What sizes an order that closes a lot."""
_TITLES: dict[str, tuple[str, Role]] = {
    "bar": ("input", "quiet"),
    "signal": ("signal", "accent"),
    "dropped": ("dropped", "warn"),
    "sizing": ("sized", "text"),
    "approved": ("approved", "good"),
    "denied": ("DENIED", "bad"),
    "order": ("order", "accent"),
    "replace": ("replace", "text"),
    "cancel": ("cancel", "text"),
    "ended": ("order ended", "quiet"),
    "fill": ("fill", "strong"),
    "lot": ("lot", "strong"),
    "split": ("SPLIT", "warn"),
}


def laid_out(found: Mapping[str, Any], width: int) -> list[Line]:
    """Every lot of an answer, one under the other.

    Args:
        found: What `explain --json` prints, or the books' own chain.
        width: Cells.
    """
    lines: list[Line] = []
    for lot in found.get("lots", ()):
        if lines:
            lines.append(())
        lines += _lot(lot, width)
    return lines


def _lot(lot: Mapping[str, Any], width: int) -> list[Line]:
    links: Sequence[Mapping[str, Any]] = lot.get("links", ())
    lines: list[Line] = [*(tuple(row) for row in _wrapped(_headline(lot), width)), ()]
    day = ""
    for place, link in enumerate(links):
        at = _ns(link.get("ts"))
        if (date := figures.day(at)) != day:
            day = date
            lines.append((("  ", "text"), (date, "faint")))
        title, role = _TITLES.get(str(link.get("kind")), (str(link.get("kind")), "text"))
        numbers: Numbers = link.get("numbers") or {}
        said = _SAID.get(str(link.get("kind")), _plain)(numbers)
        lines += _link(
            at, (title, role), clean(str(link.get("id", "")), 80), said, width, last=place == len(links) - 1
        )
    for signal in lot.get("signals", ()):
        why = " ".join(str(signal.get(name) or "") for name in ("reason", "detail")).strip()
        text = f"{signal.get('signal_type')} {signal.get('id')} is {signal.get('status')}"
        text = f"{text}: {why}" if why else text
        lines += [(("  ", "text"), (row, "quiet")) for row in wrapped(text, max(12, width - 2), _MOST_LINES)]
    return lines


def _headline(lot: Mapping[str, Any]) -> list[Piece]:
    name: Piece = (clean(str(lot.get("lot_id", "")), 80), "strong")
    trade = lot.get("trade")
    if not isinstance(trade, Mapping):
        return [name, ("never became a position", "quiet")]
    what = f"{trade.get('symbol')} {trade.get('side')} {trade.get('quantity')}"
    entry = f" from {figures.price(_number(trade.get('entry_price')))}"
    what = clean(what, 60) + entry
    if trade.get("exit_price") is not None:
        why = clean(str(trade.get("exit_reason") or "-"), 40)
        return [
            name,
            (f"{what} to {figures.price(_number(trade['exit_price']))} ({why})", "text"),
            figures.gain(_number(trade.get("pnl")) or 0.0),
            figures.gain_percent(_number(trade.get("pnl_percent")) or 0.0),
        ]
    return [name, (what, "text"), ("open", "good")]


def _link(
    at: int, title: tuple[str, Role], name: str, said: list[list[Piece]], width: int, *, last: bool
) -> list[Line]:
    """One link: its time and kind, then what it says, wrapped between words into the room on the right."""
    beside = width >= _BESIDE
    indent = _TIME + _KIND if beside else 0
    rows = [row for group in said if group for row in _wrapped(group, max(12, width - 4 - indent))]
    if not beside or not rows:
        rows.insert(0, [])
    first: list[Piece] = [
        ("  ● ", title[1]),
        (fit(figures.clock(at), _TIME), "quiet"),
        (fit(title[0], _KIND), title[1]),
    ]
    lines: list[Line] = []
    for place, row in enumerate(rows):
        lead: list[Piece] = (
            first if not place else [("    " if last else "  │ ", "faint"), (" " * indent, "text")]
        )
        lines.append((*lead, *row))
    used = sum(cell_len(text) for text, _ in lines[0])
    if name and used + 2 + cell_len(name) <= width:
        space = width - used - cell_len(name)
        lines[0] = (*lines[0], (" " * space, "text"), (name, "faint"))
    return lines


def _wrapped(pieces: Sequence[Piece], room: int) -> list[list[Piece]]:
    """Pieces side by side with a gap of two; what does not fit goes to the next line, sentences break."""
    rows: list[list[Piece]] = [[]]
    used = 0
    for text, role in ((clean(text), role) for text, role in pieces):
        for shown in [text] if cell_len(text) <= room else wrapped(text, room, _MOST_LINES):
            length = cell_len(shown)
            if used and used + 2 + length > room:
                rows.append([])
                used = 0
            if used:
                rows[-1].append(("  ", "text"))
                used += 2
            rows[-1].append((shown, role))
            used += length
    return rows


# ---- what each kind says ----------------------------------------------------------------------


def _bar(numbers: Numbers) -> list[list[Piece]]:
    if "close" not in numbers:
        return [[(clean(str(numbers.get("input", "")), 40), "text")]]
    four = "  ".join(f"{letter} {figures.price(_number(numbers.get(name)))}" for letter, name in _OHLC)
    begun = figures.minute(_ns(numbers.get("input_ts")))
    volume = _number(numbers.get("volume")) or 0.0
    return [[(f"minute {begun}", "text"), (four, "text"), (f"volume {volume:,.0f}", "quiet")]]


_OHLC = (("O", "open"), ("H", "high"), ("L", "low"), ("C", "close"))


def _signal(numbers: Numbers) -> list[list[Piece]]:
    what = " ".join(str(numbers.get(name, "")) for name in ("type", "symbol", "direction"))
    head: list[Piece] = [
        (clean(what, 60), "strong"),
        (f"at {figures.price(_number(numbers.get('price')))}", "text"),
        (f"strength {_short(numbers.get('strength'))}", "text"),
        (f"confidence {_short(numbers.get('confidence'))}", "text"),
        *_exits(numbers),
    ]
    why: list[Piece] = [(clean(str(numbers.get("reason") or ""), 160), "text")]
    return [head, why, _named(numbers.get("features"), "quiet")]


def _exits(numbers: Numbers) -> list[Piece]:
    return [
        (f"{word} {figures.price(_number(numbers[name]))}", "text")
        for word, name in (("stop", "stop_loss"), ("target", "take_profit"))
        if numbers.get(name) is not None
    ]


def _sizing(numbers: Numbers) -> list[list[Piece]]:
    binding = str(numbers.get("binding") or "")
    head: list[Piece] = [
        (
            f"{numbers.get('side', '')} {numbers.get('quantity', '')} {numbers.get('type', '')}".strip(),
            "strong",
        ),
        (f"{_short(numbers.get('notional'))} USD", "text"),
    ]
    if binding == _EXIT:
        head.append(("to leave", "quiet"))
    elif binding:
        head.append((f"capped by {binding}", "warn"))
    caps = numbers.get("sizing")
    caps = caps if isinstance(caps, Mapping) else {}
    shown: list[Piece] = [
        (f"{'>' if name == binding else ''}{name} {_short(value)}", "warn" if name == binding else "quiet")
        for name, value in caps.items()
    ]
    return [head, shown, _named(numbers.get("contributions"), "quiet", "agreed by ")]


def _denied(numbers: Numbers) -> list[list[Piece]]:
    return [
        [
            (clean(str(numbers.get("rule") or ""), 60), "bad"),
            (clean(str(numbers.get("reason") or ""), 160), "text"),
        ]
    ]


def _dropped(numbers: Numbers) -> list[list[Piece]]:
    pieces: list[Piece] = [
        (clean(str(numbers.get("status") or ""), 40), "warn"),
        (clean(str(numbers.get("reason") or ""), 120), "strong"),
        (clean(str(numbers.get("detail") or ""), 200), "text"),
    ]
    return [[piece for piece in pieces if piece[0]]]


def _order(numbers: Numbers) -> list[list[Piece]]:
    what = " ".join(str(numbers[name]) for name in ("side", "quantity", "type") if name in numbers)
    head: list[Piece] = [(clean(what, 60), "strong")]
    if numbers.get("class") not in (None, "", "simple"):
        head.append((clean(str(numbers["class"]), 20), "text"))
    for word, name in (("limit", "limit_price"), ("stop", "stop_price")):
        if numbers.get(name) is not None:
            head.append((f"{word} {figures.price(_number(numbers[name]))}", "text"))
    for word, name in (("stop", "stop_loss"), ("target", "take_profit")):
        if numbers.get(name) is not None:
            head.append((f"{word} at {figures.price(_number(numbers[name]))}", "quiet"))
    return [head]


def _fill(numbers: Numbers) -> list[list[Piece]]:
    pieces: list[Piece] = [
        (f"{numbers.get('side', '')} {numbers.get('quantity', '')}", "strong"),
        (f"at {figures.price(_number(numbers.get('price')))}", "strong"),
        (f"{numbers.get('cumulative', '')} in all", "quiet"),
    ]
    for name in ("commission", "slippage"):
        if amount := _number(numbers.get(name)):
            pieces.append((f"{name} {amount:,.2f}", "quiet"))
    return [pieces]


def _lot_said(numbers: Numbers) -> list[list[Piece]]:
    state, held = numbers.get("state"), numbers.get("quantity")
    if state != "closed":
        entry = figures.price(_number(numbers.get("entry_price")))
        return [[("open", "good"), (f"{held} held from {entry}", "text")]]
    pieces: list[Piece] = [("closed", "strong"), figures.gain(_number(numbers.get("realised")) or 0.0)]
    if numbers.get("exit_reason"):
        pieces.append((clean(str(numbers["exit_reason"]), 60), "text"))
    return [pieces]


def _nothing(_: Numbers) -> list[list[Piece]]:
    return []


def _plain(numbers: Numbers) -> list[list[Piece]]:
    """What has no form of its own: its numbers by name."""
    flat = {name: value for name, value in numbers.items() if not isinstance(value, Mapping)}
    return [_named(flat, "text")]


def _named(values: object, role: Role, lead: str = "") -> list[Piece]:
    if not isinstance(values, Mapping):
        return []
    pieces: list[Piece] = []
    for name, value in values.items():
        if value not in (None, ""):
            pieces.append((clean(f"{name} {_short(value)}", 120), role))
    if pieces and lead:
        pieces[0] = (lead + pieces[0][0], role)
    return pieces


_SAID: dict[str, Callable[[Numbers], list[list[Piece]]]] = {
    "bar": _bar,
    "signal": _signal,
    "dropped": _dropped,
    "sizing": _sizing,
    "approved": _nothing,
    "denied": _denied,
    "order": _order,
    "replace": _order,
    "fill": _fill,
    "lot": _lot_said,
}


def _ns(value: object) -> int:
    """A time of the books (ns), or as `explain --json` writes it."""
    if isinstance(value, Mapping):
        value = value.get("ns")
    return value if isinstance(value, int) else 0


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value)


def _short(value: object) -> str:
    number = _number(value)
    if number is None:
        return str(value)
    if abs(number) >= 1_000 or number == int(number):
        return f"{number:,.0f}"
    return f"{number:,.2f}" if abs(number) >= 1 else f"{number:.4g}"
