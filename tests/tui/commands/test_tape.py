import argparse
import json
from pathlib import Path

import pytest

from runtime.errors import DataError
from storage.tape import compress
from tests.storage.tape.made import tape
from tui.commands import exits
from tui.commands import tape as command


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers(required=True))
    parsed = parser.parse_args(["tape", *arguments])
    code: int = parsed.run(parsed)
    return code


def test_info_prints_one_fact_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", str(tape(tmp_path, 9))) == 0
    shown = capsys.readouterr().out
    assert "  inputs     9: market 6, timer 2, machine 1" in shown
    assert "  bars       12" in shown
    assert "  crash      input 3: sample on Bars: ValueError: no" in shown
    assert ", closed" in shown


def test_info_as_json_is_one_object_a_tape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = compress(tape(tmp_path)), tape(tmp_path, session="2018-02-20")
    assert run("info", str(one), str(two), "--json") == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["session"], first["compressed"], first["bars"]) == ("2018-02-16", True, 8)
    assert (second["session"], second["closed"]) == ("2018-02-20", True)
    assert first["first_at"] == {
        "ns": 60_000_000_000,
        "utc": "1970-01-01T00:01:00+00:00",
        "et": "1969-12-31T19:01:00-05:00",
    }


def test_a_bad_tape_is_named_and_the_others_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.tape"
    bad.write_bytes(b"nothing of the kind")
    assert run("info", str(bad), str(tmp_path / "none.tape"), str(tape(tmp_path))) == exits.DATA
    shown = capsys.readouterr()
    assert f"error: {bad}: record 0 at byte 0" in shown.err
    assert f"error: there is no tape at {tmp_path / 'none.tape'}" in shown.err
    assert "2018-02-16" in shown.out
    assert run("info", str(bad), "--json") == exits.DATA
    assert json.loads(capsys.readouterr().out)["path"] == str(bad)


def test_a_torn_tape_is_shown_with_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tape(tmp_path, closed=False)
    path.write_bytes(path.read_bytes()[:-5])
    assert run("info", str(path)) == 0
    assert "the last record is torn" in capsys.readouterr().out


def test_a_hostile_name_of_a_tape_is_shown_not_obeyed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "\x1b]52;c;QUFB\x07\u202e\u200b"
    assert run("info", str(tmp_path / f"{name}.tape")) == exits.DATA
    path = tape(tmp_path)
    assert run("info", str(path.rename(tmp_path / f"{name}2.tape"))) == 0
    said = capsys.readouterr()
    assert (said.out + said.err).replace("\n", "").isprintable()


def test_info_needs_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run("info")
    assert caught.value.code == 2
    assert "FILE" in capsys.readouterr().err


def test_compress_takes_many_and_names_what_it_cannot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = tape(tmp_path), tape(tmp_path, session="2018-02-20")
    left_open = tape(tmp_path, session="2018-02-21", closed=False)
    assert run("compress", str(one), str(tmp_path / "none"), str(left_open), str(two)) == exits.DATA
    shown = capsys.readouterr()
    assert [line.split(":")[0] for line in shown.out.splitlines()] == [f"{one}.zst", f"{two}.zst"]
    assert f"error: there is no tape at {tmp_path / 'none'}" in shown.err
    assert f"error: the tape {left_open} was not closed" in shown.err
    assert left_open.exists()
    assert not one.exists()
    assert run("compress", f"{one}.zst") == 0
    assert "compressed already" in capsys.readouterr().out
    assert run("compress", f"{one}.zst", "--json") == 0
    assert json.loads(capsys.readouterr().out)["bytes"] > 0


def test_prune_removes_old_sessions_and_says_which(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tape(tmp_path), tape(tmp_path, session="2999-12-31")
    assert run("prune", str(tmp_path), "--keep-days", "30") == 0
    assert capsys.readouterr().out == f"{old}\n1 files removed, sessions of the last 30 days kept\n"
    assert new.exists()
    assert run("prune", str(tmp_path), "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "keep_days": 365, "removed": []}


@pytest.mark.parametrize("days", ["0", "-1", "x", "1.5", "9" * 30])
def test_prune_keeps_at_least_a_day(days: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run("prune", str(tmp_path), f"--keep-days={days}")
    assert caught.value.code == 2
    assert "must be a whole number from 1" in capsys.readouterr().err


def test_prune_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        run("prune", str(tmp_path / "none"))
