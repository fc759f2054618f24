"""Secrets are taken out of text and values, however deep, under whatever name, next to whatever else."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runtime.redaction import Redactor, text_of

SECRET = "s3cret-0123456789"
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just(f"x{SECRET}y"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just(SECRET), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_a_known_secret_is_nowhere_in_what_comes_out(value: Any) -> None:
    assert SECRET not in repr(Redactor([SECRET]).value(value))


@given(before=st.text(), after=st.text())
def test_a_known_secret_is_taken_out_of_any_text_around_it(before: str, after: str) -> None:
    assert SECRET not in Redactor([SECRET]).clean(before + SECRET + after)


def test_the_longer_of_two_secrets_goes_whole() -> None:
    assert Redactor(["abcdef", "abcdefghij"]).text("abcdefghij") == "[redacted]"


def test_a_secret_too_short_to_be_one_is_no_word_to_hide() -> None:
    assert Redactor(["SPY"]).text("SPY is bought") == "SPY is bought"


def test_what_looks_like_a_key_goes_though_nobody_named_it() -> None:
    said = Redactor().text("PKABCDEFGHIJKLMNOPQR and Bearer abc.def but PKG stays")
    assert said == "[redacted] and Bearer [redacted] but PKG stays"


def test_a_value_under_a_name_of_secrets_goes_whatever_it_is() -> None:
    said = Redactor().value(
        {"headers": [{"APCA-API-SECRET-KEY": "plain", "Authorization": 7, "symbol": "SPY"}]}
    )
    assert said == {
        "headers": [{"APCA-API-SECRET-KEY": "[redacted]", "Authorization": "[redacted]", "symbol": "SPY"}]
    }


def test_what_lies_too_deep_is_text_without_secrets() -> None:
    nested: Any = SECRET
    for _ in range(12):
        nested = [nested]
    assert SECRET not in repr(Redactor([SECRET]).value(nested))


def test_a_broken_repr_breaks_nothing() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError("no")

    assert text_of(Broken()) == "<Broken: ValueError in repr>"
    assert Redactor().value(Broken()) == "<Broken: ValueError in repr>"
