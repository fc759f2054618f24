"""The one writer of the books while the system is live: batches in, transactions out.

It owns one aiosqlite connection for each database and nobody else writes. A batch is one transaction that
also stores the last input it covers; it is shielded, so a cancelled task never leaves one half open (faults
1.8). Decisions do not wait for it: its inbox is bounded, and when that is full it stops taking rows at a
known place, from which the books are written again out of the tape.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import aiosqlite
import anyio
import anyio.abc
import anyio.lowlevel
import anyio.to_thread

from runtime.error_fallback import read_fallback, spill
from runtime.error_sink import ErrorSink
from runtime.log import get_logger
from storage.books import read_mark
from storage.database import BUSY_MS, DATABASES, Mode, database_path, pragmas, prepare
from storage.standing import Standing, standing_row
from storage.statements import NOTHING, STATEMENTS, Mark, Row
from storage.transaction import MarkedRow, transaction

_ROWS_A_BATCH = 5_000
_MOST_LOGGED = 10_000
_SMALL, _STATE_A_SECOND = 200_000, 1_000_000
"""Bytes of the actors' state that are kept with every transaction; of more, about so many a second."""

_log = get_logger(__name__)


class Batch(NamedTuple):
    """The rows of one input.

    Attributes:
        at: When the input was known, ns UTC.
    """

    mark: Mark
    at: int
    rows: Sequence[Row]


