"""The process of the soak's engine: like `run` it settles where memory comes from before it imports."""

import sys
from pathlib import Path

import anyio

from runtime import memory


def main() -> None:
    """`python -m tests.faults.soak_process ROOT SYMBOLS BEGIN`: serve until stdin ends."""
    memory.keep_small()
    from tests.faults.soak_engine import main as serve

    anyio.run(serve, Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))


if __name__ == "__main__":
    main()
