"""Whatever happens to a tape's bytes, reading says so and names the place."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import DataError, TapeDamaged
from runtime.messages.codec import encode
from runtime.messages.machine import SetTimer
from runtime.messages.session import SCHEMA
from storage.tape import TapeReader, TapeWriter, compress, verify
from storage.tape.format import (
    CHAIN_START,
    FOOTER,
    FRAME,
    HEADER,
    INPUT,
    INPUT_HEAD,
    MAGIC,
    Footer,
    chained,
    frame,
)
from tests.storage.tape.made import header, inputs, tape


@cache
def whole(closed: bool, compressed: bool = False) -> tuple[bytes, tuple[int, ...]]:
    """A tape's bytes and where its records begin."""
    folder = Path(mkdtemp())
    path = tape(folder, closed=closed)
    offsets = tuple(record.offset for record in TapeReader(path).records())
    if compressed:
        path = compress(path)
    data = path.read_bytes()
    shutil.rmtree(folder)
    return data, offsets


@pytest.mark.parametrize("closed", [False, True])
def test_a_tape_cut_at_any_byte_is_torn_damaged_or_ends_between_records_unclosed(
    tmp_path: Path, closed: bool
) -> None:
    data, offsets = whole(closed)
    path = tmp_path / "cut.tape"
    for size in range(len(data)):
        path.write_bytes(data[:size])
        if size < offsets[1]:
            with pytest.raises(TapeDamaged, match=r"begin like a tape|header is incomplete"):
                TapeReader(path)
            continue
        reader = verify(path)
        assert not reader.closed
        begun = max(offset for offset in (*offsets, len(data)) if offset <= size)
        if size == begun:
            assert reader.torn is None
        else:
            assert reader.torn is not None
            assert (reader.torn.offset, reader.torn.size) == (begun, size - begun)
        assert reader.size == begun


def test_every_entry_before_a_torn_record_is_read(tmp_path: Path) -> None:
    data, _ = whole(False)
    path = tmp_path / "cut.tape"
    path.write_bytes(data[:-1])
    reader = TapeReader(path)
    assert [entry.seq for entry in reader] == [1, 2, 3, 4, 5, 6]
    assert str(reader.torn) == f"the last record is torn: 36 bytes of it from byte {len(data) - 37} on"


@settings(max_examples=400)
@given(st.data(), st.integers(1, 255))
def test_one_changed_byte_is_found_and_named(data: st.DataObject, change: int) -> None:
    good, offsets = whole(True)
    place = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[place] ^= change
    number, offset = max((n, at) for n, at in enumerate(offsets) if at <= place or n == 0)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bad.tape"
        path.write_bytes(bad)
        with pytest.raises(TapeDamaged) as caught:
            verify(path)
    assert caught.value.path == path
    assert caught.value.record == number
    assert caught.value.offset == (offset if place >= len(MAGIC) else 0)
    assert f"{path}: record {number} at byte {caught.value.offset}, after input" in str(caught.value)


@settings(max_examples=300)
@given(st.data(), st.integers(1, 255))
def test_one_changed_byte_of_a_compressed_tape_is_found(data: st.DataObject, change: int) -> None:
    good, _ = whole(True, True)
    place = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[place] ^= change
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bad.tape.zst"
        path.write_bytes(bad)
        with pytest.raises(TapeDamaged):
            verify(path)


def test_a_compressed_tape_cut_anywhere_is_damaged_never_torn(tmp_path: Path) -> None:
    good, _ = whole(True, True)
    path = tmp_path / "cut.tape.zst"
    for size in range(len(good)):
        path.write_bytes(good[:size])
        with pytest.raises(TapeDamaged):
            verify(path)
    path.write_bytes(good + b"x")
    with pytest.raises(TapeDamaged, match="checksum at their end"):
        verify(path)


def test_the_last_sound_input_is_named(tmp_path: Path) -> None:
    good, offsets = whole(True)
    bad = bytearray(good)
    bad[offsets[-2] + FRAME.size] ^= 1  # what input 6 caused
    path = tmp_path / "bad.tape"
    path.write_bytes(bad)
    with pytest.raises(TapeDamaged, match="after input 6: its content does not match the hash chain"):
        verify(path)


def test_bytes_after_the_footer_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "longer.tape"
    path.write_bytes(whole(True)[0] + b"\0")
    with pytest.raises(TapeDamaged, match="follow the footer"):
        verify(path)


