"""Whole compressed sessions with faults on, each with another seed: `python -m tests.faults.paced_sessions`.

Each is a broker and an engine as processes of their own, and afterwards: the tape replays identically, no
order was sent twice, the books have every execution of the broker's and no other, positions are equal, what
is held has a stop or an exit at the broker, and nothing was read on a schedule but the reconcile. An engine
that is stopped before an answer came says so; then it is started once more, as a person would, and judged
after that. Prints one JSON object a session and one for all, and exits 1 if any was not as it should be.
"""

import argparse
import http.client
import json
import random
import signal
import sqlite3
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from actors.market.calendar import sessions_between
from actors.verification import verify
from tests.storage.loaders.made import daily_rows, write
from tests.system.paced import Pace, engine_of, session, summary_of, walk

SYMBOLS = ("SPY", "AAA", "BBB", "CCC")
SECTORS = {"AAA": "Energy", "BBB": "Utilities", "CCC": "Materials"}
LEAD = 40.0
"""Market minutes before the open: at 400 times the speed six seconds for the engine to be there."""
STAGES = ("start", "market", "stop", "settle", "judge")
AFTER = 4
"""Market minutes after the close at which the engine is stopped."""
STOP_S = 30.0
SETTLE_S = 15.0
"""Real seconds of a second start: longer than five looks for an order that the broker never had."""
TRIES = 20
OPEN_END = "the next start asks the broker"
"""What the engine says at its end where it cannot know what became of an order."""
PER_MINUTE = 10_000
"""Requests a real minute: the reconcile's minutes are the market's, and pass hundreds of times as fast."""
FAULTS = {
    "duplicate_frame": 0.02,
    "bad_item": 0.02,
    "unknown_type": 0.02,
    "bare_bars": 0.05,
    "truncated_frame": 0.005,
    "garbage_frame": 0.005,
    "padded_frame": 0.002,
    "abort": 0.003,
    "gateway_timeout_after": 0.02,
    "gateway_timeout_before": 0.02,
    "server_error_before": 0.02,
    "drop_after": 0.01,
    "drop_before": 0.01,
    "events_first": 0.1,
    "partial_fill": 0.1,
    "unknown_event": 0.01,
}
"""Switches of the loopback broker and how often each fires."""
SETTINGS = """
[orders]
reconcile_s = 60.0

[strategies.mean_reversion]
enabled = false
[strategies.relative_volume_breakout]
enabled = false
[strategies.vol_managed_momentum]
enabled = false
[strategies.vix_regime_rotation]
enabled = false
[strategies.pairs_trading]
enabled = false
[strategies.quality_smallcap_value]
enabled = false
[strategies.factor_momentum]
enabled = false
[strategies.gap_fill]
allocation = 0.2
[strategies.gap_fill.params]
gate = "open"
[strategies.sma_cross]
class = "tests.samples.sma_cross:SmaCross"
allocation = 0.8
max_positions = 5
"""


def lay_root(root: Path) -> None:
    """Sixty sessions of history of every symbol, the VIX, sectors and the settings."""
    before = sessions_between("2026-08-01", "2026-11-19")[-60:]
    base = root / "data" / "historical"
    for folder in (base / "daily", base / "vix", root / "data" / "reference"):
        folder.mkdir(parents=True)
    ones = [1.0] * len(before)
    for place, name in enumerate(SYMBOLS):
        rows = daily_rows(name, before, [100.2 + 10 * place] * len(before))
        write(base / "daily" / f"{name}.parquet", rows, price_factor=ones, split_factor=ones)
    write(base / "vix" / "vix.parquet", daily_rows("VIX", before, [18.0] * len(before)))
    lines = [f"{name},{sector}" for name, sector in SECTORS.items()]
    (root / "data" / "reference" / "constituents.csv").write_text("\n".join(["Symbol,Sector", *lines, ""]))
    (root / "paced.toml").write_text(SETTINGS)


