import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.errors import BooksRefused
from storage import database
from storage.database import DatabaseRefused, SchemaTooNew, database_path, migrate, open_reader, prepare
from storage.migrations import MIGRATIONS, Migration

SEED = {  # seed 5, its exact names
    "trades": {
        "signals": "id timestamp symbol strategy signal_type strength price confidence direction stop_loss "
        "take_profit quantity status executed execution_id expires_at executed_at",
        "trades": "id signal_id timestamp symbol strategy side quantity entry_price stop_loss target_price "
        "exit_price exit_timestamp peak_price trough_price pnl pnl_percent status exit_reason "
        "commission slippage",
        "positions": "symbol strategy side quantity entry_price entry_timestamp stop_loss target_price "
        "current_price unrealized_pnl unrealized_pnl_pct status",
        "orders": "id trade_id alpaca_order_id symbol side order_type quantity limit_price stop_price status "
        "filled_qty filled_avg_price",
        "executions": "id signal_id order_id symbol direction quantity fill_price commission slippage "
        "executed_at",
    },
    "performance": {
        "strategy_daily": "date strategy trades_opened trades_closed wins losses gross_pnl net_pnl "
        "commission "
        "sharpe_20d sharpe_60d win_rate_30d avg_win avg_loss profit_factor max_drawdown is_enabled",
        "portfolio_daily": "date equity cash positions_value num_positions exposure_pct daily_pnl "
        "daily_pnl_pct "
        "cumulative_pnl cumulative_pnl_pct drawdown drawdown_pct high_water_mark sharpe_ratio sortino_ratio",
        "strategy_stats": "strategy total_trades winning_trades losing_trades total_pnl avg_pnl win_rate "
        "profit_factor sharpe_ratio sortino_ratio max_drawdown is_enabled",
        "circuit_breaker_state": "breaker_type triggered_at expires_at reason action target is_active",
        "regime_log": "timestamp vix_level vix_regime previous_regime action_taken",
        "error_log": "id timestamp level logger_name message source_file line_number exception_type "
        "exception_traceback component is_resolved resolved_at resolved_by",
    },
}


def make(path: Path, name: str = "trades", books: str = "replay:a") -> None:
    prepare(path, name, books, "replay").close()


@pytest.mark.parametrize("name", ["trades", "performance"])
def test_every_table_and_column_of_the_seed_is_there_and_strict(name: str) -> None:
    connection = prepare(None, name, "replay:a", "memory")
    tables = {
        row[1]: row[5] for row in connection.execute("PRAGMA table_list") if not row[1].startswith("sqlite_")
    }
    assert all(tables.values())
    for table, columns in SEED[name].items():
        found = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        assert set(columns.split()) <= set(found), table
    connection.close()


def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    path = database_path(tmp_path / "root", "trades")
    connection = prepare(path, "trades", "paper:1", "durable")
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["trades.db", "trades.db-shm", "trades.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    connection.close()


@pytest.mark.parametrize(
    ("name", "mode", "level"),
    [("trades", "durable", 2), ("performance", "durable", 1), ("trades", "replay", 0)],
)
def test_each_database_is_synced_as_hard_as_it_is_worth(
    tmp_path: Path, name: str, mode: database.Mode, level: int
) -> None:
    connection = prepare(tmp_path / "x.db", name, "paper:1", mode)
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == level
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    connection.close()


def test_anothers_books_are_refused_and_both_are_named(tmp_path: Path) -> None:
    make(tmp_path / "x.db", books="paper:PA1")
    with pytest.raises(BooksRefused, match=r"'paper:PA1'.*'replay:run-7'"):
        make(tmp_path / "x.db", books="replay:run-7")
    make(tmp_path / "x.db", books="paper:PA1")


def test_a_newer_schema_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    make(path)
    link = sqlite3.connect(path)
    link.execute("PRAGMA user_version = 99")
    link.close()
    with pytest.raises(SchemaTooNew, match="schema 99, this program knows 4"):
        make(path)
    with pytest.raises(SchemaTooNew):
        open_reader(path, "trades")


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    link = sqlite3.connect(path)
    link.execute("CREATE TABLE theirs (a)")
    link.commit()
    link.close()
    with pytest.raises(DatabaseRefused, match="not a trades database"):
        make(path)


def test_one_of_our_databases_under_the_others_name_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "x.db", "performance")
    with pytest.raises(DatabaseRefused, match="not a trades database"):
        make(tmp_path / "x.db", "trades")


