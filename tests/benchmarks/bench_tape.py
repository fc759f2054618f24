"""What a tape costs: process CPU and wall microseconds per frame of 500 symbols.

    python -m tests.benchmarks.bench_tape [--symbols N] [--minutes N]

Prints one JSON object. `raw_write` and `raw_read` move the same bytes without frames, chain or decoding.
"""

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from runtime.messages.codec import encode
from runtime.messages.market import Bars
from storage.tape import TapeReader, TapeWriter, compress, verify
from tests.storage.tape.made import MINUTE, header

REPEATS = 5


def _frames(symbols: int, minutes: int) -> list[Bars]:
    """Prices in cents that walk, whole volumes: about as compressible as real minutes."""
    chance = np.random.default_rng(1)
    ids = np.arange(symbols, dtype=np.int32)
    close = 50.0 + 100.0 * chance.random(symbols)
    frames = []
    for minute in range(minutes):
        close = np.round(close * (1 + 0.0005 * chance.standard_normal(symbols)), 2)
        volume = np.floor(chance.lognormal(7, 1, symbols))
        columns = np.stack([close, close + 0.01, close - 0.01, close, volume, np.floor(volume / 90), close])
        frames.append(Bars.of(ids, columns, ts_event=minute * MINUTE))
    return frames


def _cost(count: int, work: Callable[[], object]) -> dict[str, float]:
    """The best of `REPEATS` runs, per frame."""
    cpu = wall = float("inf")
    for _ in range(REPEATS):
        cpu_begun, wall_begun = time.process_time(), time.perf_counter()
        work()
        cpu = min(cpu, time.process_time() - cpu_begun)
        wall = min(wall, time.perf_counter() - wall_begun)
    return {"cpu_us": round(cpu / count * 1e6, 1), "wall_us": round(wall / count * 1e6, 1)}


def measure(symbols: int, minutes: int) -> dict[str, object]:
    """Every figure, in a folder of its own."""
    frames = _frames(symbols, minutes)
    raw = [encode(each) for each in frames]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def write(durable: bool) -> Path:
            path = folder / "2018-02-16.tape"
            path.unlink(missing_ok=True)
            writer = TapeWriter(path, header(), durable=durable)
            for seq, frame in enumerate(frames, start=1):
                writer.input(seq, seq * MINUTE, "market", frame)
                writer.caused(seq, 0, b"")
            writer.abandon()
            return path

        def write_raw() -> Path:
            path = folder / "raw"
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
            for each in raw:
                os.write(file, each)
            os.close(file)
            return path

        def read(path: Path) -> None:
            for entry in TapeReader(path):
                _ = entry.message

        def read_raw(path: Path) -> None:
            with path.open("rb", buffering=0) as file:
                while file.read(len(raw[0])):
                    pass

        figures: dict[str, object] = {
            "symbols": symbols,
            "frames": minutes,
            "bytes_per_frame": len(raw[0]),
            "encode": _cost(minutes, lambda: [len(encode(each)) for each in frames]),
            "sha256": _cost(minutes, lambda: [hashlib.sha256(each).digest() for each in raw]),
            "raw_write": (raw_write := _cost(minutes, write_raw)),
            "write_durable": (durable := _cost(minutes, lambda: write(True))),
            "write_buffered": _cost(minutes, lambda: write(False)),
            "raw_read": (raw_read := _cost(minutes, lambda: read_raw(folder / "raw"))),
            "read_verify": _cost(minutes, lambda: verify(folder / "2018-02-16.tape")),
            "read_verify_decode": (full := _cost(minutes, lambda: read(folder / "2018-02-16.tape"))),
            "write_to_raw_ratio": round(durable["cpu_us"] / raw_write["cpu_us"], 2),
            "read_to_raw_ratio": round(full["cpu_us"] / raw_read["cpu_us"], 2),
        }
        plain = TapeWriter.resume(write(False))
        plain.close()
        size = plain.path.stat().st_size
        begun = time.process_time()
        packed = compress(plain.path)
        figures["compress_cpu_seconds"] = round(time.process_time() - begun, 3)
        figures["compressed_to"] = round(packed.stat().st_size / size, 3)
        figures["read_compressed"] = _cost(minutes, lambda: read(packed))
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--minutes", type=int, default=390)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.symbols, arguments.minutes)))


if __name__ == "__main__":
    main()
