"""Compressed sessions of many symbols one after the other in one engine process; what it holds after each.

    python -m tests.faults.soak [--sessions 5] [--symbols 500] [--minutes 390]

Prints one JSON object: after each session the engine's memory, objects, tasks, threads and open files,
whatever still waits in an inbox, and how long the next session took to be up; then how much memory grew from
the end of the first session to that of the last. The broker is in this process, so nothing of it counts.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from actors.market.calendar import session_times, sessions_between
from tests.alpaca_server.clock import rfc3339
from tests.alpaca_server.hosted import HostedAlpacaServer
from tests.benchmarks.made_market import FIRST, LAST, prices
from tests.walls import WALL_S

MINUTE = 60_000_000_000
REPOSITORY = Path(__file__).resolve().parents[2]


class Engine:
    """The process with the engine (`soak_process.py`)."""

    def __init__(self, hosted: HostedAlpacaServer, root: Path, symbols: int, begin: int) -> None:
        options = hosted.server.options
        keys = {"ALPACA_API_KEY": options.key, "ALPACA_SECRET_KEY": options.secret}
        environ = os.environ | hosted.server.urls.environment() | keys | {"PYTHONPATH": str(REPOSITORY)}
        words = [sys.executable, "-m", "tests.faults.soak_process", str(root), str(symbols), str(begin)]
        self._process = subprocess.Popen(
            words, cwd=REPOSITORY, env=environ, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __call__(self, word: str, moment: int = 0) -> dict[str, Any]:
        """One line, and its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{word} {moment}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the engine ended with {self._process.wait()} at {word} {moment}")
        told: dict[str, Any] = json.loads(answer)
        return told

    def end(self) -> int:
        """Stop it in order; its exit code."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        code = self._process.wait(2 * WALL_S)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code


def soak(root: Path, *, sessions: int, symbols: int, minutes: int) -> dict[str, Any]:
    """Trade the sessions; the figures."""
    days = sessions_between(FIRST, LAST)[: sessions + 1]
    names = [f"S{place:05d}" for place in range(symbols)]
    begin = session_times(days[0]).open - MINUTE
    found: list[dict[str, Any]] = []
    options = {"rate_limit": 0, "cash": Decimal(10**9), "partial_chance": 0.1}
    with HostedAlpacaServer(symbols=names, start=rfc3339(begin), **options) as hosted:
        engine = Engine(hosted, root, symbols, begin)
        for day, following, columns in zip(days, days[1:], prices(symbols, sessions, minutes), strict=False):
            opens = session_times(day).open
            _to(hosted, engine, opens - MINUTE)
            for minute in range(minutes):
                rows = dict(zip(names, columns[:5, minute].T.tolist(), strict=True))
                t = opens + minute * MINUTE
                engine("time", t + MINUTE)
                hosted.call(lambda server, rows=rows, t=t: server.push_minute(rows, t=t))
                engine("minute", t)
            hosted.call(_forget)
            found.append(engine("figures"))
            begun = time.monotonic()
            _to(hosted, engine, session_times(following).open - MINUTE)
            found[-1]["turn_s"] = round(time.monotonic() - begun, 2)
        code = engine.end()
    first, last = found[0]["rss_mb"], found[-1]["rss_mb"]
    return {
        "sessions": len(found),
        "symbols": symbols,
        "minutes": minutes,
        "exit_code": code,
        "rss_mb": [one["rss_mb"] for one in found],
        "grown_mb_after_the_first": round(last - first, 1),
        "inboxes_empty": all(_is_empty(one["waiting"]) for one in found),
        "after_each": found,
    }


def _to(hosted: HostedAlpacaServer, engine: Engine, moment: int) -> None:
    """Let time pass on both sides, without trading."""
    hosted.call(lambda server: server.move_to(moment))
    engine("until", moment)


def _forget(server: Any) -> None:
    """What the broker remembers for tests would fill this process."""
    server.history.exchanges.clear()
    for raw in server.history.raw.values():
        raw.clear()
    server.broker.teller.told.clear()


def _is_empty(waiting: dict[str, Any]) -> bool:
    return not any(waiting.values())


def main() -> int:
    """Soak and print; 1 if something waits or the engine failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sessions", type=int, default=5)
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--minutes", type=int, default=390, help="of each session that are played")
    given = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = soak(Path(folder), sessions=given.sessions, symbols=given.symbols, minutes=given.minutes)
    print(json.dumps(found | {"seconds": round(time.monotonic() - begun, 1)}))
    return int(found["exit_code"] != 0 or not found["inboxes_empty"])


if __name__ == "__main__":
    sys.exit(main())
