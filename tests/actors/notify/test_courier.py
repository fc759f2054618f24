"""An alert's words are shown in a chat and call nobody there."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.notify.courier import calls_nobody

JOINER = "\N{WORD JOINER}"


@pytest.mark.parametrize("call", ["@everyone", "@here", "<!channel>", "<@123>", "<#123>", "<@&123>", "a@b"])
def test_a_call_in_a_brokers_words_is_broken(call: str) -> None:
    told = calls_nobody(f"rejected: {call} insufficient qty")
    assert call not in told
    assert told.replace(JOINER, "") == f"rejected: {call} insufficient qty"


@pytest.mark.parametrize("words", ["price < 5", "10 shares @ 3.50 <- here", "<b>", "@", ""])
def test_words_that_call_nobody_stay_as_they_are(words: str) -> None:
    assert calls_nobody(words) == words


@given(st.text(alphabet="@<!#&>abc 1", max_size=40))
def test_no_call_is_left_and_nothing_is_lost(text: str) -> None:
    told = calls_nobody(text)
    assert told.replace(JOINER, "") == text
    for start, after in pairwise(told):
        assert not (start == "@" and after.isalnum()) and not (start == "<" and after in "!@#")