def test_two_records_exchanged_are_damage(tmp_path: Path) -> None:
    good, offsets = whole(True)
    first, second, third = offsets[1], offsets[2], offsets[3]
    path = tmp_path / "swapped.tape"
    path.write_bytes(good[:first] + good[second:third] + good[first:second] + good[third:])
    with pytest.raises(TapeDamaged, match=r"record 1 .* hash chain"):
        verify(path)


def test_a_record_left_out_is_damage(tmp_path: Path) -> None:
    good, offsets = whole(True)
    path = tmp_path / "shorter.tape"
    path.write_bytes(good[: offsets[3]] + good[offsets[4] :])
    with pytest.raises(TapeDamaged, match=r"record 3 .* hash chain"):
        verify(path)


def forged(path: Path, *records: tuple[int, bytes]) -> Path:
    """A tape with sound chain and checksums whose records nobody would write so."""
    data, chain = MAGIC, CHAIN_START
    for kind, payload in ((HEADER, msgspec.msgpack.encode(header())), *records):
        chain = chained(chain, kind, payload)
        data += frame(len(payload), kind, chain) + payload
    path.write_bytes(data)
    return path


def an_input(seq: int, code: int = 0) -> bytes:
    return INPUT_HEAD.pack(seq, 1, code) + encode(inputs(1)[0][1])


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([(9, b"")], "kind 9 are unknown"),
        ([(HEADER, b"")], "header record cannot stand here"),
        ([(INPUT, an_input(1)), (INPUT, an_input(3))], "input 3 follows input 1"),
        ([(INPUT, an_input(1, 77))], "source 77 is unknown"),
        ([(INPUT, b"short")], "fields cannot be read"),
        ([(INPUT, an_input(1)), (5, bytes(12))], "caused record of input 0 stands after input 1"),
        ([(FOOTER, msgspec.msgpack.encode(Footer(records=9, inputs=0, commands=0, crashes=0, last_seq=0)))],
         "the footer tells of"),
        ([(FOOTER, b"\xc1")], "fields cannot be read"),
    ],
)  # fmt: skip
def test_records_that_cannot_stand_so_are_refused(
    tmp_path: Path, records: list[tuple[int, bytes]], reason: str
) -> None:
    with pytest.raises(TapeDamaged, match=reason):
        verify(forged(tmp_path / "forged.tape", *records))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (msgspec.msgpack.encode(["Nonsense", 1]), "its message cannot be read"),
        (b"\xc1", "its message cannot be read"),
        (
            encode(SetTimer(ts_event=1, cause=1, actor="a", key="k", due=2)),
            "a SetTimer stands where a Input belongs",
        ),
    ],
)
def test_a_message_this_version_cannot_read_is_named_when_it_is_asked_for(
    tmp_path: Path, message: bytes, reason: str
) -> None:
    path = forged(tmp_path / "new.tape", (INPUT, INPUT_HEAD.pack(5, 1, 0) + message))
    (entry,) = TapeReader(path)
    with pytest.raises(TapeDamaged, match=reason) as caught:
        _ = entry.message
    assert (caught.value.record, caught.value.seq) == (1, 4)


def test_a_header_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    payload = msgspec.msgpack.encode(msgspec.structs.replace(header(), schema=SCHEMA + 1))
    chain = chained(CHAIN_START, HEADER, payload)
    path = tmp_path / "newer.tape"
    path.write_bytes(MAGIC + frame(len(payload), HEADER, chain) + payload)
    with pytest.raises(TapeDamaged, match="newer than this version's"):
        TapeReader(path)


def test_what_is_no_tape_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no tape at"):
        TapeReader(tmp_path / "none.tape")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        TapeReader(tmp_path)
    for name, content in (("text.tape", b"timestamp,open\n"), ("empty.tape", b""), ("empty.tape.zst", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TapeDamaged, match=name):
            TapeReader(tmp_path / name)


def test_a_writer_whose_message_cannot_be_encoded_leaves_the_tape_sound(tmp_path: Path) -> None:
    path = tmp_path / "2018-02-16.tape"
    writer = TapeWriter(path, header(), durable=True)
    with pytest.raises(NotImplementedError):
        writer.input(1, 1, "market", object())  # type: ignore[arg-type]
    writer.input(1, 1, "machine", inputs(1)[0][1])
    writer.close()
    assert verify(path).seq == 1
