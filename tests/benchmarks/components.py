"""Where a replay's time goes: handlers by actor, encoding, tape, and what is left for the kernel.

Timers are put around every handler, so the sum is somewhat above an undisturbed run; the shares are what
counts. What belongs to frames is measured in a run nearly without orders and taken off the other.
"""

import gc
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actors.gateways.replay_feed import TapeSession
from actors.playback import Playback
from runtime.kernel import cell, flow
from runtime.kernel.cell import Cell
from tests.benchmarks.made_market import prices, settings, tapes

_clock = time.perf_counter_ns


def measure(symbols: int, minutes: int, repeats: int = 5) -> dict[str, Any]:
    """µs per frame (run nearly without orders) and µs per order (what the other run has more), by part."""
    with tempfile.TemporaryDirectory() as name:
        path = tapes(Path(name), prices(symbols, 1, minutes))[0]
        quiet, busy = (_best(path, z, repeats) for z in (-3.5, -2.0))
        reading = min(_reading(path) for _ in range(repeats))
    orders = max(busy.pop("orders") - quiet.pop("orders"), 1)
    parts = list(dict.fromkeys([*busy, *quiet]))
    table = {
        part: {
            "us_per_frame": round(quiet.get(part, 0) / minutes / 1e3, 2),
            "us_per_order": round((busy.get(part, 0) - quiet.get(part, 0)) / orders / 1e3, 2),
        }
        for part in parts
    }
    table["of which reading and checking the tape"] = {
        "us_per_frame": round(reading / minutes / 1e3, 2),
        "us_per_order": 0.0,
    }
    return table


def _reading(path: Path) -> int:
    begun = _clock()
    for _ in TapeSession(path).inputs():
        pass
    return _clock() - begun


def _best(path: Path, entry_z: float, repeats: int) -> dict[str, int]:
    return min((_run(path, entry_z) for _ in range(repeats)), key=lambda parts: parts["total"])


def _run(path: Path, entry_z: float) -> dict[str, int]:
    with _timers() as spent:
        gc.collect()
        begun = _clock()
        summary = Playback(settings(entry_z)).run([TapeSession(path)])
        total = _clock() - begun
    parts = dict(sorted(spent.items()))
    parts["kernel, tape, tally and the timers themselves"] = total - sum(parts.values())
    return {"total": total, "orders": summary.orders, **parts}


@contextmanager
def _timers() -> Iterator[dict[str, int]]:
    """Time every handler and the encoding of decisions while inside."""
    spent: dict[str, int] = defaultdict(int)
    install, encode_each_into = Cell._install, flow.encode_each_into

    def around(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*message: Any) -> Any:
            begun = _clock()
            said = work(*message)
            if said is not None and type(said) is not tuple:
                said = tuple(said)
            spent[name] += _clock() - begun
            return said

        return run

    def timed_install(one: Cell) -> None:
        install(one)
        name = one.spec.name
        one.handlers = {kind: around(name, work) for kind, work in one.handlers.items()}
        if one.settle is not None:
            one.settle = around(name, one.settle)

    def timed_encode_each_into(messages: Any, buffer: bytearray) -> None:
        begun = _clock()
        encode_each_into(messages, buffer)
        spent["encoding decisions"] += _clock() - begun

    Cell._install = timed_install  # type: ignore[method-assign, assignment]
    flow.encode_each_into = cell.encode_each_into = timed_encode_each_into  # type: ignore[attr-defined]
    try:
        yield spent
    finally:
        Cell._install = install  # type: ignore[method-assign]
        flow.encode_each_into = cell.encode_each_into = encode_each_into  # type: ignore[attr-defined]
