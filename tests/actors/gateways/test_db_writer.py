import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import aiosqlite
import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from actors.gateways.db_writer import DbWriter
from runtime.error_fallback import append_fallback
from runtime.error_sink import ErrorSink
from runtime.errors import BooksRefused
from runtime.messages.machine import SessionStarted
from runtime.messages.risk import Noted
from storage.books import Books
from storage.database import DATABASES, database_path, open_reader
from storage.projection import Projection
from storage.statements import NOTHING, STATEMENTS, Mark, Row
from storage.transaction import transaction
from tests.storage.books_samples import DAY, SESSION, dump, trading_day
from tests.walls import WALL_S


def day_rows() -> list[tuple[int, int, list[Row]]]:
    projection = Projection(SESSION, ["AAA", "SPY"])
    return [
        (seq, at, projection.rows(seq, at, message, caused)) for seq, at, message, caused in trading_day()
    ]


DAY_ROWS = day_rows()
SESSION_OF = 15
"""Where the dump of `error_log` has the session: none for an error of the process."""
Dump = dict[str, dict[str, list[tuple[object, ...]]]]


def expected() -> Dump:
    with Books(None, "paper:1", "memory") as books:
        for seq, at, rows in DAY_ROWS:
            books.apply(rows, Mark(DAY, seq), at)
        books.commit()
        return {name: dump(books.connection(name)) for name in DATABASES}


def _on_disk(root: Path) -> Dump:
    found = {}
    for name in DATABASES:
        reader = open_reader(database_path(root, name), name)
        found[name] = dump(reader)
        reader.close()
    return found


EXPECTED = expected()


async def on_disk(root: Path) -> Dump:
    return await anyio.to_thread.run_sync(_on_disk, root)


async def until(done: Callable[[], bool]) -> None:
    with anyio.fail_after(WALL_S):
        while not await anyio.to_thread.run_sync(done):
            await anyio.lowlevel.checkpoint()


def lock(root: Path) -> list[sqlite3.Connection]:
    links = []
    for name in DATABASES:
        link = sqlite3.connect(database_path(root, name), isolation_level=None, check_same_thread=False)
        link.execute("BEGIN IMMEDIATE")
        links.append(link)
    return links


def unlock(links: list[sqlite3.Connection]) -> None:
    for link in links:
        link.execute("ROLLBACK")
        link.close()


async def write(writer: DbWriter, count: int = len(DAY_ROWS)) -> None:
    async with anyio.create_task_group() as group:
        await group.start(writer.run)
        for seq, at, rows in DAY_ROWS[:count]:
            assert writer.post(Mark(DAY, seq), at, rows)
        writer.close()


async def test_nothing_is_written_before_its_turn_and_then_everything_is(tmp_path: Path) -> None:
    turn = asyncio.Event()
    writer = DbWriter(tmp_path, "paper:1", turn=turn)
    async with anyio.create_task_group() as group:
        await group.start(writer.run)
        for seq, at, rows in DAY_ROWS:
            assert writer.post(Mark(DAY, seq), at, rows)
        await anyio.wait_all_tasks_blocked()
        assert set(writer.covered().values()) == {NOTHING}
        turn.set()
        writer.close()
    assert await on_disk(tmp_path) == EXPECTED


async def test_the_writer_and_the_synchronous_books_write_the_same(tmp_path: Path) -> None:
    await write(DbWriter(tmp_path, "paper:1", mode="replay"))
    assert await on_disk(tmp_path) == EXPECTED


@pytest.mark.parametrize("crash", [0, 1, 4, 8])
async def test_a_second_writer_writes_only_what_the_first_did_not(tmp_path: Path, crash: int) -> None:
    await write(DbWriter(tmp_path, "paper:1", mode="replay"), crash)
    second = DbWriter(tmp_path, "paper:1", mode="replay")
    await write(second)
    assert second.covered() == dict.fromkeys(DATABASES, Mark(DAY, len(DAY_ROWS)))
    assert await on_disk(tmp_path) == EXPECTED


async def test_another_accounts_books_are_refused(tmp_path: Path) -> None:
    await write(DbWriter(tmp_path, "paper:1", mode="replay"))
    with pytest.raises(BooksRefused, match=r"'paper:1'.*'paper:2'"):
        await DbWriter(tmp_path, "paper:2", mode="replay").run()


