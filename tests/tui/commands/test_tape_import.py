"""`tape import`: tapes that stand alone, the same bytes every time, and a clear word about every bad file."""

import argparse
import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from actors.market.calendar import sessions_between
from runtime.messages.market import Bars, BarsQuarantined, DailyReady
from storage.tape import TapeReader, info  # the package of tapes brings the panels along
from tests.storage.loaders.made import DATA, Row, bars, daily_rows, recorded, write
from tui.commands import exits, tape_import

DAYS = sessions_between("2018-02-26", "2018-03-02")


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    tape_import.add(parser.add_subparsers())
    arguments = parser.parse_args(["import", *words])
    code: int = arguments.run(arguments)
    return code


class Files:
    """A folder of good input files."""

    def __init__(self, folder: Path, minutes: list[Row]) -> None:
        self.minute = write(folder / "m.parquet", minutes)
        daily = daily_rows("AA", DAYS, [10.0] * 5)
        self.daily = write(folder / "d.parquet", daily, adj_close=[10.0] * 5)
        self.vix = write(folder / "v.parquet", daily_rows("VIX", DAYS, [20.0] * 5))
        self.sectors = folder / "s.csv"
        self.sectors.write_text("Symbol,Sector\nAA,Energy\n")

    def words(self, out: Path, sessions: str = "2018-02-26..2018-03-02", **other: Path) -> list[str]:
        names = ("minute", "daily", "vix", "sectors")
        found = {name: other.get(name, getattr(self, name)) for name in names}
        options = [word for name, path in found.items() for word in (f"--{name}", str(path))]
        return [*options, "--sessions", sessions, "--out", str(out), "--json"]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, [row for day in DAYS[:3] for row in bars(day, "AA", [10.0] * 30)])


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_one_tape_a_session_named_by_its_date_and_empty_days_are_named(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*files.words(tmp_path / "out")) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out.splitlines()[-1])
    assert [Path(path).name for path in result["tapes"]] == [f"{day}.tape" for day in DAYS[:3]]
    assert (result["sessions"], result["bars"], result["empty"]) == (3, 90, DAYS[3:])
    assert "warning: 2018-03-01: no minute bar" in printed.err
    tape = info(tmp_path / "out" / "2018-02-27.tape")
    assert tape.closed and tape.bars == 30 and all(panel.present for panel in tape.panels.values())
    assert tape.origin == "import m.parquet"


def test_what_is_on_a_tape_is_what_was_in_the_files(files: Files, tmp_path: Path) -> None:
    assert run(*files.words(tmp_path / "out", "2018-02-27..2018-02-27")) == 0
    reader = TapeReader(tmp_path / "out" / "2018-02-27.tape")
    entries = list(reader)
    assert reader.header.symbols == ("AA",) and reader.header.sectors == ("XLE",)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert all(entry.count is None for entry in entries), "an import decides nothing"
    messages = [entry.message for entry in entries]
    assert sum(isinstance(message, Bars) for message in messages) == 30
    assert isinstance(messages[-1], DailyReady)
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)


def test_the_same_files_give_the_same_bytes(files: Files, tmp_path: Path) -> None:
    assert run(*files.words(tmp_path / "one")) == 0
    assert run(*files.words(tmp_path / "two")) == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "two") != {}


def test_a_tape_that_is_there_is_replaced_only_when_asked(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*files.words(tmp_path / "out")) == 0
    before = contents(tmp_path / "out")
    assert run(*files.words(tmp_path / "out")) == exits.DATA
    assert "is there already; --replace replaces it" in capsys.readouterr().err
    assert run(*files.words(tmp_path / "out"), "--replace") == 0
    assert contents(tmp_path / "out") == before


def test_days_without_any_bar_write_nothing_and_say_so(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*files.words(tmp_path / "out", "2018-03-01..2018-03-02")) == exits.DATA
    assert "no tape was written: no minute bars for 2018-03-01..2018-03-02" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.tape")) if (tmp_path / "out").exists() else True


