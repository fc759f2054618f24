from datetime import date
from pathlib import Path

import numpy as np
import pytest

from runtime.errors import DataError, TapeDamaged
from storage.panels import PanelStore
from storage.tape import TapeReader, TapeWriter, compress, prune, verify
from tests.storage.tape.made import header, tape


def entries(path: Path) -> list[tuple[object, ...]]:
    return [
        (e.seq, e.at, e.source, bytes(e.raw), e.commands, e.crashes, e.count, e.digest)
        for e in TapeReader(path)
    ]


def test_a_compressed_tape_reads_like_the_original(tmp_path: Path) -> None:
    path = tape(tmp_path, 200)
    before, chain, size = entries(path), verify(path).chain, path.stat().st_size
    packed = compress(path)
    assert packed == tmp_path / "2018-02-16.tape.zst"
    assert not path.exists()
    assert packed.stat().st_size < size
    assert packed.stat().st_mode & 0o777 == 0o600
    assert entries(packed) == before
    assert verify(packed).chain == chain
    assert [each.name for each in tmp_path.iterdir()] == [packed.name]


def test_other_tools_can_unpack_a_compressed_tape(tmp_path: Path) -> None:
    import zstandard

    path = tape(tmp_path)
    original = path.read_bytes()
    with compress(path).open("rb") as file:
        assert zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read() == original


def test_a_tape_that_was_not_closed_is_not_compressed(tmp_path: Path) -> None:
    path = tape(tmp_path, closed=False)
    with pytest.raises(DataError, match="was not closed"):
        compress(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_tape_is_not_compressed(tmp_path: Path) -> None:
    path = tape(tmp_path)
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)
    with pytest.raises(TapeDamaged):
        compress(path)
    assert list(tmp_path.iterdir()) == [path]


def test_compressing_goes_on_after_a_kill_between_renaming_and_deleting(tmp_path: Path) -> None:
    path = tape(tmp_path)
    original = path.read_bytes()
    packed = compress(path)
    path.write_bytes(original)
    assert compress(path) == packed
    assert not path.exists()


def test_another_tape_with_the_compressed_name_is_not_overwritten(tmp_path: Path) -> None:
    packed = compress(tape(tmp_path, 3))
    before = packed.read_bytes()
    path = tape(tmp_path / "other", 5).rename(tmp_path / "2018-02-16.tape")
    with pytest.raises(DataError, match="is another tape than"):
        compress(path)
    assert path.exists()
    assert packed.read_bytes() == before


def test_tapes_are_kept_for_so_many_days(tmp_path: Path) -> None:
    for session in ("2018-02-16", "2018-02-20", "2018-02-21", "2018-02-22"):
        path = tape(tmp_path, session=session)
        if session <= "2018-02-20":
            compress(path)
    (tmp_path / "notes.tape").write_bytes(b"mine")
    removed = prune(tmp_path, 1, date(2018, 2, 22))
    assert [path.name for path in removed] == ["2018-02-16.tape.zst", "2018-02-20.tape.zst"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "2018-02-21.tape",
        "2018-02-22.tape",
        "notes.tape",
    ]
    assert prune(tmp_path, 1, date(2018, 2, 22)) == []


def test_a_panel_goes_with_the_last_tape_that_names_it(tmp_path: Path) -> None:
    store = PanelStore(tmp_path / "blobs")
    old, shared, free = (store.put(np.full(3, value)) for value in (1.0, 2.0, 3.0))
    for session, panels in (("2018-02-16", {"daily": old, "vix": shared}), ("2018-02-20", {"vix": shared})):
        TapeWriter(tmp_path / f"{session}.tape", header(session, panels), durable=True).close()
    removed = prune(tmp_path, 2, date(2018, 2, 20))
    assert removed == [tmp_path / "2018-02-16.tape", store.path(old)]
    assert [each in store for each in (old, shared, free)] == [False, True, True]


def test_a_damaged_old_tape_is_removed_too(tmp_path: Path) -> None:
    (tmp_path / "2018-02-16.tape").write_bytes(b"broken")
    assert prune(tmp_path, 30, date(2018, 4, 1)) == [tmp_path / "2018-02-16.tape"]


def test_keeping_tapes_for_no_day_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1 day, not 0"):
        prune(tmp_path, 0, date(2018, 4, 1))
