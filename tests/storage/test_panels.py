import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from runtime.errors import PanelDamaged, StorageUnavailable
from runtime.messages.session import PanelRef
from storage.panels import PanelStore

_ARRAYS = st.sampled_from([np.float64, np.int32, np.bool_]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)


@pytest.fixture
def store(tmp_path: Path) -> PanelStore:
    return PanelStore(tmp_path / "tapes" / "blobs")


@settings(max_examples=100)
@given(_ARRAYS)
def test_every_panel_comes_back_equal_and_is_a_plain_npy_file_named_by_its_hash(array: NDArray[Any]) -> None:
    with TemporaryDirectory() as folder:
        ref = PanelStore(Path(folder)).put(array)
        store = PanelStore(Path(folder))
        back = store.get(ref)
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        assert back.tobytes() == array.tobytes()
        plain = np.load(store.path(ref), allow_pickle=False)
        assert (plain.dtype, plain.shape, plain.tobytes()) == (array.dtype, array.shape, array.tobytes())
        assert hashlib.sha256(store.path(ref).read_bytes()).hexdigest() == ref.sha256


def test_panels_are_read_only(store: PanelStore) -> None:
    panel = store.get(store.put(np.zeros((2, 2))))
    with pytest.raises(ValueError, match="read-only"):
        panel[0, 0] = 1
    with pytest.raises(ValueError, match="cannot set WRITEABLE"):
        panel.flags.writeable = True


def test_equal_arrays_share_a_file_whatever_their_layout(store: PanelStore) -> None:
    array = np.arange(6.0).reshape(2, 3)
    assert store.put(array) == store.put(np.asfortranarray(array)) == store.put(array.astype(">f8"))
    assert len(list(store.directory.iterdir())) == 1


def test_arrays_that_differ_in_shape_or_type_alone_have_different_names(store: PanelStore) -> None:
    names = {
        store.put(each).sha256
        for each in (np.zeros(4), np.zeros((2, 2)), np.zeros(8, np.int32), np.zeros(32, np.bool_))
    }
    assert len(names) == 4


def test_a_panel_keeps_its_name_over_versions(store: PanelStore) -> None:
    # The file, spelt out: preamble padded with blanks to 128 bytes, then 1.0 and 2.0.
    head = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }"
    data = head.ljust(127) + b"\n" + bytes.fromhex("000000000000f03f0000000000000040")
    assert store.put(np.array([1.0, 2.0])).sha256 == hashlib.sha256(data).hexdigest()


def test_a_panel_is_read_and_checked_once_while_it_is_used(store: PanelStore) -> None:
    ref = store.put(np.zeros(3))
    panel = store.get(ref)
    store.path(ref).unlink()
    assert store.get(ref) is panel


def test_files_and_folder_are_for_their_owner_only(store: PanelStore) -> None:
    ref = store.put(np.zeros(3))
    assert store.path(ref).stat().st_mode & 0o777 == 0o600
    assert store.directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "array", [np.zeros(2, np.float32), np.zeros(2, np.int64), np.array([object()]), np.array(["a"])]
)
def test_other_types_are_refused(store: PanelStore, array: NDArray[Any]) -> None:
    with pytest.raises(TypeError, match="a panel is float64, int32, bool, not"):
        store.put(array)


def test_a_missing_panel_is_named(store: PanelStore) -> None:
    ref = PanelRef(sha256="ab" * 32, shape=(2,), dtype="float64")
    assert ref not in store
    with pytest.raises(PanelDamaged, match=r"abab\.npy is missing: a tape needs its blobs"):
        store.get(ref)


@settings(max_examples=100)
@given(data=st.data(), change=st.integers(1, 255))
def test_one_changed_byte_of_a_panel_is_found_and_putting_it_again_mends_it(
    data: st.DataObject, change: int
) -> None:
    array = np.arange(4, dtype=np.int32)
    with TemporaryDirectory() as folder:
        ref = PanelStore(Path(folder)).put(array)
        path = PanelStore(Path(folder)).path(ref)
        bad = bytearray(path.read_bytes())
        bad[data.draw(st.integers(0, len(bad) - 1))] ^= change
        path.write_bytes(bad)
        with pytest.raises(PanelDamaged, match="is damaged: its 144 bytes have the SHA-256"):
            PanelStore(Path(folder)).get(ref)
        assert PanelStore(Path(folder)).put(array) == ref
        assert np.array_equal(PanelStore(Path(folder)).get(ref), array)


def test_a_panel_cut_short_is_found(store: PanelStore) -> None:
    ref = store.put(np.zeros(3))
    data = store.path(ref).read_bytes()
    for size in range(len(data)):
        store.path(ref).write_bytes(data[:size])
        with pytest.raises(PanelDamaged, match=f"its {size} bytes"):
            store.get(ref)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("wrong", [{"shape": (2, 2)}, {"dtype": "int32"}, {"dtype": "object"}])
def test_a_reference_that_does_not_fit_the_file_is_refused(
    store: PanelStore, cached: bool, wrong: dict[str, Any]
) -> None:
    ref = store.put(np.zeros(4))
    held = store.get(ref) if cached else None
    good = {"sha256": ref.sha256, "shape": ref.shape, "dtype": ref.dtype}
    with pytest.raises(PanelDamaged, match="wants"):
        store.get(PanelRef(**(good | wrong)))
    del held


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageUnavailable, match="cannot be written: Not a directory"):
        PanelStore(tmp_path / "file" / "blobs").put(np.zeros(1))
