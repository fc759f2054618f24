"""The beat that notices a process that did not run, in virtual time."""

import anyio
import pytest

from actors.gateways.pulse import BEAT, LATE, QUIET, STOOD, Pulse
from runtime.kernel.clock import ReplayClock
from runtime.kernel.gateway import Inbox

NOON = 1_790_000_000_000_000_000


class Held:
    """A clock whose next wake-up comes too late by `by` ns."""

    def __init__(self) -> None:
        self.clock = ReplayClock(NOON)
        self.by = 0
        self._over = 0

    def now(self) -> int:
        return self.clock.now() + self._over

    def call_at(self, at, wake):
        def late() -> None:
            self._over += self.by
            self.by = 0
            wake()

        return self.clock.call_at(at - self._over, late)

    def beat(self, by: int = 0) -> None:
        self.by = by
        self.clock.advance(self.clock.now() + BEAT)


async def beats(*late: int) -> None:
    held = Held()
    pulse = Pulse(Inbox(), no_port, real=held)
    async with anyio.create_task_group() as group:
        group.start_soon(pulse.run)
        await anyio.lowlevel.checkpoint()
        for by in late:
            held.beat(by)
        pulse.request_stop()
    held.beat(10 * STOOD)  # nobody looks any more


def no_port(source, message, /) -> None:
    raise AssertionError("it tells nobody anything")


async def test_beats_in_time_say_nothing(capsys):
    await beats(0, LATE - 1, 0)
    assert capsys.readouterr().out == ""


async def test_a_clock_that_leaps_is_not_a_process_that_stood(capsys):
    clock = ReplayClock(NOON)
    pulse = Pulse(Inbox(), no_port, real=clock)
    async with anyio.create_task_group() as group:
        group.start_soon(pulse.run)
        await anyio.lowlevel.checkpoint()
        clock.advance(NOON + 600 * BEAT)
        pulse.request_stop()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("late", "level"), [(LATE, "info"), (STOOD - 1, "info"), (STOOD, "warning")])
async def test_a_late_beat_is_told_by_how_late_it_is(capsys, late, level):
    await beats(0, late, 0)
    (line,) = capsys.readouterr().out.splitlines()
    assert level in line


async def test_every_stand_still_is_told_and_its_length(capsys):
    await beats(18 * BEAT, 0, 3 * BEAT)
    first, second = capsys.readouterr().out.splitlines()
    assert "18.0" in first and "3.0" in second


async def test_a_process_that_is_held_up_all_the_time_is_told_once_a_minute(capsys):
    await beats(*[LATE] * (2 * QUIET // (BEAT + LATE)))
    assert len(capsys.readouterr().out.splitlines()) == 2
