"""Bad input from end to end: `tape import` and `replay` of files with broken bars, and of damaged tapes.

What is refused is counted and logged, what is left is played as if the rest had never been there, and nothing
of a damaged tape is used: `replay` checks every byte before it plays the first one.
"""

import json
import math
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.market.calendar import session_times, sessions_between
from runtime.messages.market import Bars
from storage.tape import TapeReader, compress
from tests.storage.loaders.made import Row, daily_rows, write
from tui.commands import exits
from tui.commands.main import main

DAYS = sessions_between("2018-02-26", "2018-02-28")
SYMBOLS = {"AA": 40.0, "BB": 90.0, "CC": 150.0}
LENGTH = 90
MINUTE = 60_000_000_000
TRADING = [
    *("--set", "strategies.chance.class=tests.samples.random_signals:RandomSignals"),
    *("--set", "strategies.chance.allocation=0.2"),
    *("--set", "strategies.mean_reversion.enabled=false"),
]

Captured = pytest.CaptureFixture[str]


def good_rows() -> list[Row]:
    """Three days of three symbols that walk about."""
    chance = random.Random(3)
    rows: list[Row] = []
    for name, first in SYMBOLS.items():
        close = first
        for day in DAYS:
            begin = session_times(day).open
            for minute in range(LENGTH):
                opened, close = close, round(close * (1 + chance.gauss(0, 0.001)), 2)
                high, low = max(opened, close) + 0.02, min(opened, close) - 0.02
                volume = float(chance.randrange(2_000, 9_000))
                rows.append((name, begin + minute * MINUTE, opened, high, low, close, volume))
    return rows


class Kitchen:
    """A folder in which tapes are made of rows and replayed."""

    def __init__(self, folder: Path, capsys: Captured) -> None:
        self.folder, self._capsys = folder, capsys
        closes = {name: [price] * len(DAYS) for name, price in SYMBOLS.items()}
        daily = [row for name, values in closes.items() for row in daily_rows(name, DAYS, values)]
        self._daily = write(folder / "daily.parquet", daily, adj_close=[row[5] for row in daily])
        self._vix = write(folder / "vix.parquet", daily_rows("VIX", DAYS, [20.0] * len(DAYS)))
        self._sectors = folder / "sectors.csv"
        self._sectors.write_text("Symbol,Sector\n" + "".join(f"{name},Energy\n" for name in SYMBOLS))

    def call(self, *words: object) -> tuple[int, str, str]:
        """Exit code, output and errors of one command."""
        code = main([str(word) for word in words])
        shown = self._capsys.readouterr()
        return code, shown.out, shown.err

    def tapes(self, rows: list[Row], name: str) -> tuple[dict[str, Any], list[Path]]:
        """What the import says, and its tapes."""
        minute = write(self.folder / f"{name}.parquet", rows)
        code, out, err = self.call(
            *("tape", "import", "--minute", minute, "--daily", self._daily, "--vix", self._vix),
            *("--sectors", self._sectors, "--sessions", f"{DAYS[0]}..{DAYS[-1]}"),
            *("--out", self.folder / name, "--json"),
        )
        assert code == 0, err
        return json.loads(out), sorted((self.folder / name).glob("*.tape"))

    def replay(self, tapes: list[Path], name: str) -> tuple[int, dict[str, Any], str]:
        """Exit code, summary and errors of a replay; its books are in the folder of that name."""
        root = self.folder / f"{name}-root"
        code, out, err = self.call("replay", *tapes, "--root", root, "--headless", "--json", *TRADING)
        return code, json.loads(out.splitlines()[-1]) if code == 0 else {}, err

    def ask(self, name: str, database: str, query: str) -> list[tuple[Any, ...]]:
        """Rows of a replay's books."""
        path = self.folder / f"{name}-root" / "db" / f"{database}.db"
        link = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return link.execute(query).fetchall()
        finally:
            link.close()


@pytest.fixture
def kitchen(tmp_path: Path, capsys: Captured) -> Kitchen:
    return Kitchen(tmp_path, capsys)


