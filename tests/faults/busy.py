"""A busy session: some stocks that walk about, a strategy that enters, limits, stops and closes by chance."""

import random
from collections.abc import Iterator
from pathlib import Path

from actors.market.calendar import session_times, sessions_between
from config.load import load
from config.schema import Settings
from tests.alpaca_server.player import Minute
from tests.storage.loaders.made import daily_rows, write

SESSION = "2026-11-20"
OPEN, CLOSE = session_times(SESSION).open, session_times(SESSION).close
MINUTE = 60_000_000_000
SYMBOLS = {f"{one}{one}": 25.0 + 7.0 * place for place, one in enumerate("ABCDEFGHIJKLMNOPQRST")}
BOOKS = "paper:PA3LOOPBACK1"

_OFF = ("mean_reversion", "relative_volume_breakout", "gap_fill", "vol_managed_momentum",
        "vix_regime_rotation", "pairs_trading", "quality_smallcap_value", "factor_momentum", "orb",
        "vwap_reversion")  # fmt: skip


def overrides(*, entries: int = 500, closes: int = 200, seed: int = 7) -> list[str]:
    """Settings under which chance trades and no breaker ends it, as `--set` takes them.

    Args:
        entries, closes: Of 1,000 bars.
    """
    losses = ("daily_loss", "drawdown", "rapid_loss", "strategy_loss")
    return [
        *(f"strategies.{name}.enabled=false" for name in _OFF),
        "strategies.chance.class=tests.samples.random_signals:RandomSignals",
        "strategies.chance.allocation=0.9",
        f"strategies.chance.params.entries={entries}",
        f"strategies.chance.params.closes={closes}",
        f"strategies.chance.params.seed={seed}",
        *(f"breakers.{name}=1.0" for name in losses),
        "breakers.drawdown_clear=0.9",
        # Sixty times as fast, the budget of requests is still that of real time.
        "orders.stuck_s=600.0",
        "orders.reconcile_s=600.0",
        "requests.per_minute=10000",
        "account.allow_short=true",
        "account.max_positions=40",
        "account.max_position_pct=0.5",
        "account.max_position_size=50000.0",
        "strategies.chance.max_positions=40",
        "limits.max_messages_per_minute=100000",
        "breakers.consecutive_losses=1000000",
    ]


def settings(**how: int) -> Settings:
    """The same for an engine in this process."""
    return load(None, environ={}, overrides=overrides(**how)).settings


def lay_files(root: Path) -> None:
    """Sixty sessions of history, where a live session looks for them."""
    before = sessions_between("2026-08-01", "2026-11-19")[-60:]
    base = root / "data" / "historical"
    for folder in (base / "daily", base / "vix", root / "data" / "reference"):
        folder.mkdir(parents=True)
    rows = [row for name, price in SYMBOLS.items() for row in daily_rows(name, before, [price] * len(before))]
    ones = [1.0] * len(rows)
    write(base / "daily" / "stocks.parquet", rows, price_factor=ones, split_factor=ones)
    write(base / "vix" / "vix.parquet", daily_rows("VIX", before, [18.0] * len(before)))
    listed = "".join(f"{name},Energy\n" for name in SYMBOLS)
    (root / "data" / "reference" / "constituents.csv").write_text(f"Symbol,Sector\n{listed}")


def minutes(*, seed: int = 3, step: float = 0.002) -> Iterator[Minute]:
    """Every minute from the open to the close; each symbol trades in most of them."""
    chance = random.Random(seed)
    last = dict(SYMBOLS)
    for begins in range(OPEN, CLOSE, MINUTE):
        rows = {}
        for name in SYMBOLS:
            opened = last[name]
            close = last[name] = round(opened * (1 + chance.gauss(0, step)), 2)
            reach = round(opened * step * chance.random(), 2)
            high, low = max(opened, close) + reach, min(opened, close) - reach
            if chance.random() < 0.95 or begins == OPEN:
                rows[name] = (opened, round(high, 2), round(low, 2), close, chance.randrange(5_000, 50_000))
        yield Minute(begins, rows)
