"""Memory that is free, and still held by this process."""

from __future__ import annotations

import ctypes
import sys


def release_memory() -> None:
    """Give the free pages of the heap back to the system, where its C library can (glibc).

    Batches of many shapes leave holes between what lives on, which glibc keeps: training MiniLM on
    long texts held several times what it used. Costs milliseconds, and the pages' return.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
