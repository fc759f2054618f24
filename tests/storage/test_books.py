import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.books import Books, run
from storage.database import DATABASES
from storage.projection import Projection
from storage.statements import NOTHING, STATEMENTS, Mark, Row
from storage.transaction import lanes
from tests.storage.books_samples import (
    DAY,
    LOT,
    MINUTE,
    SESSION,
    T0,
    bars,
    changed,
    dump,
    fill,
    lot,
    proposal,
    signal,
    trading_day,
)

Dump = dict[str, dict[str, list[tuple[object, ...]]]]


def day_rows() -> list[tuple[int, int, list[Row]]]:
    projection = Projection(SESSION, ["AAA", "SPY"])
    return [
        (seq, at, projection.rows(seq, at, message, caused)) for seq, at, message, caused in trading_day()
    ]


DAY_ROWS = day_rows()


def content(books: Books) -> Dump:
    return {name: dump(books.connection(name)) for name in DATABASES}


def written(batch: int, cuts: frozenset[int] = frozenset()) -> Dump:
    with Books(None, "replay:a", "memory", batch=batch) as books:
        for seq, at, rows in DAY_ROWS:
            books.apply(rows, Mark(DAY, seq), at)
            if seq in cuts:
                books.commit()
        books.commit()
        assert books.refused == 0
        return content(books)


WHOLE = written(0)


@given(st.frozensets(st.integers(1, 8)), st.integers(0, 40))
@settings(deadline=None, max_examples=40)
def test_the_books_do_not_depend_on_where_the_batches_were_cut(cuts: frozenset[int], batch: int) -> None:
    assert written(batch, cuts) == WHOLE


rows_of_one_order = st.lists(
    st.sampled_from(
        [
            row
            for _, _, rows in DAY_ROWS
            for row in rows
            if STATEMENTS[row[0]].table in ("signals", "orders", "trades")
        ]
    ),
    max_size=25,
)


@given(rows_of_one_order, st.lists(st.integers(0, 25), max_size=6))
@settings(deadline=None, max_examples=60)
def test_any_sequence_of_rows_may_be_cut_anywhere(rows: list[Row], cuts: list[int]) -> None:
    def outcome(boundaries: list[int]) -> object:
        with Books(None, "replay:a", "memory", batch=0) as books:
            last = 0
            for end in [*sorted(boundaries), len(rows)]:
                run(books.connection("trades"), [(NOTHING, row) for row in rows[last:end]], None, 0)
                last = max(last, end)
            return dump(books.connection("trades"))

    assert outcome(cuts) == outcome([])


@pytest.mark.parametrize("crash", range(9))
def test_after_a_crash_at_any_batch_the_rest_is_written_and_nothing_twice(tmp_path: Path, crash: int) -> None:
    books = Books(tmp_path, "replay:a", batch=0)
    for seq, at, rows in DAY_ROWS[:crash]:
        books.apply(rows, Mark(DAY, seq), at)
        books.commit()
    for seq, at, rows in DAY_ROWS[crash : crash + 1]:
        books.apply(rows, Mark(DAY, seq), at)  # taken, never committed
    books.close(commit=False)

    with Books(tmp_path, "replay:a", batch=0) as again:
        before = Mark(DAY, crash) if crash else NOTHING
        assert again.covered() == dict.fromkeys(DATABASES, before)
        for seq, at, rows in DAY_ROWS:
            again.apply(rows, Mark(DAY, seq), at)
        again.commit()
        assert content(again) == WHOLE


def test_a_crash_between_the_two_databases_commits_is_mended_by_each_ones_own_mark(tmp_path: Path) -> None:
    books = Books(tmp_path, "replay:a", batch=0)
    for seq, at, rows in DAY_ROWS[:5]:
        books.apply(rows, Mark(DAY, seq), at)
    trades = [
        (Mark(DAY, s), row)
        for s, _, rows in DAY_ROWS[:5]
        for row in rows
        if STATEMENTS[row[0]].database == "trades"
    ]
    run(books.connection("trades"), trades, Mark(DAY, 5), DAY_ROWS[4][1])
    books.close(commit=False)
    with Books(tmp_path, "replay:a", batch=0) as again:
        assert again.covered() == {"trades": Mark(DAY, 5), "performance": NOTHING}
        for seq, at, rows in DAY_ROWS:
            again.apply(rows, Mark(DAY, seq), at)
        again.commit()
        assert content(again) == WHOLE


def test_rows_keep_their_order_within_a_table() -> None:
    rows: list[Row] = [
        ("order_submitted", (1,)),
        ("cause", (2,)),
        ("order_changed", (3,)),
        ("order_submitted", (4,)),
    ]
    runs = lanes((NOTHING, row) for row in rows)
    assert [run for run in runs if STATEMENTS[run[0]].table == "orders"] == [
        ("order_submitted", [(1,)]),
        ("order_changed", [(3,)]),
        ("order_submitted", [(4,)]),
    ]


