"""Sessions between processes, many times as fast as the market: entries, fills, exits, books, replay."""

import sqlite3
from pathlib import Path

import pytest

from actors.verification import verify
from tests.system.live_day import FLAT, ONE_STRATEGY, UP, lay_files
from tests.system.paced import Pace, session, summary_of, until
from tests.walls import WALL_S
from tui.commands import exits

ENTERED_BY, LAST = 15, 30
"""The minutes in which the target is reached and the market ends; the entry is due in the fifth. A minute is
0.6 s at this speed: an engine that is slow has six seconds to enter."""

SETTINGS = tuple(word for each in ONE_STRATEGY for word in ("--set", each))


def closed_lots(root: Path) -> int:
    """Lots that are flat, by the books, which the engine writes as it goes."""
    path = root / "db" / "trades.db"
    if not path.exists():
        return 0
    link = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return int(link.execute("SELECT count(*) FROM lots WHERE state = 'closed'").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # its tables are being made
    finally:
        link.close()


@pytest.mark.slow
def test_a_session_a_hundred_times_as_fast_trades_and_its_tape_replays_identically(tmp_path):
    lay_files(tmp_path)
    rows = {minute: {"SPY": FLAT if minute < ENTERED_BY else UP} for minute in range(LAST)}
    pace = Pace(root=tmp_path, rows=rows, speed=100.0, lead=12.0, words=SETTINGS)
    with session(pace) as (broker, engine, _):
        until(lambda: closed_lots(tmp_path), WALL_S, engine.fate)
        assert engine.end() == exits.OK, engine.fate()
        left = summary_of(broker)
    assert (left["requests"]["POST /v2/orders"], left["twice"], left["leaks"]) == (1, [], [])
    assert left["statuses"] == {"filled": 2, "canceled": 1}
    assert (left["positions"], left["open_orders"]) == ({}, [])
    verdict = verify(tmp_path / "tapes" / "2026-11-20.tape")
    assert verdict.identical, verdict.text()


@pytest.mark.slow
def test_a_broker_whose_clock_began_before_ours_is_followed_and_its_minutes_are_decided_on(tmp_path):
    lay_files(tmp_path)
    rows = {minute: {"SPY": FLAT if minute < ENTERED_BY else UP} for minute in range(LAST)}
    # As if the engine had needed three seconds longer for its start: without the broker's clock every bar
    # would come from the future.
    pace = Pace(root=tmp_path, rows=rows, speed=100.0, lead=12.0, ahead=5.0, words=SETTINGS)
    with session(pace) as (broker, engine, _):
        until(lambda: closed_lots(tmp_path), WALL_S, engine.fate)
        assert engine.end() == exits.OK, engine.fate()
        left = summary_of(broker)
    assert (left["requests"]["POST /v2/orders"], left["twice"], left["leaks"]) == (1, [], [])
    assert (left["positions"], left["open_orders"]) == ({}, [])
