"""What nobody catches: each path ends as one entry with its component, place and traceback."""

import asyncio
import gc
import io
import logging
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import strays
from runtime.error_fallback import FALLBACK, read_fallback
from runtime.error_sink import ErrorEntry, ErrorSink
from runtime.log import configure, get_logger, release
from runtime.process_log import logging_to
from runtime.strays import Strays
from runtime.text import one_line
from storage.statements import Mark

CANARY = "canary-5ecret-value"
NOW = 1_518_791_400_000_000_000


@pytest.fixture
def sink() -> Iterator[tuple[ErrorSink, Strays]]:
    gc.collect()  # the complaints of what earlier tests dropped are theirs
    level = logging.getLogger().level
    found = ErrorSink()
    chain = configure(io.StringIO(), clock=lambda: NOW, sink=found, secrets=[CANARY])
    with strays.caught(chain) as hooks:
        yield found, hooks
    release()
    logging.getLogger().setLevel(level)


def only(sink: ErrorSink) -> ErrorEntry:
    (entry,) = sink.take()
    assert CANARY not in repr(entry)
    assert entry.timestamp == NOW
    return entry


def fail(local: str) -> None:
    raise ValueError(f"it broke with {CANARY}")


class Dying:
    def __del__(self) -> None:
        fail("local")


def test_a_finaliser_that_raises_is_an_entry(sink) -> None:
    thing = Dying()
    del thing
    gc.collect()
    entry = only(sink[0])
    assert (entry.level, entry.exception_type, entry.source_file) == ("ERROR", "ValueError", __file__)
    assert "Dying.__del__" in entry.message
    assert "it broke" in entry.message
    assert "in fail" in entry.exception_traceback
    assert "local" not in entry.exception_traceback.replace('fail("local")', "")


def test_a_thread_that_raises_is_an_entry_with_its_name(sink) -> None:
    thread = threading.Thread(target=fail, args=("x",), name="feeder")
    thread.start()
    thread.join()
    entry = only(sink[0])
    assert (entry.level, entry.component) == ("ERROR", "threading")
    assert "thread=feeder" in entry.message
    assert entry.context == '{"thread": "feeder"}'


def test_a_warning_is_an_entry_with_the_place_it_speaks_of(sink) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        strays_shown = warnings.showwarning
        warnings.warn(f"old {CANARY}", DeprecationWarning, stacklevel=1)
        assert strays_shown is warnings.showwarning
    entry = only(sink[0])
    assert (entry.level, entry.logger_name, entry.exception_type) == (
        "WARNING",
        "py.warnings",
        "DeprecationWarning",
    )
    assert entry.source_file == __file__
    assert entry.line_number > 0


async def forget(hooks: Strays, count: int) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(hooks.loop)

    async def work(number: int) -> None:
        fail(str(number))

    for number in range(count):
        task = loop.create_task(work(number))
        await asyncio.wait([task])
        del task
        gc.collect()


async def test_tasks_that_nobody_waited_for_are_one_entry_with_a_count(sink) -> None:
    await forget(sink[1], 5)
    entry = only(sink[0])
    assert entry.occurrences == 5
    assert entry.exception_type == "ValueError"
    assert "never retrieved" in entry.message
    assert "work" in entry.message
    assert "0x" not in entry.message


async def test_a_callback_that_raises_is_an_entry(sink) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(sink[1].loop)
    done = asyncio.Event()
    loop.call_soon(fail, "x")
    loop.call_soon(done.set)
    await done.wait()
    assert "callback=fail" in only(sink[0]).message


def test_the_component_is_that_of_our_deepest_frame(sink) -> None:
    def inside() -> None:
        one_line(3)  # type: ignore[arg-type]

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert only(sink[0]).component == "text"
    assert Mark is not None


def test_every_hook_is_put_back() -> None:
    import sys

    before = sys.unraisablehook, threading.excepthook, warnings.showwarning
    with strays.caught(configure(io.StringIO(), clock=lambda: NOW)):
        assert sys.unraisablehook is not before[0]
    release()
    assert (sys.unraisablehook, threading.excepthook, warnings.showwarning) == before


def test_what_no_database_took_is_in_the_fallback_file_with_the_error_that_ended_the_process(
    tmp_path: Path,
) -> None:
    path = tmp_path / "logs" / "engine.log"
    with pytest.raises(RuntimeError), logging_to(path, clock=lambda: NOW, secrets=[CANARY]):
        get_logger("storage.books").warning("about to go")
        raise RuntimeError(f"the end of {CANARY}")
    entries, bad = read_fallback(path.with_name(FALLBACK))
    assert bad == 0
    assert [(entry.level, entry.component) for entry in entries] == [
        ("WARNING", "books"),
        ("CRITICAL", "process"),
    ]
    assert "the end of [redacted]" in entries[1].message
    assert CANARY.encode() not in path.with_name(FALLBACK).read_bytes() + path.read_bytes()


def test_a_process_that_ends_well_leaves_no_fallback_file(tmp_path: Path) -> None:
    with logging_to(tmp_path / "logs" / "run.log", clock=lambda: NOW):
        get_logger("storage.books").info("fine")
    assert not (tmp_path / "logs" / FALLBACK).exists()
