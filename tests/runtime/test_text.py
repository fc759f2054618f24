import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from runtime.text import one_line, printable

anything = st.text(st.characters(codec=None, exclude_categories=()))


@given(anything)
def test_nothing_that_moves_a_cursor_or_turns_a_line_is_left(text: str) -> None:
    said = printable(text)
    assert all(unicodedata.category(char) not in ("Cc", "Cf", "Cs") or char in "\n\t" for char in said)
    assert not set(said) & set(
        "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u2028\u2029"
    )
    said.encode()


@given(anything)
def test_one_line_is_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=100))
def test_plain_text_is_left_alone(text: str) -> None:
    assert printable(text) == text


def test_a_long_text_is_cut_and_says_so() -> None:
    assert printable("x" * 30, limit=10) == "x" * 10 + "... (20 characters cut)"
