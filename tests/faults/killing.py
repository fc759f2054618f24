"""Kills a replay and starts it again: by the size of its books as seen from outside, or at a named point."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

REPOSITORY = Path(__file__).resolve().parents[2]
DATABASES = ("trades", "performance")
Rows = dict[str, list[tuple[Any, ...]]]

POINTS = ("migration", "begun", "rows", "commit", "between", "done")
"""Where a process can be made to die: within a schema step, after BEGIN, among a batch's rows, before and
after its COMMIT, and between the commits of the two databases."""


class Figures(msgspec.Struct):
    """What a campaign of kills did.

    Attributes:
        kills: Processes killed. rounds: runs that were completed in the end and compared.
        differing: Rounds whose books were not those of the run nobody disturbed.
        at_bytes: Size of the books when each kill was sent.
    """

    kills: int = 0
    rounds: int = 0
    differing: int = 0
    rows: int = 0
    at_bytes: list[int] = []


def command(tapes: Sequence[Path], root: Path) -> list[str]:
    """The replay as a person would type it."""
    return [
        *(sys.executable, "-m", "runtime", "replay"),
        *(str(tape) for tape in tapes),
        *("--root", str(root), "--headless", "--json"),
    ]


def start(words: Sequence[str]) -> "subprocess.Popen[str]":
    """A process in the repository that knows nothing of this shell's settings."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        words, cwd=REPOSITORY, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finish(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Wait for a process that must succeed; its summary."""
    out, err = process.communicate()
    assert process.returncode == 0, err
    summary: dict[str, Any] = json.loads(out.splitlines()[-1])
    return summary


def size(root: Path) -> int:
    """Bytes of the databases and their logs; asks the directory only, never opens a file."""
    total = 0
    for name in DATABASES:
        for suffix in ("", "-wal"):
            try:
                total += os.stat(root / "db" / f"{name}.db{suffix}").st_size
            except FileNotFoundError:
                continue
    return total


def until_size(process: "subprocess.Popen[str]", root: Path, wanted: int) -> int | None:
    """Look on until the books have that many bytes; their size then, None if the process ended before."""
    tick = threading.Event()  # never set: a wait that gives up the processor
    while process.poll() is None:
        found = size(root)
        if found >= wanted:
            return found
        tick.wait(0.0002)
    return None


def kill(process: "subprocess.Popen[str]") -> bool:
    """SIGKILL; whether it was still there to be killed."""
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def rows(root: Path) -> Rows:
    """Every row of every table of both databases, ordered by all its columns, which begin with the key."""
    found: Rows = {}
    for name in DATABASES:
        link = sqlite3.connect(f"file:{root / 'db' / f'{name}.db'}?mode=ro", uri=True)
        try:
            tables = link.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            for (table,) in tables.fetchall():
                if table.startswith("sqlite_"):
                    continue
                width = len(link.execute(f"SELECT * FROM {table} LIMIT 0").description)
                order = ", ".join(str(place) for place in range(1, width + 1))
                found[f"{name}.{table}"] = link.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()
        finally:
            link.close()
    return found


def undisturbed(tapes: Sequence[Path], root: Path) -> tuple[dict[str, Any], Rows, int]:
    """Run to the end; the summary, the books, and the most bytes they had on the way."""
    process = start(command(tapes, root))
    most = 0
    tick = threading.Event()
    while process.poll() is None:
        most = max(most, size(root))
        tick.wait(0.0005)
    return finish(process), rows(root), most


def campaign(tapes: Sequence[Path], work: Path, *, kills: int, per_round: int, seed: int) -> Figures:
    """Kill replays at random sizes of their books until `kills` have died; complete and compare each round.

    Every round begins with an empty root, is killed up to `per_round` times, each time started again by the
    same command, and then left alone.
    """
    chance = random.Random(seed)
    summary, expected, most = undisturbed(tapes, work / "undisturbed")
    figures = Figures(rows=sum(len(table) for table in expected.values()), at_bytes=[])
    while figures.kills < kills:
        root = work / f"round-{figures.rounds}"
        wanted = sorted(chance.randrange(1, most) for _ in range(min(per_round, kills - figures.kills)))
        for threshold in wanted:
            process = start(command(tapes, root))
            reached = until_size(process, root, threshold)
            if kill(process) and reached is not None:
                figures.kills += 1
                figures.at_bytes.append(reached)
        again = finish(start(command(tapes, root)))
        figures.rounds += 1
        figures.differing += rows(root) != expected or _plain(again) != _plain(summary)
    return figures


def _plain(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary without what the clock and the folder decide."""
    return {key: value for key, value in summary.items() if key not in ("seconds", "bars_per_second", "root")}


DYING = """
import os, signal, sys

point, countdown = sys.argv[1], [int(sys.argv[2])]

def here(name):
    if name == point:
        countdown[0] -= 1
        if countdown[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

from storage import books, database
from storage.transaction import transaction

def steps(rows, mark, at):
    inner = transaction(rows, mark, at)
    try:
        step = next(inner)
        while True:
            if step.sql == "COMMIT":
                here("commit")
            yield step
            if step.many:
                here("rows")
            if step.sql.startswith("BEGIN"):
                here("begun")
            step = next(inner)
    except StopIteration as end:
        here("done")
        return end.value

run = books.run

def one_database(connection, *more):
    result = run(connection, *more)
    file = connection.execute("PRAGMA database_list").fetchone()[2]
    if file.endswith("trades.db"):
        here("between")
    return result

books.transaction = steps
books.run = one_database

if point == "migration":
    class Link:
        def __init__(self, link):
            self.link = link
        def execute(self, *more):
            here("migration")
            return self.link.execute(*more)
        def __getattr__(self, name):
            return getattr(self.link, name)
    migrate = database.migrate
    database.migrate = lambda link, *more: migrate(Link(link), *more)

from tui.commands.main import main
sys.exit(main(sys.argv[3:]))
"""


def dying(tapes: Sequence[Path], root: Path, point: str, count: int) -> bool:
    """Run a replay that kills itself the `count`-th time it comes to `point`; whether it came so far."""
    words = [sys.executable, "-c", DYING, point, str(count), *command(tapes, root)[3:]]
    process = start(words)
    _, err = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), err
    return process.returncode == -signal.SIGKILL
