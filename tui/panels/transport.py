"""Where a replay stands, on one line: playing or paused, speed, time, how far."""

from runtime.messages.screen import Transport
from tui.panels import figures
from tui.panels.bar import Bar, Part, part
from tui.panels.ink import Piece
from tui.panels.lines import Lines
from tui.view import View

SPEEDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 0.0)
"""Market seconds a second that the keys step through; 0: as fast as it goes."""
_BAR = 24
_DAY = 86_400_000_000_000


def speed_words(speed: float) -> str:
    """A speed as people say it."""
    return f"×{speed:,.0f}" if speed else "as fast as it goes"


def stepped(speed: float, by: int) -> float:
    """The next speed up or down of the ladder."""
    ladder = [each if each else float("inf") for each in SPEEDS]
    now = speed if speed else float("inf")
    if by > 0:
        return next((SPEEDS[place] for place, each in enumerate(ladder) if each > now), SPEEDS[-1])
    slower = [place for place, each in enumerate(ladder) if each < now]
    return SPEEDS[slower[-1]] if slower else SPEEDS[0]


def share(transport: Transport) -> float:
    """How far in the day of its session, a fraction; one after a weekend begins days before."""
    starts = max(transport.starts, transport.ends - _DAY)
    span = transport.ends - starts
    return min(1.0, max(0.0, (transport.at - starts) / span)) if span > 0 else 0.0


def parts_of(transport: Transport) -> list[Part]:
    """The line."""
    word: Piece = ("■ ENDED", "accent") if transport.ended else ("▶ PLAYING", "good")
    if not transport.ended and not transport.playing:
        word = ("‖ PAUSED", "warn")
    done = round(share(transport) * _BAR)
    shown = [
        part(word),
        part((speed_words(transport.speed), "strong")),
        part((f"{transport.session} {figures.clock(transport.at)}", "text")),
        part(("━" * done, "accent"), ("─" * (_BAR - done), "faint"), rank=1),
    ]
    if transport.sessions:
        shown.append(part((f"day {transport.place + 1} of {transport.sessions}", "quiet"), rank=2))
    shown.append(part((f"{transport.orders:,d} orders", "quiet"), rank=5))
    keys = (("o ", "play/pause"), ("+ - ", "speed"), (". ", "step"), ("n ", "next order"), ("t ", "go to"))
    shown += [part((key, "key"), (word, "quiet"), rank=3 + place) for place, (key, word) in enumerate(keys)]
    return shown


class TransportBar(Bar):
    """The line above the keys; it is there only while something is replayed."""

    DEFAULT_CSS = """
    TransportBar { background: $surface; display: none; }
    """

    def show(self, view: View) -> None:
        """Paint it if it changed."""
        if view.transport is None:
            return
        self.display = True
        self.put(parts_of(view.transport))


class TransportFacts(Lines):
    """The same at length, with what each key does."""

    DEFAULT_CSS = """
    TransportFacts { border: round $line; padding: 0 1; border-title-color: $quiet; border-title-style: none;
                     height: 13; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.border_title = "Replay"
        self._transport: Transport | None = None

    def show(self, view: View) -> None:
        """Paint it if it changed."""
        if view.transport != self._transport:
            self._transport = view.transport
            self.refresh()

    def line(self, y: int, width: int) -> list[Piece]:
        """One of its lines."""
        transport = self._transport
        if transport is None:
            words = "not a replay: time is the market's own" if y == 0 else ""
            return [(words, "faint")]
        room = max(10, width - 22)
        done = round(share(transport) * room)
        standing: Piece = ("playing", "good") if transport.playing else ("paused", "warn")
        if transport.ended:
            standing = ("stands at its end", "accent")
        lines: list[list[Piece]] = [
            [("state      ", "quiet"), standing, ("   speed ", "quiet"),
             (speed_words(transport.speed), "strong")],
            [("session    ", "quiet"), (transport.session, "text"),
             (f"   {transport.place + 1} of {transport.sessions}" if transport.sessions else "", "quiet")],
            [("time       ", "quiet"), (f"{figures.clock(transport.at)} ET", "strong"),
             (f"   {transport.orders:,d} orders so far", "quiet")],
            [(f"{figures.minute(transport.starts)}  ", "faint"), ("━" * done, "accent"),
             ("─" * (room - done), "faint"), (f"  {figures.minute(transport.ends)}", "faint")],
            [],
            [("o        ", "key"), ("play or pause", "text")],
            [("+ -      ", "key"), ("faster, slower", "text")],
            [(".        ", "key"), ("one minute on", "text")],
            [("n        ", "key"), ("on to the next order", "text")],
            [("t        ", "key"), ("go to a time of the session, HH:MM", "text")],
        ]  # fmt: skip
        return lines[y] if y < len(lines) else []
