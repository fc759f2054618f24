import ctypes
import gc
import os
import subprocess
import sys
import weakref

import pytest

from runtime import memory

_HELD = """
import threading
from runtime import memory
print(memory.keep_small())
import pyarrow
print(pyarrow.default_memory_pool().backend_name)
kept = []
for _ in range(6):
    thread = threading.Thread(target=lambda: kept.append([bytes(1_000) for _ in range(200)]))
    thread.start()
    thread.join()
print(memory.give_back())
"""


def _is_glibc() -> bool:
    return hasattr(ctypes.CDLL(None), "gnu_get_libc_version")


@pytest.mark.skipif(not _is_glibc(), reason="another C library")
def test_a_process_is_told_where_its_memory_comes_from_before_it_imports_what_allocates() -> None:
    environ = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    done = subprocess.run(
        [sys.executable, "-c", _HELD], env=environ, capture_output=True, text=True, timeout=200, check=True
    )
    assert done.stdout.split() == ["True", "system", "True"]


class Ring:
    """Holds itself."""

    def __init__(self) -> None:
        self.me = self


def test_garbage_among_what_was_frozen_is_found_and_the_rest_stays_frozen() -> None:
    ring = Ring()
    alive = weakref.ref(ring)
    gc.collect()
    gc.freeze()
    try:
        del ring
        memory.give_back()
        assert alive() is None
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
    memory.give_back()
    assert gc.get_freeze_count() == 0


def test_where_the_c_library_is_another_nothing_is_done(monkeypatch) -> None:
    monkeypatch.setenv("ARROW_DEFAULT_MEMORY_POOL", "mimalloc")
    monkeypatch.delitem(sys.modules, "pyarrow", raising=False)
    monkeypatch.setattr(memory, "_of_glibc", lambda name: None)
    assert not memory.keep_small()
    assert not memory.give_back()
    assert os.environ["ARROW_DEFAULT_MEMORY_POOL"] == "mimalloc"
