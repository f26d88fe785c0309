"""Translation: a text, and what it says in another language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tunesmith.core.answers import TextAnswer
from tunesmith.core.examples import Example
from tunesmith.measure.intervals import bootstrap_measures
from tunesmith.measure.translation import (
    row_chrf,
    translation_counts,
    translation_statistics,
)
from tunesmith.tasks.marks import plain_marks
from tunesmith.tasks.task import Marks
from tunesmith.tasks.written import Written, references_of, with_remarks

POINTS = "of 100"


@dataclass(frozen=True)
class Translation(Written):
    """Rows `source, target`; `target` may be a list of translations that are all right."""

    kind: ClassVar[str] = "translation"
    input_roles: ClassVar[tuple[str, ...]] = ("source",)
    gold_roles: ClassVar[tuple[str, ...]] = ("target",)

    def mark(
        self, examples: Sequence[Example], answers: Sequence[TextAnswer], *, seed: int = 0
    ) -> Marks:
        """Return corpus BLEU and chrF with their signatures; rows are ranked by their own chrF."""
        counts = translation_counts(references_of(examples), [answer.text for answer in answers])
        statistic = translation_statistics(counts)
        measures = bootstrap_measures(statistic, len(examples), unit=POINTS, seed=seed)
        notes = (
            f"BLEU as sacreBLEU counts it: {counts.bleu_signature}",
            f"chrF as sacreBLEU counts it: {counts.chrf_signature}",
            *self.swap_notes(examples),
        )
        marks = plain_marks(measures, ("bleu", "chrf"), ())
        return with_remarks(marks, scores=row_chrf(counts), notes=notes)

    def ask(self, inputs: Any) -> str:
        """Return the text with what is wanted of it; the examples say which language that is."""
        return f"Translate:\n{inputs.text}\n\nTranslation:"
