import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import BooksRefused, DataError, InvariantBroken, StorageUnavailable, TapeDamaged
from runtime.kernel.recording import Recorder
from storage.tape import TapeReader, TapeWriter, Torn, verify, writer
from tests.storage.tape.made import MINUTE, bars, cancel, crash, header, inputs, record, tape


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tapes" / "2018-02-16.tape"


def test_a_writer_is_what_the_sequencer_records_with(path: Path) -> None:
    recorder: Recorder = TapeWriter(path, header(), durable=True)
    recorder.input(1, 1, "market", bars(1))


def test_a_tape_and_its_folders_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "root" / "tapes" / "2018-02-16.tape"
    TapeWriter(path, header(), durable=True).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["2018-02-16.tape"]


def test_an_input_is_with_the_system_before_the_call_returns(path: Path) -> None:
    tape = TapeWriter(path, header(), durable=True)
    for seq in (1, 2, 3):
        tape.input(seq, seq, "market", bars(seq))
        assert [entry.seq for entry in TapeReader(path)] == list(range(1, seq + 1))
        tape.caused(seq, 0, b"")


def test_a_command_is_with_the_system_before_the_call_returns(path: Path) -> None:
    tape = TapeWriter(path, header(), durable=True)
    tape.input(1, 1, "market", bars(1))
    tape.command(1, cancel(1))
    (entry,) = TapeReader(path)
    assert entry.commands == (cancel(1),)


def test_a_crash_is_with_the_system_before_the_call_returns(path: Path) -> None:
    tape = TapeWriter(path, header(), durable=True)
    tape.input(1, 1, "market", bars(1))
    tape.crash(crash(1))
    (entry,) = TapeReader(path)
    assert len(entry.crashes) == 1


def test_what_an_input_caused_goes_with_the_next_record(path: Path) -> None:
    tape = TapeWriter(path, header(), durable=True)
    record(tape, 1, "market", bars(1))
    assert [entry.count for entry in TapeReader(path)] == [None]
    record(tape, 2, "market", bars(2))
    assert [entry.count for entry in TapeReader(path)] == [1, None]


def test_a_tape_of_a_replay_is_written_in_large_pieces(path: Path) -> None:
    tape = TapeWriter(path, header(), durable=False)
    size = path.stat().st_size
    record(tape, 1, "market", bars(1))
    assert path.stat().st_size == size
    tape.sync()
    assert [entry.count for entry in TapeReader(path)] == [1]


def test_a_tape_that_exists_is_not_overwritten(path: Path) -> None:
    TapeWriter(path, header(), durable=True).close()
    before = path.read_bytes()
    with pytest.raises(DataError, match="exists already"):
        TapeWriter(path, header(), durable=True)
    path.rename(path.with_name("2018-02-16.tape.zst"))
    with pytest.raises(DataError, match="exists already"):
        TapeWriter(path, header(), durable=True)
    assert path.with_name("2018-02-16.tape.zst").read_bytes() == before


def test_a_tape_needs_its_suffix(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ends in \.tape, not day\.bin"):
        TapeWriter(tmp_path / "day.bin", header(), durable=True)


def test_a_tape_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageUnavailable, match="cannot be created: Not a directory"):
        TapeWriter(tmp_path / "file" / "a.tape", header(), durable=True)


def test_inputs_must_be_numbered_without_a_gap(path: Path) -> None:
    tape = TapeWriter(path, header(), durable=True)
    tape.input(5, 1, "market", bars(1))
    with pytest.raises(InvariantBroken, match="input 7 was to follow input 5"):
        tape.input(7, 1, "market", bars(1))
    with pytest.raises(InvariantBroken, match="input 4 caused something while 5"):
        tape.caused(4, 0, b"")
    tape.close()
    with pytest.raises(InvariantBroken, match="closed tape"):
        tape.input(6, 1, "market", bars(1))


def test_leaving_by_an_exception_leaves_the_tape_unclosed(path: Path) -> None:
    with pytest.raises(KeyError), TapeWriter(path, header(), durable=False) as tape:
        record(tape, 1, "market", bars(1))
        raise KeyError
    reader = verify(path)
    assert not reader.closed
    assert reader.seq == 1


def test_closing_twice_is_closing_once(path: Path) -> None:
    tape = TapeWriter(path, header(), durable=True)
    tape.close()
    tape.close()
    tape.abandon()
    assert verify(path).closed


# ---- resuming -----------------------------------------------------------------------------


@settings(max_examples=60)
@given(data=st.data())
def test_a_tape_cut_anywhere_and_resumed_equals_one_never_interrupted(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("resumed")
    whole = tape(folder / "whole", closed=True)
    good = whole.read_bytes()
    path = folder / "cut" / "2018-02-16.tape"
    path.parent.mkdir()
    header_end = next(r.offset for r in TapeReader(whole).records() if r.number == 1)
    size = data.draw(st.integers(header_end, len(good)))
    path.write_bytes(good[:size])

    torn = verify(path).torn
    resumed = TapeWriter.resume(path)
    assert resumed.cut == torn
    assert resumed.seq == len(list(TapeReader(path)))

    # What the machine does next: it re-feeds what is there and goes on, recording all the while.
    for seq, (source, message) in enumerate(inputs(6), start=1):
        resumed.input(seq, seq * MINUTE, source, message)
        if seq == 3:
            resumed.crash(crash(3))
        for name in ("o-1", "o-2") if seq == 4 else ():
            resumed.command(4, cancel(4, name))
        resumed.caused(seq, seq % 2, b"" if seq % 2 == 0 else bytes([seq]) * 16)
    resumed.close()
    assert path.read_bytes() == good


def test_what_was_cut_is_told(tmp_path: Path) -> None:
    path = tape(tmp_path, closed=False)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"\x10\0\0")
    assert TapeWriter.resume(path).cut == Torn(size, 3)
    assert path.stat().st_size == size