class Campaign:
    """Sessions with the same figures, and whether they are to end early.

    Attributes:
        over: Set when a signal ends it: every session then leaves its blocks, and its children end.
        speed, minutes, faults, per_minute: As `Pace`. faults: whether any are on.
    """

    def __init__(
        self, *, minutes: int, speed: float, faults: bool = True, per_minute: int = PER_MINUTE
    ) -> None:
        self.over = threading.Event()
        # One start at a time: together they only keep each other from the processor.
        self._starting = threading.Lock()
        self.minutes, self.speed, self.faults, self.per_minute = minutes, speed, faults, per_minute

    def run(self, root: Path, seed: int) -> dict[str, Any]:
        """One session; what happened, and under `wrong` what should not have.

        Raises:
            Ended: It was to end early.
        """
        lay_root(root)
        chosen = random.Random(seed).sample(sorted(FAULTS), 6) if self.faults else []
        pace = Pace(
            root=root,
            rows=walk(SYMBOLS, self.minutes, seed),
            speed=self.speed,
            lead=LEAD,
            seed=seed,
            per_minute=self.per_minute,
            faults=[f"{kind}={FAULTS[kind]}" for kind in chosen],
            words=("--config", str(root / "paced.toml")),
        )
        with ExitStack() as children:
            with self._starting:
                self._wait(0.0)
                marks = [time.monotonic()]
                broker, engine, environ = children.enter_context(session(pace))
            marks.append(time.monotonic())
            self._wait((LEAD + self.minutes + AFTER) * 60 / self.speed)
            marks.append(time.monotonic())
            codes = [engine.end(STOP_S)]
            marks.append(time.monotonic())
            fate = engine.fate() if codes[0] else ""
            told = [line for line in engine.said() if line.endswith(OPEN_END)]
            ours, theirs = books_positions(root), broker_positions(environ)
            if told or ours != theirs:
                # What a session leaves open the next start settles: only then can the two sides be equal.
                with engine_of(pace, environ, "engine-again") as again:
                    last = time.monotonic() + SETTLE_S
                    while _is_open(root, theirs) and time.monotonic() < last:
                        self._wait(0.5)
                    codes.append(again.end(STOP_S))
                    fate += again.fate() if codes[1] else ""
            left = summary_of(broker)
            marks.append(time.monotonic())
        found = judged(root, seed, self.minutes, left, fate)
        marks.append(time.monotonic())
        if ours != theirs and not told:
            found["wrong"]["silent"] = f"at the first end: books {ours}, broker {theirs}"
        return found | {
            "faults_on": chosen,
            "open_ends": told,
            "starts": len(codes),
            "seconds": {
                name: round(after - before, 1)
                for name, (before, after) in zip(STAGES, pairwise(marks), strict=True)
            },
        }

    def _wait(self, seconds: float) -> None:
        if self.over.wait(seconds):
            raise Ended


class Ended(Exception):
    """A signal ended the campaign."""


def broker_positions(environ: dict[str, str]) -> dict[str, float]:
    """What the account holds now, by the broker's word."""
    names = {"APCA-API-KEY-ID": "ALPACA_API_KEY", "APCA-API-SECRET-KEY": "ALPACA_SECRET_KEY"}
    headers = {header: environ[name] for header, name in names.items()}
    asked = urllib.request.Request(f"{environ['ALPACA_TRADING_URL']}/v2/positions", headers=headers)
    for _ in range(TRIES):
        try:
            with urllib.request.urlopen(asked, timeout=STOP_S) as answer:
                return {one["symbol"]: float(one["qty"]) for one in json.load(answer)}
        except (OSError, ValueError, http.client.HTTPException):
            continue  # the faults are on for this request too
    raise AssertionError("the broker does not tell its positions")


def books_positions(root: Path) -> dict[str, float]:
    """What our books hold."""
    held = dict(_rows(root, "SELECT symbol, sum(quantity) FROM lots WHERE state != 'closed' GROUP BY symbol"))
    return {symbol: float(quantity) for symbol, quantity in held.items() if quantity}


def _is_open(root: Path, theirs: dict[str, float]) -> bool:
    """Whether our books differ from the broker's positions, or an order of theirs waits for an answer."""
    waiting = "SELECT 1 FROM orders WHERE status IN ('submitted', 'unknown', 'pending_cancel')"
    return books_positions(root) != theirs or bool(_rows(root, waiting))


def executions_apart(root: Path, fills: list[dict[str, str]]) -> list[str]:
    """Executions that only one side has, by id, symbol, shares and price: none is lost or made up."""
    theirs = {
        (one["id"].partition("::")[2], one["symbol"], int(one["qty"]), float(one["price"])) for one in fills
    }
    ours = set(_rows(root, "SELECT id, symbol, quantity, fill_price FROM executions"))
    return [f"broker only {one}" for one in sorted(theirs - ours)] + [
        f"books only {one}" for one in sorted(ours - theirs)
    ]


def uncovered(root: Path, open_orders: list[str]) -> list[str]:
    """Lots that are held and have neither a stop nor an exit that works at the broker."""
    held = [lot for (lot,) in _rows(root, "SELECT id FROM lots WHERE quantity != 0")]
    covers = dict(_rows(root, "SELECT id, trade_id FROM orders WHERE role IN ('stop', 'exit')"))
    covered = {covers.get(name) for name in open_orders}
    return [lot for lot in held if lot not in covered]