class DbWriter:
    """Writes batches until it is closed and everything taken is committed.

    Args:
        root: The databases are `<root>/db/*.db`. books: whose they must be.
        mode: `durable` when trading, `replay` when the run can be repeated.
        capacity: Inputs that may wait. errors: where WARNING and above come from.
        fallback: Keeps errors while the database cannot (`logs/errors-fallback.jsonl`).
        pauses: First and longest pause before a database that could not be written is tried again, s.
        busy_ms: How long one try waits for another process's lock, ms.
        turn: Nothing is written until this is set; None: at once.
        standing: Where every actor stands between two inputs; kept with the rows.
    """

    def __init__(
        self,
        root: Path,
        books: str,
        *,
        mode: Mode = "durable",
        capacity: int = 10_000,
        errors: ErrorSink | None = None,
        fallback: Path | None = None,
        pauses: tuple[float, float] = (0.1, 5.0),
        busy_ms: int = BUSY_MS,
        turn: asyncio.Event | None = None,
        standing: Callable[[], Standing] | None = None,
    ) -> None:
        self._root, self._books, self._mode = root, books, mode
        self._errors, self._fallback = errors, fallback
        self._send, self._receive = anyio.create_memory_object_stream[Batch | None](capacity)
        self._pending: dict[str, list[MarkedRow]] = {name: [] for name in DATABASES}
        self._covered: dict[str, Mark] = dict.fromkeys(DATABASES, NOTHING)
        self._logged: list[MarkedRow] = []
        self._last: Batch | None = None
        self._pauses = pauses
        self._busy_ms = busy_ms
        self._turn = turn
        self._standing = standing
        self._stands_next = 0.0
        self._pause = 0.0
        self._nudged = False
        self._unsaved = False
        self.dropped_from: Mark | None = None
        """The first input that found no room; the books stop before it until they are written again."""
        self.refused = 0
        self.failure = ""
        """Why the last commit failed, or empty."""

    # ---- from outside -------------------------------------------------------------------------

    def post(self, mark: Mark, at: int, rows: Sequence[Row]) -> bool:
        """Hand over the rows of one input, in the order of inputs, without waiting.

        Returns:
            Whether they were taken. Once one input was not, none is: the books stay a sound beginning.
        """
        if self.dropped_from is None:
            try:
                self._send.send_nowait(Batch(mark, at, rows))
                return True
            except (anyio.WouldBlock, anyio.ClosedResourceError, anyio.BrokenResourceError):
                self.dropped_from = mark
        return False

    def log(self, rows: Sequence[Row]) -> bool:
        """Hand over rows that belong to no input (performance.db); from the event loop's thread.

        Returns:
            Whether there was room for them.
        """
        if len(self._logged) + len(rows) > _MOST_LOGGED:
            return False
        self._logged += [(NOTHING, row) for row in rows]
        self._nudge()
        return True

    def close(self) -> None:
        """Take nothing more; `run` returns once everything taken is written."""
        self._send.close()

    @property
    def depth(self) -> int:
        """Inputs that wait."""
        return self._receive.statistics().current_buffer_used

    def covered(self) -> dict[str, Mark]:
        """How far each database is written."""
        return dict(self._covered)

    # ---- the task -----------------------------------------------------------------------------

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Open, write until closed, close.

        Raises:
            BooksRefused: The root holds another's books. DatabaseRefused: a database cannot be used.
            sqlite3.Error: A database could not be written at the end; the tape has what is missing.
        """
        links: dict[str, aiosqlite.Connection] = {}
        try:
            for name in DATABASES:
                self._covered[name] = await anyio.to_thread.run_sync(self._make_ready, name)
                links[name] = await self._open(name)
            self._unsaved = True
            await self._import_fallback(links)
            self._listen()
            task_status.started()
            await self._work(links)
        finally:
            if self._errors is not None:
                self._errors.listen(None)
            with anyio.CancelScope(shield=True):  # an unclosed connection hangs the interpreter's exit
                try:
                    if len(links) == len(DATABASES) and not self.failure:
                        self._accept_waiting(limit=None)
                        await self._write_all(links)
                finally:
                    self._send.close()
                    self._receive.close()
                    for link in links.values():
                        await link.close()

    async def _work(self, links: dict[str, aiosqlite.Connection]) -> None:
        while True:
            if self._pause and self._full(_ROWS_A_BATCH):
                await anyio.sleep(self._pause)  # back-off: what comes meanwhile waits in the bounded inbox
            else:
                with anyio.move_on_after(self._pause or None):
                    try:
                        self._accept(await self._receive.receive())
                    except anyio.EndOfStream:
                        await self._last_try(links)
                        return
            if self._turn is not None:
                await self._turn.wait()
            self._accept_waiting(limit=_ROWS_A_BATCH)
            await self._try_writing(links)

    def _full(self, limit: int | None) -> bool:
        return limit is not None and sum(map(len, self._pending.values())) >= limit

    def _accept_waiting(self, limit: int | None) -> None:
        while not self._full(limit):
            try:
                self._accept(self._receive.receive_nowait())
            except (anyio.WouldBlock, anyio.EndOfStream):
                return

    def _accept(self, batch: Batch | None) -> None:
        if batch is None:  # only a call to look at the errors
            self._nudged = False
            return
        for row in batch.rows:
            database = STATEMENTS[row[0]].database
            if batch.mark > self._covered[database]:
                self._pending[database].append((batch.mark, self._without_secrets(row)))
        self._last = batch

    def _without_secrets(self, row: Row) -> Row:
        """What decisions say of errors may hold words of strategies and libraries."""
        if row[0] != "error" or self._errors is None:
            return row
        clean = self._errors.clean
        return row[0], tuple(clean(each) if isinstance(each, str) else each for each in row[1])

    async def _try_writing(self, links: dict[str, aiosqlite.Connection]) -> None:
        try:
            await self._write_all(links)
        except sqlite3.Error as error:
            if not self.failure:
                _log.error("the books cannot be written", error=f"{type(error).__name__}: {error}")
            self.failure = f"{type(error).__name__}: {error}"
            first, longest = self._pauses
            self._pause = min(max(self._pause * 2, first), longest)
            await self._spill()
        else:
            if self.failure:
                _log.warning("the books can be written again", after=self.failure)
            self.failure, self._pause = "", 0.0
            await self._import_fallback(links)

    async def _last_try(self, links: dict[str, aiosqlite.Connection]) -> None:
        try:
            await self._write_all(links)
            self._unsaved = True
            await self._import_fallback(links)
        except sqlite3.Error as error:
            self.failure = f"{type(error).__name__}: {error}"
            await self._spill()
            raise

    async def _write_all(self, links: dict[str, aiosqlite.Connection]) -> None:
        """Commit everything pending, each database in one shielded transaction with its mark."""
        last = self._last
        entries = self._errors.take() if self._errors is not None else []
        logged, self._logged = self._logged, []
        try:
            for name, link in links.items():
                rows = self._pending[name]
                ahead = last is not None and last.mark > self._covered[name]
                extra: list[MarkedRow] = []
                if name == "trades" and rows:
                    extra = self._stands()
                if name == "performance":
                    extra = [*logged, *((NOTHING, entry.row()) for entry in entries)]
                if not (rows or extra or ahead):
                    continue
                mark = last.mark if last is not None and ahead else None
                with anyio.CancelScope(shield=True):
                    self.refused += await _run(link, [*extra, *rows], mark, last.at if last else 0)
                    self._pending[name] = []
                    if mark is not None:
                        self._covered[name] = mark
                    if name == "performance":
                        entries, logged = [], []
        except BaseException:
            self._logged = logged + self._logged
            if self._errors is not None:
                self._errors.give_back(entries)
            raise
        await anyio.lowlevel.checkpoint()

    def _stands(self) -> list[MarkedRow]:
        """Where the actors stand, if everything up to there is about to be written; called between inputs."""
        now = anyio.current_time()
        if self._standing is None or self.depth or self.dropped_from is not None or now < self._stands_next:
            return []
        try:
            row = standing_row(self._standing())
            self._stands_next = now + max(0, len(row[1][-1]) - _SMALL) / _STATE_A_SECOND
            return [(NOTHING, row)]
        except (TypeError, ValueError, OverflowError) as error:
            # What a later start may want must not end this one.
            _log.error("where the actors stand is kept no longer", error=f"{type(error).__name__}: {error}")
            self._standing = None
            return []

    # ---- opening ------------------------------------------------------------------------------

    def _make_ready(self, name: str) -> Mark:
        connection = prepare(database_path(self._root, name), name, self._books, self._mode)
        try:
            return read_mark(connection)
        finally:
            connection.close()

    async def _open(self, name: str) -> aiosqlite.Connection:
        link = await aiosqlite.connect(database_path(self._root, name), isolation_level=None)
        try:
            for pragma in pragmas(name, self._mode):
                await link.execute_fetchall(pragma)
            await link.execute_fetchall(f"PRAGMA busy_timeout = {self._busy_ms}")
        except BaseException:
            await link.close()
            raise
        return link

    # ---- errors -------------------------------------------------------------------------------

    def _listen(self) -> None:
        if self._errors is None:
            return
        loop = asyncio.get_running_loop()

        def wake() -> None:
            try:
                loop.call_soon_threadsafe(self._nudge)
            except RuntimeError:
                return  # the loop is closed: the entry stays in the sink, for whoever starts next

        self._errors.listen(wake)
        self._nudge()  # for what was put before

    def _nudge(self) -> None:
        if self._nudged:
            return
        try:
            self._send.send_nowait(None)
            self._nudged = True
        except (anyio.WouldBlock, anyio.ClosedResourceError, anyio.BrokenResourceError):
            return  # the writer is busy and will look, or it is closing and looks once more

    async def _spill(self) -> None:
        """Move waiting errors to the fallback file; if that fails too they stay in the sink."""
        if self._errors is not None and self._fallback is not None:
            await anyio.to_thread.run_sync(spill, self._errors, self._fallback)
            self._unsaved = True

    async def _import_fallback(self, links: dict[str, aiosqlite.Connection]) -> None:
        """Bring in what an earlier trouble left in the file; by UUID, so that twice is once.

        What cannot be brought in now stays in the file for the next try.
        """
        path = self._fallback
        if path is None or not self._unsaved:
            return
        try:
            entries, bad = await anyio.to_thread.run_sync(read_fallback, path)
            if entries:
                rows: list[MarkedRow] = [(NOTHING, entry.row()) for entry in entries]
                with anyio.CancelScope(shield=True):
                    self.refused += await _run(links["performance"], rows, None, 0)
            if entries or bad:
                await anyio.to_thread.run_sync(lambda: path.unlink(missing_ok=True))
        except (sqlite3.Error, OSError) as error:
            # Tried again after the next trouble and at the end: this warning alone must not bring it back.
            _log.warning("errors kept in a file are not imported", error=f"{type(error).__name__}: {error}")
            self._unsaved = False
            return
        self._unsaved = False
        if bad:
            _log.warning("lines of the fallback file could not be read and are lost", count=bad)


async def _run(link: aiosqlite.Connection, rows: list[MarkedRow], mark: Mark | None, at: int) -> int:
    """Run one transaction to its end; the caller shields it."""
    steps = transaction(rows, mark, at)
    failure: Exception | None = None
    while True:
        try:
            step = next(steps) if failure is None else steps.throw(failure)
        except StopIteration as done:
            return int(done.value)
        failure = None
        try:
            if step.many:
                await link.executemany(step.sql, step.rows)
            else:
                await link.execute(step.sql, step.rows[0])
        except Exception as error:  # noqa: BLE001 - the transaction decides what the error means
            failure = error
