"""What the two intraday strategies say on recorded days, against the published golden numbers."""

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from actors.market.rings import SessionVwap
from actors.strategies.gap_fill import GapFillStrategy
from actors.strategies.relative_volume_breakout import RelativeVolumeBreakout
from runtime.messages.trading import SignalDropped, SignalRaised

from .recorded import GOLDEN, MINUTE, SYMBOLS, Day, Section, Tapped, needs_data, october, run

pytestmark = needs_data

BREAKOUT = Section(
    name="relative_volume_breakout",
    intraday=True,
    params={"rv_min": 0.0, "rv_days": 20, "rv_min_days": 0, "body_min": 0.0},
)
GAP = Section(
    name="gap_fill",
    intraday=True,
    params={"universe": ["SPY", "QQQ", "IWM", "DIA", "AIG"], "gate": "open"},
)
ONE_PRICE_STEP = 0.011


@cache
def days() -> tuple[Day, ...]:
    return october()


@cache
def ran() -> dict[str, tuple[Any, Tapped]]:
    carried: dict[str, bytes] = {}
    results = {}
    for day in days():
        machine, tap = run(day, {RelativeVolumeBreakout: BREAKOUT, GapFillStrategy: GAP}, carried)
        carried = machine.carry()
        results[day.header.session] = (machine, tap)
    return results


def golden(kind: str) -> list[dict[str, Any]]:
    table: dict[str, list[dict[str, Any]]] = json.loads((GOLDEN / "golden_intraday.json").read_text())
    return table[kind]


def signal(session: str, strategy: str, symbol: str) -> SignalRaised | None:
    said = [s for s in ran()[session][1].of(SignalRaised) if (s.strategy, s.symbol) == (strategy, symbol)]
    assert len(said) <= 1
    return said[0] if said else None


def test_opening_ranges_relative_volumes_and_triggers_are_the_golden_ones() -> None:
    for row in golden("orb"):
        symbol = row["sym"].upper()
        said = signal(row["day"], "relative_volume_breakout", symbol)
        assert said is not None, row
        features = said.features
        for ours, theirs in (
            ("or_hi", "or_hi"),
            ("or_lo", "or_lo"),
            ("or_open", "or_open"),
            ("or_close", "or_close"),
        ):
            assert features[ours] == pytest.approx(row[theirs], abs=1e-6)
        assert features["or_volume"] == row["v5"]
        assert features["atr14"] == pytest.approx(row["atr14_prev"], abs=1e-6)
        assert features.get("rv") == (None if row["rv"] is None else pytest.approx(row["rv"], abs=1e-6))
        assert (said.direction == "long") == (row["side"] == 1)
        if row["trade"]:
            assert said.entry.stop == said.price == pytest.approx(row["trade"]["entry"], abs=1e-6)
            assert said.stop_loss == pytest.approx(row["trade"]["stop"], abs=1e-6)
            assert said.take_profit == pytest.approx(row["trade"]["target"], abs=1e-6)
        assert said.ts_event == said.expires_at - 115 * MINUTE


def test_the_trigger_is_met_in_the_golden_minute_or_never_within_the_window() -> None:
    for row in golden("orb"):
        said = signal(row["day"], "relative_volume_breakout", row["sym"].upper())
        assert said is not None
        day = next(day for day in days() if day.header.session == row["day"])
        number = SYMBOLS.index(said.symbol)
        met = None
        for frame in day.frames:
            place = np.flatnonzero(frame.ids == number)
            if not said.ts_event <= frame.ts_event < said.expires_at or not len(place):
                continue
            beyond = (
                frame.high[place] >= said.price
                if said.direction == "long"
                else frame.low[place] <= said.price
            )
            if beyond.all():
                met = (frame.ts_event - day.header.open) // MINUTE
                break
        assert met == (row["trade"]["entry_min"] if row["trade"] else None), row


def test_gaps_are_faded_where_the_golden_table_says_and_nowhere_else() -> None:
    for row in golden("gap"):
        said = signal(row["day"], "gap_fill", row["sym"].upper())
        assert (said is not None) == ("side" in row), row
        if said is None:
            continue
        assert said.features["gap"] == pytest.approx(row["gap"], abs=1e-6)
        assert (said.direction == "long") == (row["side"] == 1)
        assert said.take_profit == pytest.approx(row["target"], abs=1e-6)
        distance = abs(said.price - said.stop_loss)  # type: ignore[operator]  # entries have stops
        assert distance == pytest.approx(abs(row["entry"] - row["stop"]), abs=1e-6)
        assert said.stop_loss == pytest.approx(row["stop"], abs=ONE_PRICE_STEP)
        assert said.stop_follows_fill
        assert said.size_factor == 1.0


def test_the_paper_trades_leave_at_the_golden_prices() -> None:
    last = days()[-1].header.session
    expected = [
        row["side"] * (row["exit"] / row["entry"] - 1) * 1e4
        for row in sorted(golden("gap"), key=lambda row: (row["day"], row.get("exit_min", 0)))
        if "side" in row
    ]
    record = ran()[last][0].actor("gap_fill")._strategy.record
    assert record.trades == pytest.approx(expected, abs=1e-6)


def test_the_session_vwap_is_the_golden_one() -> None:
    for row in golden("vwap"):
        day = next(day for day in days() if day.header.session == row["day"])
        vwap = SessionVwap(len(SYMBOLS))
        seen = {}
        for frame in day.frames:
            minute = (frame.ts_event - day.header.open) // MINUTE
            if minute >= 0:
                vwap.push(frame.ids, frame)
                seen[minute] = float(vwap.price[SYMBOLS.index(row["sym"].upper())])
        for name, minute in (("at_1030", 59), ("at_1200", 149), ("at_1545", 374)):
            assert seen[minute] == pytest.approx(row[name], abs=1e-6)


def test_a_file_restated_for_a_later_split_gives_the_same_signals() -> None:
    for day, plain in zip(october(scale=0.5), days(), strict=True):
        _, tap = run(day, {RelativeVolumeBreakout: BREAKOUT, GapFillStrategy: GAP})
        _, same = run(plain, {RelativeVolumeBreakout: BREAKOUT, GapFillStrategy: GAP})
        assert tap.of(SignalRaised) == same.of(SignalRaised)


def test_the_future_never_changes_an_intraday_signal() -> None:
    for day in days()[:3]:
        _, whole = run(day, {RelativeVolumeBreakout: BREAKOUT, GapFillStrategy: GAP})
        opened = next(n for n, frame in enumerate(day.frames) if frame.ts_event >= day.header.open)
        for cut in (opened, opened + 4, opened + 5, opened + 60):
            _, part = run(day, {RelativeVolumeBreakout: BREAKOUT, GapFillStrategy: GAP}, until=cut)
            limit = day.frames[cut - 1].ts_event + MINUTE
            until_then = [s for s in whole.of(SignalRaised) if s.ts_event <= limit]
            assert part.of(SignalRaised) == until_then


def test_without_leave_to_sell_short_only_the_long_side_speaks() -> None:
    for day in days():
        _, tap = run(day, {RelativeVolumeBreakout: BREAKOUT, GapFillStrategy: GAP}, allow_short=False)
        assert all(said.direction == "long" for said in tap.of(SignalRaised))
        assert not tap.of(SignalDropped)
