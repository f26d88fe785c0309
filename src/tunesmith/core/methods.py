"""The methods a model can be adapted by: a closed union of plain records.

They hold settings only; `stages/tune/` is the one place that matches on them. `ranges` of each is
what a search tries where it names no range.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field

from tunesmith.core.deltas import DeltaMethod, Ranges
from tunesmith.core.planning import PlanRecipe
from tunesmith.core.prompting import FewShot, ZeroShot
from tunesmith.core.spec import Part


class Full(Part):
    """Full tuning: every weight of the backbone and the head is trained."""

    name: Literal["full"] = "full"
    """The method's name."""

    head_start: Literal["auto", "probe", "random"] = "auto"
    """How the head begins: fitted on the frozen vectors first (Kumar et al. 2022, LP-FT), at
    random, or (auto) fitted for texts and at random for words."""

    learning_rate: ClassVar[float] = 1e-4
    ranges: ClassVar[Ranges] = {"training.learning_rate": "2e-5..4e-4", "training.epochs": "2..8"}


class Probe(Part):
    """A regularised linear head on frozen vectors: the first thing to try.

    It takes seconds where full tuning takes minutes.
    """

    name: Literal["probe"] = "probe"
    """The method's name."""

    strengths: tuple[Annotated[float, Field(gt=0)], ...] = (1.0, 3.0, 10.0, 30.0, 100.0)
    """Inverse regularisation strengths (C) to choose from on the validation rows."""

    max_iterations: int = Field(500, ge=1)
    """Iterations of the L-BFGS solver for each strength."""


class Extractive(Part):
    """The sentences of a document that make its summary (summarization): no generator is needed.

    The backbone stays as it is; how many sentences are taken is chosen on the validation rows.
    """

    name: Literal["extractive"] = "extractive"
    """The method's name."""

    scorer: Literal["auto", "learned", "centroid"] = "auto"
    """What weighs a sentence: a logistic regression on its vector and place, nearness to the whole
    document (nothing is fitted), or the better of the two on the validation rows (auto)."""

    sentences: int | None = Field(None, ge=1)
    """Sentences of a summary; none chooses 1 to 8 on the validation rows."""

    learning_rows: int = Field(2000, ge=1)
    """Training rows that the regression is fitted on, at most."""

    strength: float = Field(10.0, gt=0)
    """Inverse regularisation strength (C) of the regression."""


class Contrastive(Part):
    """Few labels: texts of a class are drawn together first, then a linear head is fitted.

    The validation rows measure; the bundle is then tuned once more on all rows.
    """

    name: Literal["contrastive"] = "contrastive"
    """The method's name."""

    names: Literal["auto", "always", "never"] = "auto"
    """Whether the name of each label is one more text of its class; auto takes names that are
    words (`classification`)."""

    temperature: float = Field(0.07, gt=0)
    """What cosines are divided by before the softmax: the lower, the more the nearest count."""

    strength: float = Field(30.0, gt=0)
    """Inverse regularisation strength (C) of the head."""

    refit: bool = True
    """Tune once more on train and validation rows together, once these have measured."""

    training: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 4e-5,
        "batch_tokens": 2048,
        "epochs": 8,
    }
    ranges: ClassVar[Ranges] = {
        "training.learning_rate": "1e-5..2e-4",
        "training.epochs": "4..16",
        "method.temperature": "0.02..0.3",
    }


class Auto(PlanRecipe):
    """The method that a plan chooses: candidates measured on growing shares of the rows first.

    What is told of the result is the chosen method's; the evidence stands in the report.
    """

    name: Literal["auto"] = "auto"
    """The method's name."""

    whole_curves: bool = False
    """Go on with the last method that is left, for the curve that tells what labels are worth."""


DELTAS = {part.model_fields["name"].default: part for part in get_args(DeltaMethod)}
"""Methods whose delta is kept in the bundle, beside the whole model."""

METHODS = {
    part.model_fields["name"].default: part
    for part in (Full, Probe, Extractive, ZeroShot, FewShot, Contrastive)
} | DELTAS


FROZEN = ("probe", "extractive", "zero-shot")
"""Methods that fit a head and nothing below it."""

LOOPED = ("full", *DELTAS)
"""Methods that turn the loop with the task's own loss, which others can change and join."""


def named(value: Any, default: str) -> Any:
    """Return a part's mapping for a bare name, and fill in `name` where only settings stand."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict) and "name" not in value:
        return {"name": default, **value}
    return value


Method = Annotated[
    Full | Probe | Extractive | ZeroShot | FewShot | Contrastive | Auto | DeltaMethod,
    Field(discriminator="name"),
    BeforeValidator(lambda value: named(value, default="full")),
]
