"""Cutting off or changing the future changes nothing that came before: the whole system, every strategy."""

import hashlib
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from actors.gateways.replay_feed import MadeSession
from actors.market.calendar import session_times, sessions_between
from actors.playback import Playback
from config.schema import Settings
from runtime.messages.base import Input, Message
from runtime.messages.codec import encode
from runtime.messages.market import Columns, VixClose
from runtime.messages.trading import SignalRaised
from storage.loaders.daily import load_daily
from storage.loaders.minute import load_minute
from storage.loaders.sectors import load_sectors
from storage.loaders.sessions import Rules, SessionData, SessionFiles, import_sessions
from storage.loaders.vix import load_vix
from tests.system import days, recordings

CUTS = 6
"""Random cuts of every session looked at; the edges of each are added."""
STRATEGIES = ("mean_reversion", "relative_volume_breakout", "gap_fill")


class Everything:
    """Observer: each input with the digest of it and of all it caused."""

    def __init__(self) -> None:
        self.inputs: list[Input] = []
        self.digests: list[bytes] = []
        self.signals: list[int] = []

    def __call__(self, seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        self.inputs.append(message)
        told = b"".join(encode(one) for one in (message, *caused))
        self.digests.append(hashlib.sha256(f"{seq} {at}".encode() + told).digest())
        if any(isinstance(one, SignalRaised) for one in caused):
            self.signals.append(len(self.inputs) - 1)

    def until(self, message: Input) -> list[bytes]:
        """Digests up to an input, which is found as the object it is."""
        place = next(at for at, one in enumerate(self.inputs) if one is message)
        return self.digests[: place + 1]


def only(strategy: str, profile: Path | None) -> Settings:
    """One strategy alone, or all of them."""
    if not strategy:
        return days.settings(profile, "account.allow_short=true")
    off = [f"strategies.{name}.enabled=false" for name in STRATEGIES if name != strategy]
    return days.settings(profile, "account.allow_short=true", *off)


def changed(inputs: Sequence[tuple[int, Any, Input]], chance: random.Random) -> tuple[Any, ...]:
    """The same inputs with other prices, volumes and VIX."""
    found = []
    for at, source, message in inputs:
        if isinstance(message, Columns):
            values = message.values.copy()
            factors = np.array([chance.uniform(0.7, 1.4) for _ in range(len(message))])
            values[:4] *= factors
            values[4] = np.rint(values[4] * chance.uniform(0.1, 8.0))
            found.append((at, source, msgspec.structs.replace(message, values=values)))
        elif isinstance(message, VixClose):
            found.append((at, source, msgspec.structs.replace(message, level=chance.uniform(9, 60))))
        else:
            found.append((at, source, message))
    return tuple(found)


def look(settings: Settings, data: SessionData, carried: dict[str, bytes] | None) -> tuple[Everything, Any]:
    """Play one session from what the last one left; everything that happened and what it leaves."""
    seen = Everything()
    player = Playback(settings, observers=[seen], books=recordings.BOOKS)
    player.carried = carried
    player.run([MadeSession(data)])
    return seen, player.carried


def check(settings: Settings, sessions: Sequence[SessionData], from_session: int, seed: int) -> int:
    """Cut every session from `from_session` on at random places; how many signals were looked at."""
    chance = random.Random(seed)
    carried: dict[str, bytes] | None = None
    signals = 0
    for number, data in enumerate(sessions):
        whole, leaves = look(settings, data, carried)
        if number >= from_session:
            signals += len(whole.signals)
            for place in _cuts(data, whole, chance):
                kept = data.inputs[:place]
                expected = whole.until(kept[-1][2])
                ends = msgspec.structs.replace(data, inputs=kept)
                other = msgspec.structs.replace(data, inputs=(*kept, *changed(data.inputs[place:], chance)))
                for variant in (ends, other):
                    found, _ = look(settings, variant, carried)
                    assert found.digests[: len(expected)] == expected, f"{data.session} cut after {place}"
                    if place < len(data.inputs) - 3:  # behind the last bars nothing is changed
                        assert found.digests != whole.digests  # so a difference would have been seen
        carried = leaves
    return signals


def _cuts(data: SessionData, whole: Everything, chance: random.Random) -> list[int]:
    """Places to cut: right after inputs that brought signals, and anywhere."""
    near = [
        place
        for place, (_, _, message) in enumerate(data.inputs, 1)
        if any(whole.inputs[at] is message for at in whole.signals)
    ]
    anywhere = range(1, len(data.inputs))
    return sorted({*chance.sample(near, min(len(near), CUTS // 2)), *chance.sample(anywhere, CUTS // 2)})


@cache
def small_february() -> tuple[SessionData, ...]:
    """Sessions 11 to 13 of February 2018, when relative volume has its baseline, and the two before."""
    return days.february_2018()[9:13]


@days.needs_data
@pytest.mark.parametrize("strategy", ["", "mean_reversion", "relative_volume_breakout"])
def test_recorded_stocks_of_2018(strategy: str) -> None:
    assert check(only(strategy, None), small_february(), 1, seed=1) > 0


@days.needs_data
@pytest.mark.parametrize("strategy", ["", "relative_volume_breakout", "gap_fill"])
def test_recorded_october_2013(strategy: str) -> None:
    chosen = days.settings(days.GOLDEN_PROFILE)
    if strategy:
        off = [f"strategies.{name}.enabled=false" for name in STRATEGIES if name != strategy]
        chosen = days.settings(days.GOLDEN_PROFILE, *off)
    assert check(chosen, days.october_2013(), 0, seed=2) > 0


@pytest.mark.parametrize("strategy", ["", *STRATEGIES])
def test_the_made_up_market(strategy: str) -> None:
    assert check(only(strategy, None), recordings.demo_market()[:4], 0, seed=3) > 0


# ---- the files behind the sessions --------------------------------------------------------------


@days.needs_data
@pytest.mark.parametrize("last", ["2013-10-07", "2013-10-09"])
def test_sessions_cut_from_files_that_end_earlier_are_the_same(tmp_path: Path, last: str) -> None:
    """Nothing of a session, history panels and quarantine included, comes from later rows of the files."""
    ends = session_times(last).ends
    minute = _until(days.DATA / "minute/lean_2008_2014_trades.parquet", tmp_path, ends)
    daily = _until(days.DATA / "daily/lean_raw_1998-01-02_2018-03-16.parquet", tmp_path, ends)
    vix = _until(days.DATA / "daily/vix_1990-01-02_2018-03-16.parquet", tmp_path, ends)
    files = SessionFiles(
        minutes=load_minute(minute, now=ends),
        daily=load_daily([daily], now=ends),
        vix=load_vix([vix], now=ends),
        sectors=load_sectors(days.DATA / "reference/sp500_constituents_2018-04-02.csv"),
    )
    cut = list(import_sessions(files, sessions_between("2013-10-04", last), session_times, Rules()))
    whole = days.october_2013()[: len(cut)]
    assert len(cut) >= 2
    for mine, theirs in zip(cut, whole, strict=True):
        assert isinstance(mine, SessionData)
        assert mine.inputs == theirs.inputs
        assert mine.panels.keys() == theirs.panels.keys()
        for name, panel in mine.panels.items():
            assert np.array_equal(panel, theirs.panels[name], equal_nan=panel.dtype.kind == "f"), name


def _until(path: Path, folder: Path, ends: int) -> Path:
    """A copy of a Parquet file without rows after a time."""
    table = pq.read_table(path)
    stamps = table.column("timestamp")
    limit = np.datetime64(ends, "ns").astype(f"datetime64[{stamps.type.unit}]").astype(np.int64)
    kept = table.filter(pc.less(stamps.cast("int64"), int(limit)))
    assert 0 < len(kept) < len(table)
    pq.write_table(kept, folder / path.name)
    return folder / path.name
