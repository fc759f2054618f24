"""What a tape's name says, and in which order tapes stand."""

from pathlib import Path

import pytest

from storage.tape import part_beside, part_name, parts_in, read_name, tapes_in

SESSION = "2018-03-05"


@pytest.mark.parametrize("part", [1, 2, 9, 10, 23])
@pytest.mark.parametrize("packed", ["", ".zst"])
def test_a_name_is_read_as_it_was_made(part: int, packed: str) -> None:
    assert read_name(Path(part_name(SESSION, part) + packed)) == (SESSION, part, bool(packed))


@pytest.mark.parametrize("name", ["2018-03-05.1.tape", "2018-03-05.02.tape", "x.tape", "2018-03-05.tape.tmp"])
def test_other_files_are_no_sessions_tape(name: str) -> None:
    assert read_name(Path(name)) is None


def test_tapes_stand_by_session_and_then_by_part(tmp_path: Path) -> None:
    names = ["2018-03-02.tape.zst", f"{SESSION}.tape.zst", f"{SESSION}.2.tape", f"{SESSION}.10.tape"]
    for name in (*reversed(names), "blobs.tape", "2018-03-06.import.tape"):
        (tmp_path / name).touch()
    assert [path.name for path in tapes_in(tmp_path)] == names
    assert [path.name for path in parts_in(tmp_path, SESSION)] == names[1:]


def test_another_part_is_found_compressed_or_not(tmp_path: Path) -> None:
    second = tmp_path / f"{SESSION}.2.tape"
    assert part_beside(second, f"{SESSION}.tape").name == f"{SESSION}.tape"
    (tmp_path / f"{SESSION}.tape.zst").touch()
    assert part_beside(second, f"{SESSION}.tape").name == f"{SESSION}.tape.zst"
