"""The status line, the figures below it and the banners: what must be seen from every page.

The state of the engine comes first and in words: LIVE, PAPER, REPLAY, DEMO, and HALTED beside it.
"""

from typing import NamedTuple

from rich.cells import cell_len

from runtime.messages.screen import Head
from tui.panels import figures
from tui.panels.bar import Bar, Part, part
from tui.panels.ink import Piece, Role
from tui.panels.lines import Lines, fit
from tui.panels.risk import regime_part
from tui.safe import clean
from tui.view import View

_STALE_AFTER = 90_000_000_000
_SILENT_AFTER = 5_000_000_000
_SLOW = 5_000_000
_TRADING = {"MARKET_OPEN", "TRADING", "MARKET_CLOSE"}


class Connection(NamedTuple):
    """How the screen stands to the engine.

    Attributes:
        is_up: Whether it is attached. why: in words, where not.
        silent_for: ns since the last frame, or since the screen began where none came.
        frozen: Whether the screen was told to stand still. behind: frames that came meanwhile.
    """

    is_up: bool = False
    why: str = ""
    silent_for: int = 0
    read_only: bool = False
    frozen: bool = False
    behind: int = 0


def status_parts(view: View, connection: Connection) -> list[Part]:
    """The first line."""
    head = view.head
    if head is None:
        return [part(("NO ENGINE" if not connection.is_up else "ATTACHED", "caution"))]
    parts = [_mode(head)]
    if head.halted:
        parts.append(part((" HALTED ", "alarm")))
    if connection.read_only:
        parts.append(part(("READ-ONLY", "warn"), rank=2))
    parts.append(_phase(view, head))
    if head.next_phase and head.next_at:
        words = f"{_plain(head.next_phase)} in {figures.left(head.next_at - view.at)}"
        parts.append(part((words, "quiet"), rank=5))
    parts.append(part((figures.money(head.equity), "strong"), rank=1))
    parts.append(part(figures.gain(head.day_pnl), rank=1))
    parts.append(part(figures.gain_percent(head.day_frac), rank=4))
    parts.append(_bars(view, head))
    parts.append(_errors(head))
    if head.bars_per_s:
        parts.append(part((f"{figures.count(head.bars_per_s)} bars/s", "quiet"), rank=8))
    if head.p99_ns:  # what is played is asked for when its time has come: nothing waits
        role: Role = "warn" if head.p99_ns > _SLOW else "text"
        parts.append(part(("p99 ", "quiet"), (figures.latency(head.p99_ns), role), rank=6))
    if head.lag_worst_ns:
        role = "warn" if head.lag_worst_ns > 10 * _SLOW else "text"
        parts.append(part(("longest wait ", "quiet"), (figures.latency(head.lag_worst_ns), role), rank=7))
    parts.append(part(("books behind ", "quiet"), (f"{head.db_lag:,d}", "text"), rank=9))
    return parts


def _mode(head: Head) -> Part:
    if head.mode == "LIVE":
        return part((" LIVE ", "live"))
    return part((head.mode, "paper"))


def _phase(view: View, head: Head) -> Part:
    pieces: list[Piece] = [(f"{_plain(head.phase)} ", "strong")] if head.phase else []
    return part(*pieces, (figures.clock(view.at), "quiet"))


def _bars(view: View, head: Head) -> Part:
    if not head.bar_at:
        return part(("bars ", "quiet"), (head.stream, figures.state(head.stream)), rank=3)
    words = f"{figures.age(view.at - head.bar_at):<4}"  # as wide at 9.9s as at 10s: what follows stays
    role: Role = "warn" if _stale(view) else figures.state(head.stream)
    shown = words if head.stream in ("up", "none") else f"{words} {head.stream}"
    return part(("bars ", "quiet"), (shown, role), rank=3)


def _errors(head: Head) -> Part:
    pieces: list[Piece] = []
    if head.critical:
        pieces.append((f"{head.critical} CRITICAL ", "bad"))
    pieces += [("errors ", "quiet"), (str(head.errors), "bad" if head.errors else "good")]
    if head.warnings:
        pieces += [(" warn ", "quiet"), (str(head.warnings), "warn")]
    return part(*pieces, rank=2)


