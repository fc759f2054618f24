"""Whole compressed sessions with faults on, each with another seed: `python -m tests.faults.paced_sessions`.

Each is a broker and an engine as processes of their own, and afterwards: the tape replays identically, no
order was sent twice, the books' positions are the broker's, and nothing was read on a schedule but the
reconcile. Prints one JSON object a session and exits 1 if any of them was not as it should be.
"""

import argparse
import json
import random
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actors.market.calendar import sessions_between
from actors.verification import verify
from tests.storage.loaders.made import daily_rows, write
from tests.system.paced import Pace, session, summary_of, walk

SYMBOLS = ("SPY", "AAA", "BBB", "CCC")
SECTORS = {"AAA": "Energy", "BBB": "Utilities", "CCC": "Materials"}
LEAD = 40.0
"""Market minutes before the open: at 400 times the speed six seconds for the engine to be there."""
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


def run_one(
    root: Path, seed: int, minutes: int, speed: float, *, faults: bool = True, per_minute: int = PER_MINUTE
) -> dict[str, Any]:
    """One session; what happened, and under `wrong` what should not have."""
    lay_root(root)
    chosen = random.Random(seed).sample(sorted(FAULTS), 6) if faults else []
    pace = Pace(
        root=root,
        rows=walk(SYMBOLS, minutes, seed),
        speed=speed,
        lead=LEAD,
        seed=seed,
        per_minute=per_minute,
        faults=[f"{kind}={FAULTS[kind]}" for kind in chosen],
        words=("--config", str(root / "paced.toml")),
    )
    begun = time.monotonic()
    with session(pace) as (broker, engine, _):
        threading.Event().wait((LEAD + minutes + 4) * 60 / speed)
        code = engine.end(30.0)
        left = summary_of(broker)
        fate = engine.fate() if code else ""
    return judged(root, seed, minutes, left, code, fate) | {
        "faults_on": chosen,
        "seconds": round(time.monotonic() - begun, 1),
    }


def judged(root: Path, seed: int, minutes: int, left: dict[str, Any], code: int, fate: str) -> dict[str, Any]:
    """What a session left at the broker, in the books and on its tape, and what of it is wrong."""
    verdict = verify(next((root / "tapes").glob("2026-11-20.tape*")))
    held = dict(_rows(root, "SELECT symbol, sum(quantity) FROM lots WHERE state != 'closed' GROUP BY symbol"))
    ours = {symbol: quantity for symbol, quantity in held.items() if quantity}
    theirs = {symbol: float(quantity) for symbol, quantity in left["positions"].items()}
    reads = left["requests"].get("GET /v2/positions", 0)
    wrong = {
        "exit": fate if code else "",
        "replay": "" if verdict.identical else verdict.text(),
        "twice": left["twice"],
        # What reduces is sent again once the broker has said often enough that it never had it.
        "duplicates": [name for name in left["duplicates"] if ":e" in name],
        "leaks": left["leaks"],
        "positions": "" if ours == theirs else f"books {ours}, broker {theirs}",
        "reads": "" if reads <= LEAD + minutes + 30 else f"{reads} position reads in {minutes} minutes",
    }
    (lots,) = _rows(root, "SELECT count(*), sum(state = 'closed') FROM lots")
    return {
        "seed": seed,
        "inputs": verdict.inputs,
        "orders": left["orders"],
        "fills": len(left["fills"]),
        "lots": lots[0],
        "closed": lots[1],
        "connects": left["connects"],
        "fired": left["faults"],
        "position_reads": reads,
        "wrong": {name: what for name, what in wrong.items() if what},
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
    """Run as many as asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--first", type=int, default=1, help="seed of the first")
    parser.add_argument("--minutes", type=int, default=390)
    parser.add_argument("--speed", type=float, default=400.0)
    parser.add_argument("--per-minute", type=int, default=PER_MINUTE, help="requests a real minute")
    parser.add_argument("--keep", type=Path, help="keep each root below this folder")
    parser.add_argument("--no-faults", action="store_true")
    given = parser.parse_args()
    # Whoever ends this ends its children too: the blocks that hold them are left.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bad = 0
    for seed in range(given.first, given.first + given.count):
        with kept(given.keep, seed) as folder:
            found = run_one(
                Path(folder),
                seed,
                given.minutes,
                given.speed,
                faults=not given.no_faults,
                per_minute=given.per_minute,
            )
        bad += bool(found["wrong"])
        print(json.dumps(found), flush=True)
    print(json.dumps({"sessions": given.count, "wrong": bad}))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
