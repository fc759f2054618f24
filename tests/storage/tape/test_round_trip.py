from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.messages.base import Command, Input
from runtime.messages.codec import encode
from runtime.messages.machine import SOURCES, ActorCrashed
from storage.tape import TapeReader, TapeWriter, compress
from tests.runtime.messages.made import below, of_branch, of_type
from tests.storage.tape.made import MINUTE, cancel, crash, header, inputs, tape


@pytest.mark.parametrize("kind", below(Input), ids=lambda kind: kind.__name__)
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_input_type_comes_back_from_a_tape(kind: type[Input], data: st.DataObject) -> None:
    message = data.draw(of_type(kind))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "2018-02-16.tape"
        with TapeWriter(path, header(), durable=False) as writer:
            writer.input(1, 7, "market", message)
        (entry,) = TapeReader(path)
    assert entry.message == message
    assert encode(entry.message) == bytes(entry.raw)


_BLOCKS = st.lists(
    st.tuples(
        st.sampled_from(SOURCES),
        of_branch(Input),
        st.integers(0, 2**62),
        st.lists(of_branch(Command), max_size=2),
        st.lists(of_type(ActorCrashed), max_size=1),
        st.none() | st.tuples(st.integers(0, 2**32 - 1), st.binary(min_size=16, max_size=16)),
    ),
    max_size=4,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(blocks=_BLOCKS, first=st.integers(1, 10**9), durable=st.booleans(), closed=st.booleans())
def test_everything_recorded_comes_back_in_order(
    blocks: list[Any], first: int, durable: bool, closed: bool
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "2018-02-16.tape"
        writer = TapeWriter(path, header(), durable=durable)
        for seq, (source, message, at, commands, crashes, caused) in enumerate(blocks, start=first):
            writer.input(seq, at, source, message)
            for each in crashes:
                writer.crash(each)
            for command in commands:
                writer.command(seq, command)
            if caused is not None:
                writer.caused(seq, *caused)
        if closed:
            writer.close()
            path = compress(path)
        else:
            writer.abandon()
        reader = TapeReader(path)
        entries = list(reader)
    assert reader.header == header()
    assert reader.closed is closed
    assert reader.torn is None
    assert reader.chain == writer.chain
    assert [entry.seq for entry in entries] == list(range(first, first + len(blocks)))
    for entry, (source, message, at, commands, crashes, caused) in zip(entries, blocks, strict=True):
        assert (entry.source, entry.message, entry.at) == (source, message, at)
        assert entry.commands == tuple(commands)
        assert [(each.actor, each.ordinal, each.error) for each in entry.crashes] == [
            (each.actor, each.ordinal, each.error) for each in crashes
        ]
        assert (entry.count, entry.digest) == (caused or (None, b""))


def test_two_recordings_of_the_same_inputs_are_the_same_bytes(tmp_path: Path) -> None:
    one, two = tape(tmp_path / "one"), tape(tmp_path / "two")
    assert one.read_bytes() == two.read_bytes()


def test_a_durable_and_a_buffered_recording_are_the_same_bytes(tmp_path: Path) -> None:
    for durable in (True, False):
        with TapeWriter(tmp_path / f"{durable}.tape", header(), durable=durable) as writer:
            for seq, (source, message) in enumerate(inputs(30), start=1):
                writer.input(seq, seq * MINUTE, source, message)
                writer.command(seq, cancel(seq))
                writer.caused(seq, 1, b"d" * 16)
    assert (tmp_path / "True.tape").read_bytes() == (tmp_path / "False.tape").read_bytes()


def test_neither_traceback_nor_path_of_a_crash_is_on_the_tape(tmp_path: Path) -> None:
    path = tape(tmp_path)
    assert b"secret.py" not in path.read_bytes()
    (found,) = [each for entry in TapeReader(path) for each in entry.crashes]
    assert found.error == crash(3).error
    assert (found.traceback, found.source_file) == ("", "")


def test_a_crash_before_the_first_input_is_told_with_it(tmp_path: Path) -> None:
    path = tmp_path / "2018-02-16.tape"
    with TapeWriter(path, header(), durable=True) as writer:
        writer.crash(crash(0))
        writer.input(1, 1, "market", inputs(2)[1][1])
    (entry,) = TapeReader(path)
    assert [each.cause for each in entry.crashes] == [0]


def test_a_tape_can_be_read_again_from_its_start(tmp_path: Path) -> None:
    reader = TapeReader(tape(tmp_path))
    assert [entry.seq for entry in reader] == [entry.seq for entry in reader] == [1, 2, 3, 4, 5, 6]


def test_a_tape_that_is_being_written_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "2018-02-16.tape"
    writer = TapeWriter(path, header(), durable=True)
    writer.input(1, 1, "machine", inputs(1)[0][1])
    (entry,) = TapeReader(path)
    assert entry.count is None
    writer.close()
