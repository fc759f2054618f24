"""An actor says decisions and a port inputs; what was refused once is refused again."""

from collections.abc import Callable
from typing import Any

import pytest

from runtime.kernel import speech
from runtime.messages.machine import SessionStarted
from runtime.messages.risk import HaltThrown, Noted

DECISION = Noted(ts_event=1, cause=1, level="INFO", component="a", text="b")
INPUT = HaltThrown(ts_event=1, reason="a test")


@pytest.mark.parametrize(
    ("check", "wrong", "kinds"),
    [
        (speech.check_decision, INPUT, speech.DECISIONS),
        (speech.check_input, DECISION, speech.INPUTS),
    ],
)
def test_what_is_of_the_other_kind_is_refused_by_name_each_time(
    check: Callable[[Any], None], wrong: Any, kinds: set[type]
) -> None:
    for _ in range(2):
        with pytest.raises(TypeError, match=f"emitted {type(wrong).__name__}"):
            check(wrong)
    assert type(wrong) not in kinds


def test_what_may_be_said_is_remembered_by_its_type() -> None:
    speech.check_decision(DECISION)
    speech.check_input(INPUT)
    speech.check_input(SessionStarted(ts_event=1, session="2026-11-20"))
    assert Noted in speech.DECISIONS
    assert {HaltThrown, SessionStarted} <= speech.INPUTS
    assert not speech.DECISIONS & speech.INPUTS
