"""History panels: immutable arrays, each in a file named by the SHA-256 of its bytes."""

import hashlib
import os
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from runtime.errors import PanelDamaged, StorageUnavailable
from runtime.messages.session import PanelRef
from storage.disk import make_private, sync_directory

Panel = NDArray[Any]
_DTYPES = {"float64": "<f8", "int32": "<i4", "bool": "|b1"}


class PanelStore:
    """A folder of panels.

    Files are NumPy's `.npy` version 1, written byte for byte alike by every version of this code and of
    NumPy, so equal arrays have equal names everywhere and `sha256sum` checks one.

    Args:
        directory: Created when the first panel is put.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._checked: WeakValueDictionary[str, Panel] = WeakValueDictionary()

    def path(self, ref: PanelRef) -> Path:
        """Where a panel's file belongs."""
        return self.directory / f"{ref.sha256}.npy"

    def __contains__(self, ref: PanelRef) -> bool:
        return self.path(ref).exists()

    def put(self, array: Panel) -> PanelRef:
        """Keep an array of float64, int32 or bool; one that is there already is not written again.

        Raises:
            TypeError: it is of another type.
            StorageUnavailable: the disk does not take it.
        """
        dtype = array.dtype.name
        if dtype not in _DTYPES:
            raise TypeError(f"a panel is {', '.join(_DTYPES)}, not {dtype}")
        data = np.ascontiguousarray(array, dtype=_DTYPES[dtype])
        head = _head(dtype, array.shape)
        digest = hashlib.sha256(head)
        digest.update(data.data if data.size else b"")
        ref = PanelRef(sha256=digest.hexdigest(), shape=array.shape, dtype=dtype)
        path = self.path(ref)
        try:
            if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != ref.sha256:
                self._write(path, head, data)
        except OSError as error:
            raise StorageUnavailable(f"the panel {path} cannot be written: {error.strerror}") from error
        return ref

    def _write(self, path: Path, head: bytes, data: Panel) -> None:
        make_private(self.directory)
        draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            draft.unlink(missing_ok=True)
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(head)
                file.write(data.tobytes())
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
            sync_directory(self.directory)
        finally:
            draft.unlink(missing_ok=True)

    def get(self, ref: PanelRef) -> Panel:
        """A panel, read-only; its bytes are compared with its name the first time.

        Raises:
            PanelDamaged: it is not there, or is not what its name and the reference say.
        """
        panel = self._checked.get(ref.sha256)
        if panel is None:
            panel = self._checked[ref.sha256] = self._read(ref)
        if panel.shape != ref.shape or panel.dtype.name != ref.dtype:
            raise PanelDamaged(
                f"the panel {self.path(ref)} is {panel.dtype.name}{panel.shape}, "
                f"the tape wants {ref.dtype}{ref.shape}"
            )
        return panel

    def _read(self, ref: PanelRef) -> Panel:
        path = self.path(ref)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise PanelDamaged(f"the panel {path} is missing: a tape needs its blobs beside it") from error
        except OSError as error:
            raise PanelDamaged(f"the panel {path} cannot be read: {error.strerror}") from error
        found = hashlib.sha256(data).hexdigest()
        if found != ref.sha256:
            raise PanelDamaged(f"the panel {path} is damaged: its {len(data)} bytes have the SHA-256 {found}")
        head = _head(ref.dtype, ref.shape) if ref.dtype in _DTYPES else b"?"
        if not data.startswith(head):
            raise PanelDamaged(f"the panel {path} is not {ref.dtype}{ref.shape}, as the tape wants it")
        return np.frombuffer(data, dtype=_DTYPES[ref.dtype], offset=len(head)).reshape(ref.shape)


def _head(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The `.npy` preamble, padded so that the data begins at a multiple of 64 bytes."""
    text = f"{{'descr': '{_DTYPES[dtype]}', 'fortran_order': False, 'shape': {shape}, }}"
    padding = -(len(text) + 11) % 64
    body = text.encode("ascii") + b" " * padding + b"\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body
