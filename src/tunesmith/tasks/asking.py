"""How each labelled task is asked by a template: its slots, the words of its answers, its scores.

`Task.ask` is one question for a reader; here a task becomes questions whose answers are weighed,
each among words that are known beforehand. No model is known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from tunesmith.core.errors import DataError, Problem, SpecError
from tunesmith.core.examples import (
    ChoiceInput,
    Example,
    Inputs,
    MarkedInput,
    PairInput,
    TextInput,
)
from tunesmith.core.prompts import Prompt, Shot, template_problems
from tunesmith.tasks.choice import name_choice
from tunesmith.tasks.labels import spoken_label
from tunesmith.tasks.matching import Matching
from tunesmith.tasks.multilabel import MultiLabel
from tunesmith.tasks.task import Task

YES, NO = "yes", "no"
"""Keys of the words for a question that is answered by one of the two: does this label apply?"""

SLOTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "classification": (("text",), ("labels",)),
    "multilabel": (("text", "candidate"), ("labels",)),
    "matching": (("text_a", "text_b"), ("labels",)),
    "relation": (("text", "head", "tail"), ("labels",)),
    "choice": (("question",), ("context", "choices")),
}
"""The slots that a template of a task must have, and those it may have."""

CONTENT_FREE = ("N/A", "[MASK]", "")
"""Texts without content (Zhao et al. 2021, §5): their scores tell what a prompt prefers itself."""

DEFAULTS: dict[tuple[str, str], tuple[str, ...]] = {
    ("classification", "en"): (
        "Text: {text}\nLabel: {label}",
        "{text}\nThis is about {label}.",
        "{text} It was {label}.",
        "{text} In short, {label}.",
    ),
    ("classification", "zh-CN"): (
        "文本：{text}\n类别：{label}",
        "{text}\n这段话说的是{label}。",
        "{text} 总之，{label}。",
        "{text} 感觉{label}。",
    ),
    ("multilabel", "en"): (
        "Text: {text}\nDoes the label “{candidate}” apply? {label}",
        "{text}\nIs this about {candidate}? {label}.",
    ),
    ("multilabel", "zh-CN"): (
        "文本：{text}\n是否属于“{candidate}”？{label}",
        "{text}\n这段话说的是{candidate}吗？{label}。",
    ),
    ("matching", "en"): (
        "A: {text_a}\nB: {text_b}\nTogether: {label}",
        "{text_a} {text_b}\nThe two are {label}.",
    ),
    ("matching", "zh-CN"): (
        "甲：{text_a}\n乙：{text_b}\n关系：{label}",
        "{text_a} {text_b}\n两句话{label}。",
    ),
    ("matching scores", "en"): (
        "A: {text_a}\nB: {text_b}\nDo they mean the same? {label}",
        "{text_a} {text_b}\nIs that the same? {label}.",
    ),
    ("matching scores", "zh-CN"): (
        "甲：{text_a}\n乙：{text_b}\n意思相同吗？{label}",
        "{text_a} {text_b}\n两句话一样吗？{label}。",
    ),
    ("relation", "en"): (
        "Text: {text}\nHow “{head}” is related to “{tail}”: {label}",
        "{text}\nFrom {head} to {tail} this is {label}.",
    ),
    ("relation", "zh-CN"): (
        "文本：{text}\n“{head}”与“{tail}”的关系：{label}",
        "{text}\n{head}和{tail}之间是{label}。",
    ),
    ("choice", "en"): (
        "{context}\nQuestion: {question}\nAnswer: {label}",
        "{context} {question}\n{choices}\nThe answer is {label}",
    ),
    ("choice", "zh-CN"): (
        "{context}\n问题：{question}\n答案：{label}",
        "{context}{question}\n{choices}\n答案是{label}",
    ),
}
"""Our own templates by task and language, the first one being the default."""

AFFIRMATIONS = {"en": ("yes", "no"), "zh-CN": ("是", "否")}


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a row: what fills the slots, and the groups of words to weigh.

    `answers` (C groups) are texts; the words of a group mean the same.
    """

    slots: Mapping[str, str]
    answers: tuple[tuple[str, ...], ...]


