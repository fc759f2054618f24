"""Kills a live engine at named points and at random moments of a busy session; prints JSON.

    python -m tests.faults.kill_live --kills 200 [--per-round 25] [--seed 1] [--no-points] [--keep FOLDER]

The broker runs on in this process while the engine is dead: orders fill, expire and are cancelled meanwhile.
After the last kill of a round the engine is left alone, stopped in order, and the broker's memory, the tape
and the books are compared (`history.py`). Exit code 1 if anything is wrong.
"""

import argparse
import asyncio
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from actors.verification import verify
from runtime import kill_switch
from storage.tape import parts_in
from tests.alpaca_server.hosted import HostedAlpacaServer
from tests.alpaca_server.player import play
from tests.alpaca_server.server import AlpacaServer
from tests.faults import busy
from tests.faults.history import Books, added, check_history, unprotected
from tests.faults.points import HALTING, POINTS
from tests.walls import WALL_S
from tui.commands import exits

REPOSITORY = Path(__file__).resolve().parents[2]
START = "2026-11-20T09:29:30-05:00"
SPEED = 60.0
LAG_NS = -1_900_000_000
"""Bars come this much of market time before their minute's end: told at the end, never late at this speed."""
PATIENCE_S = 2 * WALL_S
QUIET_S = 2.5
"""Longer than the longest pause between two looks for a lost order."""
_READY = re.compile(rb"BrokerStreamChanged\xcf.{8}\xc3", re.DOTALL)


class Figures(msgspec.Struct):
    """What a campaign did.

    Attributes:
        kills: Processes killed; points: of them at named points, by point. missed: points never come to.
        ready_ms: From a start to the broker stream READY, account compared, each start that came so far.
        orders, fills: At the broker, of all rounds.
        wrong: What did not hold, in words.
    """

    kills: int = 0
    rounds: int = 0
    points: dict[str, int] = {}
    missed: list[str] = []
    ready_ms: list[float] = []
    orders: int = 0
    fills: int = 0
    partial: int = 0
    cancelled: int = 0
    wrong: list[str] = []


class Nursery:
    """Where engines come from (`nursery.py`)."""

    def __init__(self) -> None:
        environ = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"], cwd=REPOSITORY, env=environ,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._answer() == "ready"

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def _ask(self, line: str) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return int(self._answer())

    def bear(self, **asked: Any) -> int:
        """Start an engine; its process id."""
        return self._ask(json.dumps(asked))

    def wait(self, pid: int) -> int:
        """Wait for its end; its exit code, a signal's negative."""
        return self._ask(f"wait {pid}")

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def nursery() -> Iterator[Nursery]:
    """A nursery for the time of a block."""
    one = Nursery()
    try:
        yield one
    finally:
        one.close()


