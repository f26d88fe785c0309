"""Several models of one task that become one bundle: settings only."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from tunesmith.core.locations import Overrides
from tunesmith.core.spec import Part

MEMBER_SETTINGS = ("method", "training", "model", "distillation", "augmentation")
"""The groups of settings in which recipes of one ensemble may differ."""


class EnsembleRecipe(Part):
    """Models that differ in seed, fold or recipe, joined in one bundle.

    Source: Lakshminarayanan et al. 2017, §2.4 (seeds); Breiman 1996 (folds of the rows).
    """

    seeds: int | None = Field(None, ge=2, le=64)
    """Models tuned on the same rows, each with a seed of its own."""

    folds: int | None = Field(None, ge=2, le=64)
    """Models of which each holds out another part of train and valid together."""

    recipes: Annotated[tuple[dict[str, Any], ...] | None, Overrides()] = Field(
        None, min_length=2, max_length=64
    )
    """Settings of each model by their paths, such as `{method: lora}` or
    `{training.learning_rate: 3e-5}`, laid over the rest."""

    join: Literal["mean", "soup"] = "mean"
    """Mean of the probabilities, which costs as much as all models, or the mean of the weights,
    which costs one (uniform soup, Wortsman et al. 2022; seeds alone)."""

    @field_validator("recipes")
    @classmethod
    def _within_groups(
        cls, recipes: tuple[dict[str, Any], ...] | None
    ) -> tuple[dict[str, Any], ...] | None:
        """Refuse settings that would change the rows or the task."""
        names = {path.partition(".")[0] for recipe in recipes or () for path in recipe}
        if wrong := names - set(MEMBER_SETTINGS):
            raise ValueError(
                f"recipes may differ in {', '.join(MEMBER_SETTINGS)}; "
                f"got {', '.join(sorted(wrong))}"
            )
        return recipes

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the members differ in, by the settings that were given; exactly one will do."""
        return tuple(name for name in ("seeds", "folds", "recipes") if getattr(self, name))
