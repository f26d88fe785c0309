"""Named-entity recognition: one text, typed spans in character offsets."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from tunesmith.core.answers import EntitiesAnswer, EntityAnswer
from tunesmith.core.errors import Problem
from tunesmith.core.examples import Example, Inputs, Place, Span, WordsInput
from tunesmith.core.measures import Measure
from tunesmith.measure.calibration import calibration_bins, expected_calibration_error
from tunesmith.measure.classes import (
    ClassScore,
    averaged_scores,
    class_scores,
    confusion_counts,
    confusion_outcomes,
)
from tunesmith.measure.intervals import bootstrap_measures
from tunesmith.measure.spans import decode_tags, encode_tags, span_counts, span_statistics
from tunesmith.tasks.decoding import best_tags
from tunesmith.tasks.labels import softmax, sort_labels
from tunesmith.tasks.rows import Reader
from tunesmith.tasks.task import HeadFamily, Labelled, Marks
from tunesmith.tasks.words import join_words, split_words

OUTSIDE = "O"
SMALLEST = 1e-30
"""What a probability of 0 is read as before its logarithm is taken."""

NEVER_LOGIT = 1e4


@dataclass(frozen=True)
class Ner(Labelled):
    """Rows `tokens, tags` (IOB1, BIO, BIOES, BMES, BILOU) or `text, entities:[{start, end, type}]`.

    `labels` are the entity types; the head's outputs are `O` and `B-`/`I-` of each type.
    `transitions` are C * C numbers, row after row: what a tag sequence gains where one output
    stands before another; empty weighs valid sequences by their words alone.
    """

    transitions: tuple[float, ...] = ()

    kind: ClassVar[str] = "ner"
    head: ClassVar[HeadFamily] = "tag"
    selection: ClassVar[str] = "strict_f1"
    input_roles: ClassVar[tuple[str, ...]] = ("text",)
    gold_roles: ClassVar[tuple[str, ...]] = ("entities",)
    extra_roles: ClassVar[tuple[str, ...]] = ("tokens", "tags")

    def gold_role(self, row: Mapping[str, Any]) -> str:
        """Return `tags` for a row of words, else `entities`."""
        return "tags" if self.columns.get("tokens", "tokens") in row else "entities"

    def read(self, row: Mapping[str, Any], *, place: Place) -> tuple[Example | None, list[Problem]]:
        """Return the example of one row, whichever of the two formats it has."""
        reader = Reader(row, columns=self.columns, place=place)
        inputs, gold = _read_tagged(reader) if reader.has("tokens") else _read_marked(reader)
        if inputs is None or reader.problems:
            return None, reader.problems
        identity, group = reader.identity(inputs.text, gold)
        return Example(identity, inputs, gold, place, group), []

    def inputs_of(self, text: str) -> Inputs:
        """Return the text with its words."""
        return WordsInput(text, split_words(text))

    def with_labels_of(self, examples: Iterable[Example]) -> Ner:
        """Return this task with the entity types of `examples` in natural order."""
        return replace(
            self, labels=sort_labels({span.type for ex in examples for span in ex.gold or ()})
        )

    def outputs(self) -> tuple[str, ...]:
        """Return `O`, then `B-TYPE` and `I-TYPE` of each type."""
        tags = [f"{prefix}-{label}" for label in self.labels for prefix in "BI"]
        return (OUTSIDE, *tags)

    def target(self, example: Example) -> list[int]:
        """Return one output index a word."""
        index = {tag: number for number, tag in enumerate(self.outputs())}
        return [index[tag] for tag in tags_of(example.gold, example.inputs)]

    def strata(self, example: Example) -> tuple[str, ...]:
        """Return the entity types of the row."""
        return tuple(sorted({span.type for span in example.gold or ()}))

    def answer(self, scores: np.ndarray, inputs: Any) -> EntitiesAnswer:
        """Return the entities of the most probable valid tag sequence of (words, C) logits."""
        if not len(inputs.words):
            return EntitiesAnswer((), ())
        probabilities = softmax(scores)
        best = best_tags(np.log(np.maximum(probabilities, SMALLEST)), self._transitions())
        names = self.outputs()
        tags = tuple(names[number] for number in best)
        confidence = probabilities[np.arange(len(best)), best]
        return EntitiesAnswer(self._entities(tags, confidence, inputs), tags)

    def with_transitions(self, transitions: np.ndarray) -> Ner:
        """Return this task with (C, C) numbers that weigh which output follows which."""
        return replace(self, transitions=tuple(transitions.round(4).ravel().tolist()))

    def mark(
        self, examples: Sequence[Example], answers: Sequence[EntitiesAnswer], *, seed: int = 0
    ) -> Marks:
        """Return strict entity scores (CoNLL-2003) with intervals, and the word-level table."""
        foreign = {span.type for ex in examples for span in ex.gold} - set(self.labels)
        types = self.labels + sort_labels(foreign)
        gold = [set(ex.gold) for ex in examples]
        found = [{Span(e.start, e.end, e.type) for e in answer.entities} for answer in answers]
        counts = span_counts(gold, found, types)
        statistic = span_statistics(counts)
        wanted = sum(map(len, gold))
        measures = bootstrap_measures(statistic, len(examples), count=wanted, seed=seed)
        confidence = np.array([e.confidence for a in answers for e in a.entities])
        correct = np.array(
            [
                Span(e.start, e.end, e.type) in row
                for row, answer in zip(gold, answers, strict=True)
                for e in answer.entities
            ],
            dtype=bool,
        )
        measures["ece"] = Measure(
            expected_calibration_error(confidence, correct), "ratio", len(confidence)
        )
        tokens, confusion, names = _mark_words(examples, answers, types)
        hits, wrongly, missed = counts.totals()
        faults = counts.false_positive.sum(axis=1) + counts.false_negative.sum(axis=1)
        order = np.argsort(-faults, kind="stable")
        return Marks(
            measures=measures,
            headline=("strict_f1", "strict_precision", "strict_recall"),
            classes=class_scores(types, hits, wrongly, missed),
            averages=averaged_scores(hits, wrongly, missed),
            confusion=confusion,
            confusion_labels=names,
            tokens=tokens,
            bins=calibration_bins(confidence, correct),
            wrong=tuple(int(row) for row in order if faults[row]),
        )

    def selection_score(
        self, examples: Sequence[Example], answers: Sequence[EntitiesAnswer]
    ) -> float:
        """Return the strict micro F1 over entities; 0.0 where nothing was right."""
        hits = given = wanted = 0
        for example, answer in zip(examples, answers, strict=True):
            found = {Span(e.start, e.end, e.type) for e in answer.entities}
            hits += len(found & set(example.gold))
            given += len(found)
            wanted += len(example.gold)
        return 2 * hits / (given + wanted) if given + wanted else 0.0

    def ask(self, inputs: Inputs) -> str:
        """Return the text with the types to look for and the JSON form of the reply."""
        types = ", ".join(self.labels)
        return (
            f"List the entities of these types in the text: {types}.\n"
            'Reply with a JSON list such as [{"text": "…", "type": "…"}].\n\n'
            f"Text: {inputs.text}\nEntities:"
        )

    def hear(self, reply: str, inputs: Any) -> EntitiesAnswer:
        """Return the entities of a JSON reply, each placed at its next free occurrence in the text.

        Longer names are placed first, so that `York` is not taken from within `New York`.
        """
        found: list[EntityAnswer] = []
        for name, label in sorted(self._heard(reply), key=lambda pair: -len(pair[0])):
            start = _find_free(inputs.text, name, found)
            if start is not None:
                found.append(EntityAnswer(start, start + len(name), label, name, 1.0))
        entities = tuple(sorted(found, key=lambda entity: entity.start))
        spans = [Span(e.start, e.end, e.type) for e in entities]
        return EntitiesAnswer(entities, tuple(tags_of(spans, inputs)))

    def show_gold(self, example: Example) -> list[str]:
        """Return the gold entities as `text (TYPE)`."""
        text = example.inputs.text
        return [f"{text[span.start : span.end]} ({span.type})" for span in example.gold or ()]

    def show_answer(self, answer: EntitiesAnswer) -> list[str]:
        """Return the entities found as `text (TYPE)`."""
        return [f"{entity.text} ({entity.type})" for entity in answer.entities]

    def _heard(self, reply: str) -> list[tuple[str, str]]:
        """Return the (text, type) pairs of a reply that can be used, in its order."""
        try:
            items = json.loads(reply[reply.find("[") : reply.rfind("]") + 1])
        except (ValueError, RecursionError):
            return []
        return [
            (item["text"], item["type"])
            for item in items
            if isinstance(item, dict)
            and isinstance(item.get("text"), str)
            and item["text"]
            and item.get("type") in self.labels
        ]

    def _transitions(self) -> np.ndarray | None:
        if not self.transitions:
            return None
        return np.array(self.transitions).reshape(len(self.outputs()), -1)

    def _entities(
        self, tags: Sequence[str], confidence: np.ndarray, inputs: WordsInput
    ) -> tuple[EntityAnswer, ...]:
        entities = []
        for first, last, label in decode_tags(tags):
            start, end = inputs.words[first][0], inputs.words[last - 1][1]
            entities.append(
                EntityAnswer(
                    start,
                    end,
                    label,
                    inputs.text[start:end],
                    float(confidence[first:last].mean()),
                )
            )
        return tuple(entities)


def tags_of(spans: Iterable[Span], inputs: WordsInput) -> list[str]:
    """Return one BIO tag a word.

    A span covers every word that it touches; the first span of a word wins.
    """
    starts = [start for start, _ in inputs.words]
    ends = [end for _, end in inputs.words]
    chunks: list[tuple[int, int, str]] = []
    taken = 0
    for span in sorted(spans):
        first, last = max(taken, bisect_right(ends, span.start)), bisect_left(starts, span.end)
        if first < last:
            chunks.append((first, last, span.type))
            taken = last
    return encode_tags(chunks, len(inputs.words))


def continued_scores(scores: np.ndarray) -> np.ndarray:
    """Return (..., 1 + 2T) scores of words that share the token of the word before them.

    One token can carry one tag, so such a word goes on with the entity of its owner: what the owner
    gives to `B-` of a type counts for `I-` of it, and no new entity begins.
    """
    continued = scores.copy()
    continued[..., 2::2] = np.logaddexp(scores[..., 1::2], scores[..., 2::2])
    continued[..., 1::2] = -NEVER_LOGIT
    return continued


def spans_of(tags: Sequence[str], inputs: WordsInput) -> tuple[Span, ...]:
    """Return the spans that word tags of any common scheme mark."""
    return tuple(
        Span(inputs.words[first][0], inputs.words[last - 1][1], label)
        for first, last, label in decode_tags(tags)
    )


def _read_tagged(reader: Reader) -> tuple[WordsInput | None, tuple[Span, ...] | None]:
    tokens = reader.items("tokens")
    if tokens is None:
        return None, None
    if not all(isinstance(token, str) and token for token in tokens):
        reader.add("each of `tokens` must be a text with characters", tokens)
        return None, None
    inputs = WordsInput(*join_words(tokens))
    if not reader.has("tags"):
        return inputs, None
    tags = reader.items("tags") or []
    if len(tags) != len(tokens):
        reader.add(f"`tags` must be as many as `tokens` ({len(tokens)})", len(tags))
        return None, None
    try:
        return inputs, spans_of([str(tag) for tag in tags], inputs)
    except ValueError:
        place = next(number for number, tag in enumerate(tags) if not _is_tag(str(tag)))
        reader.add(
            "each tag must be `O` or a prefix of BIO, BIOES, BMES or BILOU and a type",
            f"`{tags[place]}` for `{tokens[place]}`, token {place + 1} of the row",
        )
        return None, None


def _is_tag(tag: str) -> bool:
    try:
        decode_tags([tag])
    except ValueError:
        return False
    return True


def _read_marked(reader: Reader) -> tuple[WordsInput | None, tuple[Span, ...] | None]:
    text = reader.text("text")
    if text is None:
        return None, None
    inputs = WordsInput(text, split_words(text))
    if not reader.has("entities"):
        return inputs, None
    spans = [_read_span(item, text, reader) for item in reader.items("entities") or []]
    ordered = sorted(span for span in spans if span)
    for before, after in zip(ordered, ordered[1:], strict=False):
        if after.start < before.end:
            reader.add(
                "entities must not overlap",
                f"{before.type} {before.start}–{before.end} and "
                f"{after.type} {after.start}–{after.end}",
            )
    return inputs, tuple(ordered)


def _read_span(item: Any, text: str, reader: Reader) -> Span | None:
    names = {"type": ("type", "label", "entity_group"), "start": ("start",), "end": ("end",)}
    fields = {
        name: next((item[key] for key in keys if key in item), None)
        for name, keys in names.items()
        if isinstance(item, Mapping)
    }
    start, end, label = (fields.get(name) for name in ("start", "end", "type"))
    if type(start) is not int or type(end) is not int or not isinstance(label, str) or not label:
        reader.add("each entity must have whole numbers `start`, `end` and a text `type`", item)
        return None
    if not 0 <= start < end <= len(text):
        reader.add(f"an entity must lie inside the text (0–{len(text)})", f"{label} {start}–{end}")
        return None
    return Span(start, end, label)


def _find_free(text: str, name: str, taken: Sequence[EntityAnswer]) -> int | None:
    """Return where `name` first stands in `text` without touching what is taken."""
    start = text.find(name)
    while start >= 0:
        end = start + len(name)
        if not any(start < entity.end and entity.start < end for entity in taken):
            return start
        start = text.find(name, start + 1)
    return None


def _mark_words(
    examples: Sequence[Example], answers: Sequence[EntitiesAnswer], types: tuple[str, ...]
) -> tuple[tuple[ClassScore, ...], np.ndarray, tuple[str, ...]]:
    """Return the word-level table and confusion by type, `O` last and left out of the table."""
    names = (*types, OUTSIDE)
    index = {name: number for number, name in enumerate(names)}
    gold = [index[_type_of(tag)] for ex in examples for tag in tags_of(ex.gold, ex.inputs)]
    predicted = [index[_type_of(tag)] for answer in answers for tag in answer.tags]
    confusion = confusion_counts(np.array(gold, int), np.array(predicted, int), classes=len(names))
    hits, wrongly, missed = confusion_outcomes(confusion)
    return class_scores(names, hits, wrongly, missed)[:-1], confusion, names


def _type_of(tag: str) -> str:
    return tag if tag == OUTSIDE else tag[2:]
