"""What a look at the HALT file costs: it stands before every order that adds exposure.

    python -m tests.benchmarks.bench_kill_switch

Prints one JSON object, µs of CPU per call, the best of many rounds: a bare `stat` beside the looks.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from runtime.kill_switch import look, prepare, throw

CALLS, ROUNDS = 20_000, 15


def cost(call: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time_ns()
        for _ in range(CALLS):
            call()
        best = min(best, time.process_time_ns() - begun)
    return round(best / CALLS / 1_000, 2)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        prepare(root)
        place = str(root / "killswitch")
        found = {"stat_us": cost(lambda: os.stat(place)), "clear_us": cost(lambda: look(root))}
        throw(root, "benchmark", at=0)
        found["thrown_us"] = cost(lambda: look(root))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
