"""plan: which method suits these rows, measured on growing shares of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from tunesmith.core.augmentation import Augmentation
from tunesmith.core.boosters import BoostRecipe, by_names
from tunesmith.core.data_spec import Language, RowsSpec, TaskKind
from tunesmith.core.locations import OptionalPathText
from tunesmith.core.operation import Operation
from tunesmith.core.planning import PlanRecipe
from tunesmith.core.recipe import TrainingRecipe
from tunesmith.core.reliability import ReliabilityRecipe

if TYPE_CHECKING:
    from tunesmith.session import Session


class PlanSpec(PlanRecipe, RowsSpec):
    """Measure which method suits these rows, and what more labels would be worth."""

    task: TaskKind = "classification"
    """What is to be learned."""

    training: TrainingRecipe = TrainingRecipe()
    """How the loop trains, for every method that has one."""

    boost: Annotated[BoostRecipe, BeforeValidator(by_names)] = Field(
        BoostRecipe(), json_schema_extra={"by_names": True}
    )
    """What is added to the training of the methods it suits, as for `fit`; the others are left out.
    """

    augmentation: Augmentation | None = None
    """Changed copies of the rows learned from, as for `fit`; none learns the rows as they are."""

    reliability: ReliabilityRecipe = ReliabilityRecipe()
    """What the model learns of its own limits; rows of the label `outside` are set apart."""

    device: str = "auto"
    """Device that computes: auto, cpu, cuda, cuda:1."""

    language: Language = "en"
    """Language of the page with the curves."""

    out: OptionalPathText = None
    """Folder for plan.json and plan.html; none makes `plans/NAME` from the data's name."""

    overwrite: bool = Field(False)
    """Replace an earlier plan in `out`."""

    @property
    def folder(self) -> Path:
        """The folder of the plan: `out`, else `plans/NAME` from the data's name."""
        if self.out is not None:
            return Path(self.out)
        return Path("plans") / Path(self.data.removeprefix("hub:")).name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class PlanResult:
    """The evidence of a plan, as `plan.json` holds it, and where that stands."""

    plan: dict[str, Any]
    folder: Path
    next_command: str

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready fields."""
        return {**self.plan, "out": str(self.folder), "next": [self.next_command]}


def run(spec: PlanSpec, session: Session) -> PlanResult:
    """Prepare the rows, race the methods, judge, and write what was found."""
    from tunesmith.operations.planning import plan_and_write

    return plan_and_write(spec, session)


OPERATION = Operation(
    "plan",
    "Measure which method suits your rows, and what more labels are worth.",
    PlanSpec,
    PlanResult,
    run,
    recorded=True,
)
