"""Multiple choice: a question, perhaps about a text, and the replies to choose from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from tunesmith.core.answers import ChoiceAnswer
from tunesmith.core.errors import Problem
from tunesmith.core.examples import ChoiceInput, Example, Inputs, Place
from tunesmith.measure.intervals import bootstrap_measures
from tunesmith.measure.means import mean_statistics
from tunesmith.tasks.labels import find_label, softmax
from tunesmith.tasks.marks import confidence_marks, plain_marks
from tunesmith.tasks.rows import Reader, as_text
from tunesmith.tasks.structured import inputs_from_json
from tunesmith.tasks.task import HeadFamily, Labelled, Marks

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LONGEST_INDEX = 10
"""Characters of an index that is given as text; more are no index, and may be too many for int."""


@dataclass(frozen=True)
class Choice(Labelled):
    """Rows `context, question, choices, answer`; the context may be missing.

    `answer` is the 0-based index of a choice, or its very text. Rows may offer different numbers of
    choices. There are no labels: what an index means is the row's affair.
    """

    kind: ClassVar[str] = "choice"
    head: ClassVar[HeadFamily] = "choose"
    selection: ClassVar[str] = "accuracy"
    input_roles: ClassVar[tuple[str, ...]] = ("question", "choices")
    gold_roles: ClassVar[tuple[str, ...]] = ("answer",)
    extra_roles: ClassVar[tuple[str, ...]] = ("context",)

    def read(self, row: Mapping[str, Any], *, place: Place) -> tuple[Example | None, list[Problem]]:
        """Return the example of one row, which must offer two choices or more."""
        reader = Reader(row, columns=self.columns, place=place)
        context = reader.text("context") if reader.has("context") else ""
        question = reader.text("question")
        choices = _read_choices(reader)
        gold = None
        if choices and reader.has_value("answer"):
            gold = _read_answer(reader, choices)
        if context is None or question is None or choices is None:
            return None, reader.problems
        identity, group = reader.identity(context, question, choices, gold)
        if reader.problems:
            return None, reader.problems
        return Example(identity, ChoiceInput(context, question, choices), gold, place, group), []

    def inputs_of(self, text: str) -> Inputs:
        """Return the inputs of a row written as a JSON object."""
        return inputs_from_json(self, text)

    def input_fields(self, inputs: Any) -> dict[str, Any]:
        """Return context, question and choices by role."""
        context = {"context": inputs.context} if inputs.context else {}
        return {**context, "question": inputs.question, "choices": list(inputs.choices)}

    def with_labels_of(self, examples: Iterable[Example]) -> Self:  # noqa: ARG002
        """Return this task as it is: it has no labels."""
        return self

    def outputs(self) -> tuple[str, ...]:
        """Return the one output: how well a choice fits."""
        return ("fit",)

    def target(self, example: Example) -> int:
        """Return the index of the right choice."""
        return example.gold

    def strata(self, example: Example) -> tuple[str, ...]:
        """Return the place of the right choice, which should be as frequent in every split."""
        return () if example.gold is None else (f"choice {example.gold}",)

    def answer(self, scores: np.ndarray, inputs: Any) -> ChoiceAnswer:
        """Return the choice that fits best; `scores` are (choices, 1) logits."""
        probabilities = softmax(np.asarray(scores)[:, 0])
        best = int(probabilities.argmax())
        return ChoiceAnswer(
            best, inputs.choices[best], float(probabilities[best]), tuple(probabilities.tolist())
        )

    def mark(
        self, examples: Sequence[Example], answers: Sequence[ChoiceAnswer], *, seed: int = 0
    ) -> Marks:
        """Return the accuracy beside that of always taking the place that is right most often."""
        gold = np.array([example.gold for example in examples])
        correct = gold == np.array([answer.index for answer in answers])
        usual = gold == np.bincount(gold).argmax()
        statistic = mean_statistics({"accuracy": correct, "most_frequent_place": usual})
        measures = bootstrap_measures(statistic, len(examples), seed=seed)
        confidence = np.array([answer.confidence for answer in answers])
        measures["ece"], bins, wrong = confidence_marks(confidence, correct)
        return plain_marks(measures, ("accuracy",), wrong, bins=bins)

    def selection_score(
        self, examples: Sequence[Example], answers: Sequence[ChoiceAnswer]
    ) -> float:
        """Return the accuracy; 0.0 without rows."""
        hits = sum(ex.gold == a.index for ex, a in zip(examples, answers, strict=True))
        return hits / len(examples) if examples else 0.0

    def ask(self, inputs: Any) -> str:
        """Return text, question and the lettered choices."""
        options = "\n".join(
            f"{name_choice(number)}. {choice}" for number, choice in enumerate(inputs.choices)
        )
        context = f"{inputs.context}\n\n" if inputs.context else ""
        return f"{context}{inputs.question}\n{options}\nAnswer:"

    def hear(self, reply: str, inputs: Any) -> ChoiceAnswer:
        """Return the choice whose letter or text the reply names; else the first, at confidence 0.

        A letter counts where it stands alone, as in `B`, `(b)` or `B.`.
        """
        count = len(inputs.choices)
        letter = re.match(r"\W*([A-Za-z])(?![A-Za-z])", reply)
        index = LETTERS.find(letter[1].upper()) if letter else -1
        if not 0 <= index < count:
            named = find_label(reply, inputs.choices)
            index = -1 if named is None else inputs.choices.index(named)
        scores = tuple(float(number == index) for number in range(count))
        best = max(index, 0)
        return ChoiceAnswer(best, inputs.choices[best], scores[best], scores)

    def show_gold(self, example: Example) -> str:
        """Return the text of the right choice."""
        return "" if example.gold is None else example.inputs.choices[example.gold]

    def show_answer(self, answer: ChoiceAnswer) -> str:
        """Return the text of the choice taken."""
        return answer.text


def name_choice(number: int) -> str:
    """Return the letter of a choice, or its number where there are more than letters."""
    return LETTERS[number] if number < len(LETTERS) else str(number + 1)


def _read_choices(reader: Reader) -> tuple[str, ...] | None:
    items = reader.items("choices")
    if items is None:
        return None
    texts = [as_text(item) for item in items]
    kept = tuple(text for text in texts if text is not None)
    if len(kept) < 2 or len(kept) < len(items):  # noqa: PLR2004
        column = reader.columns.get("choices", "choices")
        reader.add(f"column `{column}` must hold a list of two texts or more", items)
        return None
    return kept


def _read_answer(reader: Reader, choices: tuple[str, ...]) -> int | None:
    """Return the index of the right choice, given by index or by its text."""
    column = reader.columns.get("answer", "answer")
    value = reader.row[column]
    if isinstance(value, str) and value in choices:
        return choices.index(value)
    is_written = isinstance(value, str) and len(value) < LONGEST_INDEX and value.strip().isdecimal()
    is_whole = isinstance(value, float) and value.is_integer()
    index = int(value) if is_written or is_whole else value
    if type(index) is int and 0 <= index < len(choices):
        return index
    reader.add(
        f"column `{column}` must hold the index of a choice (0–{len(choices) - 1}) or its text",
        value,
    )
    return None
