"""Class-balanced sampling: an epoch is drawn, with rows of rare labels more often."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from tunesmith.core.boosters import BalancedSampling
from tunesmith.model.batching import plan_batches
from tunesmith.stages.tune.job import Job
from tunesmith.stages.tune.loop import Feed

STREAM = 20_200_426
"""Keeps the rows that are drawn apart from the jitter and order of the batches."""


def balance(feed: Feed, recipe: BalancedSampling, job: Job, hooks: ExitStack) -> Feed:  # noqa: ARG001
    """Return a feed whose epochs draw rows of `job` by their labels."""
    return replace(feed, plan=balanced_plan(job, power=recipe.power))


def balanced_plan(job: Job, *, power: float) -> Callable[[int], list[np.ndarray]]:
    """Return the plan of epochs of as many rows as there are; all windows of a row are drawn."""
    rows, lengths = job.train.windows.rows, job.train.lengths
    firsts = np.flatnonzero(np.diff(rows, prepend=-1))
    counts = np.diff(firsts, append=len(rows))
    chances = row_chances(job.train.flat_targets()[firsts], power=power)

    def plan(epoch: int) -> list[np.ndarray]:
        random = np.random.default_rng((job.seed, epoch, STREAM))
        drawn = random.choice(len(firsts), size=len(firsts), p=chances)
        windows = np.concatenate([np.arange(firsts[at], firsts[at] + counts[at]) for at in drawn])
        budget, seed = job.recipe.batch_tokens, (job.seed, epoch)
        planned = plan_batches(lengths[windows], batch_tokens=budget, seed=seed)
        return [windows[batch] for batch in planned]

    return plan


def row_chances(labels: np.ndarray, *, power: float) -> np.ndarray:
    """Return (N,) how likely each row is drawn: n^q / Σ n^q for its label, shared by its n rows.

    Source: Kang et al. 2020, eq. 1.

    >>> row_chances(np.array([0, 0, 0, 1]), power=0.0).round(3).tolist()
    [0.167, 0.167, 0.167, 0.5]
    """
    counts = np.bincount(labels)
    of_labels = np.where(counts > 0, np.maximum(counts, 1.0) ** power, 0.0)
    chances: np.ndarray = (of_labels / of_labels.sum() / np.maximum(counts, 1))[labels]
    return chances / chances.sum()