@pytest.mark.parametrize(
    ("sessions", "word"),
    [
        ("2018-02-30..2018-03-02", "must be a date"),
        ("2018-03-02..2018-02-26", "lies before"),
        ("2018-03-03..2018-03-04", "closed on every one"),
        ("soon", "must be a date"),
        ("1950-01-01..1950-02-01", "outside the calendar"),
    ],
)
def test_a_bad_range_of_sessions_is_explained(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str], sessions: str, word: str
) -> None:
    assert run(*files.words(tmp_path / "out", sessions)) == exits.DATA
    error = capsys.readouterr().err
    assert word in error and error.startswith("error: --sessions")


@pytest.mark.parametrize("which", ["minute", "daily", "vix", "sectors"])
def test_each_missing_or_foreign_file_is_named(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str], which: str
) -> None:
    assert run(*files.words(tmp_path / "out", **{which: tmp_path / "none"})) == exits.DATA
    assert f"{tmp_path / 'none'}: no such file" in capsys.readouterr().err
    (tmp_path / "junk").write_bytes(b"\xff\xfe\x00junk")
    assert run(*files.words(tmp_path / "out", **{which: tmp_path / "junk"})) == exits.DATA
    assert str(tmp_path / "junk") in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_file_that_lacks_a_column_is_refused_by_name(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(pq.read_table(files.minute).drop_columns(["volume"]), files.minute)
    assert run(*files.words(tmp_path / "out")) == exits.DATA
    assert "m.parquet: column 'volume' missing" in capsys.readouterr().err


def test_a_wrong_setting_is_refused(files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*files.words(tmp_path / "out"), "--set", "data.history_sessionz=5") == exits.CONFIG
    assert "history_sessions" in capsys.readouterr().err


def test_refused_bars_are_on_the_tape_and_in_the_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = bars(DAYS[0], "AA", [10.0] * 30)
    bad = [(*row[:2], float("nan"), *row[3:]) for row in bars(DAYS[0], "AA", [10.0] * 4, first=40)]
    files = Files(tmp_path, [*good, *good[:2], *bad, ("aa!", *good[0][1:])])
    assert run(*files.words(tmp_path / "out", DAYS[0])) == 0
    expected = {"not a symbol": 1, "price missing": 4, "duplicate": 2}
    assert json.loads(capsys.readouterr().out)["quarantined"].items() >= expected.items()
    told = {
        entry.message.reason: entry.message.count
        for entry in TapeReader(tmp_path / "out" / f"{DAYS[0]}.tape")
        if isinstance(entry.message, BarsQuarantined)
    }
    assert told.items() >= expected.items()


@recorded
def test_recorded_frames_and_minutes_of_one_day_hold_the_same_bars(tmp_path: Path) -> None:
    day = "2018-03-01"
    common = [
        "--daily", str(DATA / "daily/sp500_2015-01-12_2018-03-16.parquet"),
        "--vix", str(DATA / "daily/vix_1990-01-02_2018-03-16.parquet"),
        "--sectors", str(DATA / "reference/sp500_constituents_2018-04-02.csv"),
        "--sessions", day, "--json",
    ]  # fmt: skip
    minute = str(DATA / "minute/stocks_2018-02-16_2018-03-16.parquet")
    frames = str(DATA / "sessions/bars_2018-03-01.jsonl.gz")
    assert run("--minute", minute, *common, "--out", str(tmp_path / "m")) == 0
    assert run("--frames", frames, *common, "--out", str(tmp_path / "f")) == 0
    one, other = (
        [entry.message for entry in TapeReader(tmp_path / name / f"{day}.tape")] for name in ("m", "f")
    )
    assert len(one) == 393 and one == other


@recorded
def test_a_file_of_trades_alone_is_refused_with_their_count(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = files.words(tmp_path / "out")
    trades = str(DATA / "sessions/trades_2013-10-10_0930-1000_lean.jsonl.gz")
    assert run("--frames", trades, *words[2:]) == exits.DATA
    assert "not one usable minute bar, 98,970 trades" in capsys.readouterr().err
