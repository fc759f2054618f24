"""What a bar and an order cost on their way through the whole actor chain, beside a bare loop.

    python -m tests.benchmarks.bench_replay [--quick] [--components]

Prints one JSON object. A replay is timed from opening the tape file to the summary: reading, frame, checksum
and hash chain of every record, decoding, phase clock, portfolio, breaker with limits, regime, strategy host,
ensemble, sizing, executor, simulated broker, and the hash over every decision. Making prices, tapes and
panels is not timed. CPU seconds are the process's own; medians over repetitions that take turns with the
bare loop, which does the same rule over the same prices and must send equally many orders.

Books in memory: `books` is the portfolio's ledger alone, which every run keeps; `books_and_rows` also
projects every message into the two databases, in memory. Entries are plain market orders without stop and
target (`limits.require_exits` is off), so an order here is one order at the broker, from signal to fill.
"""

import argparse
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from actors.gateways.bookkeeper import Bookkeeper
from actors.gateways.replay_feed import TapeSession
from actors.playback import Playback, Summary
from runtime.kernel.cell import Figures
from runtime.messages.market import FloatArray
from tests.benchmarks import components
from tests.benchmarks.made_market import prices, settings, tapes
from tests.benchmarks.zscore import Loop, bare_loop

SYMBOLS, MINUTES, DAYS = 500, 390, 20
MANY, FEW = -2.0, -3.5
CURVE = (50, 500, 2_500, 10_000)
REPEATS = 7

Timed = tuple[float, float]
"""CPU and wall seconds."""


def timed(work: Callable[[], Any]) -> tuple[Timed, Any]:
    """Run once, after a collection, and say what it took."""
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return (time.process_time() - cpu, time.perf_counter() - wall), result


def replay(
    paths: Sequence[Path], entry_z: float, *, rows: bool = False
) -> tuple[Summary, dict[str, Figures]]:
    """Play tapes through the whole chain, with or without databases in memory."""
    keeper = Bookkeeper(None, "replay:benchmark") if rows else None
    player = Playback(settings(entry_z), projection=keeper, books="replay:benchmark")
    summary = player.run(TapeSession(path) for path in paths)
    if keeper is not None:
        keeper.close()
    return summary, player.figures


def compare(
    paths: Sequence[Path], sessions: list[FloatArray], entry_z: float, repeats: int, *, rows: bool = True
) -> dict[str, Any]:
    """The chain, with and without databases, in turn with the bare loop."""
    runs: dict[str, list[Timed]] = {"loop": [], "books": [], "books_and_rows": []}
    summary, loop = Summary(), Loop()
    for _ in range(repeats):
        took, loop = timed(lambda: bare_loop(sessions, entry_z))
        runs["loop"].append(took)
        took, (summary, _) = timed(lambda: replay(paths, entry_z))
        runs["books"].append(took)
        if rows:
            took, (told, _) = timed(lambda: replay(paths, entry_z, rows=True))
            runs["books_and_rows"].append(took)
            same(told.decisions_sha256, summary.decisions_sha256, "decisions")
        same(summary.orders, loop.orders, "orders")
        same(summary.fills, loop.fills, "fills")
        same(summary.errors, 0, "errors")
    bars = summary.bars
    figures = {name: _figures(taken, bars) for name, taken in runs.items() if taken}
    return {
        "entry_z": entry_z,
        "bars": bars,
        "orders": summary.orders,
        "orders_per_bar": round(summary.orders / bars, 5),
        "messages": summary.messages,
        "inputs": summary.inputs,
        "decisions_sha256": summary.decisions_sha256,
        **figures,
        "times_the_loop": round(figures["books"]["cpu_seconds"] / figures["loop"]["cpu_seconds"], 2),
    }


def same(found: object, wanted: object, what: str) -> None:
    """Refuse to print figures of two things that did not do the same.

    Raises:
        AssertionError: They differ.
    """
    if found != wanted:
        raise AssertionError(f"{what}: {found} beside {wanted}")


def _figures(taken: list[Timed], bars: int) -> dict[str, float]:
    cpu = statistics.median(each[0] for each in taken)
    return {
        "cpu_seconds": round(cpu, 5),
        "least_cpu_seconds": round(min(each[0] for each in taken), 5),
        "wall_seconds": round(statistics.median(each[1] for each in taken), 5),
        "us_per_bar": round(cpu / bars * 1e6, 4),
        "bars_per_cpu_second": round(bars / cpu),
    }


