"""What a bundle learns of its own limits: settings of `fit`, and what is asked of an answer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tunesmith.core.spec import Part, Spec


class ReliabilityRecipe(Part):
    """What the validation rows teach of how far the model's answers can be relied on."""

    calibration: Literal["auto", "none", "temperature", "isotonic"] = "auto"
    """How probabilities are corrected to hold true: one temperature, curves that never fall, not at
    all, or (auto) the simplest that is as good as the best on rows it was not fitted on."""

    folds: int = Field(5, ge=2)
    """Parts of the validation rows; each is judged by a calibrator of the others."""

    outside: str | None = None
    """Label of rows that are no class but examples of what is outside (classification)."""

    outside_score: Literal["auto", "none", "energy", "mahalanobis", "neighbours"] = "auto"
    """How strange a text is: by its logits, or by its vector's distance to the classes or to its
    nearest training rows; auto takes the best where `outside` names rows, and energy elsewhere."""

    inside_recall: float | None = Field(None, gt=0, lt=1)
    """Share of validation rows inside that the threshold lets pass; none takes the best balanced
    accuracy where `outside` names rows, and 0.95 elsewhere."""

    neighbours: int = Field(5, ge=1)
    """Which nearest training row is looked at."""

    bank_rows: int = Field(10_000, ge=1)
    """Training rows that are kept for `neighbours`, at most."""

    keep_rows: bool = True
    """Keep a few numbers on each validation row in the bundle, for label sets and thresholds."""

    @property
    def learns(self) -> bool:
        """Whether anything is learned at all."""
        return self.calibration != "none" or self.outside_score != "none" or self.keep_rows


class Demands(Spec):
    """What is asked of each answer beside the answer."""

    coverage: float | None = Field(None, gt=0, lt=1)
    """Share of rows whose `label_set` must hold the right label; none gives no sets."""

    sets: Literal["lac", "aps", "raps"] = "lac"
    """How label sets are made: by a least probability (the smallest sets), by the sum of the
    likeliest (sizes that follow the doubt), or by that sum with long sets cut."""

    each_class: bool = False
    """Promise the coverage for each label by itself."""

    abstain_at: float | None = Field(None, gt=0, lt=1)
    """Precision that answers must have, with 95 % confidence; less sure ones are marked
    `abstained`."""

    abstain_below: float | None = Field(None, ge=0, le=1)
    """Confidence below which an answer is marked `abstained`."""

    outside: bool = False
    """Tell how strange a text is even where no rows outside were known at tuning."""
