"""The same inputs give the same bytes, in this process and in others that hash strings differently."""

import os
import subprocess
import sys
from pathlib import Path

from tests.runtime.kernel.story import tell

ROOT = Path(__file__).parents[3]


def test_two_runs_in_one_process_agree() -> None:
    first = tell()
    assert first == tell()
    assert int(first.split()[1]) > 408  # timers and fills came on top of what was posted
    assert int(first.split()[2]) > 0  # and there were crashes


def test_processes_with_other_hash_seeds_agree() -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.runtime.kernel.story"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("0", "1", "4242")
    ]
    told = [process.communicate(timeout=200)[0].strip() for process in running]
    assert told == [tell()] * 3
