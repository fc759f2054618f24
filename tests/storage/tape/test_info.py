from pathlib import Path

import numpy as np
import pytest

from runtime.errors import TapeDamaged
from storage.panels import PanelStore
from storage.tape import TapeReader, TapeWriter, compress, info
from tests.storage.tape.made import MINUTE, bars, header, tape


def test_info_counts_what_is_on_a_tape(tmp_path: Path) -> None:
    path = tape(tmp_path, 9)
    found = info(path)
    assert found.session == "2018-02-16"
    assert (found.open, found.close, found.symbols) == (20, 30, 2)
    assert found.records == {"header": 1, "input": 9, "crash": 1, "command": 2, "caused": 9, "footer": 1}
    assert {name: count for name, count in found.inputs.items() if count} == {
        "machine": 1,
        "market": 6,
        "timer": 2,
    }
    assert found.messages == {"SessionStarted": 1, "Bars": 6, "TimerFired": 2}
    assert found.bars == 12
    assert (found.first_seq, found.last_seq) == (1, 9)
    assert (found.first_at, found.last_at) == (MINUTE, 9 * MINUTE)
    assert found.commands == 2
    (crashed,) = found.crashes
    assert (crashed.seq, crashed.actor, crashed.error) == (3, "sample", "ValueError: no")
    assert (found.closed, found.unfinished, found.torn, found.compressed) == (True, False, "", False)
    assert found.size == path.stat().st_size
    assert (found.settings_hash, found.books) == ("abc", "replay:test")


def test_info_is_the_same_for_a_compressed_tape_but_for_the_file(tmp_path: Path) -> None:
    path = tape(tmp_path)
    before = info(path)
    packed = info(compress(path))
    assert packed.compressed
    assert (packed.chain, packed.records, packed.bars) == (before.chain, before.records, before.bars)


def test_info_tells_a_torn_record_and_an_unfinished_input(tmp_path: Path) -> None:
    path = tape(tmp_path, closed=False)
    path.write_bytes(path.read_bytes()[:-5])
    found = info(path)
    assert found.unfinished
    assert not found.closed
    assert found.torn.startswith("the last record is torn: ")


def test_the_inputs_of_an_imported_tape_are_not_called_unfinished(tmp_path: Path) -> None:
    path = tmp_path / "2018-02-16.tape"
    with TapeWriter(path, header(), durable=False) as writer:
        writer.input(1, 1, "market", bars(1))
    assert not info(path).unfinished


def test_info_of_a_tape_without_input(tmp_path: Path) -> None:
    path = tmp_path / "2018-02-16.tape"
    TapeWriter(path, header(), durable=True).close()
    found = info(path)
    assert (found.first_seq, found.last_seq, found.first_at, found.last_at, found.bars) == (0, 0, 0, 0, 0)
    assert list(TapeReader(path)) == []


def test_info_says_which_panels_are_there(tmp_path: Path) -> None:
    store = PanelStore(tmp_path / "blobs")
    there, gone = store.put(np.zeros(2)), store.put(np.ones(2))
    store.path(gone).unlink()
    path = tmp_path / "2018-02-16.tape"
    TapeWriter(path, header(panels={"daily": there, "vix": gone}), durable=True).close()
    assert {name: panel.present for name, panel in info(path).panels.items()} == {"daily": True, "vix": False}


def test_info_of_a_damaged_tape_names_the_damage(tmp_path: Path) -> None:
    path = tape(tmp_path)
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)
    with pytest.raises(TapeDamaged, match="record"):
        info(path)
