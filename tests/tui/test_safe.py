import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.safe import SHOWN_AS, clean

HOSTILE = (
    "\x1b[2J", "\x1b]52;c;aGFjaw==\x07", "\x9b31m", "a\x00b", "\u202egnp.exe", "\u2066x\u2069",
    "zero\u200bwidth",
    "\ufefftext", "e\u0301" + "\u0301" * 40, "\U0001f1e9\U0001f1ea", "\U000e0041tag",
    "\x7f", "\u061c", "a\ud800b",
    "\u115f\u3164", "\r\n\ttwo lines", "\u2028next",
)  # fmt: skip


def test_hostile_characters_become_one_visible_cell_each() -> None:
    for text in HOSTILE:
        shown = clean(text)
        assert shown.isprintable(), ascii(text)
        assert not {unicodedata.category(letter)[0] for letter in shown} & {"C", "M"}
    assert clean("\x1b[2Jx\u202ey") == f"{SHOWN_AS}[2Jx{SHOWN_AS}y"


def test_a_line_break_is_a_space_and_plain_text_stays() -> None:
    assert clean("two\r\nlines\tand more") == "two  lines and more"
    assert clean("▲+426.19 [buying_power] [/] é 東") == "▲+426.19 [buying_power] [/] é 東"
    assert clean("e\u0301") == "é"


def test_a_megabyte_is_cut_and_the_cut_is_counted() -> None:
    shown = clean("\x1b[" + "A" * 1_000_000, 100)
    assert shown.endswith(" ... (999,902 more)")
    assert len(shown) < 130


@given(st.text(max_size=60))
def test_no_text_keeps_anything_a_terminal_obeys_or_cannot_measure(text: str) -> None:
    shown = clean(text)
    assert shown.isprintable()
    assert all(cell_len(letter) in (1, 2) for letter in shown)
    assert clean(shown) == shown
