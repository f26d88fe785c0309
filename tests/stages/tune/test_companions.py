"""Losses learned together: their weights, their sum, their batches, and what a checkpoint keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.companions import JointRecipe
from tunesmith.core.recipe import TrainingRecipe
from tunesmith.stages.tune.companions import Course, Stream, join_feeds, text_weight
from tunesmith.stages.tune.loop import Feed


def numbers_plan(sizes):
    """Return a plan of so many batches an epoch; each batch is (epoch, place)."""
    return lambda epoch: [(epoch, place) for place in range(sizes[epoch % len(sizes)])]


def squares(target):
    return lambda outputs, batch: ((outputs - target) ** 2).mean() * batch["scale"].mean()


def feed_of(sizes, *, target=0.0):
    return Feed(
        squares(target),
        numbers_plan(sizes),
        lambda numbers: {"scale": torch.tensor([1.0 + numbers[1]])},
    )


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 30), st.integers(0, 12))
def test_course_takes_the_batches_of_all_epochs_end_to_end(sizes, first, count):
    whole = [batch for epoch in range(60) for batch in numbers_plan(sizes)(epoch)]
    assert Course(numbers_plan(sizes)).take(first, count) == whole[first : first + count]


def test_joined_plan_is_the_same_each_time_and_goes_on_from_any_epoch():
    recipe = TrainingRecipe(epochs=4)

    def joined():
        return join_feeds(feed_of([3, 2]), [Stream("x", feed_of([4]), lambda _: 1.0)], recipe)

    once = [draw for epoch in range(4) for draw in joined().plan(epoch)]
    assert joined().plan(2) == once[5:8]
    assert [draw.numbers[0] for draw in once] == [
        batch for epoch in range(4) for batch in numbers_plan([3, 2])(epoch)
    ]
    assert [draw.numbers[1] for draw in once] == [(n // 4, n % 4) for n in range(10)]
    assert [draw.done for draw in once] == pytest.approx(np.linspace(0, 1, 10))


@pytest.mark.parametrize(("processes", "accumulation"), [(1, 1), (2, 3)])
def test_share_of_training_ends_at_one_where_steps_are_limited(processes, accumulation):
    recipe = TrainingRecipe(epochs=10**6, max_steps=5, accumulation=accumulation)
    feed = join_feeds(feed_of([7]), [], recipe, processes=processes)
    last = 5 * accumulation * processes - 1
    draws = [draw for epoch in range(1 + last // 7) for draw in feed.plan(epoch)]
    assert draws[last].done == 1.0
    assert draws[0].done == 0.0


def test_weight_of_text_is_one_over_lambda_from_first_to_last():
    weight = text_weight(JointRecipe(data="x", task_weight=2, final_task_weight=10))
    assert [1 / weight(done) for done in (0.0, 0.25, 1.0)] == pytest.approx([2, 4, 10])
    assert text_weight(JointRecipe(data="x", task_weight=8))(0.7) == 1 / 8


@pytest.mark.parametrize("task_weight", [1.0, 3.0, 30.0])
def test_gradient_is_that_of_the_weighted_sum(task_weight):
    """(L_pre + λ·L_fin) / (1 + λ), by hand, on one shared weight."""
    text = Stream("mlm", feed_of([1], target=2.0), lambda _: 1 / task_weight)
    feed = join_feeds(feed_of([1], target=-1.0), [text], TrainingRecipe(epochs=1))
    shared = torch.tensor([0.5], requires_grad=True)
    batch = feed.load(feed.plan(0)[0])
    losses = feed.objective((shared, 3.0 * shared), batch)
    (losses * batch["weights"]).sum().backward()
    task = 2 * (0.5 + 1.0)
    pretraining = 2 * (1.5 - 2.0) * 3.0
    expected = (pretraining + task_weight * task) / (1 + task_weight)
    assert shared.grad.item() == pytest.approx(expected, rel=1e-6)
    assert feed.names == ("task", "mlm")
    assert losses.tolist() == pytest.approx([2.25, 0.25])


def test_weights_of_several_streams_sum_to_one_in_their_proportion():
    streams = [Stream("a", feed_of([2]), lambda _: 0.5), Stream("b", feed_of([2]), lambda _: 2.5)]
    feed = join_feeds(feed_of([2]), streams, TrainingRecipe(epochs=1))
    weights = feed.load(feed.plan(0)[1])["weights"]
    assert weights.tolist() == pytest.approx([0.25, 0.125, 0.625])
