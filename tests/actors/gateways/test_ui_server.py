import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from actors.gateways import ui_server
from actors.gateways.ui_line import MOST_ASKS, MOST_LINE, SILENCE
from actors.gateways.ui_server import MOST_ATTACHED, MOST_OPEN, PERIOD, UiServer
from runtime import control_socket
from runtime.kernel.clock import ReplayClock
from runtime.kernel.gateway import Inbox
from runtime.messages.screen_wire import Answer, Ask
from runtime.process_log import logging_to
from tests.actors.gateways.screens import Screen, Shown, ask
from tests.walls import WALL_S

SECOND = 1_000_000_000


async def echo(asked: Ask) -> Answer:
    return Answer(ok=True, text=f"{asked.command} by {asked.by}: {asked.reason}")


class Served:
    """A server at work, on a clock that is told the time."""

    def __init__(self, root: Path, answer: Callable[[Ask], Awaitable[Answer]]) -> None:
        self.root = root
        self.clock = ReplayClock(SECOND)
        self.shown = Shown()
        self.ready = asyncio.Event()
        self.server = UiServer(
            Inbox(),
            lambda *_: None,
            listen=lambda: control_socket.listen(root),
            leave=lambda: control_socket.remove(root),
            source=self.shown,
            answer=answer,
            real=self.clock,
            ready=self.ready.set,
        )

    def pass_time(self, ns: int = PERIOD) -> None:
        self.clock.advance(self.clock.now() + ns)

    async def until(self, holds: Callable[[], bool]) -> None:
        with anyio.fail_after(WALL_S):
            while not holds():
                await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def serving(root: Path, answer: Callable[[Ask], Awaitable[Answer]] = echo) -> AsyncIterator[Served]:
    served = Served(root, answer)
    async with anyio.create_task_group() as group:
        group.start_soon(served.server.run)
        await served.ready.wait()
        yield served
        served.server.request_stop()


# ---- commands -------------------------------------------------------------------------------


async def test_a_line_is_answered_by_a_line_and_the_end(tmp_path: Path) -> None:
    async with serving(tmp_path):
        screen = await Screen.connect(tmp_path)
        await screen.say(Ask(command="halt", reason="too hot", by="a test"))
        assert (await screen.line()).text == "halt by a test: too hot"
        await screen.ended()
        await screen.close()


async def test_whoever_does_not_say_who_it_is_is_named_by_its_user(tmp_path: Path) -> None:
    async with serving(tmp_path):
        answer = await ask(tmp_path, "halt")
    assert answer.text.startswith(f"halt by user {os.getuid()} ")


@pytest.mark.parametrize(
    "line", [b"", b"nonsense", b"[]", b"{}", b'{"command": 7}', b"\xff\xfe", b'{"id": 1}']
)
async def test_what_is_no_question_is_refused_and_the_server_serves_on(tmp_path: Path, line: bytes) -> None:
    async with serving(tmp_path):
        screen = await Screen.connect(tmp_path)
        screen.writer.write(line + b"\n")
        answer = await screen.line()
        assert not answer.ok
        assert "no question" in answer.text
        await screen.ended()
        await screen.close()
        assert (await ask(tmp_path, "hello")).ok


@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_a_line_without_end_or_too_long_is_refused(tmp_path: Path, end: bytes) -> None:
    async with serving(tmp_path):
        screen = await Screen.connect(tmp_path)
        screen.writer.write(b"x" * (MOST_LINE + 1) + end)
        answer = await screen.line()
        assert not answer.ok
        assert str(MOST_LINE) in answer.text
        await screen.ended()
        await screen.close()


