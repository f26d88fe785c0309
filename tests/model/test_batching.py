from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.model.batching import collate, plan_batches
from tunesmith.model.encoding import Window

LENGTHS = st.lists(st.integers(1, 200), max_size=200).map(lambda items: np.array(items, int))


@given(LENGTHS, st.integers(16, 512), st.none() | st.tuples(st.integers(0, 9)))
def test_batches_hold_each_window_once_within_the_token_budget(lengths, budget, seed):
    batches = plan_batches(lengths, batch_tokens=budget, seed=seed)
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
