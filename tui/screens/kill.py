"""The kill switch on the screen: `K` again halts, FLATTEN and RESUME are typed, all else leaves it.

The app hands it every key itself, so that a second `K` counts even before it has been painted.
"""

from typing import Literal

from textual.app import ComposeResult
from textual.screen import ModalScreen

from tui.panels.bar import cropped
from tui.panels.ink import Piece
from tui.panels.lines import Lines

Decision = Literal["halt", "flatten", "flattenall", "resume", "leave"]
_WORDS: dict[str, Decision] = {"FLATTEN": "flatten", "FLATTENALL": "flattenall", "RESUME": "resume"}
_WIDE = 60
_KEYS = (
    ("K", "halt: no entry leaves", "halt: entries are cancelled, none leave; stops stay"),
    ("FLATTEN⏎", "halt, close our lots", "halt, cancel our orders, close our positions"),
    ("FLATTENALL⏎", "and EXTERNAL too", "the whole account, what is not ours too"),
    ("RESUME⏎", "lift the halt", "lift the halt: entries may leave again"),
    ("Esc", "leave all as it is", "leave all as it is"),
)
_LONGEST = max(map(len, _WORDS))


class KillBox(Lines):
    """What can be done, and what was typed so far."""

    DEFAULT_CSS = """
    KillBox { width: 74; max-width: 100%; height: 11; padding: 0 1; border: heavy $error;
              border-title-color: $error; background: $surface; }
    """

    def __init__(self, standing: str, *, read_only: bool) -> None:
        super().__init__()
        self.typed = ""
        self._standing = standing
        self._read_only = read_only
        self.border_title = "KILL SWITCH"

    def line(self, y: int, width: int) -> list[Piece]:
        """One of its lines."""
        if self._read_only:
            said: list[list[Piece]] = [
                [("This screen is read-only: it cannot halt.", "warn")],
                [("`python -m runtime halt` in a terminal can.", "text")],
                [],
                [("Esc         ", "key"), ("leave", "text")],
            ]
        else:
            keys: list[list[Piece]] = [
                [(f"{key:<12}", "key"), (long if width >= _WIDE else short, "text")]
                for key, short, long in _KEYS
            ]
            said = [
                [(self._standing, "strong")],
                [],
                *keys,
                [],
                [("typed: ", "quiet"), (self.typed, "strong"), ("▏", "accent")],
            ]
        if y >= len(said):
            return []
        return cropped(said[y], width)


class KillScreen(ModalScreen[None]):
    """The kill switch above whatever was shown."""

    DEFAULT_CSS = """
    KillScreen { align: center middle; }
    """

    def __init__(self, standing: str, *, read_only: bool) -> None:
        """Show how the switch stands.

        Args:
            standing: In words: whether it is halted now, and whom a key reaches.
        """
        super().__init__()
        self.box = KillBox(standing, read_only=read_only)
        self._read_only = read_only

    def compose(self) -> ComposeResult:
        """The box alone."""
        yield self.box

    def press(self, key: str, character: str | None) -> Decision | None:
        """Take a key; what is decided by it, None where nothing is yet."""
        if key == "escape":
            return "leave"
        if self._read_only:
            return None
        if character == "K":
            return "halt"
        if key == "enter":
            return _WORDS.get(self.box.typed)
        if key == "backspace":
            self.box.typed = self.box.typed[:-1]
        elif character is not None and character.isascii() and character.isalpha():
            self.box.typed = (self.box.typed + character)[-_LONGEST:]
        self.box.refresh()
        return None
