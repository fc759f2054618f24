"""How long `run` takes from the start of its process until it may trade, on loopback.

    python -m tests.benchmarks.bench_engine_start [--symbols 500] [--sessions 260] [--latency 0.3]

Prints one JSON object, milliseconds of wall and of CPU: `empty`, without any history, so that all of it is
asked of the broker, which is `--latency` seconds away; `first`, with daily history but no minute of an
earlier session, so that these are asked of the broker; `again`, when the files have them; `restart`, when the
session has a tape already. Each tells when what was reached, what its steps cost, and the data requests sent.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from actors.market.calendar import midnight, session_times, sessions_between
from storage.loaders.own_minutes import Minutes, OwnMinutes
from tests.alpaca_server.clock import rfc3339
from tests.alpaca_server.hosted import HostedAlpacaServer

SESSION = "2026-11-20"
MINUTE = 60_000_000_000
REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0
KNOWN = 20
"""Earlier sessions whose minutes a session starts from."""
PRICE = 50.0


def lay_files(root: Path, names: list[str], sessions: int, *, is_empty: bool = False) -> None:
    """Daily history of all symbols unless it is to be empty, the VIX and their sectors."""
    days = sessions_between("2024-01-02", "2026-11-19")[-sessions:]
    base = root / "data" / "historical"
    for folder in (base / "daily", base / "vix", root / "data" / "reference"):
        folder.mkdir(parents=True)
    if not is_empty:
        _write(base / "daily" / "stocks.parquet", names, days, price_factor=1.0, split_factor=1.0)
    _write(base / "vix" / "vix.parquet", ["VIX"], days)
    listed = "".join(f"{name},Energy\n" for name in names)
    (root / "data" / "reference" / "constituents.csv").write_text(f"Symbol,Sector\n{listed}")


def _write(path: Path, names: list[str], days: list[str], **extra: float) -> None:
    count = len(names) * len(days)
    stamps = np.array(days, dtype="datetime64[us]").astype(np.int64) + 4 * 3_600_000_000
    chance = np.random.default_rng(1)
    close = PRICE * np.exp(chance.normal(0, 0.01, count))
    columns = {
        "symbol": pa.array(np.repeat(names, len(days)).tolist()),
        "timestamp": pa.array(np.tile(stamps, len(names)), pa.timestamp("us", tz="UTC")),
        "open": close, "high": close * 1.01, "low": close * 0.99, "close": close,
        "volume": np.full(count, 1e6),
        **{name: np.full(count, value) for name, value in extra.items()},
    }  # fmt: skip
    pq.write_table(pa.table(columns), path)


def lay_bars(server: Any) -> None:
    """Answer pages of minutes and of days that are made up when they are asked for."""
    midnights = [midnight(day) for day in sessions_between("2024-01-02", "2026-11-19")]

    def page(
        symbols: list[str], timeframe: str, span: tuple[int, int], limit: int, token: str, descending: bool
    ) -> tuple[dict[str, list[dict[str, Any]]], str | None]:
        first, last = span
        stamps = midnights if timeframe == "1Day" else range(first, last + 1, MINUTE)
        times = [rfc3339(t) for t in stamps if first <= t <= last]
        begin = int(token or 0)
        end = min(begin + limit, len(symbols) * len(times))
        found: dict[str, list[dict[str, Any]]] = {}
        for at in range(begin, end):
            row = {"t": times[at % len(times)], "o": PRICE, "h": PRICE, "l": PRICE, "c": PRICE, "v": 1_000}
            found.setdefault(symbols[at // len(times)], []).append({**row, "n": 10, "vw": PRICE})
        return found, str(end) if end < len(symbols) * len(times) else None

    server.market.page = page


def lay_known(root: Path, names: list[str]) -> None:
    """Keep the minutes of earlier sessions as an earlier start would have."""

    def fetch(symbols: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[Minutes]:
        found = []
        for first, last in spans:
            times = np.arange(first, last + 1, MINUTE)
            codes = np.repeat(np.arange(len(symbols), dtype=np.int32), len(times))
            values = np.full((5, len(codes)), PRICE)
            values[4] = 1_000.0
            found.append(Minutes(names=symbols, codes=codes, ts=np.tile(times, len(symbols)), values=values))
        return found

    days = [session_times(day) for day in sessions_between("2026-08-01", "2026-11-19")[-KNOWN:]]
    known = OwnMinutes(root / "data" / "historical" / "intraday_1min", root / "tapes", names, now=2**62)
    known.read([(day.session, day.open, day.close) for day in days], names, fetch)


def started(hosted: HostedAlpacaServer, root: Path, moment: int) -> dict[str, Any]:
    """One start, ended in order once everything is up; its figures."""
    options = hosted.server.options
    keys = {"ALPACA_API_KEY": options.key, "ALPACA_SECRET_KEY": options.secret}
    into = root / "figures.json"
    into.unlink(missing_ok=True)
    words = [
        *(sys.executable, "-m", "tests.benchmarks.start_process", str(into), "run", "--headless"),
        *("--root", str(root), "--clock", rfc3339(moment), "--set", "data.stream_symbols=0"),
    ]
    environ = os.environ | hosted.server.urls.environment() | keys | {"PYTHONPATH": str(REPOSITORY)}
    environ["BEGUN"] = str(time.monotonic_ns())
    with (root / "output").open("ab") as output:
        process = subprocess.Popen(words, cwd=REPOSITORY, env=environ, stdout=output, stderr=output)
        until = time.monotonic() + PATIENCE_S
        while not into.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE_S)
    if not into.exists():
        raise RuntimeError(f"it ended with {code}: {(root / 'output').read_text()[-2_000:]}")
    found: dict[str, Any] = json.loads(into.read_text())
    return found


def measured(root: Path, symbols: int, sessions: int, latency: float) -> dict[str, Any]:
    """The four starts."""
    names = sorted({"SPY", *(f"A{chr(65 + at // 26)}{chr(65 + at % 26)}" for at in range(symbols - 1))})
    opens = session_times(SESSION).open
    found: dict[str, Any] = {"symbols": len(names), "sessions": sessions, "latency_s": latency}

    def counted(hosted: HostedAlpacaServer, folder: Path, moment: int) -> dict[str, Any]:
        before = len(hosted.server.history)
        told = started(hosted, folder, moment)
        asked = hosted.server.history.requests("GET /v2/stocks/bars", since=before)
        sizes = Counter(one.query["timeframe"] for one in asked)
        return told | {"requests": dict(sizes), "refused": sum(one.status == 429 for one in asked)}

    start = rfc3339(opens - 30 * MINUTE)
    with HostedAlpacaServer(symbols=names, start=start, data_latency_s=latency) as hosted:
        hosted.call(lay_bars)
        lay_files(root / "empty", names, sessions, is_empty=True)
        found["empty"] = counted(hosted, root / "empty", opens - 30 * MINUTE)
    with HostedAlpacaServer(symbols=names, start=start, rate_limit=0) as hosted:
        hosted.call(lay_bars)
        for name in ("first", "again"):
            folder = root / name
            lay_files(folder, names, sessions)
            if name == "again":
                lay_known(folder, names)
            found[name] = counted(hosted, folder, opens - 30 * MINUTE)
        found["restart"] = counted(hosted, root / "again", opens - 29 * MINUTE)
    return found | {"load_average": [round(each, 2) for each in os.getloadavg()]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--sessions", type=int, default=260, help="of daily history")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds to the data host, empty root")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(measured(Path(name), given.symbols, given.sessions, given.latency)))


if __name__ == "__main__":
    main()
