"""Memory that was freed stays with the process.

A step of training takes and frees hundreds of megabytes in large pieces. The C library gives those back to the system,
which must clear every page of them for the next step: a quarter of a step's time on a processor.
"""

from __future__ import annotations

import ctypes
import platform

# Of glibc's malloc.h: mallopt(3).
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8
NEVER = 2**31 - 1  # bytes at the end of the heap from which on they are given back
GROWTH = 256 * 1024 * 1024  # bytes that the heap grows by


def keep_freed_memory() -> bool:
    """Keep what this process frees from now on for its next needs; whether the C library could be told so: only glibc
    can."""
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    # All in one heap, as what other threads' heaps cannot hold would be mapped apart, and given back.
    wanted = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER), (M_TOP_PAD, GROWTH), (M_ARENA_MAX, 1))
    told = [library.mallopt(name, value) for name, value in wanted]
    return all(told)