def used(tapes: list[Path]) -> list[Any]:
    """Every bar that the tapes hold, by name."""
    found = []
    for tape in tapes:
        reader = TapeReader(tape)
        names = reader.header.symbols
        for entry in reader:
            if isinstance(entry.message, Bars):
                ids = [names[place] for place in entry.message.ids.tolist()]
                found.append((entry.at, ids, entry.message.values[:5].tolist()))
    return found


_FILLS = """
    SELECT id, symbol, direction, quantity, fill_price, executed_at FROM executions ORDER BY executed_at, id
"""
_LOG = "SELECT message FROM error_log"
NAN = math.nan


def _changed(row: Row, **values: float) -> Row:
    fields = dict(zip(("symbol", "ts", "o", "h", "l", "c", "v"), row, strict=True)) | values
    return tuple(fields.values())  # type: ignore[return-value]


# What is put into the file in place of, or beside, sound rows; the reason under which it is counted.
FAULTS: dict[str, tuple[Callable[[Row], list[Row]], str]] = {
    "nan": (lambda row: [_changed(row, c=NAN)], "price missing"),
    "infinite": (lambda row: [_changed(row, h=math.inf)], "price missing"),
    "negative": (lambda row: [_changed(row, l=-1.0)], "price zero or negative"),
    "zero": (lambda row: [_changed(row, o=0.0)], "price zero or negative"),
    "crossed": (lambda row: [_changed(row, h=row[4], l=row[3])], "high below low"),
    "outside": (lambda row: [_changed(row, c=row[3] + 1.0)], "open or close outside low..high"),
    "absurd": (lambda row: [_changed(row, o=2e6, h=3e6, l=1e6, c=2e6)], "price absurdly high"),
    "ten times": (
        lambda row: [_changed(row, **{key: 10 * row[at] for at, key in enumerate("ohlc", 2)})],
        "jump that came back",
    ),
    "volume": (lambda row: [_changed(row, v=-5.0)], "volume negative, missing, broken or beyond 2**53"),
    "future": (lambda row: [_changed(row, ts=4_000_000_020_000_000_000)], "timestamp in the future"),
    "seconds": (lambda row: [_changed(row, ts=row[1] + 1_000_000_000)], "timestamp not on a full minute"),
    "no symbol": (lambda row: [("not one!", *row[1:])], "not a symbol"),
    "contradiction": (
        lambda row: [row, _changed(row, v=row[6] + 1)],
        "duplicates that contradict each other",
    ),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_bad_bars_are_counted_logged_and_leave_no_trace_in_the_trading(kitchen: Kitchen, kind: str) -> None:
    spoil, reason = FAULTS[kind]
    rows = good_rows()
    chance = random.Random(kind)
    victims = sorted(chance.sample(range(5, len(rows) - 5), 12))[::2]
    rest = [row for place, row in enumerate(rows) if place not in victims]
    spoilt = list(rest)
    for place in victims:
        spoilt += spoil(rows[place])
    told, tapes = kitchen.tapes(spoilt, "spoilt")
    count = told["quarantined"][reason]
    assert count >= len(victims)
    _, clean = kitchen.tapes(rest, "clean")
    assert used(tapes) == used(clean)

    code, summary, err = kitchen.replay(tapes, "spoilt")
    assert code == exits.OK, err
    _, expected, _ = kitchen.replay(clean, "clean")
    assert summary["bars"] == expected["bars"] == len(rest)
    fills = kitchen.ask("spoilt", "trades", _FILLS)
    assert fills
    assert fills == kitchen.ask("clean", "trades", _FILLS)
    logged = [text for (text,) in kitchen.ask("spoilt", "performance", _LOG)]
    assert sum(_counted(text, reason) for text in logged) == count
    assert not any(reason in text for (text,) in kitchen.ask("clean", "performance", _LOG))


def _counted(text: str, reason: str) -> int:
    """How many bars a line of the error log says were refused for a reason."""
    return int(text.split(maxsplit=1)[0]) if reason in text else 0


def test_duplicates_and_disorder_change_nothing(kitchen: Kitchen) -> None:
    rows = good_rows()
    chance = random.Random(9)
    shuffled = rows + chance.sample(rows, 20)
    chance.shuffle(shuffled)
    told, tapes = kitchen.tapes(shuffled, "shuffled")
    assert told["quarantined"]["duplicate"] == 20
    assert told["quarantined"]["out of order (used after sorting)"] > 100
    _, clean = kitchen.tapes(rows, "clean")
    assert used(tapes) == used(clean)


def test_an_unknown_symbol_and_an_empty_day_are_told(kitchen: Kitchen) -> None:
    empty = session_times(DAYS[1])
    rows = [row for row in good_rows() if not empty.open <= row[1] < empty.close]
    stranger = [("ZZZZ", *row[1:]) for row in rows if row[0] == "AA"]
    told, tapes = kitchen.tapes([*rows, *stranger], "gap")
    assert told["empty"] == [DAYS[1]]
    assert told["symbols"] == len(SYMBOLS) + 1
    assert [tape.name for tape in tapes] == [f"{DAYS[0]}.tape", f"{DAYS[2]}.tape"]
    code, summary, err = kitchen.replay(tapes, "gap")
    assert (code, summary["sessions"]) == (exits.OK, 2), err


def test_a_file_of_nothing_but_bad_bars_makes_no_tape(kitchen: Kitchen) -> None:
    minute = write(kitchen.folder / "bad.parquet", [_changed(row, c=NAN) for row in good_rows()])
    code, out, err = kitchen.call(
        *("tape", "import", "--minute", minute, "--daily", kitchen._daily, "--vix", kitchen._vix),
        *("--sectors", kitchen._sectors, "--sessions", DAYS[0], "--out", kitchen.folder / "none", "--json"),
    )
    assert code != 0
    assert "not one usable minute bar" in err
    assert "810 price missing" in err
    assert not out
    assert not list((kitchen.folder / "none").glob("*.tape"))


# ---- damaged tapes --------------------------------------------------------------------------------


@pytest.fixture
def sound(kitchen: Kitchen) -> list[Path]:
    return kitchen.tapes(good_rows(), "sound")[1]


def _copy(tapes: list[Path], folder: Path) -> list[Path]:
    """The tapes and their panels once more."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(tapes[0].parent, folder)
    return [folder / tape.name for tape in tapes]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "compressed"])
def test_one_changed_byte_anywhere_is_named_and_nothing_of_the_run_is_written(
    kitchen: Kitchen, sound: list[Path], packed: bool
) -> None:
    chance = random.Random(17)
    if packed:
        sound[1] = compress(sound[1])
    size = sound[1].stat().st_size
    for place in [0, 9, size - 1, *(chance.randrange(size) for _ in range(12))]:
        tapes = _copy(sound, kitchen.folder / "copy")
        content = bytearray(tapes[1].read_bytes())
        content[place] ^= 1 << chance.randrange(8)
        tapes[1].write_bytes(content)
        code, _, err = kitchen.replay(tapes, "copy")
        assert code == exits.DATA
        assert err.startswith(f"error: {tapes[1]}: record ")
        assert not (kitchen.folder / "copy-root" / "db").exists()  # not even of the sound tape before it


def test_a_tape_cut_anywhere_is_refused_or_played_up_to_the_cut_with_a_word(
    kitchen: Kitchen, sound: list[Path]
) -> None:
    chance = random.Random(23)
    tapes = _copy(sound, kitchen.folder / "copy")
    whole = tapes[2].read_bytes()
    starts = [record.offset for record in TapeReader(tapes[2]).records()]
    assert kitchen.replay(sound, "sound")[0] == exits.OK
    query = "SELECT id, quantity, cash_micros, session, seq FROM executions ORDER BY session, seq, id"
    full = kitchen.ask("sound", "trades", query)
    played = 0
    cuts = [starts[1], starts[-1], starts[len(starts) // 2]]
    for number, cut in enumerate(cuts + [chance.randrange(len(whole)) for _ in range(9)]):
        tapes[2].write_bytes(whole[:cut])
        code, summary, err = kitchen.replay(tapes, f"cut-{number}")
        if cut < starts[1]:
            assert code == exits.DATA
            assert str(tapes[2]) in err
            continue
        assert code == exits.OK
        assert summary["sessions"] == 3
        assert err.startswith(f"warning: {tapes[2]}: ")
        assert "torn" in err or "not closed" in err
        played += 1
        found = kitchen.ask(f"cut-{number}", "trades", query)
        assert found == full[: len(found)]
        assert len(found) >= sum(row[-2] < 20180228 for row in full)
    assert played > 5
