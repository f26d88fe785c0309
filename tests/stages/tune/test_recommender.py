"""The batches of a recommender: what stands before an event, what is drawn, and how likely."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.recipe import RecommendRecipe
from tunesmith.data.histories import Sequences
from tunesmith.stages.tune.recommender import EventFeed

ITEMS = 8
RECIPE = RecommendRecipe(history=2, batch_events=2, negatives=3)


@pytest.fixture
def feed() -> EventFeed:
    """Return the events of one user who had 4, 5, 6, 7 and one who had 5, 4."""
    sequences = Sequences(np.array([4, 5, 6, 7, 5, 4], dtype=np.int32), np.array([0] * 4 + [4] * 2))
    events = np.array([1, 2, 3, 5])
    counts = np.bincount(sequences.items[events], minlength=ITEMS)
    return EventFeed(sequences, events, counts, np.array([4, 5, 6, 7]), RECIPE, seed=3)


def test_history_is_the_last_items_of_the_same_user(feed):
    batch = feed.load(np.array([2, 3]))
    assert batch["input_ids"].tolist() == [[5, 6], [0, 5]]
    assert batch["attention_mask"].tolist() == [[1, 1], [0, 1]]


def test_targets_are_what_came_next_and_never_count_as_had(feed):
    batch = feed.load(np.array([0, 1, 2, 3]))
    rows = np.arange(4)
    assert batch["candidates"][batch["targets"]].tolist() == [5, 6, 7, 4]
    assert not batch["had"][rows, batch["targets"]].any()
    had = [set(batch["candidates"][own].tolist()) for own in batch["had"]]
    assert had == [{4}, {4, 5}, {5, 6}, {5}]


def test_only_items_with_events_are_drawn(feed):
    drawn = {item for at in range(4) for item in feed.load(np.array([at]))["candidates"].tolist()}
    assert drawn <= {4, 5, 6, 7}


def test_chances_are_those_of_being_in_the_batch(feed):
    batch = feed.load(np.array([0, 1]))
    # each of the four items is one of four events: two are taken, three are drawn of four
    expected = 1 - (3 / 4) ** 2 * (3 / 4) ** 3
    assert np.exp(batch["log_chances"].numpy()) == pytest.approx(expected)


def test_plan_turns_over_every_event_once_and_anew_each_epoch(feed):
    first, second = feed.plan(0), feed.plan(1)
    assert sorted(np.concatenate(first).tolist()) == [0, 1, 2, 3]
    assert [len(batch) for batch in first] == [2, 2]
    assert np.concatenate(first).tolist() != np.concatenate(second).tolist()
    assert all(np.array_equal(a, b) for a, b in zip(first, feed.plan(0), strict=True))
