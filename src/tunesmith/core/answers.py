"""What a bundle answers, one class a kind of answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np

SHOWN_ITEMS = 10
"""Items of a ranking that are shown where nobody asked for more."""


@dataclass(frozen=True, slots=True)
class LabelAnswer:
    """One label of many.

    `scores` are probabilities that sum to 1; `confidence` is that of the chosen label. Where it was
    looked at, `outside` tells whether the text is none of what the model was taught, and
    `outside_score` how strange it is.
    """

    label: str
    confidence: float
    scores: Mapping[str, float]
    outside_score: float | None = None
    outside: bool = False

    def to_json(self, *, all_scores: bool = False) -> dict[str, Any]:
        """Return label and confidence, and every label's score when asked for."""
        fields: dict[str, Any] = {"label": self.label, "confidence": round(self.confidence, 6)}
        if self.outside_score is not None:
            fields["outside"] = bool(self.outside)
            fields["outside_score"] = round(self.outside_score, 6)
        if all_scores:
            fields["scores"] = {label: round(score, 6) for label, score in self.scores.items()}
        return fields


@dataclass(frozen=True, slots=True)
class LabelsAnswer:
    """Any number of labels; `scores` are independent probabilities, one a label."""

    labels: tuple[str, ...]
    scores: Mapping[str, float]

    def to_json(self, *, all_scores: bool = False) -> dict[str, Any]:
        """Return the chosen labels with their probabilities, and every label's when asked for."""
        fields: dict[str, Any] = {
            "labels": list(self.labels),
            "confidences": [round(self.scores[label], 6) for label in self.labels],
        }
        if all_scores:
            fields["scores"] = {label: round(score, 6) for label, score in self.scores.items()}
        return fields


@dataclass(frozen=True, slots=True)
class EntityAnswer:
    """One entity found: its stretch of the text, its type and how sure the model is.

    `start` and `end` are character offsets, `text` is what stands between them; `confidence` is
    the mean probability of its words' tags.
    """

    start: int
    end: int
    type: str
    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class EntitiesAnswer:
    """The entities of one text, in order, without overlaps; `tags` holds one BIO tag a word."""

    entities: tuple[EntityAnswer, ...]
    tags: tuple[str, ...]

    def to_json(self, *, all_scores: bool = False) -> dict[str, Any]:
        """Return the entities with offsets, and the word tags when asked for."""
        fields: dict[str, Any] = {
            "entities": [
                {
                    "start": entity.start,
                    "end": entity.end,
                    "type": entity.type,
                    "text": entity.text,
                    "confidence": round(entity.confidence, 6),
                }
                for entity in self.entities
            ]
        }
        if all_scores:
            fields["tags"] = list(self.tags)
        return fields


@dataclass(frozen=True, slots=True, eq=False)
class ScoreAnswer:
    """How well two texts match, on the scale of the gold scores.

    `vectors` (2, H) are those of the two texts where they were read apart, for searching one among
    many.
    """

    score: float
    vectors: np.ndarray | None = None

    def to_json(self, *, all_scores: bool = False) -> dict[str, Any]:  # noqa: ARG002
        """Return the score."""
        return {"score": round(self.score, 6)}


@dataclass(frozen=True, slots=True)
class StretchAnswer:
    """The stretch of a context that answers a question; none where the context does not.

    `start` and `end` are character offsets into the context, `text` is what stands between them;
    without an answer all are 0 and empty. `confidence` is the probability of this stretch among all
    that were considered, `null_probability` that of there being no answer.
    """

    text: str
    start: int
    end: int
    confidence: float
    null_probability: float

    def to_json(self, *, all_scores: bool = False) -> dict[str, Any]:
        """Return the answer with its offsets, and how sure it is that there is none on request."""
        fields: dict[str, Any] = {
            "answer": self.text,
            "start": self.start,
            "end": self.end,
            "confidence": round(self.confidence, 6),
        }
        if all_scores:
            fields["null_probability"] = round(self.null_probability, 6)
        return fields


@dataclass(frozen=True, slots=True)
class ChoiceAnswer:
    """One of the replies a row offers: its index, its text, and every reply's probability."""

    index: int
    text: str
    confidence: float
    scores: tuple[float, ...]

    def to_json(self, *, all_scores: bool = False) -> dict[str, Any]:
        """Return index, text and confidence, and every reply's probability when asked for."""
        fields: dict[str, Any] = {
            "answer": self.index,
            "choice": self.text,
            "confidence": round(self.confidence, 6),
        }
        if all_scores:
            fields["scores"] = [round(score, 6) for score in self.scores]
        return fields


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """A text that was written: a translation, a summary, a reply.

    `score` is the mean log-probability of its tokens where a model wrote it, None where its
    sentences were taken from the input; `sentences` are then their (start, end) in the input.
    `unread` are the tokens of a conversation's oldest turns that its model had no room to read.
    """

    text: str
    score: float | None = None
    sentences: tuple[tuple[int, int], ...] = ()
    unread: int = 0

    def to_json(self, *, all_scores: bool = False) -> dict[str, Any]:
        """Return the text, and its score or where its sentences stand when asked for."""
        fields: dict[str, Any] = {"written": self.text}
        if self.unread:
            fields["unread"] = self.unread
        if all_scores and self.score is not None:
            fields["score"] = round(self.score, 6)
        if all_scores and self.sentences:
            fields["sentences"] = [{"start": start, "end": end} for start, end in self.sentences]
        return fields


@dataclass(frozen=True, slots=True)
class RankedAnswer:
    """Items that were not had yet, the best first, with their scores and texts.

    `basis` says what they rest on: the `history`, or, where none of it is known, what is `popular`
    with everybody. `unknown` are the items of the history that the bundle does not know.
    """

    items: tuple[str, ...]
    scores: tuple[float, ...]
    texts: tuple[str, ...]
    basis: Literal["history", "popular"]
    unknown: tuple[str, ...] = ()

    def to_json(self, *, all_scores: bool = False) -> dict[str, Any]:
        """Return the first ten items with texts and scores, or all that were kept on request."""
        count = len(self.items) if all_scores else SHOWN_ITEMS
        fields: dict[str, Any] = {
            "items": list(self.items[:count]),
            "texts": list(self.texts[:count]),
            "scores": [round(score, 6) for score in self.scores[:count]],
            "basis": self.basis,
        }
        if self.unknown:
            fields["unknown"] = list(self.unknown)
        return fields


Answer: TypeAlias = (
    LabelAnswer
    | LabelsAnswer
    | EntitiesAnswer
    | ScoreAnswer
    | StretchAnswer
    | ChoiceAnswer
    | TextAnswer
    | RankedAnswer
)
