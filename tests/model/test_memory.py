"""Free memory goes back to the system, though it lies between what lives on."""

from __future__ import annotations

import sys

import psutil
import pytest
import torch

from tunesmith.model.memory import release_memory

BLOCK = 16_000
"""Numbers of a block, 64 kB: glibc keeps such blocks in its heap."""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' heaps are not torn this way")
def test_holes_between_living_blocks_are_given_back():
    process = psutil.Process()
    blocks = [torch.ones(BLOCK) for _ in range(4000)]
    whole = process.memory_info().rss
    living = blocks[::20]
    del blocks
    release_memory()
    freed = (whole - process.memory_info().rss) / 1e6
    assert freed > 150  # of 256 MB, a twentieth of which lives on
    assert all(bool((block == 1).all()) for block in living)
