"""The extractive method: which sentences of a document are like the summaries people wrote of it.

The backbone is not changed. A logistic regression reads each sentence's vector and features; how
many sentences are taken, and what repeating costs, is chosen on the validation rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import cast

import numpy as np

from tunesmith.core.events import Progress, Said, Validated
from tunesmith.core.examples import SentencesInput
from tunesmith.core.methods import Extractive
from tunesmith.model.heads import linear_of
from tunesmith.runtime.engine import score_windows, window_vectors
from tunesmith.runtime.merging import merge_windows
from tunesmith.stages.tune.job import Fitted, Job
from tunesmith.stages.tune.linear import Outputs, fit_linear, set_linear
from tunesmith.stages.tune.rows import Rows
from tunesmith.tasks.extraction import (
    CENTROID_WEIGHTS,
    FEATURES,
    best_sentences,
    rank_sentences,
    sentence_features,
)
from tunesmith.tasks.sentences import write_summary
from tunesmith.tasks.summarization import Summarization, reference_f1

MOST_SENTENCES = 8
REDUNDANCIES = (0.0, 0.1, 0.3)
FEATURE_SCALE = 0.25
"""What a feature of standard deviation 1 counts beside a vector of length 1, whose entries are
small: the regularisation bears on both."""

SILENT = np.array([0.0, 1.0, 1.0])
"""Takes the logit away from what is seen of each sentence."""

MAX_ITERATIONS = 500
PROGRESS_ROWS = 100


@dataclass(frozen=True, slots=True)
class Scorer:
    """A linear layer over sentence vectors, (1, H) and (1,), and a weight for each feature."""

    name: str
    weight: np.ndarray
    bias: np.ndarray
    features: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """How sentences are chosen, and the ROUGE-1 this gives on the validation rows."""

    scorer: Scorer
    most: int
    redundancy: float
    value: float


def fit_extractive(job: Job, method: Extractive) -> Fitted:
    """Fit what weighs sentences and leave the better scorer in `job.model` and the fitted task.

    Of equal settings the one with fewer sentences is taken.
    """
    started = time.perf_counter()
    size = linear_of(job.model).in_features
    scorers = [Scorer("centroid", np.zeros((1, size)), np.zeros(1), CENTROID_WEIGHTS)]
    tokens = int(job.valid.lengths.sum())
    if method.scorer != "centroid":
        rows, read = _some_rows(job.train, method.learning_rows, seed=job.seed)
        tokens += read
        learned = _learn(job, method, rows)
        scorers = [learned] if method.scorer == "learned" else [learned, *scorers]
    choice = _choose(job, method, scorers)
    _set_scorer(job, choice.scorer)
    task = cast(Summarization, job.task).fitted(
        most=choice.most, redundancy=choice.redundancy, weights=choice.scorer.features
    )
    return Fitted(
        tokens=tokens,
        seconds=time.perf_counter() - started,
        reasons=[
            f"{choice.scorer.name}, {choice.most} sentences, redundancy {choice.redundancy:g}: "
            f"best {job.task.selection} on the validation rows ({choice.value:.3f})"
        ],
        task=task,
    )


def _some_rows(rows: Rows, most: int, *, seed: int) -> tuple[list[int], int]:
    """Return at most so many row numbers, in order, and the tokens of their windows."""
    count = len(rows.examples)
    chosen = np.arange(count)
    if count > most:
        chosen = np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
    return chosen.tolist(), int(rows.lengths[np.isin(rows.windows.rows, chosen)].sum())


def _learn(job: Job, method: Extractive, rows: Sequence[int]) -> Scorer:
    """Return the regression that tells the sentences of the best summaries from the rest."""
    job.emit(Said(f"reading the sentences of {len(rows):,} documents once"))
    vectors, features, labels = [], [], []
    for number, (units, own, chosen) in enumerate(_read(job, rows), start=1):
        vectors.append(units)
        features.append(own)
        labels.append(np.isin(np.arange(len(own)), chosen).astype(np.int64))
        if number % PROGRESS_ROWS == 0 or number == len(rows):
            job.emit(Progress("finding the best sentences", number, len(rows), "documents"))
    table, targets = np.concatenate(features), np.concatenate(labels)
    mean, spread = table.mean(axis=0), table.std(axis=0)
    spread[spread == 0] = np.inf
    scaled = FEATURE_SCALE * (table - mean) / spread
    weight, bias = fit_linear(
        np.concatenate([scaled, np.concatenate(vectors)], axis=1),
        targets,
        outputs=Outputs(2),
        strength=method.strength,
        max_iterations=MAX_ITERATIONS,
    )
    whole = (weight[1] - weight[0]).astype(np.float64)
    own_weights = FEATURE_SCALE * whole[: len(FEATURES)] / spread
    shift = float(bias[1] - bias[0]) - float(own_weights @ mean)
    return Scorer(
        "learned", whole[None, len(FEATURES) :], np.array([shift]), tuple(own_weights.tolist())
    )


def _read(job: Job, rows: Sequence[int]) -> Iterator[tuple[np.ndarray, np.ndarray, list[int]]]:
    """Yield the vectors (S, H), features (S, F) and best sentences of each row that has any."""
    windows_rows, examples = job.train.windows.rows, job.train.examples
    place = {row: number for number, row in enumerate(rows)}
    windows = [
        replace(window, row=place[window.row])
        for window in job.train.windows.take(np.flatnonzero(np.isin(windows_rows, rows)))
    ]
    vectors = window_vectors(job.engine, windows)
    inputs = [cast(SentencesInput, examples[row].inputs) for row in rows]
    silent = np.concatenate([np.zeros((len(vectors), 1), dtype=np.float32), vectors], axis=1)
    seen = merge_windows([(windows, silent)], inputs, family="extract", outputs=1)
    means = merge_windows([(windows, vectors)], inputs, family="embed", outputs=vectors.shape[1])
    for row, item, own, units in zip(rows, inputs, seen, means, strict=True):
        yield units, sentence_features(item, own), best_sentences(item, examples[row].gold)


def _choose(job: Job, method: Extractive, scorers: Sequence[Scorer]) -> Choice:
    """Return the best of all settings on the validation rows, which are read once."""
    fixed = method.sentences
    counts = [fixed] if fixed else list(range(1, MOST_SENTENCES + 1))
    _set_scorer(job, scorers[0])
    inputs = [example.inputs for example in job.valid.examples]
    seen = score_windows(job.engine, job.valid.windows, inputs)
    choices: list[Choice] = []
    for number, scorer in enumerate(scorers, start=1):
        heard = seen if scorer.weight.any() else [row * SILENT for row in seen]
        values = _validate(job, scorer, heard, counts=counts)
        (redundancy, most), value = max(values.items(), key=lambda pair: pair[1])
        is_best = all(value > other.value for other in choices)
        choices.append(Choice(scorer, most, redundancy, value))
        job.emit(Validated(number, job.task.selection, value, is_best, scorer.name))
    return max(choices, key=lambda choice: choice.value)


def _validate(
    job: Job, scorer: Scorer, seen: Sequence[np.ndarray], *, counts: Sequence[int]
) -> dict[tuple[float, int], float]:
    """Return the ROUGE-1 of each redundancy and number of sentences, fewer sentences first."""
    task = replace(cast(Summarization, job.task), weights=scorer.features)
    sums = dict.fromkeys(((cost, count) for count, cost in product(counts, REDUNDANCIES)), 0.0)
    for row, example in zip(seen, job.valid.examples, strict=True):
        item = cast(SentencesInput, example.inputs)
        salience = task.salience(row, item)
        for cost in REDUNDANCIES:
            ranked = rank_sentences(item, salience, most=max(counts), redundancy=cost)
            for count in counts:
                text = write_summary(item.text, item.sentences, ranked[:count])
                sums[cost, count] += reference_f1(example.gold, text)
    return {setting: total / max(1, len(seen)) for setting, total in sums.items()}


def _set_scorer(job: Job, scorer: Scorer) -> None:
    weight, bias = scorer.weight.astype(np.float32), scorer.bias.astype(np.float32)
    set_linear(linear_of(job.model), weight, bias)
