"""Tuning a recommender: each text read once, then two towers trained on who had what next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from tunesmith.core.errors import DataError, SpecError
from tunesmith.core.events import Said
from tunesmith.core.examples import Example
from tunesmith.core.methods import Method
from tunesmith.core.recipe import RecommendRecipe
from tunesmith.data.histories import Sequences, read_sequences
from tunesmith.data.splits import sample_examples
from tunesmith.model.batching import Batch
from tunesmith.model.heads.recommend import Recommender
from tunesmith.runtime.engine import window_vectors
from tunesmith.runtime.rankings import rank_items
from tunesmith.stages.tune.job import Fitted, Job
from tunesmith.stages.tune.ranking_losses import bayesian_ranking, sampled_softmax
from tunesmith.stages.tune.watched import Feed, Watch, make_tuning, run_watched
from tunesmith.tasks.recommendation import Recommendation

WATCHED_ROWS = 2_000
"""Validation rows that are ranked between epochs, at most: the report ranks all."""


def fit_recommender(job: Job, method: Method) -> Fitted:
    """Train the towers of `job.model` and leave the best checkpoint's weights in it.

    The backbone stays as it is: every text is read once and its vector kept. Raises `SpecError`
    for methods that have nothing to train here.
    """
    if method.name != "full":
        raise SpecError(
            f"{job.task.kind} trains two towers above a backbone that stays as it is; "
            f"the method `{method.name}` has nothing to change there",
            hint="--method full",
        )
    task = cast(Recommendation, job.task)  # the head family says so
    fitted = Fitted(reasons=[_read_texts(job, task)])
    feed = make_feed(job, task)
    objective = sampled_softmax() if job.recommend.loss == "softmax" else bayesian_ranking()
    tuning = make_tuning(
        job.model,
        job.recipe,
        Feed(objective, feed.plan, feed.load),
        accelerator=Accelerator(cpu=job.engine.device.type == "cpu"),
        precision="fp32",
    )
    watched = sample_examples(job.valid.examples, WATCHED_ROWS, seed=job.seed)
    watch = Watch(
        model=job.model,
        measure=partial(ranked_score, job, watched),
        name=task.selection,
        lower_is_better=False,
        out=job.out,
        resume=job.resume,
        emit=job.emit,
    )
    return run_watched(tuning, watch, fitted)


@dataclass(frozen=True, slots=True)
class EventFeed:
    """The batches of events that a recommender is trained on.

    `events` (N,) are places in `sequences` that have one before them; `counts` (items,) how often
    each item is among them, `seen` (S,) which items are there at all: no other is ever drawn, so
    that an item without events keeps nothing but its text.
    """

    sequences: Sequences
    events: NDArray[np.int64]
    counts: NDArray[np.int64]
    seen: NDArray[np.int64]
    recipe: RecommendRecipe
    seed: int

    def plan(self, epoch: int) -> list[np.ndarray]:
        """Return the batches of an epoch: all events, shuffled, in equal parts."""
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.events))
        parts = max(1, round(len(order) / self.recipe.batch_events))
        return np.array_split(order, parts)

    def load(self, indices: np.ndarray) -> Batch:
        """Return the tensors of a batch of B events and its C candidates.

        `input_ids` and `attention_mask` (B, T) are what was had before, aligned to the right;
        `candidates` (C,) the items that came next and those that were drawn; `targets` (B,),
        `log_chances` (C,) and `had` (B, C) are what the losses ask for.
        """
        places = self.events[indices]
        at = places[:, None] + np.arange(-self.recipe.history, 0)
        mask = at >= self.sequences.firsts[places][:, None]
        before = np.where(mask, self.sequences.items[np.maximum(at, 0)], 0).astype(np.int64)
        after = self.sequences.items[places].astype(np.int64)
        drawn = np.random.default_rng((self.seed, *indices[:4].tolist())).integers(
            len(self.seen), size=self.recipe.negatives
        )
        candidates = np.unique(np.concatenate([after, self.seen[drawn]]))
        number = np.full(len(self.counts), -1, dtype=np.int64)
        number[candidates] = np.arange(len(candidates))
        had = np.zeros((len(places), len(candidates)), dtype=bool)
        rows, columns = np.nonzero(mask & (number[before] >= 0))
        had[rows, number[before[rows, columns]]] = True
        had[np.arange(len(places)), number[after]] = False
        arrays = {
            "input_ids": before,
            "attention_mask": mask.astype(np.int64),
            "candidates": candidates,
            "targets": number[after],
            "log_chances": self._log_chances(candidates, len(places)),
            "had": had,
        }
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def _log_chances(self, candidates: np.ndarray, events: int) -> NDArray[np.float32]:
        """Return the log of how likely each candidate is in a batch of so many events."""
        share = np.minimum(self.counts[candidates] / max(len(self.events), 1), 1 - 1e-9)
        absent = events * np.log1p(-share)
        if len(self.seen) > 1:
            absent += self.recipe.negatives * np.log1p(-1 / len(self.seen))
        chances: NDArray[np.float32] = np.log(-np.expm1(absent)).astype(np.float32)
        return chances


def make_feed(job: Job, task: Recommendation) -> EventFeed:
    """Return the batches of a job. Raises `DataError` where no user has two events."""
    sequences = read_sequences(job.train.examples, task)
    places = np.arange(len(sequences.items))
    events = places[places > sequences.firsts]
    if not len(events):
        raise DataError(
            "a user must have two train events, one to be known by and one to predict; none has",
            hint="give rows of users with three events or more",
        )
    counts = np.bincount(sequences.items[events], minlength=len(task.catalogue.items))
    seen = np.flatnonzero(np.bincount(sequences.items, minlength=len(counts)))
    return EventFeed(sequences, events, counts, seen, job.recommend, job.seed)


def _read_texts(job: Job, task: Recommendation) -> str:
    """Let the model know the vectors of all texts; return a sentence on it."""
    model = cast(Recommender, job.model)
    windows, texts = job.train.windows, task.catalogue.texts
    job.emit(Said(f"reading {len(texts):,} texts once"))
    vectors = window_vectors(job.engine, windows)
    weights = windows.lengths.astype(np.float32)
    sums = np.zeros((len(texts), vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, windows.rows, vectors * weights[:, None])
    sums[[row for row, text in enumerate(texts) if not text.strip()]] = 0.0
    totals = np.bincount(windows.rows, weights=weights, minlength=len(texts))
    model.know(sums / np.maximum(totals, 1)[:, None], task.catalogue.counts)
    return f"{len(texts):,} texts are read once; the backbone stays as it is"


def ranked_score(job: Job, examples: Sequence[Example]) -> float:
    """Return the selection measure of a recommender as it is, on any examples."""
    engine = replace(job.engine, precision="fp32")  # as it will be served; bf16 makes ties
    inputs = [example.inputs for example in examples]
    answers = [
        job.task.answer(ranked, item)
        for ranked, item in zip(rank_items(engine, inputs), inputs, strict=True)
    ]
    return job.task.selection_score(examples, answers)
