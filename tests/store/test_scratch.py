"""Arrays that outgrow memory: the same numbers, whether they lie on disk or not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import ResourceError
from tunesmith.store import scratch
from tunesmith.store.scratch import ScratchArray, ScratchArrays

parts = st.lists(st.lists(st.integers(-9, 9), max_size=7), min_size=1, max_size=9)


@given(parts, st.integers(0, 100))
def test_parts_end_to_end_are_the_array(parts, memory_bytes):
    array = ScratchArray(memory_bytes=memory_bytes)
    arrays = [np.array(part, dtype=np.int32) for part in parts]
    for part in arrays:
        array.append(part)
    whole = array.finish()
    assert whole.dtype == np.int32
    np.testing.assert_array_equal(whole, np.concatenate(arrays))
    size = sum(part.nbytes for part in arrays)
    assert isinstance(whole, np.memmap) == (size > memory_bytes)


def test_columns_come_back_from_disk():
    array = ScratchArray(memory_bytes=0)
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    array.append(rows[:0])
    array.append(rows[:1])
    array.append(np.asfortranarray(rows[1:]))
    np.testing.assert_array_equal(array.finish(), rows)


def test_array_on_disk_cannot_be_changed():
    array = ScratchArray(memory_bytes=0)
    array.append(np.ones(3))
    with pytest.raises(ValueError, match="read-only"):
        array.finish()[0] = 2


def test_several_arrays_grow_by_name():
    arrays = ScratchArrays()
    arrays.append({"a": np.ones(1)})
    arrays.append({"a": np.zeros(1), "b": np.ones((2, 2))})
    whole = arrays.finish()
    assert {name: array.shape for name, array in whole.items()} == {"a": (2,), "b": (2, 2)}


def test_temporary_folder_without_room_is_named(monkeypatch):
    with open("/dev/full", "wb", buffering=0) as full:
        monkeypatch.setattr(scratch.tempfile, "TemporaryFile", lambda **_: full)
        array = ScratchArray(memory_bytes=0)
        with pytest.raises(ResourceError, match="must have room for the rows") as error:
            array.append(np.ones(9))
    assert error.value.hint == "export TMPDIR=FOLDER"
