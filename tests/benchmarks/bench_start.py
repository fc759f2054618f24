"""How long commands take that must be there at once: wall and CPU of a whole process, medians.

    python -m tests.benchmarks.bench_start [--runs 15]

Prints one JSON object, milliseconds: a bare Python, one that imports argparse, and each command on the books
of a made-up session. `halt` and `status` must start in less than 300 (terminal 2).
"""

import argparse
import contextlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def cost(words: list[str], runs: int, environment: dict[str, str]) -> dict[str, float]:
    """Medians over some runs, the first of which only warms caches."""
    walls, cpus = [], []
    for _ in range(runs + 1):
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, check=False)
        walls.append(time.perf_counter() - begun)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {
        "wall_ms": round(statistics.median(walls[1:]) * 1e3, 1),
        "cpu_ms": round(statistics.median(cpus[1:]) * 1e3, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    from tui.commands.main import main as program

    with tempfile.TemporaryDirectory() as name:
        root = f"{name}/demo"
        with contextlib.redirect_stdout(io.StringIO()):
            program(["demo", "--headless", "--root", root])
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        python, runtime = [sys.executable], [sys.executable, "-m", "runtime"]
        lines = {
            "python": [*python, "-c", ""],
            "argparse": [*python, "-c", "import argparse"],
            "help": [*runtime, "--help"],
            "halt": [*runtime, "halt", "--root", f"{name}/halted"],
            **{
                word: [*runtime, *word.split(), "--root", root]
                for word in ("status", "status --json", "strategies list", "logs", "report")
            },
        }
        found = {word: cost(words, runs, environment) for word, words in lines.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
