"""Generation: a conversation, and what the assistant says next."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from tunesmith.core.answers import TextAnswer
from tunesmith.core.errors import Problem
from tunesmith.core.examples import ChatInput, Example, Inputs, Message, Place
from tunesmith.measure.intervals import bootstrap_measures
from tunesmith.measure.means import mean_statistics
from tunesmith.measure.reading import reading_marks
from tunesmith.measure.rouge import rouge_marks
from tunesmith.measure.translation import row_chrf, translation_counts, translation_statistics
from tunesmith.tasks.marks import plain_marks
from tunesmith.tasks.messages import read_messages, split_answer
from tunesmith.tasks.referenced import read_references
from tunesmith.tasks.rows import Reader, as_text
from tunesmith.tasks.structured import read_inputs
from tunesmith.tasks.task import Marks
from tunesmith.tasks.translation import POINTS
from tunesmith.tasks.written import Written, references_of, with_remarks

INSTRUCTION, BESIDE = "instruction", "input"
"""The columns of instruction data in the form of Alpaca: what to do, and with which text."""


@dataclass(frozen=True)
class Generation(Written):
    """Rows `messages`, role and content each; the assistant's last one is the gold answer.

    It may stand in `reply` instead, which may be a list of replies that are all right. A text in
    place of messages is what one user says.
    """

    kind: ClassVar[str] = "generation"
    beams: ClassVar[int] = 1
    input_roles: ClassVar[tuple[str, ...]] = ("messages",)
    gold_roles: ClassVar[tuple[str, ...]] = ("reply",)

    def gold_role(self, row: Mapping[str, Any]) -> str:
        """Return `messages`, or `reply` where a row has it or no messages."""
        reply, messages = (self.columns.get(role, role) for role in ("reply", "messages"))
        return "messages" if messages in row and reply not in row else "reply"

    def lacking_gold(self, row: Mapping[str, Any]) -> tuple[str, str]:
        """Return what a row must have for its gold answer, and what was found."""
        if self.gold_role(row) == "reply":
            return super().lacking_gold(row)
        column = self.columns.get("messages", "messages")
        must = f"the last message of `{column}` must be the assistant's, its answer"
        return must, "a user's"

    def read(self, row: Mapping[str, Any], *, place: Place) -> tuple[Example | None, list[Problem]]:
        """Return the example of one row: the conversation up to its last answer, and that."""
        reader = Reader(row, columns=self.columns, place=place)
        column = self.columns.get("messages", "messages")
        messages = _single_message(row, column) or read_messages(reader)
        references = read_references(reader, "reply")
        if messages is None:
            return None, reader.problems
        asked, answer = split_answer(messages)
        if answer is not None and references is not None:
            reader.add(
                f"a row with a column `{self.columns.get('reply', 'reply')}` must have a user's "
                f"message at the end of `{column}`",
                "an assistant's",
            )
        gold = references if answer is None else (answer,)
        inputs = ChatInput(asked)
        identity, group = reader.identity(inputs.text, gold)
        if reader.problems:
            return None, reader.problems
        return Example(identity, inputs, gold, place, group), []

    def inputs_of(self, text: str) -> Inputs:
        """Return a bare text as what a user says; one that writes messages as JSON, as those."""
        row = _written_row(text)
        if row is None:
            return ChatInput((Message("user", text),))
        return read_inputs(self, row)

    def input_fields(self, inputs: Any) -> dict[str, Any]:
        """Return the messages, role and content each."""
        return {"messages": [message._asdict() for message in inputs.messages]}

    def with_labels_of(self, examples: Iterable[Example]) -> Self:  # noqa: ARG002
        """Return this task as it is: the roles of messages tell the two sides apart."""
        return self

    def mark(
        self, examples: Sequence[Example], answers: Sequence[TextAnswer], *, seed: int = 0
    ) -> Marks:
        """Return ROUGE-1, -2 and -L (F1), chrF and exact match, each against the best reference.

        Exact match compares as the SQuAD scorer does, or as that of CMRC 2018 for Chinese. Rows are
        ranked by their chrF.
        """
        references, written = references_of(examples), [answer.text for answer in answers]
        rouge = rouge_marks(references, written)
        means = {name: rouge[f"{name}_f1"] for name in ("rouge_1", "rouge_2", "rouge_l")}
        means["exact_match"] = reading_marks(references, written)["exact_match"]
        counts = translation_counts(references, written)
        of_corpus = translation_statistics(counts)
        measures = {
            **bootstrap_measures(mean_statistics(means), len(examples), seed=seed),
            **bootstrap_measures(
                lambda weights: {"chrf": of_corpus(weights)["chrf"]},
                len(examples),
                unit=POINTS,
                seed=seed,
            ),
        }
        notes = (f"chrF as sacreBLEU counts it: {counts.chrf_signature}",)
        marks = plain_marks(measures, ("rouge_l", "chrf"), ())
        return with_remarks(marks, scores=row_chrf(counts), notes=notes)

    def looks_swapped(self, example: Example) -> bool:  # noqa: ARG002
        """Return False: roles say who speaks."""
        return False

    def ask(self, inputs: Any) -> str:
        """Return the conversation, and who has the turn."""
        return f"{inputs.text}\nassistant:"


def _single_message(row: Mapping[str, Any], column: str) -> tuple[Message, ...] | None:
    """Return the message of a row that holds a text in place of a list, or None.

    Of instruction data in the form of Alpaca, `input` is a part of what the user says.
    """
    text = row.get(column)
    if not isinstance(text, str) or not text.strip() or text.lstrip().startswith(("[", "{")):
        return None
    beside = as_text(row.get(BESIDE)) if column == INSTRUCTION else None
    return (Message("user", f"{text}\n\n{beside}" if beside else text),)


def _written_row(text: str) -> dict[str, Any] | None:
    """Return the row that a text writes as JSON: messages, or an object that has them."""
    if not text.lstrip().startswith(("[", "{")):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict) and "messages" in value:
        return value
    is_list = isinstance(value, list) and value and all(isinstance(each, dict) for each in value)
    return {"messages": value} if is_list else None
