"""Memory that a process of many days gives back to the system; where the C library cannot, nothing is done.

glibc gives each thread that allocates a heap of its own, up to eight a core, and keeps what was freed there;
so does Arrow's allocator. Worker threads come and go all day: an engine would hold more after each session.
"""

import ctypes
import gc
import os
import sys
from collections.abc import Callable
from typing import Any

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
"""Names of malloc.h."""
_LARGE = 128 * 1024
"""Bytes from which a block is given back as soon as it is freed; glibc would raise that as it goes."""
_HEAPS = 2
"""One for the loop, one for worker threads."""
_ARROW = "ARROW_DEFAULT_MEMORY_POOL"


def keep_small() -> bool:
    """Let all threads share two heaps, Arrow's too; to be called before any is started.

    Returns:
        Whether the C library could be told.
    """
    os.environ.setdefault(_ARROW, "system")
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.set_memory_pool(arrow.system_memory_pool())
    tell = _of_glibc("mallopt")
    return tell is not None and all([tell(_ARENA_MAX, _HEAPS), tell(_MMAP_THRESHOLD, _LARGE)])


def give_back() -> bool:
    """Collect garbage and give free memory back, in some tens of milliseconds; whether it could be done.

    What the collector was told to leave alone is looked through as well: the first session was among it.
    """
    is_frozen = bool(gc.get_freeze_count())
    gc.unfreeze()
    gc.collect()
    if is_frozen:
        gc.freeze()
    trim = _of_glibc("malloc_trim")
    if trim is None:
        return False
    trim(ctypes.c_size_t(0))
    return True


def _of_glibc(name: str) -> Callable[..., Any] | None:
    try:
        library = ctypes.CDLL(None)
        if not hasattr(library, "gnu_get_libc_version"):
            return None
        found: Callable[..., Any] = getattr(library, name)
    except (OSError, AttributeError):
        return None
    return found
