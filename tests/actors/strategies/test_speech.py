"""Text of a strategy's is fit for a terminal, short and on one line, its numbers finite, whatever it says."""

import math

from hypothesis import given
from hypothesis import strategies as st

from actors.strategies.speech import FEATURES, NAME, REASON, clipped, few
from runtime.text import printable

ANY = st.text(st.characters(codec=None, exclude_categories=()), max_size=600)


def is_fit(text: str) -> bool:
    return printable(text) == text and not {"\n", "\t"} & set(text)


@given(ANY, st.integers(1, 600))
def test_text_comes_out_fit_and_short_and_as_it_was_where_it_was_both(text: str, limit: int) -> None:
    said = clipped(text, limit)
    assert len(said) <= limit
    assert is_fit(said)
    if len(text) <= limit and is_fit(text):
        assert said == text


@given(st.dictionaries(ANY, st.floats(), max_size=70))
def test_features_are_finite_few_and_bear_clean_names(features: dict[str, float]) -> None:
    said = few(features)
    assert len(said) <= FEATURES
    assert all(math.isfinite(value) for value in said.values())
    assert all(len(name) <= NAME and is_fit(name) for name in said)
    first = list(features.items())[:FEATURES]
    kept = {name for name, value in first if math.isfinite(value) and len(name) <= NAME and is_fit(name)}
    assert kept <= said.keys()


def test_a_reason_is_cut_at_its_limit() -> None:
    assert clipped("x" * (REASON + 1)) == "x" * REASON
