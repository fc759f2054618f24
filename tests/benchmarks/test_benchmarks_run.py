"""Every benchmark still runs and prints one JSON object; nothing here judges a speed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("module", "arguments", "key"),
    [
        ("bench_replay", ["--quick", "--components"], "headline"),
        ("bench_kernel", ["--quick"], "urgent_halt"),
        ("bench_screen", ["--quick"], "decision"),
        ("bench_start", ["--runs", "1"], "halt"),
        ("bench_engine_start", ["--symbols", "20", "--sessions", "60"], "restart"),
        ("bench_tape", ["--symbols", "20", "--minutes", "10"], "encode"),
        ("bench_latency", ["--symbols", "20", "--minutes", "5"], "steps"),
    ],
)
def test_a_benchmark_prints_one_json_object(module: str, arguments: list[str], key: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert key in json.loads(done.stdout)
