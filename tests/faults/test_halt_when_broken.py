"""`halt` with all else broken: books locked, disk full, broker at 500, a crash loop, one by one and together.

From outside, on an engine that is a process of its own in the middle of a busy session.
"""

import contextlib
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.history import _sent_once, added, check_history
from tests.faults.kill_live import (
    REPOSITORY,
    Figures,
    Nursery,
    Round,
    _is_dead,
    busy_round,
    nursery,
)
from tests.walls import WALL_S
from tui.commands import exits

pytestmark = [pytest.mark.slow, pytest.mark.timeout(480)]
UNLIMITED = resource.RLIM_INFINITY
TRIES = 10
"""Halts: each waits two seconds for its answer."""


@pytest.fixture(scope="module")
def bears() -> Iterator[Nursery]:
    with nursery() as one:
        yield one


def _locked(one: Round, pid: int, cures: contextlib.ExitStack) -> None:
    """Another process (this one) holds both databases."""
    for name in ("trades", "performance"):
        link = cures.enter_context(
            contextlib.closing(sqlite3.connect(one.root / "db" / f"{name}.db", timeout=WALL_S))
        )
        link.execute("BEGIN IMMEDIATE")
        cures.callback(link.rollback)


def _full(one: Round, pid: int, cures: contextlib.ExitStack) -> None:
    """No file of the engine grows any more."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, UNLIMITED))
    cures.callback(resource.prlimit, pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))


def _failing(one: Round, pid: int, cures: contextlib.ExitStack) -> None:
    """The broker answers nothing but 500."""
    one.hosted.call(lambda server: server.faults.add("server_error_before", "* /v2/*", times=None))
    cures.callback(one.hosted.call, lambda server: server.faults.clear())


def _crashing(one: Round, pid: int, cures: contextlib.ExitStack) -> None:
    """An actor raises on whatever it is told."""
    crash = one.root / "crash"
    crash.touch()
    cures.callback(crash.unlink)


TROUBLES: dict[str, tuple[Callable[[Round, int, contextlib.ExitStack], None], ...]] = {
    "database locked": (_locked,),
    "disk full": (_full,),
    "broker at 500": (_failing,),
    "ensemble in a crash loop": (_crashing,),
    "executor in a crash loop": (_crashing,),
    "all together, ensemble": (_locked, _full, _failing, _crashing),
    "all together, executor": (_locked, _full, _failing, _crashing),
}


def command(root: Path, *words: str, full: bool) -> "subprocess.CompletedProcess[str]":
    """A command as a person types it; on a full disk it has no more room than the engine."""

    def confine() -> None:
        if full:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, UNLIMITED))

    return subprocess.run(
        [sys.executable, "-B", "-m", "runtime", *words, "--root", str(root)],
        cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, text=True,
        capture_output=True, check=False, preexec_fn=confine,
    )  # fmt: skip


def halted(root: Path, *, full: bool) -> "subprocess.CompletedProcess[str]":
    """A halt that the engine answered; a machine under load may be too slow for the first one."""
    for _ in range(TRIES):
        done = command(root, "halt", "--reason", "all is broken", full=full)
        assert done.returncode == exits.OK, done.stdout + done.stderr  # each one reached the engine somehow
        if any(line.startswith("socket") and "not reached" not in line for line in done.stdout.splitlines()):
            break
    return done


def on_their_way(said: str) -> set[str]:
    """Entries that the engine named when it answered the halt: they left before it, without an answer yet."""
    (line,) = (line for line in said.splitlines() if line.startswith("socket"))
    assert "halted: no entry leaves any more" in line, said
    return {word.rstrip(":,") for word in line.split() if ":e" in word}


@contextlib.contextmanager
def engine(bears: Nursery, one: Round, actor: str) -> Iterator[int]:
    """An engine that trades; it does not outlive the block."""
    pid = one.start(crash=actor, crash_while=str(one.root / "crash"))
    try:
        assert one.until(one.is_ready), one.log.read_text()
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("name", TROUBLES)
def test_a_halt_stops_entries_and_cancels_them_once_the_broker_hears(
    tmp_path: Path, bears: Nursery, name: str
) -> None:
    troubles = TROUBLES[name]
    actor = "executor" if "executor" in name else "ensemble"
    figures = Figures(points={}, missed=[], ready_ms=[], wrong=[])
    with busy_round(bears, tmp_path, figures, 11) as one, engine(bears, one, actor) as pid:
        server = one.hosted.server
        assert one.until(one.entries), "no entry to cancel"
        with contextlib.ExitStack() as cures:
            for trouble in troubles:
                trouble(one, pid, cures)
            done = halted(one.root, full=_full in troubles)
            seen = len(server.history)
            assert "not reached" not in done.stdout.splitlines()[0], done.stdout
            one.until(lambda: False, 1.5)  # as many signals as an hour and a half bring
            assert set(added(server, seen)) <= on_their_way(done.stdout), done.stdout
        assert one.until(lambda: not one.entries()), one.entries()
        assert set(added(server, seen)) <= on_their_way(done.stdout), done.stdout
        assert not _is_dead(pid)
        status = command(one.root, "status", "--json", full=False)
        assert status.returncode == exits.HALTED, status.stderr
        assert json.loads(status.stdout)["halted"] is True
        if _crashing in troubles:  # nobody is left who books what becomes of an order
            one.until(lambda: one._is_quiet(server))
        else:
            one.come_to_rest()
        os.kill(pid, signal.SIGTERM)
        assert bears.wait(pid) in (exits.OK, exits.HALTED), one.log.read_text()[-2_000:]
        assert list(_sent_once(server)) == []
        if _crashing not in troubles:
            (tape,) = one.tapes()
            assert check_history(server, one.root, tape) == []
