"""The screen's end of the socket, without a screen."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from runtime.messages.screen import Frame
from runtime.messages.screen_wire import Answer, Wire, pack
from tests.tui import frames
from tests.tui.engine_socket import EngineSocket
from tests.walls import WALL_S
from tui.view import EMPTY, View, fold
from tui.wire import Link, Standing


class Ear:
    """Hears a link."""

    def __init__(self, root: Path, *, read_only: bool = False) -> None:
        self.view: View = EMPTY
        self.standings: list[Standing] = []
        self.heard = asyncio.Event()
        self.link = Link(
            root, on_frame=self._frame, on_standing=self._standing, read_only=read_only, first_pause=0.001
        )

    async def __aenter__(self) -> "Ear":
        self._task = asyncio.ensure_future(self.link.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.link.close()
        await self._task

    def _frame(self, frame: Frame) -> None:
        self.view = fold(self.view, frame)
        self.heard.set()

    def _standing(self, standing: Standing) -> None:
        self.standings.append(standing)
        self.heard.set()

    async def until(self, what: Callable[[], object]) -> None:
        async with asyncio.timeout(WALL_S):
            while not what():
                self.heard.clear()
                await self.heard.wait()


async def test_frames_are_folded_as_they_come_and_asks_are_answered(tmp_path: Path) -> None:
    async with EngineSocket(tmp_path, frames.whole()) as engine, Ear(engine.root) as ear:
        await ear.until(lambda: ear.view.number == 1)
        engine.send(frames.later(2))
        await ear.until(lambda: ear.view.number == 2)
        answers = await asyncio.gather(*(ear.link.ask("halt", reason=str(n)) for n in range(3)))
        assert [answer.id for answer in answers] == [1, 2, 3]
        assert all(answer.ok for answer in answers)
        assert [ask.command for ask in engine.asked] == ["attach", "halt", "halt", "halt"]
        assert ear.standings == [Standing("up")]


async def test_a_gap_or_a_frame_of_another_version_attaches_anew(tmp_path: Path) -> None:
    async with EngineSocket(tmp_path, frames.whole()) as engine, Ear(engine.root) as ear:
        await ear.until(lambda: ear.view.number == 1)
        engine.send(frames.later(7))
        await ear.until(lambda: len(ear.standings) == 3)
        assert ear.standings[1] == Standing("refused", "frame 7 after 1 is not whole")
        engine.send(Frame(number=2, whole=True, schema=99))
        await ear.until(lambda: len(ear.standings) == 5)
        assert "the engine speaks version 99, this screen 1" in ear.standings[3].why


async def test_bytes_that_are_no_frame_are_told_and_harm_nothing(tmp_path: Path) -> None:
    async with EngineSocket(tmp_path, frames.whole()) as engine, Ear(engine.root) as ear:
        refusal = b'{"ok": false, "text": "too many \\u001b[2J screens"}\n'
        for data in (b"\xff\xff\xff\xff", b"\x00\x00\x00\x02\xc1\xc1", refusal):
            await ear.until(lambda: ear.link.standing.state == "up")
            engine.send_raw(data)
            await ear.until(lambda: ear.link.standing.state == "refused")
        assert "longer than any" in ear.standings[1].why
        assert "cannot be read" in ear.standings[3].why
        assert ear.standings[5].why == "too many \ufffd[2J screens"


async def test_an_engine_that_goes_and_comes_is_found_and_what_was_asked_is_told_as_lost(
    tmp_path: Path,
) -> None:
    async with EngineSocket(tmp_path, frames.whole()) as engine, Ear(engine.root) as ear:
        await ear.until(lambda: ear.view.number == 1)
        engine.silent = True
        asked = asyncio.ensure_future(ear.link.ask("halt"))
        await engine.until(lambda: len(engine.asked) == 2)
        await engine.stop()
        answer = await asked
        assert not answer.ok
        assert answer.text == "the connection was lost before an answer came"
        await ear.until(lambda: ear.link.standing == Standing("lost", "no engine listens there"))
        assert await ear.link.ask("halt") == Answer(ok=False, text="no engine on the socket")
        await engine.listen()
        await ear.until(lambda: ear.link.standing.state == "up")


async def test_no_answer_in_time_is_told(tmp_path: Path) -> None:
    async with EngineSocket(tmp_path, frames.whole()) as engine, Ear(engine.root) as ear:
        await ear.until(lambda: ear.view.number == 1)
        engine.silent = True
        answer = await ear.link.ask("halt", patience=0.01)
        assert (answer.ok, answer.text) == (False, "no answer within 0.01 s")
        engine.send_raw(pack(Wire(answer=Answer(ok=True, id=1, text="late"))))
        engine.send(frames.later(2))
        await ear.until(lambda: ear.view.number == 2)
