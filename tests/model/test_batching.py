from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.model.batching import collate, plan_batches, plan_units
from tunesmith.model.framing import Window

LENGTHS = st.lists(st.integers(1, 200), max_size=200).map(lambda items: np.array(items, int))


@given(LENGTHS, st.integers(16, 512), st.none() | st.tuples(st.integers(0, 9)))
def test_batches_hold_each_window_once_within_the_token_budget(lengths, budget, seed):
    batches = plan_batches(lengths, batch_tokens=budget, seed=seed)
    assert sorted(np.concatenate([[], *batches]).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or lengths[batch].max() * len(batch) <= budget


@given(LENGTHS.filter(len), st.integers(0, 100))
def test_batches_end_where_one_more_is_cheaper_than_padding(lengths, start):
    batches = plan_batches(lengths, batch_tokens=10**9, start_tokens=start)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert sum(start + lengths[batch].max() * len(batch) for batch in batches) == least_cost(
        sorted(lengths.tolist()), start
    )


def least_cost(rising: list[int], start: int) -> int:
    """Return the least sum of padded tokens and starts, whatever the parts."""
    least = [0]
    for end, longest in enumerate(rising, start=1):
        least.append(min(least[k] + start + longest * (end - k) for k in range(end)))
    return least[-1]


@given(LENGTHS, st.integers(16, 512), st.integers(0, 100))
def test_batches_that_spare_padding_keep_the_token_budget(lengths, budget, start):
    batches = plan_batches(lengths, batch_tokens=budget, start_tokens=start)
    assert sorted(np.concatenate([[], *batches]).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or lengths[batch].max() * len(batch) <= budget


@given(LENGTHS, st.integers(0, 9))
def test_batches_are_the_same_for_the_same_seed(lengths, seed):
    first, second = (plan_batches(lengths, batch_tokens=128, seed=(seed, 1)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_batches_differ_between_epochs():
    lengths = np.arange(5, 105)
    first, second = (plan_batches(lengths, batch_tokens=300, seed=(0, epoch)) for epoch in (0, 1))
    assert any(not np.array_equal(a, b) for a, b in zip(first, second, strict=False))


UNITS = st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=6), max_size=60)


def flat_units(units: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the lengths of all windows, and the unit of each; numbers of units may be left out."""
    lengths = np.array([length for unit in units for length in unit], dtype=np.int64)
    numbers = 2 * np.arange(len(units)) + 1
    return lengths, np.repeat(numbers, [len(unit) for unit in units])


@given(UNITS, st.integers(16, 512), st.none() | st.tuples(st.integers(0, 9)))
def test_units_are_whole_in_batches_that_hold_each_window_once(units, budget, seed):
    lengths, numbers = flat_units(units)
    batches = plan_units(lengths, numbers, batch_tokens=budget, seed=seed)
    assert sorted(np.concatenate([[], *batches]).tolist()) == list(range(len(lengths)))
    seen = [set(numbers[batch].tolist()) for batch in batches]
    assert sum(map(len, seen)) == len(units)
    for batch, own in zip(batches, seen, strict=True):
        assert len(own) == 1 or lengths[batch].max() * len(batch) <= budget
        inside = [np.flatnonzero(numbers[batch] == number) for number in own]
        assert all((np.diff(places) == 1).all() for places in inside)


@given(UNITS, st.integers(0, 9))
def test_units_are_batched_the_same_for_the_same_seed(units, seed):
    lengths, numbers = flat_units(units)
    first, second = (
        plan_units(lengths, numbers, batch_tokens=128, seed=(seed, 1)) for _ in range(2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_units_of_one_window_are_batched_as_windows_are():
    lengths = np.random.default_rng(0).integers(1, 60, 100)
    for seed in (None, (0, 3)):
        units = plan_units(lengths, np.arange(100), batch_tokens=256, seed=seed)
        plain = plan_batches(lengths, batch_tokens=256, seed=seed)
        assert all(np.array_equal(a, b) for a, b in zip(units, plain, strict=True))


def test_batches_by_length_waste_little_padding():
    lengths = np.random.default_rng(0).integers(3, 60, size=2000)
    batches = plan_batches(lengths, batch_tokens=1024, seed=(0, 0))
    padded = sum(lengths[batch].max() * len(batch) for batch in batches)
    assert padded < 1.15 * lengths.sum()


def test_collate_pads_and_masks():
    windows = [Window(np.array([5, 6, 7]), 0, 1.0), Window(np.array([8]), 1, 1.0)]
    batch = collate(windows, pad_id=9)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert "word_rows" not in batch


def test_collate_names_row_and_position_of_each_word():
    windows = [
        Window(np.array([5, 6, 7]), 0, 1.0, words=np.array([0, 1]), positions=np.array([1, 2])),
        Window(np.array([8, 4]), 1, 1.0, words=np.array([3]), positions=np.array([1])),
    ]
    batch = collate(windows, pad_id=0)
    assert batch["word_rows"].tolist() == [0, 0, 1]
    assert batch["word_positions"].tolist() == [1, 2, 1]


def test_collate_numbers_the_rows_of_slots_within_the_batch():
    windows = [
        Window(np.array([5, 6]), row, 1.0, slot=slot) for row, slot in ((7, 1), (3, 0), (7, 0))
    ]
    batch = collate(windows, pad_id=0)
    assert batch["slots"].tolist() == [1, 0, 0]
    assert batch["rows"].tolist() == [1, 0, 1]


def test_collate_gives_type_1_from_the_second_text_to_the_end_of_each_window():
    windows = [
        Window(np.array([5, 6, 7]), 0, 1.0, second=2),
        Window(np.array([8, 9]), 1, 1.0, second=1),
        Window(np.array([8]), 2, 1.0),
    ]
    batch = collate(windows, pad_id=0)
    assert batch["token_type_ids"].tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 0]]
    marked = [Window(np.array([1, 2, 3]), 0, 1.0, marks=np.array([2, 0]))]
    assert collate(marked, pad_id=0)["marks"].tolist() == [[2, 0]]
    assert "token_type_ids" not in collate(marked, pad_id=0)
