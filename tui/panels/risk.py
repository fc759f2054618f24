"""Breakers as gauges against their limits, and the regime they trade in."""

from collections.abc import Sequence
from typing import NamedTuple

from runtime.messages.screen import GaugeRow, Head
from tui.panels import figures
from tui.panels.bar import Bar, Part, part
from tui.panels.columns import Column
from tui.panels.ink import Piece, Role
from tui.panels.plot import gauge
from tui.panels.table import LineTable
from tui.view import View

_SHORTER = {"consecutive_losses": "streak", "strategy_loss": "sleeve"}
_WIDTH = 20
_SHORT = 10
_ORDER = {"OK": 0, "WARN": 1, "REDUCE": 2, "PAUSE": 3, "DISABLE": 4, "HALT": 5}


class GaugeLine(NamedTuple):
    """A breaker with the time that is left, as it stands at one moment."""

    key: str
    row: GaugeRow
    left: str

    @property
    def share(self) -> float:
        """Of the limit, a fraction."""
        return self.row.value / self.row.limit if self.row.limit else 0.0


def gauge_lines(view: View) -> dict[str, GaugeLine]:
    """All breakers as they stand at the view's time: those that act first, then those near their limit."""
    rows = sorted(view.gauges.items(), key=lambda item: -_ORDER.get(item[1].state, 0))
    return {
        key: GaugeLine(key, row, figures.left(row.until - view.at) if row.until > view.at else "")
        for key, row in rows
    }


def _name(line: GaugeLine) -> Piece:
    name = line.row.name.replace("_", " ")
    return (f"{name} {line.row.target}" if line.row.target else name), "text"


def _short_name(line: GaugeLine) -> Piece:
    """Room for whose it is; the page of risk has the names in full."""
    if not line.row.target:
        return _name(line)
    return f"{_SHORTER.get(line.row.name, line.row.name)} {line.row.target}", "text"


def _role(line: GaugeLine) -> Role:
    return figures.state(line.row.state)


def _against(line: GaugeLine) -> Piece:
    row = line.row
    if row.count:
        return f"{row.value:,.0f} of {row.limit:,.0f}", "quiet"
    return f"{figures.percent(row.value)} of {figures.percent(row.limit, 1)}", "quiet"


def _bar(width: int) -> Column[GaugeLine]:
    def cell(line: GaugeLine) -> Piece:
        return "".join(gauge(line.share, width)), _role(line)

    return Column("against its limit", width, cell, rank=1, order=lambda line: line.share)


COLUMNS: tuple[Column[GaugeLine], ...] = (
    Column("breaker", 18, _short_name, most=36),
    _bar(_SHORT),
    Column("value", 15, _against, rank=2, right=True, order=lambda line: line.share),
    Column("state", 7, lambda line: (line.row.state, _role(line)),
           order=lambda line: _ORDER.get(line.row.state, 9)),
    Column("left", 7, lambda line: (line.left, "warn"), rank=3, right=True,
           order=lambda line: line.row.until),
    Column("why", 20, lambda line: (line.row.reason, "quiet"), rank=4, most=90),
)  # fmt: skip
WIDE: tuple[Column[GaugeLine], ...] = (Column("breaker", 18, _name, most=48), _bar(_WIDTH), *COLUMNS[2:])


class Breakers(LineTable[GaugeLine]):
    """Each breaker against its limit."""

    def __init__(self, *, wide: bool = False) -> None:
        """Show short gauges without a heading, or on a page of their own long ones with one."""
        super().__init__(
            "breakers",
            "Breakers",
            WIDE if wide else COLUMNS,
            empty="no breakers are known yet",
            heading=wide,
        )

    def show(self, view: View) -> None:
        """Paint what changed."""
        self.put(gauge_lines(view))


def regime_part(head: Head, rank: int = 0) -> Part:
    """The regime with the VIX and what it scales sizes by."""
    if head.regime is None:
        return part(("regime ", "quiet"), ("unknown", "faint"), rank=rank)
    role: Role = {"low": "good", "normal": "accent", "high": "warn", "extreme": "bad"}.get(
        head.regime, "text"
    )  # type: ignore[assignment]
    pieces: list[Piece] = [("regime ", "quiet"), (head.regime.upper(), role)]
    pieces += [(f" VIX {head.vix:.1f}", "text"), (f" ×{_scalar(head.scalar)}", "text")]
    if head.regime_source and head.regime_source != "VIX":
        pieces.append((f" {head.regime_source}", "warn"))
    return part(*pieces, rank=rank)


def _scalar(value: float) -> str:
    """What sizes are scaled by: 1.0, 0.25."""
    return f"{value:.2f}".removesuffix("0")


def breakers_part(view: View) -> Part:
    """All breakers in a few words: the one nearest to its limit, or those that act."""
    acting = [row for row in view.gauges.values() if _ORDER.get(row.state, 0) > 1]
    if acting:
        names = ", ".join(f"{_name(GaugeLine(row.key, row, ''))[0]} {row.state}" for row in acting[:2])
        more = f" and {len(acting) - 2} more" if len(acting) > 2 else ""
        return part(("breakers ", "quiet"), (names + more, "bad"))
    lines = [GaugeLine(row.key, row, "") for row in view.gauges.values()]
    if not lines:
        return part(("breakers ", "quiet"), ("unknown", "faint"))
    nearest = max(lines, key=lambda line: line.share)
    filled, rest = gauge(nearest.share, _SHORT)
    return part(
        ("breakers ", "quiet"),
        (f"{_name(nearest)[0]} ", "text"),
        (filled, _role(nearest)),
        (rest, "faint"),
        (f" {_against(nearest)[0]} ", "quiet"),
        (nearest.row.state, _role(nearest)),
    )


class Regime(Bar):
    """The regime on a line."""

    def show(self, view: View) -> None:
        """Paint it if it changed."""
        self.put([] if view.head is None else [regime_part(view.head), *slow(view.head)])


class Brief(Bar):
    """The breakers on one line, where there is no room for gauges."""

    DEFAULT_CSS = """
    Brief { background: $surface; }
    """

    def show(self, view: View) -> None:
        """Paint it if it changed."""
        self.put([breakers_part(view)])


def slow(head: Head) -> Sequence[Part]:
    """The slow regime, where it is known."""
    if head.regime_slow is None:
        return ()
    return (part(("slow ", "quiet"), (head.regime_slow.upper(), "text"), rank=2),)
