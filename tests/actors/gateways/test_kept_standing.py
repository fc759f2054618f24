"""Where the actors stand is written with the rows of what they did, and never stands in their way."""

from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread

from actors.gateways.db_writer import DbWriter
from storage.books import Books
from storage.standing import Standing, read_standing
from storage.statements import Mark
from tests.actors.gateways.test_db_writer import DAY, DAY_ROWS, write

LAST = DAY_ROWS[-1][0]


def kept(root: Path) -> Standing | None:
    with Books(root, "paper:1") as books:
        return read_standing(books.connection("trades"))


async def test_the_books_keep_where_the_actors_stood_behind_their_last_row(tmp_path: Path) -> None:
    told = Standing(mark=Mark(DAY, LAST), at=7, actors={"portfolio": b"\x80", "breaker": b"\x90"})
    await write(DbWriter(tmp_path, "paper:1", mode="replay", standing=lambda: told))
    assert await anyio.to_thread.run_sync(kept, tmp_path) == told


async def test_books_of_a_replay_keep_nothing(tmp_path: Path) -> None:
    await write(DbWriter(tmp_path, "paper:1", mode="replay"))
    assert await anyio.to_thread.run_sync(kept, tmp_path) is None


async def test_what_cannot_be_kept_ends_nothing(tmp_path: Path) -> None:
    asked: list[int] = []

    def fails() -> Standing:
        asked.append(1)
        raise TypeError("no such state")

    writer = DbWriter(tmp_path, "paper:1", mode="replay", standing=fails)
    await write(writer)
    assert asked == [1]
    assert await anyio.to_thread.run_sync(kept, tmp_path) is None
    assert writer.covered()["trades"] == Mark(DAY, LAST)


async def test_a_large_state_is_not_written_with_every_row(tmp_path: Path) -> None:
    asked: list[int] = []

    def large() -> Standing:
        asked.append(1)
        return Standing(mark=Mark(DAY, LAST), at=7, actors={"executor": bytes(50_000_000)})

    async with anyio.create_task_group() as group:
        writer = DbWriter(tmp_path, "paper:1", mode="replay", standing=large)
        await group.start(writer.run)
        for seq, at, rows in DAY_ROWS:
            assert writer.post(Mark(DAY, seq), at, rows)
            while writer.covered()["trades"] < Mark(DAY, seq):
                await anyio.lowlevel.checkpoint()
        writer.close()
    assert asked == [1]