def require_askable(task: Task, *, method: str) -> None:
    """Raise `SpecError` where a task's answers are no labels or choices."""
    if task.kind not in SLOTS:
        raise SpecError(
            f"the method `{method}` weighs words for labels ({', '.join(SLOTS)}); "
            f"{task.kind} has other answers",
            hint="--method full",
        )


def asked_task(task: Task) -> Task:
    """Return the task as a prompt answers it: two texts stand in one prompt.

    Raises `SpecError` where it was to read them apart.
    """
    if isinstance(task, Matching) and task.pairs == "apart":
        raise SpecError(
            "a prompt holds both texts; `model.pairs` is apart", hint="--set model.pairs=together"
        )
    return task.with_pairs("together")


def default_templates(task: Task, language: str) -> tuple[str, ...]:
    """Return our own templates for a task, the default first."""
    kind = "matching scores" if _is_scored(task) else task.kind
    return DEFAULTS[kind, language]


def default_words(task: Task, language: str) -> dict[str, tuple[str, ...]]:
    """Return the words that the labels' names are made of, and those for yes and no."""
    words: dict[str, tuple[str, ...]] = {label: (spoken_label(label),) for label in task.labels}
    if isinstance(task, MultiLabel) or _is_scored(task):
        yes, no = AFFIRMATIONS[language]
        words = {YES: (yes,), NO: (no,), **words}
    return words


def complete_words(
    task: Task, given: Mapping[str, Sequence[str]], language: str
) -> dict[str, tuple[str, ...]]:
    """Return words for every label: the given ones, else those of its name.

    Raises `SpecError` with every label that has none, every unknown one, and all that share words.
    """
    words = default_words(task, language)
    problems = []
    if unknown := sorted(set(given) - set(words)):
        problems.append(
            Problem("`method.words` must name labels of the rows", ", ".join(unknown[:10]))
        )
    words |= {label: tuple(own) for label, own in given.items() if label in words}
    problems += [
        Problem(f"the label `{label}` must have words to be weighed")
        for label, own in words.items()
        if not own or not all(word.strip() for word in own)
    ]
    owners: dict[str, list[str]] = {}
    for label, own in words.items():
        for word in own:
            owners.setdefault(word.strip().casefold(), []).append(label)
    problems += [
        Problem("each label must have words of its own", f"`{word}` for {' and '.join(labels)}")
        for word, labels in owners.items()
        if word and len(set(labels)) > 1
    ]
    if problems:
        raise SpecError(problems, hint="--set method.words.LABEL='word|another word'")
    return words


def refuse_template(task: Task, template: str) -> None:
    """Raise `SpecError` with every problem of a template for this task."""
    if problems := find_template_problems(task, template):
        raise SpecError(
            problems,
            hint=f"--set method.template={default_templates(task, 'en')[0]!r}",
        )


def find_template_problems(task: Task, template: str) -> list[Problem]:
    """Return every problem of a template for this task."""
    needed, more = SLOTS[task.kind]
    others = {
        slot: kind
        for kind, (own, extra) in SLOTS.items()
        for slot in (*own, *extra)
        if kind != task.kind
    }
    return template_problems(template, needed=needed, known=(*needed, *more), others=others)


def questions(task: Task, inputs: Inputs, words: Mapping[str, Sequence[str]]) -> list[Question]:
    """Return the questions of a row: one, or one a label where each may apply by itself."""
    slots = _slots(task, inputs, words)
    own = {label: tuple(words[label]) for label in words}
    if isinstance(task, MultiLabel):
        both = (own[YES], own[NO])
        return [Question({**slots, "candidate": own[label][0]}, both) for label in task.labels]
    if _is_scored(task):
        return [Question(slots, (own[YES], own[NO]))]
    if isinstance(inputs, ChoiceInput):
        return [Question(slots, tuple((choice.strip() or "-",) for choice in inputs.choices))]
    return [Question(slots, tuple(own[label] for label in task.labels))]


def scores_of(task: Task, weighed: Sequence[np.ndarray]) -> np.ndarray:
    """Return what `Task.answer` takes from the (C,) scores of each question of a row.

    (C,) for labels, (choices, 1) for choices; of yes and no it is what yes is above no.
    """
    if isinstance(task, MultiLabel) or _is_scored(task):
        return np.array([scores[0] - scores[1] for scores in weighed], dtype=np.float64)
    if task.kind == "choice":
        return weighed[0][:, None]
    return weighed[0]