def test_a_row_the_schema_refuses_is_set_aside_and_the_others_are_written() -> None:
    with Books(None, "replay:a", "memory") as books:
        seq, at, rows = DAY_ROWS[2]
        good = next(row for row in rows if row[0] == "execution")
        bad = ("execution", (good[1][0] + "b", *good[1][1:6], float("nan"), *good[1][7:]))
        books.apply([bad, good], Mark(DAY, seq), at)
        books.commit()
        assert books.refused == 1
        link = books.connection("trades")
        assert link.execute("SELECT id FROM executions").fetchall() == [("x-1",)]
        ((session, number, n, statement, error, parameters),) = link.execute(
            "SELECT * FROM refused_rows"
        ).fetchall()
        assert (session, number, n, statement) == (DAY, seq, 0, "execution")
        assert "NOT NULL constraint failed: executions.fill_price" in error
        assert "x-1b" in parameters
        assert books.covered()["trades"] == Mark(DAY, seq)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[tuple[Books, sqlite3.Connection]]:
    books = Books(tmp_path, "replay:a", batch=0)
    books.connection("trades").execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(tmp_path / "db" / "trades.db", isolation_level=None)
    yield books, other
    other.close()
    books.close()


def test_what_could_not_be_written_is_kept_for_the_next_try(locked: tuple[Books, sqlite3.Connection]) -> None:
    books, other = locked
    other.execute("BEGIN IMMEDIATE")
    for seq, at, rows in DAY_ROWS:
        books.apply(rows, Mark(DAY, seq), at)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        books.commit()
    other.execute("ROLLBACK")
    books.commit()
    assert content(books) == WHOLE


def test_a_signal_ends_as_what_became_of_it() -> None:
    states = {
        row[0]: row[1:] for row in _select("SELECT id, status, executed, reason, execution_id FROM signals")
    }
    assert states == {
        LOT: ("executed", 1, "", "x-1"),
        "gap_fill-20180216-2": ("rejected", 0, "daily_loss", None),
        "gap_fill-20180216-3": ("expired", 0, "ORDER_CANCELED", None),
        "gap_fill-20180216-4": ("rejected", 0, "SLOTS_FULL", None),
        "gap_fill-20180216-5": ("executed", 1, "", "x-2"),
        "gap_fill-20180216-6": ("expired", 0, "LOT_CLOSED", None),
    }


def test_a_trade_has_its_money_in_dollars_and_its_lot_in_micro_dollars() -> None:
    ((status, pnl, percent, exit_price, peak, trough),) = _select(
        "SELECT status, pnl, pnl_percent, exit_price, peak_price, trough_price FROM trades "
        f"WHERE id = '{LOT}'"
    )
    assert (status, pnl, exit_price, peak, trough) == ("CLOSED", 9.5, 101.5, 101.75, 100.25)
    assert percent == pytest.approx(9.5 / 1005.0)
    assert _select("SELECT realised_micros, commission_micros FROM lots") == [(9_500_000, 500_000)]
    assert _select("SELECT id, status FROM trades WHERE status = 'CANCELLED'") == [
        ("gap_fill-20180216-3", "CANCELLED")
    ]


def test_the_executions_alone_give_the_change_of_cash() -> None:
    # bought 10 at 100.50, sold 10 at 101.50, 0.25 each
    assert _select("SELECT sum(cash_micros), count(*) FROM executions") == [(9_500_000, 2)]


def test_a_fill_told_twice_is_one_execution() -> None:
    with Books(None, "replay:a", "memory") as books:
        seq, at, rows = DAY_ROWS[2]
        books.apply(rows, Mark(DAY, seq), at)
        books.apply(rows, Mark(DAY, seq + 1), at)
        books.commit()
        assert books.connection("trades").execute("SELECT count(*) FROM executions").fetchone() == (1,)


def test_a_cleared_breaker_is_one_row_that_no_longer_acts() -> None:
    rows = _select("SELECT breaker_type, is_active, cleared_reason FROM circuit_breaker_state", "performance")
    assert rows == [("rapid_loss", 0, "expired")]


def test_every_warning_of_a_decision_is_an_error_row_with_a_key_of_its_place() -> None:
    rows = _select(
        "SELECT level, component, source_file, line_number FROM error_log ORDER BY rowid", "performance"
    )
    assert rows == [
        ("CRITICAL", "breaker", "", 0),
        ("ERROR", "sample", "sample.py", 7),
        ("WARNING", "sample", "", 0),
        ("WARNING", "data", "", 0),
        ("WARNING", "portfolio", "", 0),
    ]
    ids = [row[0] for row in _select("SELECT id FROM error_log", "performance")]
    assert len(set(ids)) == 5
    assert all(str(id).startswith(f"{DAY}-") for id in ids)


