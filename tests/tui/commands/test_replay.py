"""`replay`: what it refuses, how it is stopped, whose books it touches."""

import json
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.gateways.replay_feed import TapeSession
from actors.verification import Verdict
from storage.books import Books
from storage.lock import RootLock
from storage.tape import TapeReader
from storage.tape.format import CAUSED
from tests.demo_run import demo, tapes
from tests.storage.tape.made import tape as made_tape
from tui.commands import exits
from tui.commands.interrupt import Interrupt, Stopped
from tui.commands.main import main

Captured = pytest.CaptureFixture[str]


def call(*words: object) -> int:
    return main([str(word) for word in words])


def rows(root: Path) -> dict[str, list[Any]]:
    found = {}
    for name in ("trades", "performance"):
        link = sqlite3.connect(f"file:{root}/db/{name}.db?mode=ro", uri=True)
        names = [row[0] for row in link.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in names:
            found[f"{name}.{table}"] = sorted(link.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
        link.close()
    return found


@pytest.fixture
def copies(tmp_path: Path) -> list[Path]:
    """Two tapes of the demo with their panels, to be spoilt."""
    folder = tmp_path / "tapes"
    folder.mkdir()
    (folder / "blobs").symlink_to(demo()[0] / "tapes" / "blobs")
    return [Path(shutil.copy(path, folder)) for path in tapes()[:2]]


def unpacked(path: Path) -> Path:
    import zstandard

    plain = path.with_suffix("")
    with path.open("rb") as packed, plain.open("wb") as file:
        zstandard.ZstdDecompressor().copy_stream(packed, file)
    path.unlink()
    return plain


def refused(capsys: Captured, *parts: str) -> None:
    """Whether the last call ended with one line of error that says this."""
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1, shown.err
    assert shown.err.startswith("error: ")
    for part in parts:
        assert part in shown.err


@pytest.mark.parametrize("verify", [[], ["--verify"]])
def test_what_is_no_tape_is_named(tmp_path: Path, capsys: Captured, verify: list[str]) -> None:
    assert call("replay", tmp_path / "none.tape", *verify) == exits.DATA
    refused(capsys, f"there is no tape at {tmp_path / 'none.tape'}")
    assert call("replay", tmp_path, *verify) == exits.DATA
    refused(capsys, f"{tmp_path} is a directory: name the tapes in it")
    assert call("replay", "/dev/zero", *verify) == exits.DATA
    refused(capsys, "/dev/zero is no plain file")
    other = tmp_path / "bars.parquet"
    other.write_bytes(b"PAR1" * 100)
    assert call("replay", other, *verify) == exits.DATA
    refused(capsys, str(other), "it does not begin like a tape")
    other.write_bytes(b"")
    assert call("replay", other, *verify) == exits.DATA
    refused(capsys, str(other), "it does not begin like a tape")


def test_a_name_with_control_characters_stays_on_one_line(tmp_path: Path, capsys: Captured) -> None:
    assert call("replay", tmp_path / "a\n\x1b[31mb.tape") == exits.DATA
    refused(capsys, "a\\n\\x1b[31mb.tape")


def test_a_wrong_tape_is_told_before_anything_is_written(tmp_path: Path, capsys: Captured) -> None:
    assert call("replay", tapes()[0], tmp_path / "none", "--root", tmp_path / "root") == exits.DATA
    refused(capsys, "none")
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("places", [(1, 0), (0, 0), (0, 2, 1)])
def test_tapes_are_given_oldest_first_and_once(
    places: tuple[int, ...], tmp_path: Path, capsys: Captured
) -> None:
    chosen = [tapes()[place] for place in places]
    assert call("replay", *chosen, "--root", tmp_path / "root") == exits.USAGE
    refused(capsys, "oldest first, each session once", str(chosen[-1]))
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--set", "breakers.dialy_loss=0.01"], exits.CONFIG, "did you mean 'daily_loss'?"),
        (["--set", "breakers.daily_loss=7"], exits.CONFIG, "breakers.daily_loss"),
        (["--set", "breakers.daily_loss"], exits.CONFIG, "must look like section.key=value"),
        (["--config", "none.toml"], exits.CONFIG, "none.toml: cannot be read: No such file or directory"),
        (
            ["--set", "strategies.gap_fill.class=nowhere:Any"],
            exits.CONFIG,
            "'nowhere:Any' cannot be imported",
        ),
        (["--set", "strategies.gap_fill.params.gap_min=-1"], exits.CONFIG, "strategies.gap_fill.params"),
        (["--verify", "--set", "breakers.daily_loss=0.01"], exits.USAGE, "each tape's own settings"),
        (["--verify", "--config", "any.toml"], exits.USAGE, "each tape's own settings"),
    ],
)
def test_a_wrong_setting_is_told_before_anything_is_written(
    words: list[str], code: int, said: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("replay", tapes()[0], "--root", tmp_path / "root", *words) == code
    refused(capsys, said)
    assert not (tmp_path / "root").exists()


def test_an_empty_root_is_a_variable_that_was_not_set(capsys: Captured) -> None:
    assert call("replay", tapes()[0], "--root", "") == exits.USAGE
    assert "argument --root: must not be empty" in capsys.readouterr().err


def test_a_root_that_is_a_file_is_refused(tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "file"
    file.touch()
    for root in (file, file / "below"):
        assert call("replay", tapes()[0], "--root", root) == exits.DATA
        refused(capsys, f"the root {root} cannot be used: Not a directory")


def test_damage_in_the_middle_is_named_before_anything_is_played(
    copies: list[Path], tmp_path: Path, capsys: Captured
) -> None:
    bad = unpacked(copies[1])
    content = bytearray(bad.read_bytes())
    content[len(content) * 2 // 3] ^= 4
    bad.write_bytes(content)
    root = tmp_path / "root"
    assert call("replay", copies[0], bad, "--root", root, "--json") == exits.DATA
    refused(capsys, str(bad), "record", "byte")
    assert not root.exists()


def test_a_torn_tape_is_played_up_to_the_tear(copies: list[Path], tmp_path: Path, capsys: Captured) -> None:
    torn = unpacked(copies[0])
    torn.write_bytes(torn.read_bytes()[:-40_000])
    root = tmp_path / "root"
    assert call("replay", copies[1], "--no-books", "--json") == exits.OK
    assert json.loads(capsys.readouterr().out)["torn"] is False
    assert call("replay", torn, "--root", root, "--json") == exits.OK
    shown = capsys.readouterr()
    said = f"{torn}: the last record is torn"
    assert f"warning: {said}" in shown.err
    summary = json.loads(shown.out)
    assert (summary["sessions"], summary["torn"]) == (1, True)
    link = sqlite3.connect(f"file:{root}/db/performance.db?mode=ro", uri=True)
    told = link.execute("SELECT level, message FROM error_log WHERE logger_name = 'tui.commands.replay'")
    ((level, message),) = told.fetchall()
    (count,) = link.execute("SELECT count(*) FROM error_log").fetchone()
    link.close()
    assert (level, message[: len(said)]) == ("WARNING", said)
    assert summary["errors"] == count


def test_a_tape_that_was_not_closed_is_told_as_torn_though_every_record_is_whole(
    copies: list[Path], capsys: Captured
) -> None:
    cut = unpacked(copies[0])
    footer = list(TapeReader(cut).records())[-1]
    cut.write_bytes(cut.read_bytes()[: footer.offset])
    assert call("replay", cut, "--no-books", "--json") == exits.OK
    shown = capsys.readouterr()
    assert f"warning: {cut}: the recording was not closed" in shown.err
    summary = json.loads(shown.out)
    assert summary["torn"] is True
    assert summary["errors"] >= 1


def test_a_tape_without_its_panels_is_refused(tmp_path: Path, capsys: Captured) -> None:
    alone = shutil.copy(tapes()[0], tmp_path)
    assert call("replay", alone, "--no-books") == exits.DATA
    refused(capsys, "is missing: a tape needs its blobs beside it")


def test_another_runs_books_are_kept_unless_fresh_is_asked_for(tmp_path: Path, capsys: Captured) -> None:
    root = tmp_path / "root"
    assert call("replay", tapes()[0], "--root", root) == exits.OK
    before = rows(root)
    capsys.readouterr()
    assert call("replay", tapes()[1], "--root", root) == exits.DATA
    refused(capsys, "holds the books of another run", "--fresh")
    assert rows(root) == before
    assert call("replay", tapes()[1], "--root", root, "--fresh", "--json") == exits.OK
    assert json.loads(capsys.readouterr().out)["sessions"] == 1


def test_an_accounts_books_are_never_deleted(tmp_path: Path, capsys: Captured) -> None:
    Books(tmp_path, "paper:PA123").close()
    for words in (["replay", tapes()[0], "--fresh"], ["replay", tapes()[0]], ["demo"], ["demo", "--fresh"]):
        assert call(*words, "--root", tmp_path) == exits.DATA
        refused(capsys, "'paper:PA123'", "choose another --root")
    assert call("status", "--root", tmp_path) == exits.HALTED  # nothing made its kill switch


def test_fresh_leaves_the_tapes_of_the_root_alone(copies: list[Path], tmp_path: Path) -> None:
    for _ in range(2):
        assert call("replay", *copies, "--root", tmp_path, "--fresh") == exits.OK
    assert all(path.exists() for path in copies)


def test_two_runs_never_share_a_root(tmp_path: Path, capsys: Captured) -> None:
    with RootLock(tmp_path):
        for words in (["replay", tapes()[0]], ["demo"]):
            assert call(*words, "--root", tmp_path) == exits.RUNNING
            refused(capsys, f"is at work in {tmp_path}")
    assert not (tmp_path / "db").exists()


def test_errors_are_the_rows_of_the_error_log(tmp_path: Path, capsys: Captured) -> None:
    for root in ([], ["--root", tmp_path / "root"], ["--root", tmp_path / "root"]):
        assert call("replay", *tapes()[:2], "--json", *(root or ["--no-books"])) == exits.OK
        found = json.loads(capsys.readouterr().out)
        assert found["errors"] > 0
    logged = rows(tmp_path / "root")["performance.error_log"]
    assert found["errors"] == len(logged)
    assert {row[2] for row in logged} <= {"WARNING", "ERROR", "CRITICAL"}


def test_verification_tells_the_first_difference_by_its_exit_code(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("replay", "--verify", *tapes()[:2]) == exits.OK
    assert capsys.readouterr().out.count(": identical, ") == 2
    verdict = Verdict(tape="a", session="b", inputs=3, identical=False, seq=3, input="Bars from market")
    monkeypatch.setattr("actors.verification.verify", lambda _: verdict)
    assert call("replay", "--verify", tapes()[0]) == exits.FAILED
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "a: input 3 (Bars from market) caused 0 messages" in shown.err


def test_verification_tells_what_of_a_tapes_end_is_missing(copies: list[Path], capsys: Captured) -> None:
    assert call("replay", "--verify", copies[0], "--json") == exits.OK
    whole = json.loads(capsys.readouterr().out)
    assert whole["warnings"] == []
    torn = unpacked(copies[0])
    torn.write_bytes(torn.read_bytes()[:-40_000])
    assert call("replay", "--verify", torn, "--json") == exits.OK
    found = json.loads(capsys.readouterr().out)
    assert 0 < found["inputs"] < whole["inputs"]
    assert any("the last record is torn" in note for note in found["warnings"])
    assert call("replay", "--verify", torn) == exits.OK
    assert "note: the last record is torn" in capsys.readouterr().out
    handled = [at.offset for at in TapeReader(torn).records() if at.kind == CAUSED]
    torn.write_bytes(torn.read_bytes()[: handled[-1]])
    assert call("replay", "--verify", torn, "--json") == exits.OK
    assert "the last one, is not compared" in json.loads(capsys.readouterr().out)["warnings"][-1]


def test_a_tape_nobody_has_played_has_nothing_to_verify(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.verification.verify", lambda path: Verdict(tape=str(path), session="b"))
    path = made_tape(tmp_path)
    assert call("replay", "--verify", path) == exits.DATA
    refused(capsys, f"{path} has nothing to compare: it was made from files")


def interrupted_at(wanted: int, monkeypatch: pytest.MonkeyPatch, times: int = 1) -> None:
    """Press Ctrl-C when the run asks for its `wanted`-th input."""
    inputs, count = TapeSession.inputs, [0]

    def pressed(self: TapeSession) -> Iterator[Any]:
        for found in inputs(self):
            count[0] += 1
            if count[0] == wanted:
                for _ in range(times):
                    signal.raise_signal(signal.SIGINT)
            yield found

    monkeypatch.setattr(TapeSession, "inputs", pressed)


@pytest.mark.parametrize("wanted", [1, 60, 250, 500])
def test_ctrl_c_stops_between_inputs_and_the_same_command_goes_on(
    wanted: int, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, root, chosen = tmp_path / "whole", tmp_path / "root", tapes()[:2]
    assert call("replay", *chosen, "--root", whole) == exits.OK
    with monkeypatch.context() as patched:
        interrupted_at(wanted, patched)
        before = signal.getsignal(signal.SIGINT)
        capsys.readouterr()
        assert call("replay", *chosen, "--root", root) == exits.INTERRUPTED
        assert signal.getsignal(signal.SIGINT) is before
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("stopped in the session 2026-")
    assert shown.err.endswith("; the same command goes on from there\n")
    assert call("report", "--root", root) == exits.OK
    assert call("replay", *chosen, "--root", root) == exits.OK
    assert rows(root) == rows(whole)


def test_a_second_ctrl_c_stops_at_once_and_nothing_is_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, root, chosen = tmp_path / "whole", tmp_path / "root", tapes()[:1]
    with monkeypatch.context() as patched:
        interrupted_at(200, patched, times=2)
        assert call("replay", *chosen, "--root", root) == exits.INTERRUPTED
    for each in (root, whole):
        assert call("replay", *chosen, "--root", each) == exits.OK
    assert rows(root) == rows(whole)


def test_the_wish_to_stop_waits_for_the_next_input() -> None:
    with Interrupt() as interrupt:
        interrupt.check("a")
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Stopped, match="stopped in the session a"):
            interrupt.check("a")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