def test_a_closed_tape_is_resumed_without_its_footer(tmp_path: Path) -> None:
    path = tape(tmp_path)
    resumed = TapeWriter.resume(path)
    assert resumed.cut is None
    resumed.input(7, 7, "market", bars(9))
    resumed.close()
    reader = verify(path)
    assert (reader.closed, reader.seq) == (True, 7)


def test_a_damaged_tape_is_not_resumed_and_not_touched(tmp_path: Path) -> None:
    path = tape(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(TapeDamaged):
        TapeWriter.resume(path)
    assert path.read_bytes() == data


def test_a_tape_has_one_writer(tmp_path: Path) -> None:
    path = tape(tmp_path, closed=False)
    first = TapeWriter.resume(path)
    with pytest.raises(BooksRefused, match="another process writes the tape"):
        TapeWriter.resume(path)
    first.close()
    TapeWriter.resume(path).close()


def test_only_a_plain_tape_that_is_there_can_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no tape"):
        TapeWriter.resume(tmp_path / "2018-02-16.tape")
    with pytest.raises(DataError, match="is compressed"):
        TapeWriter.resume(tmp_path / "2018-02-16.tape.zst")
    with pytest.raises(StorageUnavailable, match="cannot be written: Is a directory"):
        (tmp_path / "folder.tape").mkdir()
        TapeWriter.resume(tmp_path / "folder.tape")


# ---- a disk that takes nothing ---------------------------------------------------------------


class Disk:
    """Stands in for `os` in the writer: takes so many bytes and then none."""

    def __init__(self) -> None:
        self.room = 1 << 40
        self.sync_error = 0

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def write(self, file: int, data: bytes) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = os.write(file, bytes(data[: self.room]))
        self.room -= written
        return written

    def fsync(self, file: int) -> None:
        if self.sync_error:
            raise OSError(self.sync_error, os.strerror(self.sync_error))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    fake = Disk()
    monkeypatch.setattr(writer, "os", fake)
    yield fake


@pytest.mark.parametrize("room", [0, 1, 24, 25, 26, 60])
def test_a_full_disk_stops_no_input_but_everything_that_adds_exposure(
    path: Path, tmp_path: Path, disk: Disk, room: int
) -> None:
    tape = TapeWriter(path, header(), durable=True)
    record(tape, 1, "market", bars(1))
    tape.sync()
    disk.room = room
    record(tape, 2, "market", bars(2), [cancel(2)])
    assert tape.failing == "No space left on device"
    with pytest.raises(StorageUnavailable, match="takes no records: No space left on device"):
        tape.sync()
    assert verify(path).seq == 1  # what is there is sound, perhaps torn

    disk.room = 1 << 40
    record(tape, 3, "market", bars(3))
    assert tape.failing == ""
    tape.sync()
    tape.close()

    with TapeWriter(tmp_path / "never-full.tape", header(), durable=True) as other:
        record(other, 1, "market", bars(1))
        record(other, 2, "market", bars(2), [cancel(2)])
        record(other, 3, "market", bars(3))
    assert path.read_bytes() == (tmp_path / "never-full.tape").read_bytes()


def test_a_full_disk_at_the_close_is_told_and_the_close_can_be_repeated(path: Path, disk: Disk) -> None:
    tape = TapeWriter(path, header(), durable=True)
    disk.room = 10
    with pytest.raises(StorageUnavailable):
        tape.close()
    disk.room = 1 << 40
    tape.close()
    assert verify(path).closed


def test_too_much_waiting_is_an_error(path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "BACKLOG", 1000)
    tape = TapeWriter(path, header(), durable=True)
    disk.room = 0
    tape.input(1, 1, "market", bars(1))
    with pytest.raises(StorageUnavailable, match="bytes wait"):
        for seq in range(2, 20):
            tape.input(seq, 1, "market", bars(1))


def test_a_full_disk_at_the_start_leaves_no_tape(path: Path, disk: Disk) -> None:
    disk.room = 5
    with pytest.raises(StorageUnavailable, match="cannot be created: No space left"):
        TapeWriter(path, header(), durable=True)
    assert list(path.parent.iterdir()) == []


def test_after_a_failed_sync_no_later_one_is_believed(path: Path, disk: Disk) -> None:
    tape = TapeWriter(path, header(), durable=True)
    tape.input(1, 1, "market", bars(1))
    disk.sync_error = errno.EIO
    with pytest.raises(StorageUnavailable, match="could not be synced"):
        tape.sync()
    disk.sync_error = 0
    with pytest.raises(StorageUnavailable, match="could not be synced"):
        tape.sync()
    assert verify(path).seq == 1