def gold_groups(task: Task, example: Example) -> list[int]:
    """Return which group of words is right for each question of a labelled row."""
    if isinstance(task, MultiLabel):
        return [0 if label in example.gold else 1 for label in task.labels]
    if _is_scored(task):
        return [0 if _share(task, example) >= 0.5 else 1]  # noqa: PLR2004 (the middle of the scale)
    if task.kind == "choice":
        return [example.gold]
    return [task.labels.index(example.gold)]


def make_shot(
    task: Task, example: Example, words: Mapping[str, Sequence[str]], *, number: int = 0
) -> Shot:
    """Return a labelled row as an example of a prompt, its answer in the first of its words.

    Of several labels, one is asked about: the row's own in turn (even `number`), or another.
    """
    asked = questions(task, example.inputs, words)
    right = gold_groups(task, example)
    at = _shown_question(right, number)
    return Shot(dict(asked[at].slots), asked[at].answers[right[at]][0], example.id)


def shot_class(task: Task, example: Example, *, number: int = 0) -> str:
    """Return the class by which examples are balanced: the label, or yes and no."""
    right = gold_groups(task, example)
    if isinstance(task, MultiLabel) or _is_scored(task):
        return (YES, NO)[right[_shown_question(right, number)]]
    return str(right[0])


def reference_slots(question: Question) -> list[dict[str, str]]:
    """Return what fills the slots of prompts that ask the same about texts without content."""
    kept = {
        name: question.slots[name] for name in ("labels", "candidate") if name in question.slots
    }
    return [{**dict.fromkeys(question.slots, text), **kept} for text in CONTENT_FREE]


def empty_inputs(task: Task) -> Inputs:
    """Return inputs of a task without a word in them."""
    match task.kind:
        case "matching":
            return PairInput("", "")
        case "relation":
            return MarkedInput("", (0, 0), (0, 0))
        case "choice":
            return ChoiceInput("", "", ())
    return TextInput("")


def is_fixed(task: Task, prompt: Prompt) -> bool:
    """Tell whether every row has the same questions and examples, but for what fills the slots."""
    return task.kind != "choice" and not prompt.nearest


def require_labels(task: Task) -> None:
    """Raise `DataError` where there are fewer than two labels to choose from."""
    if task.kind in ("choice",) or _is_scored(task) or isinstance(task, MultiLabel):
        return
    if len(task.labels) < 2:  # noqa: PLR2004
        raise DataError(
            "rows must have two labels or more to choose from; got "
            f"{', '.join(task.labels) or 'none'}",
            hint="tunesmith check DATA --task " + task.kind,
        )


def _shown_question(right: Sequence[int], number: int) -> int:
    """Return which question an example shows: one that is right at even numbers, if any is."""
    kinds = [[at for at, group in enumerate(right) if group == kind] for kind in (0, 1)]
    wanted = kinds[number % 2] or kinds[1 - number % 2]
    return wanted[(number // 2) % len(wanted)] if len(right) > 1 and wanted else 0


def _is_scored(task: Task) -> bool:
    return isinstance(task, Matching) and task.scale is not None


def _share(task: Task, example: Example) -> float:
    return float(task.target(example)[0])


def _slots(task: Task, inputs: Inputs, words: Mapping[str, Sequence[str]]) -> dict[str, str]:
    listed = {"labels": ", ".join(words[label][0] for label in task.labels)} if task.labels else {}
    match inputs:
        case TextInput(text):
            return {"text": text.strip(), **listed}
        case PairInput(first, second):
            return {"text_a": first.strip(), "text_b": second.strip(), **listed}
        case MarkedInput(text, head, tail):
            own = {"head": text[slice(*head)], "tail": text[slice(*tail)]}
            return {"text": text.strip(), **own, **listed}
        case ChoiceInput(context, question, choices):
            lettered = [f"{name_choice(n)}. {choice}" for n, choice in enumerate(choices)]
            fields = {"context": context.strip(), "question": question.strip()}
            return {**fields, "choices": "\n".join(lettered)}
    raise SpecError(f"{cast(Any, task).kind} has no slots of a template", hint="--method full")
