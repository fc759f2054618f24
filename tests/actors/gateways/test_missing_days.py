"""The gateway that reads, while a session runs, what its start had no time for."""

import anyio
import pytest

from actors.gateways.missing_days import FIRST_WAIT, LONGEST_WAIT, TRIES, MissingDays
from runtime.errors import DataError
from runtime.kernel.clock import ReplayClock
from runtime.kernel.gateway import Inbox
from tests.walls import WALL_S

NOON = 1_790_000_000_000_000_000


class Working:
    """A gateway whose looks end as they are told to; virtual time."""

    def __init__(self, *ends: list[str] | Exception) -> None:
        self.ends, self.looks = list(ends), 0
        self.clock = ReplayClock(NOON)
        self.gateway = MissingDays(Inbox(), self._port, fill=self._fill, real=self.clock)
        self.news = anyio.Event()

    @staticmethod
    def _port(source, message, /) -> None:
        raise AssertionError("it tells nobody anything")

    async def _fill(self) -> tuple[list[str], str]:
        self.looks += 1
        self.news.set()
        end = self.ends.pop(0) if self.ends else await anyio.sleep_forever()
        if isinstance(end, Exception):
            raise end
        return end, "the host is away"

    async def until(self, looks: int) -> None:
        """Time goes on until it has looked so often."""
        with anyio.fail_after(WALL_S):
            while self.looks < looks:
                await anyio.lowlevel.checkpoint()
                self.clock.advance(self.clock.now() + 10_000_000_000)


async def test_it_ends_when_nothing_is_missing(capsys):
    working = Working([])
    await working.gateway.run()
    assert working.looks == 1
    assert capsys.readouterr().out == ""


async def test_what_is_missing_is_asked_for_again_after_a_while_and_not_at_once():
    working = Working(["AAA"], [])
    async with anyio.create_task_group() as group:
        group.start_soon(working.gateway.run)
        await working.until(1)
        before = working.clock.now()
        await working.until(2)
    assert 0.8 * FIRST_WAIT <= working.clock.now() - before <= 1.3 * FIRST_WAIT


async def test_after_a_few_tries_it_says_once_what_stays_missing(capsys):
    working = Working(*[["AAA", "BBB"]] * TRIES)
    async with anyio.create_task_group() as group:
        group.start_soon(working.gateway.run)
        await working.until(TRIES)
    assert working.looks == TRIES
    assert working.clock.now() - NOON < TRIES * LONGEST_WAIT
    out = capsys.readouterr().out
    assert out.count("daily history stays incomplete") == 1
    assert "2: AAA, BBB" in out
    assert "the host is away" in out


@pytest.mark.parametrize("error", [DataError("broker.parquet: not a Parquet file"), OSError("disk full")])
async def test_a_file_that_cannot_be_written_or_read_ends_it_with_an_error(error, capsys):
    working = Working(error)
    await working.gateway.run()
    assert working.looks == 1
    assert str(error) in capsys.readouterr().out


@pytest.mark.parametrize("ends", [(), (["AAA"],)])
async def test_it_stops_when_it_is_told_to_whatever_it_waits_for(ends):
    """For an answer, or for the next try."""
    working = Working(*ends)
    async with anyio.create_task_group() as group:
        group.start_soon(working.gateway.run)
        with anyio.fail_after(WALL_S):
            await working.news.wait()
            working.gateway.request_stop()
    assert working.looks == 1
