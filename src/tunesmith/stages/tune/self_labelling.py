"""Rows without labels that a teacher labels, as far as it is sure of them.

Source: Yarowsky 1995, §4 (only what is sure enough); Xie et al. 2020, §2 (the surest of each
class).
"""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tunesmith.core.answers import LabelAnswer, LabelsAnswer
from tunesmith.core.events import Event, Progress
from tunesmith.core.examples import Example
from tunesmith.core.self_training import SelfTrainingRecipe
from tunesmith.data.fingerprints import stable_hash, text_key
from tunesmith.data.spool import keep_examples, take_examples
from tunesmith.runtime.engine import Engine, chunked, score
from tunesmith.tasks.labels import softmax
from tunesmith.tasks.ner import spans_of
from tunesmith.tasks.task import Task

SELF_LABELLED = ("classification", "multilabel", "matching", "relation", "ner")
"""The tasks whose answers say how sure they are, each as a whole."""

NOTHING = "(none)"
"""What rows without a label or an entity are counted under."""


@dataclass(slots=True)
class Labelled:
    """Rows with a teacher's answers as their gold, how many it read, and how many were known.

    `classes` counts what was taken; a row of several classes counts in each.
    """

    examples: Sequence[Example] = ()
    read: int = 0
    known: int = 0
    classes: Counter[str] = field(default_factory=Counter)

    def sentence(self, recipe: SelfTrainingRecipe) -> str:
        """Return what the report says of them."""
        most = f", at most {recipe.per_class:,} a class" if recipe.per_class else ""
        taken = ", ".join(f"{name} {count:,}" for name, count in sorted(self.classes.items()))
        return (
            f"self-training, student {recipe.rounds}: {len(self.examples):,} of {self.read:,} rows "
            f"without labels taken (confidence at least {recipe.confidence:g}{most}; "
            f"{self.known:,} were known texts): {taken or 'none of any class'}"
        )


def label_rows(
    teacher: Engine,
    rows: Iterable[Example],
    recipe: SelfTrainingRecipe,
    *,
    known: Iterable[Example],
    emit: Callable[[Event], None],
) -> Labelled:
    """Return the rows that the teacher is sure enough of, in their order, with its answers.

    Texts of `known` rows, and those that come again, are left out.
    """
    found = Labelled()
    seen = {stable_hash(text_key(example)) for example in known}
    sureness = array("d")

    def fresh() -> Iterator[Example]:
        for example in rows:
            found.read += 1
            key = stable_hash(text_key(example))
            if key in seen or not example.inputs.text.strip():
                found.known += 1
                continue
            seen.add(key)
            yield example

    def sure() -> Iterator[Example]:
        waiting: list[Example] = []

        def noted() -> Iterator[Example]:
            for example in fresh():
                waiting.append(example)
                yield example

        for chunk in chunked(example.inputs for example in noted()):
            asked, waiting[:] = waiting[: len(chunk)], waiting[len(chunk) :]
            for example, scores in zip(asked, score(teacher, chunk), strict=True):
                gold, certainty = _answer(teacher.task, example, scores)
                if certainty >= recipe.confidence:
                    sureness.append(certainty)
                    yield replace(example, gold=gold)
            emit(Progress("labelling rows", found.read, None))

    kept = keep_examples(sure())
    chosen = _surest(kept, np.array(sureness), teacher.task, most=recipe.per_class)
    found.examples = take_examples(kept, chosen)
    for example in found.examples:
        found.classes.update(teacher.task.strata(example) or (NOTHING,))
    return found


def _answer(task: Task, example: Example, scores: np.ndarray) -> tuple[object, float]:
    """Return what a teacher's raw outputs say as a gold answer, and how sure it is of all of it.

    That is the probability of the label; of several labels that of the least sure yes or no, of
    words that of the least sure tag.
    """
    answer = task.answer(scores, example.inputs)
    if isinstance(answer, LabelAnswer):
        return answer.label, answer.confidence
    if isinstance(answer, LabelsAnswer):
        return answer.labels, min(max(p, 1.0 - p) for p in answer.scores.values())
    tags: Sequence[str] = answer.tags  # type: ignore[union-attr]
    place = {name: number for number, name in enumerate(task.outputs())}
    chosen = [place[tag] for tag in tags]
    shares = softmax(scores)[np.arange(len(chosen)), chosen] if chosen else np.zeros(1)
    return spans_of(tags, example.inputs), float(shares.min())


def _surest(
    examples: Sequence[Example], sureness: np.ndarray, task: Task, *, most: int | None
) -> np.ndarray:
    """Return the numbers of the rows that are among the surest of a class of theirs, in order."""
    if most is None:
        return np.arange(len(examples))
    by_class: dict[str, list[int]] = {}
    for number, example in enumerate(examples):
        for name in task.strata(example) or (NOTHING,):
            by_class.setdefault(name, []).append(number)
    chosen = {
        number
        for own in by_class.values()
        for number in heapq.nlargest(most, own, key=lambda number: (sureness[number], -number))
    }
    return np.array(sorted(chosen), dtype=np.int64)
