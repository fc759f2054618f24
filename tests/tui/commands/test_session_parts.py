"""The command line on a session in two parts: each verified, both played as one day, told by `tape info`."""

import json
from pathlib import Path

import pytest

from actors.gateways.replay_feed import TapeSession
from storage.tape import TapeWriter, compress
from tests.demo_run import tapes
from tests.system.parted import begin, cut, feed, machine
from tui.commands import exits
from tui.commands.main import main


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """(whole, first part, second part) of one of the demo's sessions."""
    whole = tapes()[1]
    session = TapeSession(whole)
    entries = list(session.reader)
    folder = tmp_path_factory.mktemp("parts")
    (folder / "blobs").symlink_to(whole.parent / "blobs")
    _, path = cut(session, entries[:150], folder)
    second = TapeSession(path)
    with TapeWriter.resume(path, durable=False) as tape:
        sequencer = machine(second, tape)
        begin(sequencer, second, entries[149].at)
        feed(sequencer, entries[150:], crashes=False)
    return whole, folder / f"{session.header.session}.tape", path


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def test_each_part_is_verified(parts: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    _, one, two = parts
    assert main(["replay", "--verify", str(one), str(two)]) == exits.OK
    assert capsys.readouterr().out.count("identical") == 2


def test_both_parts_are_the_whole_day(
    parts: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    whole, one, two = parts
    assert main(["replay", str(whole), "--no-books", "--json"]) == exits.OK
    (before,) = said(capsys)
    assert main(["replay", str(one), str(two), "--no-books", "--json"]) == exits.OK
    (after,) = said(capsys)
    for name in ("sessions", "inputs", "bars", "orders", "fills", "decisions_sha256", "equity_end"):
        assert after[name] == before[name], name
    assert after["sessions"] == 1


def test_the_first_part_can_be_played_alone_and_the_second_cannot(
    parts: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, one, two = parts
    assert main(["replay", str(one), "--no-books", "--json"]) == exits.OK
    assert main(["replay", str(two), "--no-books"]) == exits.USAGE
    assert f"is part 2 of the session 2026-11-17: name the parts before it first, {one.name}" in (
        capsys.readouterr().err
    )


def test_tape_info_tells_the_parts(
    parts: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, one, two = parts
    assert main(["tape", "info", str(one), str(two)]) == exits.OK
    text = capsys.readouterr().out
    assert "2026-11-17 part 2" in text
    assert f"from {one.name}, input 151" in text
    assert main(["tape", "info", str(one), str(two), "--json"]) == exits.OK
    first, second = said(capsys)
    assert (first["part"], second["part"]) == (1, 2)
    assert second["first_seq"] == 152


def test_a_part_that_is_not_the_one_that_was_gone_on_from_is_refused(
    parts: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, one, two = parts
    (tmp_path / "blobs").symlink_to(whole.parent / "blobs")
    (tmp_path / two.name).write_bytes(two.read_bytes())
    assert main(["replay", "--verify", str(tmp_path / two.name)]) == exits.DATA
    (tmp_path / f"{one.name}.zst").write_bytes(whole.read_bytes())
    assert main(["replay", "--verify", str(tmp_path / two.name)]) == exits.DATA
    assert "is not the part of the session" in capsys.readouterr().err
    (tmp_path / f"{one.name}.zst").unlink()
    (tmp_path / one.name).write_bytes(one.read_bytes())
    compress(tmp_path / one.name)
    assert main(["replay", "--verify", str(tmp_path / two.name)]) == exits.OK
