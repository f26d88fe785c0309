"""What a bundle answers, one class a kind of answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class LabelAnswer:
    """One label of many.

    `scores` are probabilities that sum to 1; `confidence` is that of the chosen label.
    """

    label: str
    confidence: float
    scores: Mapping[str, float]

    def to_json(self, *, all_scores: bool = False) -> dict[str, Any]:
        """Return label and confidence, and every label's score when asked for."""
        fields: dict[str, Any] = {"label": self.label, "confidence": round(self.confidence, 6)}
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


Answer: TypeAlias = LabelAnswer | LabelsAnswer | EntitiesAnswer
