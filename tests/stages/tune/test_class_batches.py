"""Batches by class: every text once, with company, within the budget."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.stages.tune.class_batches import TOGETHER, plan_by_class

classes_of_texts = st.lists(st.integers(0, 7), min_size=1, max_size=120)


@given(classes_of_texts, st.integers(0, 99), st.booleans())
def test_every_text_stands_once_and_never_alone(classes, seed, named):
    labels = np.array(classes)
    names = np.unique(labels) if named else np.empty(0, dtype=int)
    joined = np.concatenate([labels, names])
    always = np.arange(len(joined)) >= len(labels)
    lengths = np.full(len(joined), 10)
    batches = plan_by_class(joined, lengths, batch_tokens=200, seed=seed, always=always)
    counts = Counter(np.concatenate(batches).tolist())
    assert set(counts) == set(range(len(joined)))
    size = Counter(classes)
    for text, label in enumerate(classes):
        assert counts[text] == (2 if size[label] == 1 and not named else 1)
    for batch in batches:
        company = Counter(joined[batch].tolist())
        assert min(company.values()) >= 2


@given(st.integers(0, 99))
def test_groups_of_a_class_are_small_and_batches_are_even(seed):
    labels = np.repeat(np.arange(20), 30)
    lengths = np.random.default_rng(seed).integers(5, 30, len(labels))
    batches = plan_by_class(labels, lengths, batch_tokens=600, seed=seed)
    tokens = [lengths[batch].sum() for batch in batches]
    assert max(tokens) < 600 + 2 * TOGETHER * 30
    assert all(len(set(labels[batch])) >= 2 for batch in batches)


def test_plan_is_the_same_for_a_seed_and_another_for_the_next():
    labels, lengths = np.repeat(np.arange(9), 7), np.full(63, 8)
    first, again, other = (
        np.concatenate(plan_by_class(labels, lengths, batch_tokens=128, seed=seed))
        for seed in ((3, 0), (3, 0), (3, 1))
    )
    assert (first == again).all()
    assert (first != other).any()


def test_texts_far_longer_than_the_budget_still_make_batches():
    batches = plan_by_class(
        np.array([0, 0, 1, 1]), np.array([900, 900, 900, 900]), batch_tokens=16, seed=0
    )
    assert [len(batch) for batch in batches] == [2, 2]
