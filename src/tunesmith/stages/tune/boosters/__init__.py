"""Boosters at work: those of rows and losses wrap the feed, the others have a place in the loop.

What wraps a feed is of the main task; adversaries move its words alone, averages hold all weights.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from tunesmith.model.word_shift import WordShift
from tunesmith.stages.tune.boosters.adversarial import climb_of, learn_uphill
from tunesmith.stages.tune.boosters.averages import average_of
from tunesmith.stages.tune.boosters.contrast import contrast
from tunesmith.stages.tune.boosters.mixup import mix
from tunesmith.stages.tune.boosters.r_drop import read_twice
from tunesmith.stages.tune.boosters.sampling import balance
from tunesmith.stages.tune.job import Job
from tunesmith.stages.tune.loop import Feed, Tuning

WRAPS: dict[str, Callable[[Feed, Any, Job, ExitStack], Feed]] = {
    "balanced_sampling": balance,
    "mixup": mix,
    "supervised_contrastive": contrast,
    "r_drop": read_twice,
}
"""Boosters that wrap a feed, from within: contrast is of vectors before they are mixed, and what is
read twice is one batch to all others."""


def boost_feed(feed: Feed, job: Job, hooks: ExitStack) -> Feed:
    """Return the task's feed with the boosters of `job`; `hooks` ends what they do to its model."""
    for name, wrap in WRAPS.items():
        recipe = getattr(job.boost, name)
        if recipe is not None:
            feed = wrap(feed, recipe, job, hooks)
    return feed


def boost_tuning(tuning: Tuning, job: Job, hooks: ExitStack) -> None:
    """Let the boosters of `job` that have a place in the loop take it."""
    if job.boost.adversarial is not None:
        words = WordShift(job.model)
        hooks.enter_context(words.attached())
        tuning.learn = learn_uphill(words, climb_of(job.boost.adversarial))
    if job.boost.average is not None:
        tuning.average = average_of(tuning.model, job.boost.average)
