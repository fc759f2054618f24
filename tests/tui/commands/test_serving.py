"""What an engine does once it can be reached."""

import gc
import os
import sys
from collections.abc import Iterator

import pytest

from tui.commands.launch import READY
from tui.commands.serving import TURN_S, teller


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    turn = sys.getswitchinterval()
    yield
    sys.setswitchinterval(turn)
    gc.unfreeze()


def test_once_it_can_be_reached_it_says_so_once_and_settles_the_interpreter() -> None:
    reader, writer = os.pipe()
    tell = teller(writer)
    tell()
    tell()
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == READY
    assert gc.get_freeze_count() > 0
    assert sys.getswitchinterval() == pytest.approx(TURN_S)


def test_with_nobody_to_tell_it_settles_all_the_same() -> None:
    teller(None)()
    assert gc.get_freeze_count() > 0
    assert sys.getswitchinterval() == pytest.approx(TURN_S)
