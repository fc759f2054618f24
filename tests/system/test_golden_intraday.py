"""The specification's worked intraday trades come out of the running system (golden_intraday.json).

Profile `tests/golden.toml`: shorts on, no costs, whole fills, no caps, every gate open. Six sessions of SPY
and AIG in October 2013, recorded minutes.
"""

import json
from typing import Any

import pytest

from runtime.messages.base import Input, Message
from runtime.messages.trading import LotChanged, SignalRaised
from tests.system import days

pytestmark = days.needs_data

MINUTE = 60_000_000_000
TICK = 0.01 + 1e-9
EXACT = 1e-6


class Trades:
    """Observer: signals by (strategy, symbol, day), and the first and last change of their lots."""

    def __init__(self) -> None:
        self.signals: dict[tuple[str, str, str], SignalRaised] = {}
        self.entry: dict[str, LotChanged] = {}
        self.exit: dict[str, LotChanged] = {}
        self.opens = {int(s.session.replace("-", "")): s.open for s in days.october_2013()}

    def __call__(self, seq: int, at: int, message: Input, caused: list[Message], /) -> None:
        for said in caused:
            if isinstance(said, SignalRaised) and said.signal_type != "CLOSE":
                day = said.id.split("-")[1]
                self.signals[said.strategy, said.symbol, day] = said
            elif isinstance(said, LotChanged):
                if said.role == "entry":
                    self.entry[said.lot_id] = said
                elif said.state == "closed":
                    self.exit[said.lot_id] = said

    def minute(self, lot: LotChanged) -> int:
        return (lot.ts_event - self.opens[int(lot.lot_id.split("-")[1])]) // MINUTE


@pytest.fixture(scope="module")
def trades() -> Trades:
    seen = Trades()
    days.play(days.october_2013(), days.settings(days.GOLDEN_PROFILE), observers=[seen])
    return seen


def golden(part: str) -> list[dict[str, Any]]:
    if not days.GOLDEN.is_file():
        return []
    rows: list[dict[str, Any]] = json.loads(days.GOLDEN.read_text())[part]
    return rows


def name(row: dict[str, Any]) -> str:
    return f"{row['sym']}-{row['day']}"


@pytest.mark.parametrize("row", golden("orb"), ids=name)
def test_opening_range_trades(trades: Trades, row: dict[str, Any]) -> None:
    key = ("relative_volume_breakout", row["sym"].upper(), row["day"].replace("-", ""))
    signal = trades.signals[key]
    long = row["side"] == 1
    assert signal.direction == ("long" if long else "short")
    assert signal.features["or_hi"] == pytest.approx(row["or_hi"], abs=EXACT)
    assert signal.features["or_lo"] == pytest.approx(row["or_lo"], abs=EXACT)
    assert signal.features["or_open"] == pytest.approx(row["or_open"], abs=EXACT)
    assert signal.features["or_close"] == pytest.approx(row["or_close"], abs=EXACT)
    assert signal.features["atr14"] == pytest.approx(row["atr14_prev"], abs=EXACT)
    assert signal.features.get("rv") == (row["rv"] and pytest.approx(row["rv"], abs=EXACT))
    trade = row["trade"]
    if trade is None:
        assert signal.id not in trades.entry
        return
    entry, out = trades.entry[signal.id], trades.exit[signal.id]
    assert signal.stop_loss == pytest.approx(trade["stop"], abs=EXACT)
    assert signal.take_profit == pytest.approx(trade["target"], abs=EXACT)
    assert trades.minute(entry) == trade["entry_min"]
    assert entry.fill_price == pytest.approx(trade["entry"], abs=TICK)
    assert trades.minute(out) == trade["exit_min"]
    assert out.exit_price == pytest.approx(trade["exit"], abs=TICK)
    assert out.exit_reason == trade["why"]


@pytest.mark.parametrize("row", golden("gap"), ids=name)
def test_gap_trades(trades: Trades, row: dict[str, Any]) -> None:
    key = ("gap_fill", row["sym"].upper(), row["day"].replace("-", ""))
    if "side" not in row:
        assert key not in trades.signals
        return
    signal = trades.signals[key]
    entry, out = trades.entry[signal.id], trades.exit[signal.id]
    assert signal.features["gap"] == pytest.approx(row["gap"], abs=EXACT)
    assert signal.features["open"] == pytest.approx(row["open"], abs=EXACT)
    assert signal.features["previous_close"] == pytest.approx(row["prev_close_adj"], abs=EXACT)
    assert signal.take_profit == pytest.approx(row["target"], abs=EXACT)
    assert entry.fill_price == pytest.approx(row["entry"], abs=TICK)
    assert out.stop_loss == pytest.approx(row["stop"], abs=TICK)
    assert trades.minute(out) == row["exit_min"]
    assert out.exit_price == pytest.approx(row["exit"], abs=TICK)
    assert out.exit_reason == row["why"]
