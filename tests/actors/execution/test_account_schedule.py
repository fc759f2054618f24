"""The scheduled comparison keeps to the middle of the minute, as often as the setting says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.execution.account_side import READ, AccountSide
from config.execution import Orders
from runtime.messages.machine import SetTimer
from runtime.messages.risk import PhaseChanged

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
OPEN = 1_795_185_000 * SECOND
assert OPEN % MINUTE == 0


def side(reconcile_s: float) -> AccountSide:
    return AccountSide(Orders(reconcile_s=reconcile_s), rest=0, is_halted=False, reconciles=True)


def delays(reconcile_s: float, entered: int, late: list[int]) -> list[int]:
    """Seconds from one reading to the next, ns, each timer some ns late."""
    of, found, now = side(reconcile_s), [], entered
    change = PhaseChanged(ts_event=now, cause=1, phase="MARKET_OPEN", previous="PRE_MARKET", late=False)
    said = list(of.phase(change, now, 1))
    for more in [*late, 0]:
        (timer,) = (one for one in said if isinstance(one, SetTimer) and one.key == READ)
        found.append(timer.due - now)
        now = timer.due + more
        said = list(of.read(now, 1))
    return found


def test_from_the_open_on_every_minute_is_compared_in_its_middle() -> None:
    assert delays(60.0, OPEN, [0, 0, 0]) == [30 * SECOND, MINUTE, MINUTE, MINUTE]
    assert delays(60.0, OPEN + 3_000_000, [0])[0] == 30 * SECOND - 3_000_000


def test_what_is_no_whole_minute_is_kept_as_it_is() -> None:
    assert delays(45.0, OPEN + 7, [0, 0]) == [45 * SECOND] * 3


@pytest.mark.parametrize("minutes", [1, 2, 5])
@given(entered=st.integers(0, MINUTE - 1), late=st.lists(st.integers(0, 2 * SECOND), min_size=1, max_size=20))
def test_timers_that_are_late_do_not_move_the_schedule(minutes: int, entered: int, late: list[int]) -> None:
    found = delays(60.0 * minutes, OPEN + entered, late)
    assert 30 * SECOND - 5 * SECOND < found[0] - (minutes - 1) * MINUTE <= 90 * SECOND
    spaced = [delay + more for delay, more in zip(found[1:], late, strict=True)]
    assert spaced == [minutes * MINUTE] * len(late)
