"""What several engines say together: the mean of their probabilities, or of their weights.

Source: Lakshminarayanan et al. 2017, §2.4; Wortsman et al. 2022, §2 (uniform soup).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.core.examples import Inputs
from tunesmith.runtime.engine import Engine, Members, score
from tunesmith.tasks.labels import sigmoid, softmax
from tunesmith.tasks.matching import Matching
from tunesmith.tasks.multilabel import MultiLabel
from tunesmith.tasks.task import Task

JOINED = ("classify", "relate", "tag", "choose", "embed")
"""The head families whose outputs have a mean."""

SMALLEST = 1e-12
"""What a probability of 0 is read as before its logarithm is taken, and a length of 0."""


def mean_scores(members: Members, inputs: Sequence[Inputs]) -> list[np.ndarray]:
    """Return raw outputs that mean the average of what the members answer, in the usual shapes.

    Logits are those whose softmax, or sigmoid, is the mean of the members' probabilities. Of texts
    read apart the unit vectors of all members stand side by side, so that a cosine is the mean of
    theirs.
    """
    join = _joining(members.engines[0].task)
    rows = zip(*(score(engine, inputs) for engine in members.engines), strict=True)
    return [join(own) for own in rows]


def soup(engines: Iterator[Engine]) -> Engine:
    """Return the first engine with the mean of all weights; the others are let go one by one.

    Raises `DataError` where their shapes are not the same.
    """
    import torch  # noqa: PLC0415 (an ONNX engine does without)

    first = next(engines)
    sums = {name: weight.double() for name, weight in first.model.state_dict().items()}
    kinds = {name: weight.dtype for name, weight in first.model.state_dict().items()}
    count = 1
    for engine in engines:
        own = engine.model.state_dict()
        shapes = [{name: value.shape for name, value in each.items()} for each in (sums, own)]
        if shapes[0] != shapes[1]:
            raise DataError(
                "the weights of a soup must have the same names and shapes",
                hint="--set ensemble.join=mean",
            )
        for name, value in own.items():
            sums[name] += value
        count += 1
    with torch.no_grad():
        first.model.load_state_dict(
            {name: (value / count).to(kinds[name]) for name, value in sums.items()}
        )
    return first


def joined_task(tasks: Sequence[Task]) -> Task:
    """Return the task of joined members: their labels, and the mean of what each learned of it.

    Raises `DataError` where their labels, or the scales of their scores, are not the same.
    """
    first = tasks[0]
    facts = [(task.labels, getattr(task, "scale", None)) for task in tasks]
    for number, own in enumerate(facts):
        if own != facts[0]:
            raise DataError(
                "the members of an ensemble must have the same labels and scale; "
                f"got {facts[0]} and {own} (members 0 and {number})",
                hint="--set ensemble.seeds=3, whose members learn from the same rows",
            )
    learned: dict[str, Any] = {}
    for name in ("transitions", "line"):
        known = [np.array(getattr(task, name, ())) for task in tasks]
        size = max(map(len, known))
        if size:
            full = [values if len(values) else np.zeros(size) for values in known]
            learned[name] = tuple(np.mean(full, axis=0).tolist())
    return replace(first, **learned)  # type: ignore[type-var]


def _joining(task: Task) -> Callable[[Sequence[np.ndarray]], np.ndarray]:
    if task.head == "embed":
        return _side_by_side
    if task.head == "choose":
        return lambda rows: _mean_softmax(rows, axis=0)
    if isinstance(task, MultiLabel) or (isinstance(task, Matching) and task.scale is not None):
        return _mean_sigmoid
    return lambda rows: _mean_softmax(rows, axis=-1)


def _mean_softmax(rows: Sequence[np.ndarray], *, axis: int) -> np.ndarray:
    if not rows[0].size:
        return rows[0]
    shares = [softmax(np.moveaxis(row, axis, -1)) for row in rows]
    mean = np.moveaxis(np.mean(shares, axis=0), -1, axis)
    return np.log(np.maximum(mean, SMALLEST))


def _mean_sigmoid(rows: Sequence[np.ndarray]) -> np.ndarray:
    mean = np.clip(np.mean([sigmoid(row) for row in rows], axis=0), SMALLEST, 1.0 - SMALLEST)
    return np.log(mean) - np.log1p(-mean)


def _side_by_side(rows: Sequence[np.ndarray]) -> np.ndarray:
    units = [row / np.maximum(np.linalg.norm(row, axis=1, keepdims=True), SMALLEST) for row in rows]
    return np.concatenate(units, axis=1)
