"""Recommendation: from what users had, and the texts of the items, what each may want next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

import numpy as np

from tunesmith.core.answers import SHOWN_ITEMS, RankedAnswer
from tunesmith.core.errors import DataError, Problem
from tunesmith.core.examples import Example, HistoryInput, Inputs, Place
from tunesmith.core.measures import Measure
from tunesmith.measure.exposure import catalogue_coverage, popularity_statistics
from tunesmith.measure.intervals import bootstrap_measures
from tunesmith.measure.means import mean_statistics
from tunesmith.measure.ranking import ranking_marks
from tunesmith.tasks.catalogue import CATALOGUE_FILE, Catalogue
from tunesmith.tasks.marks import plain_marks
from tunesmith.tasks.rows import Reader, as_text
from tunesmith.tasks.structured import inputs_from_json
from tunesmith.tasks.task import HeadFamily, Labelled, Marks

CUTOFF = 10
LAST_SHOWN = 5
NOT_FOUND = 1e12
"""The rank of an item that is not among those an answer keeps: it earns nothing anywhere."""


@dataclass(frozen=True)
class Recommendation(Labelled):
    """Rows `user, item, value, time`: one event a row; value and time may be missing.

    To be answered, a row has a `user` that is known, or the `history` of any. The item that came
    next is the gold answer. `liked` is the value from which an event counts as liked, `catalogue`
    what can be recommended and who had what: a file of its own in the bundle.
    """

    kind: ClassVar[str] = "recommendation"
    head: ClassVar[HeadFamily] = "recommend"
    selection: ClassVar[str] = f"ndcg_at_{CUTOFF}"
    input_roles: ClassVar[tuple[str, ...]] = ("user",)
    gold_roles: ClassVar[tuple[str, ...]] = ("item",)
    extra_roles: ClassVar[tuple[str, ...]] = ("value", "time", "history", "passed", "text")

    liked: float | None = None
    catalogue: Catalogue = field(default_factory=Catalogue, compare=False, repr=False)

    def read(self, row: Mapping[str, Any], *, place: Place) -> tuple[Example | None, list[Problem]]:
        """Return the event or the question of one row."""
        reader = Reader(row, columns=self.columns, place=place)
        history, passed = _read_ids(reader, "history"), _read_ids(reader, "passed")
        needs_user = history is None or reader.has("user")
        user = reader.text("user") if needs_user else ""
        if user == "" and needs_user and not reader.problems:
            reader.add(f"column `{self.columns.get('user', 'user')}` must hold a value", "")
        item = reader.text("item") if reader.has("item") else None
        value = reader.number("value") if reader.has("value") else None
        time = _read_time(reader) if reader.has("time") else None
        if reader.problems or user is None:
            return None, reader.problems
        inputs = HistoryInput(user, history, passed or (), time, value)
        identity, _ = reader.identity(user, history, item, time)
        return Example(identity, inputs, item, place), []

    def is_liked(self, inputs: HistoryInput) -> bool:
        """Tell whether an event says that its user liked the item."""
        return self.liked is None or inputs.value is None or inputs.value >= self.liked

    def with_catalogue(self, catalogue: Catalogue) -> Self:
        """Return this task recommending from a catalogue."""
        return replace(self, catalogue=catalogue)

    def attachments(self) -> Mapping[str, str]:
        """Return the catalogue as the file that stands beside the task in a bundle."""
        return {CATALOGUE_FILE: self.catalogue.to_json()}

    def with_attachments(self, contents: Mapping[str, str]) -> Self:
        """Return this task with the catalogue that `attachments` wrote."""
        if CATALOGUE_FILE not in contents:
            return self
        return self.with_catalogue(Catalogue.from_json(contents[CATALOGUE_FILE]))

    def to_json(self) -> dict[str, Any]:
        """Return kind, columns and `liked`; the catalogue has a file of its own."""
        return {"kind": self.kind, "columns": dict(self.columns), "liked": self.liked}

    def inputs_of(self, text: str) -> Inputs:
        """Return the inputs of a row written as a JSON object, or of the user of that name."""
        if text.lstrip().startswith("{"):
            return inputs_from_json(self, text)
        return HistoryInput(text)

    def input_fields(self, inputs: Any) -> dict[str, Any]:
        """Return user and history, and value and time of an event, by role."""
        fields: dict[str, Any] = {"user": inputs.user} if inputs.user else {}
        if inputs.items is not None:
            fields["history"] = list(inputs.items)
        if inputs.passed:
            fields["passed"] = list(inputs.passed)
        told = {"value": inputs.value, "time": inputs.time}
        return fields | {role: number for role, number in told.items() if number is not None}

    def with_labels_of(self, examples: Iterable[Example]) -> Self:  # noqa: ARG002
        """Return this task as it is: it has no labels."""
        return self

    def outputs(self) -> tuple[str, ...]:
        """Return the one output: how well an item fits."""
        return ("fit",)

    def target(self, example: Example) -> int:
        """Return the index of the item that came next."""
        return self.catalogue.index[example.gold]

    def strata(self, example: Example) -> tuple[str, ...]:
        """Return the item; what is held out is a question of time all the same."""
        return () if example.gold is None else (example.gold,)

    def answer(self, scores: np.ndarray, inputs: Any) -> RankedAnswer:
        """Return the ranking; `scores` (k, 2) are index and score of the best items in order."""
        catalogue = self.catalogue
        chosen = [int(number) for number in scores[:, 0]]
        return RankedAnswer(
            tuple(catalogue.items[number] for number in chosen),
            tuple(scores[:, 1].tolist()),
            tuple(catalogue.texts[number] for number in chosen),
            "history" if len(catalogue.history_of(inputs)) else "popular",
            catalogue.unknown_of(inputs),
        )

    def mark(
        self, examples: Sequence[Example], answers: Sequence[RankedAnswer], *, seed: int = 0
    ) -> Marks:
        """Return how high the item stands that came next, and what is recommended at all.

        All items are ranked but those the user had before; one that stands below the last that an
        answer keeps counts as not found. `popularity_ndcg_at_10` is what ranking by the number of
        training events earns on the same rows. `cold_` measures are those of items without any.
        """
        ranks = _ranks(examples, answers)
        told = ranking_marks(ranks, cutoffs=(1, 5, CUTOFF))
        marks = {name: told[name] for name in told if "hit_rate" not in name}
        popular = ranking_marks(self._popular_ranks(examples), cutoffs=(CUTOFF,))
        marks[f"popularity_ndcg_at_{CUTOFF}"] = popular[self.selection]
        measures = bootstrap_measures(mean_statistics(marks), len(examples), seed=seed)
        measures |= self._exposure(examples, answers, seed=seed)
        cold = [row for row, example in enumerate(examples) if self._is_cold(example.gold)]
        if cold:
            own = ranking_marks(ranks[cold], cutoffs=(CUTOFF,))
            names = (f"ndcg_at_{CUTOFF}", f"recall_at_{CUTOFF}")
            statistic = mean_statistics({f"cold_{name}": own[name] for name in names})
            measures |= bootstrap_measures(statistic, len(cold), seed=seed)
        order = np.argsort([-answer.scores[0] if answer.scores else 0.0 for answer in answers])
        wrong = [int(row) for row in order if ranks[row] > CUTOFF]
        return plain_marks(measures, (self.selection, f"recall_at_{CUTOFF}"), wrong)

    def selection_score(
        self, examples: Sequence[Example], answers: Sequence[RankedAnswer]
    ) -> float:
        """Return the mean NDCG of the first ten; 0.0 without rows."""
        if not len(examples):
            return 0.0
        marks = ranking_marks(_ranks(examples, answers), cutoffs=(CUTOFF,))
        return float(marks[self.selection].mean())

    def ask(self, inputs: Any) -> str:
        """Return what somebody had, and the question what he may want next."""
        had = "\n".join(f"- {text}" for text in self._texts(self.catalogue.history_of(inputs)))
        who = inputs.user or "Somebody"
        return f"{who} had, the last at the end:\n{had}\nWhat should be recommended next?"

    def hear(self, reply: str, inputs: Any) -> RankedAnswer:
        """Return the items whose id or text a line of the reply is, in its order."""
        by_text = {text: number for number, text in enumerate(self.catalogue.texts) if text}
        lines = [line.strip().lstrip("-•*0123456789.) ").strip() for line in reply.splitlines()]
        found = (self.catalogue.index.get(line, by_text.get(line)) for line in lines)
        chosen = [number for number in dict.fromkeys(found) if number is not None]
        scores = np.array([[number, 1 / (at + 1)] for at, number in enumerate(chosen)])
        return self.answer(scores.reshape(-1, 2), inputs)

    def show_inputs(self, inputs: Any) -> str:
        """Return the texts of the last items somebody had."""
        had = self.catalogue.history_of(inputs)
        shown = "\n".join(self._texts(had[-LAST_SHOWN:]))
        return f"{inputs.user} ({len(had):,})\n{shown}".strip()

    def show_gold(self, example: Example) -> str:
        """Return the text of the item that came next, or its id."""
        number = self.catalogue.index.get(example.gold)
        return example.gold if number is None else self._texts([number])[0]

    def show_answer(self, answer: Any) -> list[str]:
        """Return the first items as texts, or ids where they have none."""
        pairs = zip(answer.texts[:LAST_SHOWN], answer.items, strict=False)
        return [text or item for text, item in pairs]

    def _texts(self, numbers: Iterable[int]) -> list[str]:
        return [self.catalogue.texts[at] or self.catalogue.items[at] for at in numbers]

    def _is_cold(self, item: str) -> bool:
        number = self.catalogue.index.get(item)
        return number is None or not self.catalogue.counts[number]

    def _popular_ranks(self, examples: Sequence[Example]) -> np.ndarray:
        """Return (rows,) the mean rank of the gold item among all with as many training events."""
        counts, ranks = self.catalogue.counts, np.full(len(examples), NOT_FOUND)
        for row, example in enumerate(examples):
            number = self.catalogue.index.get(example.gold)
            if number is None:
                continue
            had = np.unique(self.catalogue.had_by(example.inputs))
            had = had[had != number]
            ahead, level = counts > counts[number], counts == counts[number]
            before = int(ahead.sum()) - int(ahead[had].sum())
            beside = int(level.sum()) - int(level[had].sum())
            ranks[row] = 1 + before + (beside - 1) / 2
        return ranks

    def _exposure(
        self, examples: Sequence[Example], answers: Sequence[RankedAnswer], *, seed: int
    ) -> dict[str, Measure]:
        """Return how much of the catalogue is shown, and how popular it is beside what was had."""
        index, total = self.catalogue.index, len(self.catalogue.items)
        lists = np.full((len(answers), SHOWN_ITEMS), -1, dtype=np.int64)
        for row, answer in enumerate(answers):
            shown = [index[item] for item in answer.items[:SHOWN_ITEMS]]
            lists[row, : len(shown)] = shown
        histories = [self.catalogue.history_of(example.inputs) for example in examples]
        popularity = self.catalogue.counts / max(len(self.catalogue.users), 1)
        statistic = popularity_statistics(lists, histories, popularity)
        covered = Measure(catalogue_coverage(lists, items=total), "ratio", total)
        return {
            f"coverage_at_{SHOWN_ITEMS}": covered,
            **bootstrap_measures(statistic, len(examples), seed=seed),
        }


def _ranks(examples: Sequence[Example], answers: Sequence[RankedAnswer]) -> np.ndarray:
    """Return (rows,) where the gold item stands, behind all of its score, or `NOT_FOUND`.

    Source: see `measure.ranking.relevant_ranks` for why ties must not be broken by order.
    """
    ranks = np.full(len(examples), NOT_FOUND)
    for row, (example, answer) in enumerate(zip(examples, answers, strict=True)):
        if example.gold in answer.items:
            score = answer.scores[answer.items.index(example.gold)]
            if score > answer.scores[-1] or answer.scores.count(score) == 1:
                ranks[row] = sum(other >= score for other in answer.scores)
    return ranks


def _read_ids(reader: Reader, role: str) -> tuple[str, ...] | None:
    """Return the item ids that a role lists, or None where the row has none."""
    if not reader.has(role):
        return None
    given = reader.items(role)
    if given is None:
        return None
    ids = [as_text(item) for item in given]
    if None in ids:
        reader.add(f"column `{reader.columns.get(role, role)}` must list the ids of items", given)
    return tuple(item for item in ids if item is not None)


def _read_time(reader: Reader) -> float | None:
    """Return seconds since 1970 from a number of them, or from an ISO 8601 date or moment."""
    column = reader.columns.get("time", "time")
    value = reader.row[column]
    if isinstance(value, str) and not _is_number(value):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            reader.add(
                f"column `{column}` must hold seconds since 1970 or an ISO 8601 time "
                "such as 2024-05-01T12:00:00",
                value,
            )
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return reader.number("time")


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def require_catalogue(task: Recommendation) -> Catalogue:
    """Return the catalogue of a task that has one. Raises `DataError` where it is empty."""
    if not task.catalogue.items:
        raise DataError(
            f"`task/{CATALOGUE_FILE}` must list the items that can be recommended; there are none",
            hint="tunesmith fit RATINGS --task recommendation --items FILE",
        )
    return task.catalogue
