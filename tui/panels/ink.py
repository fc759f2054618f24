"""Colours by what they mean: three palettes, and none at all where NO_COLOR asks for it.

A panel names roles, never colours. Nothing is told by colour alone: gains and losses have glyph and sign,
states have words.
"""

from functools import cache
from typing import Literal, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import Theme
from textual.widget import Widget

Role = Literal[
    "text", "strong", "quiet", "faint", "head", "accent", "up", "down", "warn", "bad", "good", "bar", "key",
    "alarm", "caution", "notice", "live", "paper", "cursor",
]  # fmt: skip
"""What a piece of text is; `alarm`, `caution`, `notice`, `live` and `paper` are on a ground of their own."""

Piece = tuple[str, Role]


class Palette(NamedTuple):
    """The colours of one theme."""

    name: str
    dark: bool
    ground: str
    raised: str
    line: str
    text: str
    strong: str
    quiet: str
    faint: str
    accent: str
    up: str
    down: str
    warn: str
    bad: str
    chosen: str


DESK = Palette(
    "desk", True, "#0b0f14", "#131a22", "#2d3743", "#c4ccd4", "#f2f6fa", "#8a96a3", "#4b5763", "#6cb2ff",
    "#4cc26b", "#ff6b63", "#e3b341", "#ff6b63", "#1c3b5e",
)  # fmt: skip
COLOUR_BLIND = Palette(
    "desk-cb", True, "#0b0f14", "#131a22", "#2d3743", "#c4ccd4", "#f2f6fa", "#8a96a3", "#4b5763", "#c8b6ff",
    "#5aa9ff", "#ff9f40", "#f5e06b", "#ff9f40", "#3a3160",
)  # fmt: skip
LIGHT = Palette(
    "light", False, "#fbfbf8", "#eceeea", "#c3c8cc", "#2c3238", "#05080b", "#5a646e", "#98a1a9", "#0a5cc2",
    "#147a36", "#c21f2c", "#8f5a00", "#c21f2c", "#cfe2fa",
)  # fmt: skip
PALETTES = (DESK, COLOUR_BLIND, LIGHT)


class Ink:
    """The styles of one palette by role."""

    def __init__(self, styles: dict[Role, Style], cursor: Style) -> None:
        self.styles = styles
        self.cursor = cursor

    def segment(self, text: str, role: Role) -> Segment:
        """Text in a role's style."""
        return Segment(text, self.styles[role])


def ink_of(widget: Widget) -> Ink:
    """The styles that a widget is to paint with now."""
    return _plain() if widget.app.no_color else _coloured(widget.app.theme)


def theme_of(palette: Palette) -> Theme:
    """The palette as Textual knows it, for borders, inputs and what it paints by itself."""
    return Theme(
        name=palette.name,
        primary=palette.accent,
        secondary=palette.quiet,
        accent=palette.accent,
        warning=palette.warn,
        error=palette.bad,
        success=palette.up,
        foreground=palette.text,
        background=palette.ground,
        surface=palette.raised,
        panel=palette.raised,
        dark=palette.dark,
        text_alpha=1.0,
        variables={
            "line": palette.line,
            "quiet": palette.quiet,
            "chosen": palette.chosen,
            "footer-key-foreground": palette.warn,
            "border": palette.accent,
            "scrollbar": palette.line,
            "scrollbar-background": palette.ground,
        },
    )


@cache
def _coloured(name: str) -> Ink:
    palette = next((known for known in PALETTES if known.name == name), DESK)

    def ground(colour: str) -> Style:
        return Style(color=palette.ground, bgcolor=colour, bold=True)

    styles: dict[Role, Style] = {
        "text": Style(color=palette.text),
        "strong": Style(color=palette.strong, bold=True),
        "quiet": Style(color=palette.quiet),
        "faint": Style(color=palette.faint),
        "head": Style(color=palette.quiet, bold=True),
        "accent": Style(color=palette.accent),
        "up": Style(color=palette.up),
        "good": Style(color=palette.up),
        "down": Style(color=palette.down),
        "warn": Style(color=palette.warn),
        "bad": Style(color=palette.bad, bold=True),
        "bar": Style(color=palette.quiet, bgcolor=palette.raised),
        "key": Style(color=palette.warn, bold=True),
        "alarm": ground(palette.bad),
        "caution": ground(palette.warn),
        "notice": ground(palette.accent),
        "live": ground(palette.bad),
        "paper": Style(color=palette.accent, bold=True),
        "cursor": Style(color=palette.strong, bgcolor=palette.chosen),
    }
    return Ink(styles, Style(bgcolor=palette.chosen))


@cache
def _plain() -> Ink:
    bold, dim, reverse = Style(bold=True), Style(dim=True), Style(reverse=True, bold=True)
    styles: dict[Role, Style] = {
        "text": Style(),
        "strong": bold,
        "quiet": Style(),
        "faint": dim,
        "head": Style(bold=True, underline=True),
        "accent": bold,
        "up": Style(),
        "good": Style(),
        "down": bold,
        "warn": bold,
        "bad": bold,
        "bar": Style(),
        "key": bold,
        "alarm": reverse,
        "caution": reverse,
        "notice": reverse,
        "live": reverse,
        "paper": bold,
        "cursor": Style(reverse=True),
    }
    return Ink(styles, Style(reverse=True))


class NoColour(LineFilter):
    """Takes every colour out of what is painted and keeps bold, dim, underlined and reversed."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same text without colours."""
        return [Segment(text, style and _colourless(style), control) for text, style, control in segments]


@cache
def _colourless(style: Style) -> Style:
    return Style(
        bold=style.bold or None,
        dim=style.dim or None,
        underline=style.underline or None,
        reverse=style.reverse or None,
        meta=style.meta or None,
    )
