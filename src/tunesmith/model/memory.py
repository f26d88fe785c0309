"""Memory that is free, and still held by this process."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from pathlib import Path

STATM = Path("/proc/self/statm")
LARGEST_GROWTH = 1.5
"""Times what a process held after its first step that it may hold before memory is given back."""

STEPS_BETWEEN = 10
"""Steps from one giving back to the next, at least: what is given back costs time to come again."""


def release_memory() -> None:
    """Give the free pages of the heap back to the system, where its C library can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def resident_bytes() -> int:
    """Return what the process holds of the memory; 0 where the system does not tell."""
    try:
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


@dataclass(slots=True)
class HeapKeeper:
    """Keeps a long computation from holding ever more of the memory that it frees.

    Batches of many shapes leave holes between what lives on, which glibc does not give back by
    itself: tuning MiniLM on long texts held four times what it used.
    """

    usual: int = 0
    steps: int = 0

    def after_step(self) -> None:
        """Give memory back where much more is held than after the first step since the last time.

        That step has filled again what a step needs.
        """
        held = resident_bytes()
        self.steps += 1
        self.usual = self.usual or held
        if self.steps >= STEPS_BETWEEN and held > LARGEST_GROWTH * self.usual:
            release_memory()
            self.usual = self.steps = 0