async def test_a_cancelled_writer_writes_what_it_was_given(tmp_path: Path) -> None:
    writer = DbWriter(tmp_path, "paper:1", mode="replay")
    async with anyio.create_task_group() as group:
        await group.start(writer.run)
        for seq, at, rows in DAY_ROWS:
            writer.post(Mark(DAY, seq), at, rows)
        group.cancel_scope.cancel()
    assert await on_disk(tmp_path) == EXPECTED


async def test_a_full_inbox_stops_the_books_at_a_known_place(tmp_path: Path) -> None:
    writer = DbWriter(tmp_path, "paper:1", mode="replay", capacity=3)
    taken = [writer.post(Mark(DAY, seq), at, rows) for seq, at, rows in DAY_ROWS]
    assert taken == [True] * 3 + [False] * 5
    assert writer.dropped_from == Mark(DAY, 4)
    writer.close()
    await writer.run()
    assert writer.covered()["trades"] == Mark(DAY, 3)
    await write(DbWriter(tmp_path, "paper:1", mode="replay"))
    assert await on_disk(tmp_path) == EXPECTED


def put(sink: ErrorSink, text: str, at: int = 1) -> None:
    sink.put(timestamp=at, level="ERROR", logger_name="actors.x", message=text, component="x")


async def test_errors_of_the_process_reach_the_error_log(tmp_path: Path) -> None:
    sink = ErrorSink()
    writer = DbWriter(tmp_path, "paper:1", mode="replay", errors=sink)
    put(sink, "before the start")
    async with anyio.create_task_group() as group:
        await group.start(writer.run)
        await anyio.to_thread.run_sync(put, sink, "from a thread", 2)
        put(sink, "from the loop", 3)
        writer.close()
    rows = (await on_disk(tmp_path))["performance"]["error_log"]
    assert [row[4] for row in rows] == ["before the start", "from a thread", "from the loop"]


async def test_secrets_in_what_decisions_say_of_errors_do_not_reach_the_books(tmp_path: Path) -> None:
    sink = ErrorSink()
    sink.clean = lambda text: text.replace("canary", "[redacted]")
    writer = DbWriter(tmp_path, "paper:1", mode="replay", errors=sink)
    note = Noted(ts_event=1, cause=1, level="ERROR", component="x", text="a canary sang")
    rows = Projection(SESSION).rows(1, 1, SessionStarted(ts_event=1, session=SESSION), [note])
    async with anyio.create_task_group() as group:
        await group.start(writer.run)
        writer.post(Mark(DAY, 1), 1, rows)
        writer.close()
    (row,) = (await on_disk(tmp_path))["performance"]["error_log"]
    assert row[4] == "a [redacted] sang"


async def test_a_locked_database_delays_rows_and_loses_none(tmp_path: Path) -> None:
    sink = ErrorSink()
    fallback = tmp_path / "logs" / "errors-fallback.jsonl"
    writer = DbWriter(
        tmp_path, "paper:1", mode="replay", errors=sink, fallback=fallback, pauses=(0.01, 0.01), busy_ms=0
    )
    async with anyio.create_task_group() as group:
        await group.start(writer.run)
        locks = await anyio.to_thread.run_sync(lock, tmp_path)
        put(sink, "while the books are locked")
        for seq, at, rows in DAY_ROWS:
            writer.post(Mark(DAY, seq), at, rows)
        await until(fallback.exists)
        assert "locked" in writer.failure
        await anyio.to_thread.run_sync(unlock, locks)
        await until(lambda: not writer.failure and not fallback.exists())
        writer.close()
    found = await on_disk(tmp_path)
    errors = found["performance"].pop("error_log")
    wanted = {name: dict(tables) for name, tables in EXPECTED.items()}
    assert [row for row in errors if row[SESSION_OF] is not None] == wanted["performance"].pop("error_log")
    assert [row[4] for row in errors if row[SESSION_OF] is None] == ["while the books are locked"]
    assert found == wanted


async def test_the_fallback_file_is_imported_once(tmp_path: Path) -> None:
    sink = ErrorSink()
    put(sink, "from the last run")
    entries = sink.take()
    fallback = tmp_path / "logs" / "errors-fallback.jsonl"
    for _ in range(2):  # killed after the import but before the file was removed
        await anyio.to_thread.run_sync(append_fallback, fallback, entries)
        await write(DbWriter(tmp_path, "paper:1", mode="replay", fallback=fallback), 0)
        await until(lambda: not fallback.exists())
    rows = (await on_disk(tmp_path))["performance"]["error_log"]
    assert [row[4] for row in rows] == ["from the last run"]


