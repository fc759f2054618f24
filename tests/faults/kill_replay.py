"""Kills many replays of the demo and prints what became of their books, as JSON.

python -m tests.faults.kill_replay --kills 50
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from tests.faults import killing


def main() -> int:
    """Make the demo's tapes, kill, compare; 1 if a book differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--per-round", type=int, default=5, help="kills before a run is left alone")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        killing.finish(
            killing.start([sys.executable, "-m", "runtime", "demo", "--json", "--root", str(work / "demo")])
        )
        tapes = sorted((work / "demo" / "tapes").glob("*.tape*"))
        figures = killing.campaign(
            tapes, work, kills=arguments.kills, per_round=arguments.per_round, seed=arguments.seed
        )
    found = msgspec.to_builtins(figures)
    sizes = found.pop("at_bytes")
    seconds = round(time.perf_counter() - begun, 1)
    print(json.dumps({**found, "bytes_at_kill": [min(sizes), max(sizes)], "seconds": seconds}))
    return int(figures.differing > 0)


if __name__ == "__main__":
    sys.exit(main())