class Round:
    """One session of one account, and the engines that trade it one after another."""

    def __init__(self, bears: Nursery, hosted: HostedAlpacaServer, root: Path, figures: Figures) -> None:
        self.bears, self.hosted, self.root, self.figures = bears, hosted, root, figures
        self.words: list[str] = []
        """More words for the engines to come."""
        self.log = root / "output.txt"
        self._tick = threading.Event()  # never set: a wait that gives up the processor

    def start(
        self,
        point: str = "",
        count: int = 1,
        *,
        crash: str = "",
        crash_while: str = "",
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> int:
        """A new engine, that may be told where to die, or which actor crashes while a file is there."""
        server = self.hosted.server
        keys = {"ALPACA_API_KEY": server.options.key, "ALPACA_SECRET_KEY": server.options.secret}
        self._before = self._told_ready()
        self._begun = time.monotonic()
        self._is_ready = False
        words = ["run", "--headless", "--clock", "broker", "--speed", f"{SPEED:g}", "--root", str(self.root)]
        words += [word for each in busy.overrides() for word in ("--set", each)]
        words += self.words
        return self.bears.bear(
            words=words,
            log=str(self.log),
            environ=server.urls.environment() | keys | dict(environ),
            point=point,
            count=count,
            crash=crash,
            crash_while=crash_while,
        )

    def tapes(self) -> list[Path]:
        """The session's tapes; more than one if a change was accepted."""
        return parts_in(self.root / "tapes", busy.SESSION)

    def _told_ready(self) -> int:
        """How often the tapes say that the order stream was READY."""
        return sum(len(_READY.findall(tape.read_bytes())) for tape in self.tapes())

    def is_ready(self) -> bool:
        """Whether the engine that runs has told on its tape that the order stream is READY."""
        if not self._is_ready and self._told_ready() > self._before:
            self._is_ready = True
            self.figures.ready_ms.append(round(1_000 * (time.monotonic() - self._begun), 1))
        return self._is_ready

    def until(self, holds: Any, within: float = PATIENCE_S) -> bool:
        """Look on until it holds; whether it did in time."""
        end = time.monotonic() + within
        while not holds():
            if time.monotonic() > end:
                return False
            self._tick.wait(0.005)
        return True

    def entries(self) -> list[str]:
        """Entries that work at the broker: what a halt has to cancel. Read over there, where they change."""
        names = self.hosted.call(lambda server: [one.client_order_id for one in server.broker.live])
        return [name for name in names if ":e" in name]

    def kill(self, pid: int) -> None:
        """SIGKILL from outside."""
        os.kill(pid, signal.SIGKILL)
        self.figures.kills += self.bears.wait(pid) == -signal.SIGKILL

    def dies_at(self, point: str, count: int) -> None:
        """One engine that lives until it comes to a point."""
        pid = self.start(point, count)
        if point in HALTING:
            self.until(lambda: self.is_ready() or _is_dead(pid))
            self.until(lambda: self.entries() or _is_dead(pid))
            kill_switch.throw(self.root, "a test", at=time.time_ns())  # noqa: TID251 - of the file's own words
        if point == "mid_error_flush":
            self.hosted.call(lambda server: server.faults.add("bad_item", times=3))
        died = self.until(lambda: self.is_ready() is None or _is_dead(pid))
        if died:
            self.figures.kills += self.bears.wait(pid) == -signal.SIGKILL
            self.figures.points[point] = self.figures.points.get(point, 0) + 1
        else:
            self.figures.missed.append(point)
            self.kill(pid)

    def dies_after(self, seconds: float, *, ready: bool) -> None:
        """One engine that is killed so long after its start, or after it was READY, wherever it is then."""
        pid = self.start()
        if ready:
            self.until(self.is_ready)
        begun = time.monotonic()
        self.until(lambda: self.is_ready() is None or time.monotonic() - begun >= seconds)
        self.kill(pid)

    def settle(self, *, halted_from: int | None = None) -> None:
        """Leave an engine alone until nothing is on its way, stop it, and compare everything."""
        pid = self.start()
        server = self.hosted.server
        if not self.until(self.is_ready):
            self.figures.wrong.append(f"not ready within {PATIENCE_S:g} s: {self.log.read_text()[-2_000:]}")
        self.hosted.call(_market_stops)
        self.come_to_rest()
        os.kill(pid, signal.SIGTERM)
        code = self.bears.wait(pid)
        if code not in (exits.OK, *(() if halted_from is None else (exits.HALTED,))):
            self.figures.wrong.append(f"stopped with {code}: {self.log.read_text()[-2_000:]}")
        *earlier, last = self.tapes()
        wrong = check_history(server, self.root, last, halted_from=halted_from)
        wrong += [told.text() for told in map(verify, earlier) if not told.identical]
        if halted_from is None:
            wrong += [f"unprotected: {one}" for one in unprotected(server, self.root)]
        self.figures.wrong += [f"{self.root.name}: {one}" for one in wrong]

    def come_to_rest(self) -> bool:
        """Until nothing happens and no order's fate is open; whether it came to that.

        A slow engine may pause for longer between two looks than it is quiet here: the books say what it
        still looks for.
        """
        return self.until(lambda: self._is_quiet(self.hosted.server) and not self._doubted())

    def _doubted(self) -> list[str]:
        """Orders whose fate is open, by the books."""
        query = "SELECT id FROM orders WHERE status IN ('submitted', 'unknown', 'pending_cancel')"
        return [name for (name,) in Books(self.root, "trades")(query)]

    def _is_quiet(self, server: AlpacaServer) -> bool:
        """Whether nothing has changed for a while and nobody looks for an order whose answer was lost."""

        def happened() -> tuple[int, int]:
            acts = [
                one
                for one in server.history.requests()
                if not one.what.startswith("GET") or "by_client_order_id" in one.what
            ]
            return len(acts), len(server.broker.teller.told)

        seen = happened()
        return not self.until(lambda: happened() != seen, QUIET_S)

    def count(self) -> None:
        """Add what happened at the broker to the figures."""
        server, figures = self.hosted.server, self.figures
        figures.rounds += 1
        figures.orders += len(server.orders)
        figures.fills += len(server.broker.executions)
        figures.partial += sum(1 for one in server.broker.executions if one.leaves)
        figures.cancelled += sum(1 for one in server.orders if one.status == "canceled")


def _is_dead(pid: int) -> bool:
    """Whether a process of the nursery has ended; it stays a zombie until it is waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


_playing: dict[int, "asyncio.Task[int]"] = {}


def _market_runs(server: AlpacaServer) -> None:
    """Play the minutes from now on; those that went by while the market stood never were."""
    to_come = (one for one in busy.minutes() if one.t + busy.MINUTE > server.clock.now())
    _playing[id(server)] = asyncio.get_running_loop().create_task(play(server, to_come, lag_ns=LAG_NS))


def _market_stops(server: AlpacaServer) -> None:
    if (task := _playing.pop(id(server), None)) is not None:
        task.cancel()


@contextmanager
def busy_round(bears: Nursery, work: Path, figures: Figures, seed: int) -> Iterator[Round]:
    """A market that runs, an account, and a root with its files."""
    root = work / f"round-{figures.rounds}"
    root.mkdir()
    busy.lay_files(root)
    options = {"partial_chance": 0.4, "rate_limit": 0, "cash": Decimal(100_000), "seed": seed}
    with HostedAlpacaServer(symbols=tuple(busy.SYMBOLS), start=START, speed=SPEED, **options) as hosted:
        hosted.call(_market_runs)
        one = Round(bears, hosted, root, figures)
        try:
            yield one
        finally:
            hosted.call(_market_stops)
            one.count()


def campaign(work: Path, *, kills: int, per_round: int, points: bool, seed: int) -> Figures:
    """Every named point once, then random moments, `per_round` to a session; the last kills are in a halt."""
    chance = random.Random(seed)
    figures = Figures(points={}, missed=[], ready_ms=[], wrong=[])
    at_points = [point for point in POINTS if point not in HALTING] if points else []
    chance.shuffle(at_points)
    with nursery() as bears:
        while at_points or kills > 0:
            with busy_round(bears, work, figures, chance.randrange(1 << 30)) as one:
                here, at_points = at_points[:per_round], at_points[per_round:]
                moments = min(kills, per_round - len(here))
                kills -= moments
                plan: list[str] = here + [""] * moments
                chance.shuffle(plan)
                plan.sort(key=lambda point: point == "refeeding")  # it needs a tape to be fed from
                for point in plan:
                    if point:
                        one.dies_at(point, _count(point, chance))
                    else:
                        # A quarter in its start, the others at work.
                        one.dies_after(chance.uniform(0.02, 1.5), ready=chance.random() > 0.25)
                if points and not at_points and kills <= 0:
                    one.settle()
                    _halts(one)
                else:
                    one.settle()
    return figures


def _count(point: str, chance: random.Random) -> int:
    """How often a process passes the point before it dies there."""
    often = ("before_commit", "after_commit", "mid_checkpoint", "refeeding", "between_databases")
    return chance.randrange(1, 20) if point in often else 1


def _halts(one: Round) -> None:
    """Die in a halt, twice; from then on nothing that adds exposure may leave."""
    one.hosted.call(_market_runs)
    for point in HALTING:
        if kill_switch.look(one.root).halted:
            kill_switch.lift(one.root, "a test", at=time.time_ns())  # noqa: TID251 - of the file's own words
        one.dies_at(point, 1)
        halted_from = len(one.hosted.server.history)
        one.settle(halted_from=halted_from)
        one.hosted.call(_market_runs)
        if late := added(one.hosted.server, halted_from):
            one.figures.wrong.append(f"I4 {late} left after a restart in a halt")


def summary(figures: Figures) -> dict[str, Any]:
    """The figures as they are printed."""
    found: dict[str, Any] = msgspec.to_builtins(figures)
    times = sorted(found.pop("ready_ms"))
    found["starts_reconciled"] = len(times)
    if times:
        found["reconciled_ms"] = {"median": statistics.median(times), "max": times[-1]}
    return found


def main() -> int:
    """Kill, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="at random moments, besides the named points")
    parser.add_argument("--per-round", type=int, default=25, help="kills before an engine is left alone")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="an empty folder where the roots stay")
    parser.add_argument("--no-points", action="store_true", help="random moments only")
    given = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        figures = campaign(
            given.keep or Path(folder),
            kills=given.kills, per_round=given.per_round, points=not given.no_points,
            seed=given.seed,
        )  # fmt: skip
    print(json.dumps(summary(figures) | {"seconds": round(time.monotonic() - begun, 1)}))
    return int(bool(figures.wrong or figures.missed))


if __name__ == "__main__":
    sys.exit(main())
