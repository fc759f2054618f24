"""The published opening-range and gap trades of October 2013, through executor and broker on real minutes."""

import json
from pathlib import Path

import pandas as pd
import pytest

from runtime.messages.trading import Role
from tests.actors.trading_floor import Floor, approve

SHARED = Path(__file__).parents[3] / "shared"
MINUTES = SHARED / "data/minute/lean_2008_2014_trades.parquet"
GOLDEN = SHARED / "golden/golden_intraday.json"

pytestmark = pytest.mark.skipif(
    not (MINUTES.exists() and GOLDEN.exists()), reason="needs ../shared/data and ../shared/golden"
)


def cases(kind):
    if not GOLDEN.exists():
        return []
    rows = json.loads(GOLDEN.read_text())[kind]
    traded = [row for row in rows if row.get("trade") or "entry" in row]
    return [pytest.param(row, id=f"{row['sym']}-{row['day']}") for row in traded]


@pytest.fixture(scope="module")
def minutes():
    frame = pd.read_parquet(MINUTES)
    return frame[frame["symbol"].isin(["SPY", "AIG"])]


def session(minutes, symbol, day):
    local = minutes[minutes["symbol"] == symbol].set_index("timestamp").tz_convert("America/New_York")
    local = local.loc[day].between_time("09:30", "15:59")
    start = pd.Timestamp(f"{day} 09:30", tz="America/New_York")
    numbers = ((local.index - start) // pd.Timedelta(minutes=1)).tolist()
    rows = local[["open", "high", "low", "close", "volume"]].to_numpy().tolist()
    return dict(zip(numbers, map(tuple, rows), strict=True))


def run(rows, order, last=4):
    """Play a day, send the order once minute `last` is over; the minute and price of entry and exit."""
    floor = Floor()
    found: dict[Role, tuple[int, float]] = {}
    for number, row in rows.items():
        seen = len(floor.fills)
        floor.minute(number, AAA=row)
        if number == last:
            floor.say(order)
        for fill in floor.fills[seen:]:
            found["exit" if fill.parent_id else "entry"] = (number, fill.price)
    return found


def close_to(pair, minute, price):
    return pair[0] == minute and abs(pair[1] - price) <= 0.0100001


@pytest.mark.parametrize("row", cases("orb"))
def test_opening_range_trades_enter_and_leave_where_they_should(minutes, row):
    trade, sign = row["trade"], row["side"]
    trigger = row["or_hi"] if sign > 0 else row["or_lo"]
    bars = session(minutes, row["sym"].upper(), row["day"])
    order = approve(
        "lot", "buy" if sign > 0 else "sell", 100, type="stop_limit", stop_price=trigger,
        limit_price=trigger + sign * 0.05 * row["atr14_prev"], stop_loss=trade["stop"],
        take_profit=trade["target"], target_follows_fill=True, reference_price=bars[4][3],
    )  # fmt: skip
    found = run(bars, order)
    assert close_to(found["entry"], trade["entry_min"], trade["entry"])
    assert close_to(found["exit"], trade["exit_min"], trade["exit"])


@pytest.mark.parametrize("row", cases("gap"))
def test_gap_trades_enter_and_leave_where_they_should(minutes, row):
    bars = session(minutes, row["sym"].upper(), row["day"])
    order = approve(
        "lot", "buy" if row["side"] > 0 else "sell", 100, stop_loss=row["stop"], take_profit=row["target"],
        reference_price=bars[4][3],
    )  # fmt: skip
    found = run(bars, order)
    assert close_to(found["entry"], 5, row["entry"])
    assert close_to(found["exit"], row["exit_min"], row["exit"])
