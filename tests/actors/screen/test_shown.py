"""One session's frames take the place of another's, for screens that are there and for those that come."""

import asyncio

import anyio
import anyio.lowlevel

from actors.screen.shown import Shown as InHand
from actors.screen.shown import Still
from runtime.messages.screen import Frame, Head
from tests.actors.gateways.screens import Shown
from tests.walls import WALL_S


def session(text: str) -> Shown:
    """A session with one line of its own."""
    shown = Shown()
    shown.text = text
    shown.put()
    return shown


def lines(frame: Frame) -> list[str]:
    return [row.text for row in frame.log.rows] if frame.log is not None else []


def test_the_first_frame_of_another_session_is_whole_and_the_next_is_not() -> None:
    shown = InHand()
    shown.show(session("one"))
    assert shown.changes().whole
    second = session("two")
    shown.clients = 3
    shown.show(second)
    whole = shown.changes()
    assert (whole.whole, lines(whole)) == (True, ["two"])
    assert second.clients == 3
    second.put()
    changes = shown.changes()
    assert (changes.whole, lines(changes)) == (False, ["two"])


def test_whoever_attaches_in_the_moment_of_the_change_gets_the_new_session_as_it_stands() -> None:
    shown = InHand()
    shown.show(session("one"))
    shown.changes()
    shown.show(session("two"))
    whole = shown.whole()
    assert (whole.whole, lines(whole)) == (True, ["two"])
    assert whole.head is not None
    assert whole.at == 1  # its changes were taken before
    assert shown.changes().whole


async def test_who_waits_for_a_crowd_waits_for_that_of_the_session_in_hand() -> None:
    first, second = session("one"), session("two")
    shown = InHand()
    shown.show(first)
    tidied: list[str] = []

    async def tidy() -> None:
        while len(tidied) < 2:
            await shown.crowded.wait()
            shown.fold()
            tidied.append("one" if second.folds == 0 else "two")

    async with asyncio.timeout(WALL_S):
        async with anyio.create_task_group() as group:
            group.start_soon(tidy)
            await anyio.lowlevel.checkpoint()
            shown.show(second)
            while not tidied:
                await anyio.lowlevel.checkpoint()
            second.crowded.set()
    assert tidied == ["two", "two"]
    assert first.folds == 0


def test_a_session_that_is_over_stays_as_it_was_seen() -> None:
    last = Frame(whole=True, at=7, head=Head(mode="PAPER", session="2026-11-20"))
    still = Still(last)
    shown = InHand()
    shown.show(still)
    assert shown.changes() == last
    assert shown.changes() == Frame()
    assert shown.whole() == last
    still.crowded.set()
    assert not shown.fold()
    assert not still.crowded.is_set()