def test_garbage_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"garbage " * 1_000)
    with pytest.raises(DatabaseRefused, match="not a database"):
        make(tmp_path / "x.db")


def test_a_directory_in_the_place_of_a_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseRefused):
        make(tmp_path)


def test_a_reader_is_told_that_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(DatabaseRefused, match="no such database"):
        open_reader(tmp_path / "x.db", "trades")


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    make(tmp_path / "x.db")
    reader = open_reader(tmp_path / "x.db", "trades")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM meta")
    reader.close()


def test_a_reader_sees_what_a_running_writer_has_committed(tmp_path: Path) -> None:
    writer = prepare(tmp_path / "x.db", "trades", "replay:a", "replay")
    reader = open_reader(tmp_path / "x.db", "trades")
    assert database.books_of(reader) == "replay:a"
    reader.close()
    writer.close()


def test_the_steps_are_numbered_without_gaps() -> None:
    for steps in MIGRATIONS.values():
        assert [step.number for step in steps] == list(range(1, len(steps) + 1))


_STEPS = (
    Migration(1, "first", ("CREATE TABLE one (a INTEGER) STRICT",)),
    Migration(2, "second", ("CREATE TABLE two (a INTEGER) STRICT", "INSERT INTO one VALUES (1)")),
)


def test_a_step_that_fails_halfway_leaves_the_one_before() -> None:
    link = sqlite3.connect(":memory:", isolation_level=None)
    broken = (_STEPS[0], Migration(2, "second", ("CREATE TABLE two (a INTEGER) STRICT", "NONSENSE")))
    with pytest.raises(sqlite3.OperationalError):
        migrate(link, "trades", broken)
    assert link.execute("PRAGMA user_version").fetchone()[0] == 1
    assert link.execute("SELECT number FROM schema_migrations").fetchall() == [(1,)]
    assert link.execute("SELECT name FROM sqlite_master WHERE name = 'two'").fetchall() == []
    migrate(link, "trades", _STEPS)
    assert link.execute("SELECT number, title FROM schema_migrations").fetchall() == [
        (1, "first"),
        (2, "second"),
    ]
    link.close()


_KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from storage import database
from storage.database import prepare

stop = int(sys.argv[2])
count = 0

class Dying(sqlite3.Connection):
    def execute(self, *arguments):
        global count
        count += 1
        if count == stop:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(*arguments)

real = sqlite3.connect
sqlite3.connect = lambda *a, **k: real(*a, factory=Dying, **k)
prepare(Path(sys.argv[1]), "performance", "replay:a", "durable").close()
print(count)
"""


def test_a_process_killed_at_any_statement_of_a_migration_leaves_a_database_that_opens(
    tmp_path: Path,
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    whole = prepare(tmp_path / "whole.db", "performance", "replay:a", "durable")
    schema = whole.execute("SELECT name, sql FROM sqlite_master").fetchall()
    whole.close()
    for stop in (2, 6, 9, 11, 15, 25, 30, 32, 34, 38, 41):
        path = tmp_path / f"{stop}.db"
        done = subprocess.run(
            [sys.executable, "-c", _KILLED, str(path), str(stop)], env=environment, check=False, timeout=200
        )
        assert done.returncode == -9, stop
        link = prepare(path, "performance", "replay:a", "durable")
        assert link.execute("SELECT name, sql FROM sqlite_master").fetchall() == schema
        assert link.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS["performance"])
        link.close()