def split(many: dict[str, Any], few: dict[str, Any], which: str) -> dict[str, float]:
    """What a bar costs without orders and what an order adds, from two runs over the same bars."""
    more = many["orders"] - few["orders"]
    order = (many[which]["cpu_seconds"] - few[which]["cpu_seconds"]) / more
    fixed = (few[which]["cpu_seconds"] - order * few["orders"]) / few["bars"]
    return {"fixed_us_per_bar": round(fixed * 1e6, 4), "us_per_order": round(order * 1e6, 2)}


def headline(symbols: int, repeats: int) -> dict[str, Any]:
    """Many and few orders over the same minutes of many symbols."""
    with tempfile.TemporaryDirectory() as name:
        sessions = prices(symbols, 1, MINUTES)
        paths = tapes(Path(name), sessions)
        replay(paths, MANY)  # everything imported, every cache warm
        many, few = (compare(paths, sessions, z, repeats) for z in (MANY, FEW))
    return {
        "symbols": symbols,
        "minutes": MINUTES,
        "repeats": repeats,
        "z_below_2": many,
        "z_below_3_5": few,
        "books": split(many, few, "books"),
        "books_and_rows": split(many, few, "books_and_rows"),
        "loop": split(many, few, "loop"),
    }


def one_symbol(days: int, repeats: int) -> dict[str, Any]:
    """One symbol over many sessions: nothing is shared between symbols of a frame."""
    with tempfile.TemporaryDirectory() as name:
        sessions = prices(1, days, MINUTES)
        paths = tapes(Path(name), sessions)
        replay(paths[:1], MANY)
        return {"sessions": days, **compare(paths, sessions, MANY, repeats)}


def point(symbols: int) -> dict[str, Any]:
    """One point of the curve, best run in a process of its own: its peak memory is the process's."""
    with tempfile.TemporaryDirectory() as name:
        paths = tapes(Path(name), prices(symbols, 1, MINUTES))
        gc.collect()
        before = _forget_peak()
        replay(paths, MANY)
        after = _mib("VmHWM")
        few, fewer_orders = _replay_cost(paths, FEW)
        many, orders = _replay_cost(paths, MANY)
    bars = symbols * MINUTES
    return {
        "symbols": symbols,
        "orders": orders,
        "us_per_bar_few_orders": round(few / bars * 1e6, 4),
        "us_per_bar": round(many / bars * 1e6, 4),
        "us_per_order": round((many - few) / max(orders - fewer_orders, 1) * 1e6, 2),
        "peak_mib": after,
        "mib_before": before,
    }


def _replay_cost(paths: Sequence[Path], entry_z: float) -> tuple[float, int]:
    """Median CPU seconds of three replays, and their orders."""
    runs = [timed(lambda: replay(paths, entry_z)) for _ in range(3)]
    return statistics.median(took[0] for took, _ in runs), runs[0][1][0].orders


def _forget_peak() -> float:
    """Begin a new peak; what is held now, MiB."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _mib("VmRSS")


def _mib(what: str) -> float:
    """A line of this process's status (`getrusage` would begin with what the parent held)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith(what))
    return round(int(line.split()[1]) / 1024, 1)


def curve(symbols: Sequence[int]) -> list[dict[str, Any]]:
    """Cost against the number of symbols, each point in a fresh process."""
    points = []
    for count in symbols:
        command = [sys.executable, "-m", __spec__.name, "--point", str(count)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        points.append(json.loads(done.stdout))
    return points


def measure(quick: bool, with_components: bool) -> dict[str, Any]:
    """Everything, as plain data."""
    symbols, days, repeats = (20, 2, 1) if quick else (SYMBOLS, DAYS, REPEATS)
    found: dict[str, Any] = {
        "goals": {"fixed_us_per_bar": 0.35, "us_per_order": 40.0, "one_symbol_bars_per_cpu_second": 20_000},
        "headline": headline(symbols, repeats),
        "one_symbol": one_symbol(days, repeats),
        "curve": curve((5, 20) if quick else CURVE),
    }
    if with_components:
        found["components"] = components.measure(symbols, MINUTES)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Cost of a bar and of an order through the whole chain.")
    parser.add_argument("--quick", action="store_true", help="small sizes, once: does it run at all")
    parser.add_argument("--components", action="store_true", help="also where the time goes, by actor")
    parser.add_argument("--point", type=int, metavar="SYMBOLS", help="only one point of the curve")
    arguments = parser.parse_args()
    if arguments.point:
        print(json.dumps(point(arguments.point)))
    else:
        print(json.dumps(measure(arguments.quick, arguments.components), indent=2))


if __name__ == "__main__":
    main()