async def test_who_says_nothing_is_sent_away(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        screen = await Screen.connect(tmp_path)
        await served.until(lambda: any(client._transport for client in served.server._open))
        served.pass_time(SILENCE)
        assert (await screen.line()).text == "nothing was asked"
        await screen.ended()
        await screen.close()


async def test_a_command_that_fails_is_told_as_that_and_the_server_serves_on(tmp_path: Path) -> None:
    async def broken(asked: Ask) -> Answer:
        if asked.command == "halt":
            raise OSError("no room")
        return Answer(ok=True)

    with logging_to(None, clock=lambda: 1) as (errors, _):
        async with serving(tmp_path, broken):
            answer = await ask(tmp_path, "halt")
            assert (answer.ok, answer.text) == (False, "failed: no room")
            assert (await ask(tmp_path, "hello")).ok
        (entry,) = errors.take()
    assert (entry.level, entry.exception_type) == ("ERROR", "OSError")


async def test_hundreds_of_silent_connections_are_bounded_and_a_later_one_is_served(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        lines = []
        for _ in range(MOST_OPEN + 20):
            line = socket.socket(socket.AF_UNIX)
            line.setblocking(False)
            try:
                line.connect_ex(str(tmp_path / "run" / "engine.sock"))
            except BlockingIOError:
                line.close()
                break
            lines.append(line)
            await anyio.lowlevel.checkpoint()
        assert len(lines) >= MOST_OPEN
        await served.until(lambda: len(served.server._open) == MOST_OPEN)
        served.pass_time(SILENCE)
        for line in lines:
            line.close()
        assert (await ask(tmp_path, "hello")).ok
        await served.until(lambda: not served.server._open)


async def test_a_thousand_connections_that_come_and_go_harm_nothing(tmp_path: Path) -> None:
    def come_and_go() -> None:
        for number in range(1_000):
            with control_socket.connect(tmp_path, 5.0) as line:
                if number % 3 == 0:
                    line.sendall(b'{"command": "attach"}\n')
                elif number % 3 == 1:
                    line.sendall(b"\x00" * 100)

    async with serving(tmp_path) as served:
        screen = await Screen.attach(tmp_path)
        assert (await screen.frame()).whole
        await anyio.to_thread.run_sync(come_and_go)
        assert (await ask(tmp_path, "hello")).ok
        await served.until(lambda: len(served.server._open) == 1)
        assert served.shown.clients == 1
        served.shown.put()
        served.pass_time()
        assert (await screen.frame()).log.rows
        await screen.close()


async def test_another_user_is_sent_away_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ui_server, "_peer", lambda _: os.geteuid() + 1)
    async with serving(tmp_path):
        screen = await Screen.connect(tmp_path)
        assert await screen.reader.read() == b""
        await screen.close()


# ---- frames ---------------------------------------------------------------------------------


async def test_the_first_frame_is_whole_and_later_ones_hold_what_changed(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.shown.put(3)
        screen = await Screen.attach(tmp_path)
        first = await screen.frame()
        assert first.whole
        assert len(first.log.rows) == 3
        served.shown.put(1)
        served.pass_time()
        second = await screen.frame()
        assert not second.whole
        assert [row.key for row in second.log.rows] == ["3"]
        assert second.number == first.number + 1
        await screen.close()


async def test_frames_come_four_times_a_second_at_most_and_only_while_somebody_is_attached(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as served:
        assert served.shown.told == 0
        screen = await Screen.attach(tmp_path)
        await screen.frame()
        for passed in range(1, 9):
            served.pass_time(PERIOD // 2)
            if passed % 2 == 0:
                await screen.frame()
        assert served.shown.told == 5
        await screen.close()
        await served.until(lambda: served.shown.clients == 0)
        served.pass_time(10 * PERIOD)
        again = await Screen.attach(tmp_path)
        assert (await again.frame()).whole
        assert served.shown.told == 6
        await again.close()


async def test_many_screens_see_the_same_and_each_begins_with_a_whole_frame(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        first = await Screen.attach(tmp_path)
        assert (await first.frame()).whole
        second = await Screen.attach(tmp_path, read_only=True)
        await served.until(lambda: served.shown.clients == 2)
        served.shown.put()
        served.pass_time()
        seen, begun = await first.frame(), await second.frame()
        assert (seen.whole, begun.whole) == (False, True)
        assert seen.number == begun.number
        assert seen.head.clients == 2
        await first.close()
        await second.close()


async def test_a_screen_that_never_reads_loses_frames_and_the_others_none(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.shown.text = "x" * 4_000
        deaf = await Screen.attach(tmp_path)
        deaf.writer.transport.pause_reading()
        await served.until(lambda: served.shown.clients == 1)
        screen = await Screen.attach(tmp_path)
        await served.until(lambda: served.shown.clients == 2)
        count = 0
        while not served.server.dropped:
            served.shown.put(20)
            served.pass_time()
            frame = await screen.frame()
            count += 1
            assert frame.dropped == 0
            assert count < 200
        for _ in range(5):
            served.pass_time()
            await screen.frame()
        assert served.server.dropped >= 5
        deaf.writer.transport.resume_reading()
        seen = []
        while not any(frame.dropped for frame in seen):
            served.pass_time()
            await screen.frame()
            seen.append(await deaf.frame())
        assert seen[-1].whole
        assert len(seen[-1].log.rows) == len(served.shown.all)
        await screen.close()
        await deaf.close()


async def test_a_screen_of_another_schema_is_refused_with_both_numbers(tmp_path: Path) -> None:
    async with serving(tmp_path):
        screen = await Screen.attach(tmp_path, schema=99)
        wire = await screen.wire()
        assert "schema 1 " in wire.answer.text
        assert "99" in wire.answer.text
        await screen.ended()
        await screen.close()


async def test_one_screen_too_many_is_told_so(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        screens = [await Screen.attach(tmp_path) for _ in range(MOST_ATTACHED)]
        await served.until(lambda: served.shown.clients == MOST_ATTACHED)
        late = await Screen.attach(tmp_path)
        assert not (await late.wire()).answer.ok
        await late.ended()
        for screen in (late, *screens):
            await screen.close()
        await served.until(lambda: served.shown.clients == 0)


async def test_an_attached_screen_asks_on_its_own_line_and_is_answered_there(tmp_path: Path) -> None:
    async with serving(tmp_path):
        screen = await Screen.attach(tmp_path)
        answer = await screen.ask("halt", reason="by key", by="screen")
        assert answer.ok
        assert answer.text == "halt by screen: by key"
        await screen.close()


async def test_a_read_only_screen_may_look_and_nothing_else(tmp_path: Path) -> None:
    async with serving(tmp_path):
        screen = await Screen.attach(tmp_path, read_only=True)
        assert not (await screen.ask("halt")).ok
        assert not (await screen.ask("stop")).ok
        assert (await screen.ask("explain", target="x")).ok
        await screen.close()


async def test_a_slow_answer_keeps_nobody_from_halting(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def slow(asked: Ask) -> Answer:
        if asked.command == "explain":
            await release.wait()
        return Answer(ok=True, text=asked.command)

    async with serving(tmp_path, slow):
        screen = await Screen.attach(tmp_path)
        await screen.say(Ask(command="explain", id=7))
        assert (await screen.ask("halt")).text == "halt"
        release.set()
        while (await screen.wire()).answer != Answer(ok=True, id=7, text="explain"):
            pass
        await screen.close()


async def test_more_questions_than_may_be_answered_at_once_wait_unread(tmp_path: Path) -> None:
    release, asked_of = asyncio.Event(), []

    async def slow(asked: Ask) -> Answer:
        asked_of.append(asked.id)
        await release.wait()
        return Answer(ok=True)

    async with serving(tmp_path, slow) as served:
        screen = await Screen.attach(tmp_path)
        for number in range(1, 11):
            await screen.say(Ask(command="explain", id=number))
        await served.until(lambda: len(asked_of) == MOST_ASKS)
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        assert len(asked_of) == MOST_ASKS
        release.set()
        answered = set()
        while len(answered) < 10:
            wire = await screen.wire()
            if wire.answer is not None:
                answered.add(wire.answer.id)
        await screen.close()


async def test_what_piles_up_is_folded_though_nobody_looks(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.shown.crowded.set()
        with anyio.fail_after(WALL_S):
            await served.shown.folded.wait()
        assert served.shown.told == 0


# ---- beginning and end ----------------------------------------------------------------------


async def test_a_screen_learns_of_the_end_and_the_name_is_taken_away(tmp_path: Path) -> None:
    async with serving(tmp_path):
        screen = await Screen.attach(tmp_path)
        await screen.frame()
    await screen.ended()
    await screen.close()
    assert [path.name for path in (tmp_path / "run").iterdir()] == []


async def test_a_screen_that_is_killed_is_forgotten(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        screen = await Screen.attach(tmp_path)
        await screen.frame()
        screen.writer.transport.abort()
        await served.until(lambda: served.shown.clients == 0)
        assert (await ask(tmp_path, "hello")).ok