def judged(root: Path, seed: int, minutes: int, left: dict[str, Any], fate: str) -> dict[str, Any]:
    """What a session left at the broker, in the books and on its tape, and what of it is wrong."""
    verdict = verify(next((root / "tapes").glob("2026-11-20.tape*")))
    ours = books_positions(root)
    theirs = {symbol: float(quantity) for symbol, quantity in left["positions"].items()}
    reads = left["requests"].get("GET /v2/positions", 0)
    wrong = {
        "exit": fate,
        "replay": "" if verdict.identical else verdict.text(),
        "twice": left["twice"],
        # What reduces is sent again once the broker has said often enough that it never had it.
        "duplicates": [name for name in left["duplicates"] if ":e" in name],
        "leaks": left["leaks"],
        "executions": executions_apart(root, left["fills"]),
        "uncovered": uncovered(root, left["open_orders"]),
        "positions": "" if ours == theirs else f"books {ours}, broker {theirs}",
        "reads": "" if reads <= LEAD + minutes + 30 else f"{reads} position reads in {minutes} minutes",
    }
    (lots,) = _rows(root, "SELECT count(*), sum(state = 'closed') FROM lots")
    return {
        "seed": seed,
        "wrong": {name: what for name, what in wrong.items() if what},
        "inputs": verdict.inputs,
        "orders": left["orders"],
        "fills": len(left["fills"]),
        "lots": lots[0],
        "closed": lots[1],
        "connects": left["connects"],
        "position_reads": reads,
        "fired": left["faults"],
    }


def _rows(root: Path, query: str) -> list[tuple[Any, ...]]:
    link = sqlite3.connect(root / "db" / "trades.db")
    try:
        return link.execute(query).fetchall()
    finally:
        link.close()


@contextmanager
def kept(folder: Path | None, seed: int) -> Iterator[str]:
    """A root for one session: below a folder that stays, or one that goes."""
    if folder is None:
        with tempfile.TemporaryDirectory() as made:
            yield made
    else:
        root = folder / str(seed)
        root.mkdir(parents=True)
        yield str(root)


def main() -> int:
    """Run as many as asked for, one after the other or a few at a time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--first", type=int, default=1, help="seed of the first")
    parser.add_argument("--together", type=int, default=2, help="sessions at a time")
    parser.add_argument("--minutes", type=int, default=390)
    parser.add_argument("--speed", type=float, default=400.0, help="market seconds a real second")
    parser.add_argument("--per-minute", type=int, default=PER_MINUTE, help="requests a real minute")
    parser.add_argument("--keep", type=Path, help="keep each root below this folder")
    parser.add_argument("--no-faults", action="store_true")
    given = parser.parse_args()
    campaign = Campaign(
        minutes=given.minutes, speed=given.speed, faults=not given.no_faults, per_minute=given.per_minute
    )
    # Whoever ends this ends its children too: the blocks that hold them are left.
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: campaign.over.set())

    def one(seed: int) -> dict[str, Any]:
        try:
            with kept(given.keep, seed) as folder:
                return campaign.run(Path(folder), seed)
        except Ended:
            return {"seed": seed, "wrong": {"ended": "by a signal"}}
        except Exception as error:  # the others go on, and this one is wrong
            return {"seed": seed, "wrong": {"failed": f"{type(error).__name__}: {error}"}}

    begun = time.monotonic()
    found: list[dict[str, Any]] = []
    with ThreadPoolExecutor(given.together) as workers:
        for result in workers.map(one, range(given.first, given.first + given.count)):
            found.append(result)
            print(json.dumps(result), flush=True)
    print(json.dumps(summary(found) | {"seconds": round(time.monotonic() - begun, 1)}))
    return 1 if any(each["wrong"] for each in found) else 0


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """All sessions in a few figures."""
    fired: Counter[str] = Counter()
    for each in found:
        for what, often in each.get("fired", {}).items():
            fired[what.partition(" at ")[0]] += often
    return {
        "sessions": len(found),
        "wrong": [each["seed"] for each in found if each["wrong"]],
        "settled_by_a_second_start": [each["seed"] for each in found if each.get("starts", 1) > 1],
        **{name: sum(each.get(name, 0) for each in found) for name in ("inputs", "orders", "fills", "lots")},
        "fired": dict(sorted(fired.items())),
    }


if __name__ == "__main__":
    sys.exit(main())
