"""A whole session between processes: the loopback broker on one side, the engine on the other, both paced.

Market time begins when the engine asks the broker for it. Every wait is bounded; whatever fails, both
children are killed by their own pid and waited for.
"""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

SESSION = "2026-11-20"
OPENS = datetime.fromisoformat(f"{SESSION}T09:30:00-05:00")
MINUTE_S = 60
_GRACE_S = 15.0
STARTS_WITHIN_S = 120.0
"""Broker and engine take three seconds of a processor to start; where ten others share it, 45 were seen."""


@dataclass(kw_only=True)
class Pace:
    """How a session is run.

    Attributes:
        lead: Market minutes before the open at which it begins. minutes: how many the market trades.
        faults: Switches of the loopback broker, `KIND=SHARE`.
        words: Further words of the engine's command line.
        per_minute: The budget of requests. A minute of it is real while the reconcile's schedule is the
            market's: a session far faster than the market's pace uses up the usual one for reconciling.
        ahead: Market minutes by which the broker's time, which begins when the engine first asks for it, is
            later than the engine's own. 0: the engine takes the broker's.
    """

    root: Path
    rows: dict[int, dict[str, Sequence[float]]]
    speed: float
    lead: float = 20.0
    seed: int = 0
    faults: Sequence[str] = ()
    words: Sequence[str] = ()
    per_minute: int = 10_000
    module: str = "runtime"
    ahead: float = 0.0
    environ: dict[str, str] = field(default_factory=dict)


class Child:
    """A Python process that does not outlive its block; what it says goes to files, so it never blocks."""

    def __init__(self, path: Path, *words: str, env: dict[str, str]) -> None:
        self.path = path
        self._out, self._err = path.with_suffix(".out").open("wb"), path.with_suffix(".err").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", *words],
            env=env,
            stdout=self._out,
            stderr=self._err,
            stdin=subprocess.DEVNULL,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait(_GRACE_S)
        finally:
            self._out.close()
            self._err.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def lines(self) -> list[str]:
        """Whole lines it has printed."""
        return self.path.with_suffix(".out").read_text().split("\n")[:-1]

    def said(self) -> list[str]:
        """All it has printed, and all it has complained of."""
        return [*self.lines(), *self.path.with_suffix(".err").read_text().splitlines()]

    def line(self, number: int, seconds: float = STARTS_WITHIN_S) -> str:
        """A line it prints, waited for as long as it lives."""
        until(lambda: len(self.lines()) > number or self.is_over, seconds, self.fate)
        if len(self.lines()) <= number:
            raise AssertionError(f"ended before line {number}: {self.fate()}")
        return self.lines()[number]

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def fate(self) -> str:
        """What there is to say when it did not do what it should."""
        errors = self.path.with_suffix(".err").read_text()[-2_000:]
        return f"{self.path.name}: exit {self._process.poll()}\n{self.lines()[-5:]}\n{errors}"

    def end(self, seconds: float = _GRACE_S) -> int:
        """Ask it to end, and wait; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(seconds)


def until(holds: Any, seconds: float, why: Any = lambda: "") -> None:
    """Wait in real time until something holds of another process."""
    pause, last = threading.Event(), time.monotonic() + seconds
    while not holds():
        if time.monotonic() > last:
            raise AssertionError(f"not within {seconds:g} s: {why()}")
        pause.wait(0.1)


def lay_rows(path: Path, rows: dict[int, dict[str, Sequence[float]]]) -> Path:
    """Minutes (from the open) of bars as the broker's frames."""
    with gzip.open(path, "wt") as lines:
        for minute in sorted(rows):
            at = datetime.fromtimestamp(OPENS.timestamp() + minute * MINUTE_S, OPENS.tzinfo).isoformat()
            for symbol, row in rows[minute].items():
                bar = dict(zip("ohlcv", row, strict=True))
                lines.write(json.dumps({"T": "b", "S": symbol, "t": at, **bar}) + "\n")
    return path


def before_open(minutes: float) -> str:
    """Market time so many minutes before the open, ISO."""
    return datetime.fromtimestamp(OPENS.timestamp() - minutes * MINUTE_S, OPENS.tzinfo).isoformat()


@contextmanager
def session(pace: Pace) -> Iterator[tuple[Child, Child, dict[str, str]]]:
    """The broker, the engine, and the environment they share, once the engine can be reached."""
    begins = before_open(pace.lead)
    played = lay_rows(pace.root / "day.jsonl.gz", pace.rows)
    words = ["--session", str(played), "--start", begins, "--speed", f"{pace.speed:g}", "--stay", "--hold"]
    words += [
        "--rate-limit",
        "0",
        "--seed",
        str(pace.seed),
        *(word for one in pace.faults for word in ("--fault", one)),
    ]
    environ = dict(os.environ) | pace.environ
    with Child(pace.root / "broker", "tests.alpaca_server", *words, env=environ) as broker:
        found = environ | json.loads(broker.line(0)) | {"TRADING_SYSTEM_ROOT": str(pace.root)}
        with engine_of(pace, found) as engine:
            yield broker, engine, found


@contextmanager
def engine_of(pace: Pace, environ: dict[str, str], name: str = "engine") -> Iterator[Child]:
    """An engine of the broker that the environment names, once it can be reached."""
    time = before_open(pace.lead + pace.ahead) if pace.ahead else "broker"
    clock = ["--headless", "--clock", time, "--speed", f"{pace.speed:g}"]
    clock += ["--set", f"requests.per_minute={pace.per_minute}"]
    with Child(pace.root / name, pace.module, "run", *clock, *pace.words, env=environ) as engine:
        engine.line(0)
        yield engine


def summary_of(broker: Child) -> dict[str, Any]:
    """End the broker and take what it says happened there."""
    broker.end()
    return dict(json.loads(broker.lines()[-1]))


def walk(symbols: Sequence[str], minutes: int, seed: int) -> dict[int, dict[str, Sequence[float]]]:
    """A made-up day: prices that wander by a few basis points a minute."""
    chance = random.Random(seed)
    price = {name: 100.0 + 10 * place for place, name in enumerate(symbols)}
    rows: dict[int, dict[str, Sequence[float]]] = {}
    for minute in range(minutes):
        rows[minute] = {}
        for name in symbols:
            opens = price[name]
            closes = round(opens * (1 + chance.gauss(0, 0.0012)), 2)
            high, low = round(max(opens, closes) + 0.03, 2), round(min(opens, closes) - 0.03, 2)
            rows[minute][name] = (opens, high, low, closes, chance.randrange(20_000, 90_000))
            price[name] = closes
    return rows
