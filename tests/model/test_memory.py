"""Free memory goes back to the system, though it lies between what lives on."""

from __future__ import annotations

import sys

import pytest
import torch

from tunesmith.model.memory import STEPS_BETWEEN, HeapKeeper, release_memory, resident_bytes

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="other heaps are not torn this way")
BLOCK = 16_000
"""Numbers of a block, 64 kB: glibc keeps such blocks in its heap."""


@only_linux
def test_holes_between_living_blocks_are_given_back():
    blocks = [torch.ones(BLOCK) for _ in range(4000)]
    whole = resident_bytes()
    living = blocks[::20]
    del blocks
    release_memory()
    freed = (whole - resident_bytes()) / 1e6
    assert freed > 150  # of 256 MB, a twentieth of which lives on
    assert all(bool((block == 1).all()) for block in living)


@only_linux
def test_a_process_that_grew_gives_back_after_some_steps_and_begins_to_count_again():
    heap = HeapKeeper()
    heap.after_step()
    usual = heap.usual
    blocks = [torch.ones(BLOCK) for _ in range(1 + usual // (4 * BLOCK))]
    grown = resident_bytes()
    living = blocks[::20]
    del blocks
    for _ in range(STEPS_BETWEEN - 2):
        heap.after_step()
        assert heap.usual == usual
    heap.after_step()
    assert (heap.usual, heap.steps) == (0, 0)
    assert resident_bytes() < usual + 0.3 * (grown - usual)
    assert living
