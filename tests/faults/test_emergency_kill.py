"""kill -9 while our lots are closed past a dead executor, others' shares beside them: only ours go, once."""

import os
import resource
import signal
import time
from pathlib import Path

import pytest

from actors.verification import verify
from runtime import kill_switch
from tests.alpaca_server.server import AlpacaServer
from tests.faults import busy
from tests.faults.history import Books, _errors, _fills, _sent_once
from tests.faults.kill_live import Figures, Round, _is_dead, busy_round, nursery
from tests.faults.points import EMERGENCY
from tui.commands import exits

OTHERS = 7
"""Shares of somebody else in every symbol."""


def _theirs(server: AlpacaServer) -> None:
    for symbol, price in busy.SYMBOLS.items():
        server.hold(symbol, OTHERS, price)


def _ours(one: Round) -> dict[str, int]:
    """What is held beside the others' shares; read over there, where it changes."""
    held = one.hosted.call(lambda server: server.positions)
    net = {symbol: int(held.get(symbol, 0)) - OTHERS for symbol in busy.SYMBOLS}
    return {symbol: shares for symbol, shares in net.items() if shares}


def _dies_in_the_sweep(one: Round, count: int, *, full: bool = False) -> None:
    """An engine whose executor is given up, that is told to close our lots, and dies in the midst of it.

    Args:
        count: Its closing orders so far. full: whether its disk takes nothing any more.
    """
    crash = one.root / "crash"
    pid = one.start(EMERGENCY, count, crash="executor", crash_while=str(crash))
    assert one.until(one.is_ready), one.log.read_text()
    assert one.until(lambda: len(_ours(one)) > count + 2), _ours(one)
    if full:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    crash.touch()
    kill_switch.throw(one.root, "a test", flatten=True, at=time.time_ns())  # noqa: TID251 - of the file's words
    _dead(one, pid)
    crash.unlink()


def _dead(one: Round, pid: int) -> None:
    assert one.until(lambda: _is_dead(pid)), one.log.read_text()[-2_000:]
    assert one.bears.wait(pid) == -signal.SIGKILL


def _dies_again(one: Round) -> None:
    """Engines that go on with it, each until its own first closing order has left."""
    for _ in range(2):
        if len(_ours(one)) < 2:
            return  # too few are left to be sure of another order
        pid = one.start(EMERGENCY)
        one.until(lambda pid=pid: _is_dead(pid) or not _ours(one))
        if not _is_dead(pid):
            one.kill(pid)
            return
        _dead(one, pid)


@pytest.mark.slow
@pytest.mark.timeout(480)
@pytest.mark.parametrize("how", ["third order", "again and again", "disk full"])
def test_killed_in_the_midst_of_closing_our_lots_exactly_ours_go_and_the_books_are_flat(
    tmp_path: Path, how: str
) -> None:
    """With a full disk the tape does not know that the executor was given up: it goes on itself then."""
    figures = Figures(points={}, missed=[], ready_ms=[], wrong=[])
    with nursery() as bears, busy_round(bears, tmp_path, figures, 23) as one:
        server = one.hosted.server
        one.hosted.call(_theirs)
        one.words = ["--set", "account.allow_short=false"]
        _dies_in_the_sweep(one, 3 if how == "third order" else 1, full=how == "disk full")
        if how == "again and again":
            _dies_again(one)
        pid = one.start()
        assert one.until(one.is_ready), one.log.read_text()[-2_000:]
        one.until(lambda: not _ours(one))
        one.until(lambda: one._is_quiet(server))
        os.kill(pid, signal.SIGTERM)
        assert bears.wait(pid) in (exits.OK, exits.HALTED), one.log.read_text()[-2_000:]
        assert _ours(one) == {}
        books = Books(one.root, "trades")
        assert books("SELECT symbol, quantity FROM positions WHERE quantity != 0") == []
        assert books("SELECT id, quantity FROM lots WHERE quantity != 0") == []
        assert [*_sent_once(server), *_fills(server, books), *_errors(one.root)] == []
        crashed = "SELECT message FROM error_log WHERE message LIKE 'emergency crashed%'"
        assert Books(one.root, "performance")(crashed) == []
        (tape,) = one.tapes()
        told = verify(tape)
        assert told.identical, told.text()