def figure_parts(view: View) -> list[Part]:
    """The figures of the account, the regime and the streams."""
    head = view.head
    if head is None:
        return []
    exposure = head.gross / head.equity if head.equity else 0.0
    parts = []
    if head.entries and not head.halted:
        parts.append(part(("no entries: ", "warn"), (head.entries, "warn"), rank=1))
    parts += [
        part(("cash ", "quiet"), (figures.dollars(head.cash), "text"), rank=4),
        part(("exposure ", "quiet"), (figures.percent(exposure, 1), "text"), rank=3),
        part(("drawdown ", "quiet"), (figures.percent(abs(head.drawdown)), "text")),
        part(("positions ", "quiet"), (f"{head.positions}/{head.max_positions}", "text"), rank=2),
        regime_part(head, rank=1),
    ]
    if head.orders != "none":  # a replay has no streams
        parts.append(part(("order stream ", "quiet"), (head.orders, figures.state(head.orders)), rank=5))
    if head.not_streamed:
        parts.append(part((f"{head.not_streamed} symbols without data", "warn"), rank=6))
    parts.append(part((head.account, "faint"), rank=8))
    parts.append(part((head.session, "faint"), rank=7))
    return parts


class Banner(NamedTuple):
    """What must be said across the screen.

    Attributes:
        words: In full. short: where there is no room for that.
    """

    words: str
    short: str
    role: Role


def banners(view: View, connection: Connection) -> list[Banner]:
    """All that must be said, the worst first."""
    said: list[Banner] = []
    head = view.head
    if not connection.is_up:
        said.append(_no_engine(view, connection))
    elif connection.silent_for > _SILENT_AFTER and head is not None:
        silent = figures.age(connection.silent_for)
        words = f"SILENT: no news from the engine for {silent}"
        said.append(Banner(words, f"SILENT for {silent}", "caution"))
    if head is not None and head.halted:
        said.append(_halted(head))
    if head is not None and _stale(view):
        old = figures.age(view.at - head.bar_at) if head.bar_at else "for ever"
        words = f"STALE DATA: the last bars came {old} ago (stream {head.stream})"
        said.append(Banner(words, f"STALE DATA: bars {old} old", "caution"))
    if connection.frozen:
        words = f"FROZEN: {connection.behind} frames came meanwhile, nothing is lost. space goes on"
        said.append(Banner(words, f"FROZEN, {connection.behind} frames behind", "notice"))
    return said


def _no_engine(view: View, connection: Connection) -> Banner:
    why = f" ({connection.why})" if connection.why else ""
    if view.head is None:
        words = f"NO ENGINE{why}: still trying. K writes the HALT file."
        return Banner(words, f"NO ENGINE. K writes HALT{why}", "caution")
    gone = f"NO ENGINE for {max(0, connection.silent_for) // 1_000_000_000:,d} s"
    words = f"{gone}: what you see is old. It may still be trading. K writes the HALT file."
    short = f"{gone}: this is old, it may still trade. K writes HALT"
    return Banner(words, short, "caution")


def _halted(head: Head) -> Banner:
    wish = ", and to close all positions" if head.halt_flatten else ""
    done = "flat" if head.flat else "done" if head.halt_confirmed else "under way"
    words = f"HALTED: {head.halt_reason or 'no reason given'}{wish} ({done})"
    return Banner(f"{words}. K, then RESUME lifts it", words, "alarm")


def _stale(view: View) -> bool:
    head = view.head
    if head is None or head.mode not in ("LIVE", "PAPER") or head.phase not in _TRADING:
        return False
    return head.stream == "down" or bool(head.bar_at and view.at - head.bar_at > _STALE_AFTER)


def _plain(phase: str) -> str:
    return phase.replace("_", " ")


class Status(Bar):
    """The first line of the screen."""

    DEFAULT_CSS = """
    Status { background: $surface; }
    """

    def show(self, view: View, connection: Connection) -> None:
        """Paint it if it changed."""
        self.put(status_parts(view, connection))


class Figures(Bar):
    """The account in one line."""

    def show(self, view: View) -> None:
        """Paint it if it changed."""
        self.put(figure_parts(view))


class Banners(Lines):
    """One line for each thing that must be said; none where there is none."""

    DEFAULT_CSS = """
    Banners { height: auto; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: list[Banner] = []
        self.display = False

    def show(self, view: View, connection: Connection) -> None:
        """Paint them if they changed."""
        said = banners(view, connection)
        if said == self._said:
            return
        grown = len(said) != len(self._said)
        self._said = said
        if grown:
            self.styles.height = len(said)
            self.display = bool(said)
        self.refresh(layout=grown)

    def line(self, y: int, width: int) -> list[Piece]:
        """One banner across the whole width."""
        if y >= len(self._said):
            return []
        banner = self._said[y]
        words = clean(banner.words)
        shown = words if cell_len(words) < width else banner.short
        return [(fit(f" {shown}", width), banner.role)]