@pytest.mark.parametrize(
    ("sold", "status"), [(True, ("executed", "x-9")), (False, ("expired", None))], ids=["sold", "stopped out"]
)
def test_a_close_without_a_lot_stands_for_the_first_exit_it_causes_even_an_input_later(
    sold: bool, status: tuple[str, str | None]
) -> None:
    close, other = "gap_fill-20180216-9", "gap_fill-20180216-2"
    t = T0 + 9 * MINUTE
    exits = [
        proposal(
            held,
            t,
            2,
            client_order_id=f"{held}:x1",
            signal_id=close,
            lot_id=held,
            intent="exit",
            side="sell",
        )
        for held in (LOT, other)
    ]
    gone = lot(t, 3, state="closed", role="exit" if sold else "stop", quantity=0, execution_id="x-9")
    name = f"{LOT}:x2" if sold else "leg"
    told = fill(name, t, 9, execution_id="x-9", parent_id="" if sold else f"{LOT}:e1")
    projection = Projection(SESSION, ["AAA", "SPY"])
    with Books(None, "replay:a", "memory") as books:
        raised = signal(9, t, 1, signal_type="CLOSE")
        for seq, message, caused in ((1, bars(t), [raised]), (2, bars(t), exits), (3, told, [gone])):
            books.apply(projection.rows(seq, t, message, caused), Mark(DAY, seq), t)
        books.commit()
        found = books.connection("trades").execute(
            "SELECT lot_id, order_key, status, execution_id FROM signals"
        )
        assert found.fetchall() == [(LOT, f"{LOT}:x", *status)]


def _select(sql: str, name: str = "trades") -> list[tuple[object, ...]]:
    with Books(None, "replay:a", "memory") as books:
        for seq, at, rows in DAY_ROWS:
            books.apply(rows, Mark(DAY, seq), at)
        books.commit()
        return list(books.connection(name).execute(sql))


def test_an_order_of_which_only_its_fills_were_heard_has_its_row_and_one_link() -> None:
    """Sent past an executor that was given up; the next one takes it up, and says of it what it knows."""
    name, exit_ = f"{LOT}:x1", {"role": "exit", "exit_reason": "kill switch", "client_order_id": f"{LOT}:x1"}
    parts = ((4, 4, 101.0, False), (6, 10, 102.0, True))
    with Books(None, "replay:a", "memory") as books:
        projection = Projection(SESSION)
        for seq, (quantity, total, price, done) in enumerate(parts, 1):
            at = T0 + seq * MINUTE
            told = fill(
                name, at, seq, side="sell", quantity=quantity, cumulative=total, price=price, done=done
            )
            sold = lot(at, seq, quantity=10 - total, execution_id=f"x-{seq}", **exit_)
            for _ in range(2):  # running a tape again writes the same
                books.apply(projection.rows(seq, at, told, [sold]), Mark(DAY, seq), at)
        books.commit()
        assert books.refused == 0
        trades = books.connection("trades")
        assert trades.execute(
            "SELECT id, trade_id, alpaca_order_id, side, order_type, role, status, quantity, filled_qty, "
            "filled_avg_price, reason, submitted_at, updated_at FROM orders"
        ).fetchall() == [
            (name, LOT, "b-1", "sell", "market", "exit", "filled", 10, 10, pytest.approx(101.6),
             "kill switch", T0 + MINUTE, T0 + 2 * MINUTE)
        ]  # fmt: skip
        links = trades.execute(
            "SELECT kind, id, seq FROM causes WHERE kind <> 'lot' ORDER BY seq, n"
        ).fetchall()
        assert links == [("order", name, 1), ("fill", "x-1", 1), ("fill", "x-2", 2)]


def test_a_stop_that_filled_with_the_executor_gone_is_filled_in_its_row() -> None:
    with Books(None, "replay:a", "memory") as books:
        projection = Projection(SESSION)
        order = proposal(LOT, T0, 1)
        rested = changed(
            order, T0, 1, "accepted", 0, client_order_id="leg", role="stop", side="sell", type="stop"
        )
        books.apply(projection.rows(1, T0, bars(T0), [rested]), Mark(DAY, 1), T0)
        sold = lot(T0 + MINUTE, 2, quantity=0, role="stop", client_order_id="leg", execution_id="x-9")
        told = fill("leg", T0 + MINUTE, 9, side="sell", price=99.0, parent_id=f"{LOT}:e1")
        books.apply(projection.rows(2, T0 + MINUTE, told, [sold]), Mark(DAY, 2), T0 + MINUTE)
        books.commit()
        trades = books.connection("trades")
        sql = "SELECT status, filled_qty, filled_avg_price, order_type FROM orders WHERE id = 'leg'"
        assert trades.execute(sql).fetchall() == [("filled", 10, 99.0, "stop")]
        assert trades.execute("SELECT kind FROM causes WHERE kind = 'order'").fetchall() == []