async def test_books_that_are_locked_at_the_start_do_not_keep_the_fallback_file_from_being_imported_later(
    tmp_path: Path,
) -> None:
    await write(DbWriter(tmp_path, "paper:1", mode="replay"), 0)
    sink = ErrorSink()
    put(sink, "from the last run")
    fallback = tmp_path / "logs" / "errors-fallback.jsonl"
    await anyio.to_thread.run_sync(append_fallback, fallback, sink.take())
    locks: list[sqlite3.Connection] = []

    class Late(DbWriter):
        async def _import_fallback(self, links: dict[str, aiosqlite.Connection]) -> None:
            if not locks:
                locks.extend(await anyio.to_thread.run_sync(lock, tmp_path))
                await super()._import_fallback(links)
                assert await anyio.to_thread.run_sync(fallback.exists)
                await anyio.to_thread.run_sync(unlock, locks)
            else:
                await super()._import_fallback(links)

    await write(Late(tmp_path, "paper:1", mode="replay", errors=sink, fallback=fallback, busy_ms=0), 0)
    rows = (await on_disk(tmp_path))["performance"]["error_log"]
    assert [row[4] for row in rows] == ["from the last run"]
    assert not await anyio.to_thread.run_sync(fallback.exists)


async def test_a_full_disk_delays_rows_and_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links: list[aiosqlite.Connection] = []
    real = DbWriter._open

    async def cramped(self: DbWriter, name: str) -> aiosqlite.Connection:
        link = await real(self, name)
        ((pages,),) = await link.execute_fetchall("PRAGMA page_count")
        await link.execute_fetchall(f"PRAGMA max_page_count = {pages}")
        links.append(link)
        return link

    monkeypatch.setattr(DbWriter, "_open", cramped)
    sink = ErrorSink()
    fallback = tmp_path / "logs" / "errors-fallback.jsonl"
    writer = DbWriter(tmp_path, "paper:1", mode="replay", errors=sink, fallback=fallback, pauses=(0.01, 0.01))
    async with anyio.create_task_group() as group:
        await group.start(writer.run)
        for n in range(30):
            sink.put(timestamp=n, level="ERROR", logger_name=f"actors.x{n}", message="y" * 4_000)
        for seq, at, rows in DAY_ROWS:
            writer.post(Mark(DAY, seq), at, rows)
        await until(lambda: "full" in writer.failure)
        await until(fallback.exists)
        for link in links:
            await link.execute_fetchall("PRAGMA max_page_count = 100000")
        await until(lambda: not writer.failure and not fallback.exists())
        writer.close()
    found = await on_disk(tmp_path)
    errors = found["performance"].pop("error_log")
    assert sorted(row[3] for row in errors if row[SESSION_OF] is None) == sorted(
        f"actors.x{n}" for n in range(30)
    )
    wanted = {name: dict(tables) for name, tables in EXPECTED.items()}
    wanted["performance"].pop("error_log")
    assert found == wanted


async def test_rows_of_the_process_are_written_beside_those_of_inputs(tmp_path: Path) -> None:
    writer = DbWriter(tmp_path, "paper:1", mode="replay")
    sink = ErrorSink()
    put(sink, "of the process")
    (entry,) = sink.take()
    async with anyio.create_task_group() as group:
        await group.start(writer.run)
        assert writer.log([entry.row()])
        assert writer.log([("error_resolved", (5, "me", "seen", entry.id))])
        writer.close()
    ((*_, resolved, at, by, _, _, _, _, _, note),) = (await on_disk(tmp_path))["performance"]["error_log"]
    assert (resolved, at, by, note) == (1, 5, "me", "seen")


def test_the_last_input_covered_is_in_the_same_transaction_as_its_rows() -> None:
    rows = [(Mark(DAY, 3), row) for row in DAY_ROWS[2][2] if STATEMENTS[row[0]].database == "trades"]
    steps = [step.sql.split()[0:3] for step in transaction(rows, Mark(DAY, 3), 7)]
    assert steps[0] == ["BEGIN", "IMMEDIATE"]
    assert steps[-2] == ["INSERT", "INTO", "projection"]
    assert steps[-1] == ["COMMIT"]
    assert len(list(transaction([(NOTHING, rows[0][1])], None, 0))) == 3
