"""Which boosters suit what is tuned: all that does not is refused before a row is read."""

from __future__ import annotations

from collections.abc import Iterator

from tunesmith.core.errors import SpecError
from tunesmith.core.methods import LOOPED
from tunesmith.operations.fit import FitSpec
from tunesmith.tasks import make_task
from tunesmith.tasks.task import Task

ANSWERS = {
    "class": "one label for each text",
    "labels": "any number of labels for each text",
    "score": "a score",
    "tag": "a tag for each word",
    "span": "a stretch of the text",
    "choose": "one of several texts",
    "embed": "how near two vectors are",
    "generate": "a written text",
}
"""What a task answers with, by which a booster suits it or not."""

SUITED = {
    "adversarial": frozenset(ANSWERS),
    "r_drop": frozenset({"class", "labels", "score", "tag", "generate"}),
    "mixup": frozenset({"class", "labels", "score", "tag"}),
    "focal": frozenset({"class", "labels", "tag"}),
    "supervised_contrastive": frozenset({"class"}),
    "balanced_sampling": frozenset({"class"}),
    "average": frozenset(ANSWERS),
}
"""The answers that each booster can train."""


def refuse_boosters(spec: FitSpec, task: Task | None = None) -> None:
    """Raise `SpecError` with all that the boosters of `spec` cannot go with.

    Without the `task` of the rows, what depends on them is left open.
    """
    if not spec.boost.chosen:
        return
    if task is None:
        task = make_task(spec.task, pairs=spec.model.pairs).with_method(spec.method.name)
    problems = [*_unsuited(spec, task), *_contradictions(spec)]
    if problems:
        off = " ".join(f"--set boost.{name}=false" for name in dict(problems))
        raise SpecError([text for _, text in problems], hint=off)


def answer_of(task: Task) -> str:
    """Return what a task answers with, as `ANSWERS` calls it; "recommend" has no name there."""
    if task.head == "classify":
        if task.kind == "matching":
            return "score" if getattr(task, "scale", None) is not None else "class"
        return "labels" if task.kind == "multilabel" else "class"
    return {"relate": "class"}.get(task.head, task.head)


def _unsuited(spec: FitSpec, task: Task) -> Iterator[tuple[str, str]]:
    """Yield each booster that does not suit method or task, and why."""
    answer = answer_of(task)
    for name in spec.boost.chosen:
        if spec.method.name not in LOOPED:
            yield (
                name,
                f"`boost.{name}` goes with full and the deltas, which train by the task's own "
                f"loss; `{spec.method.name}` does not",
            )
        elif answer not in SUITED[name]:
            suited = "; ".join(ANSWERS[each] for each in ANSWERS if each in SUITED[name])
            found = ANSWERS.get(answer, "what a user may like")
            yield name, f"`boost.{name}` trains {suited}; {spec.task} answers with {found}"


def _contradictions(spec: FitSpec) -> Iterator[tuple[str, str]]:
    """Yield each booster that another setting rules out, and why."""
    boost, training, method = spec.boost, spec.training, spec.method.name
    if boost.adversarial is not None:
        if method == "freeze" or training.freeze_layers:
            frozen = "the method `freeze`" if method == "freeze" else "`training.freeze_layers`"
            yield (
                "adversarial",
                f"`boost.adversarial` moves word embeddings; {frozen} reads them once",
            )
        if training.packing:
            yield (
                "adversarial",
                "`boost.adversarial` moves each row by itself; `training.packing` lets texts share "
                "one",
            )
    if boost.mixup is not None and spec.distillation is not None:
        yield (
            "mixup",
            "`boost.mixup` mixes labels; `distillation` teaches probabilities of each row",
        )
    if boost.r_drop is not None and spec.model.dropout == 0:
        yield "r_drop", "`boost.r_drop` compares two passes under dropout; `model.dropout` is 0"
    if boost.focal is not None and training.label_smoothing:
        yield (
            "focal",
            "`boost.focal` asks how probable the one right answer is; `training.label_smoothing` "
            f"{training.label_smoothing:g} gives every answer a share",
        )
    if boost.balanced_sampling is not None and training.class_weights != "none":
        yield (
            "balanced_sampling",
            "`boost.balanced_sampling` evens out the labels; `training.class_weights` does so a "
            "second time",
        )
    if boost.average is not None:
        if training.optimizer == "schedule_free":
            yield "average", "`boost.average` averages weights; `schedule_free` does so itself"
        if method == "adalora":
            yield "average", "`boost.average` mixes ranks that `adalora` has taken away"
