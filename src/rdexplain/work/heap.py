"""Keeps memory that was freed for the next tensors, in processes of rdexplain's own."""

from __future__ import annotations

import ctypes
import os
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt(3)."""
_KEPT = 2**30
"""Bytes that may lie free at the heap's end, and of the largest tensor that comes from the heap."""


def keep_freed_memory() -> bool:
    """Have glibc's malloc keep up to a gigabyte of freed memory for what is needed next; whether it does.

    By default it gives large blocks back to the system at once. A network's every layer asks for such blocks, so a step
    on a CPU would spend an eighth of its time or more on having pages zeroed again. Peak memory stays the same. Nothing
    is changed with another C library, or where the user has set one of malloc's own variables. A program that only
    imports rdexplain is left as it is: what it does with its memory is its own.
    """
    if not sys.platform.startswith("linux") or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _KEPT)) and bool(mallopt(_TRIM_THRESHOLD, _KEPT))
