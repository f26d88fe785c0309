"""fit: from labelled rows to a bundle with its report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from tunesmith.core.augmentation import Augmentation
from tunesmith.core.boosters import BoostRecipe, by_names
from tunesmith.core.companions import JointRecipe, OtherTask
from tunesmith.core.data_spec import Language, RowsSpec
from tunesmith.core.distillation import DistillationRecipe
from tunesmith.core.ensemble import EnsembleRecipe
from tunesmith.core.locations import OptionalPathText
from tunesmith.core.measures import Measure
from tunesmith.core.methods import Auto, Full, Method
from tunesmith.core.operation import Operation
from tunesmith.core.recipe import DecodingRecipe, TrainingRecipe
from tunesmith.core.reliability import ReliabilityRecipe
from tunesmith.core.search import Search
from tunesmith.core.self_training import SelfTrainingRecipe

if TYPE_CHECKING:
    from tunesmith.session import Session


FOLDER_NAME = re.compile(r"\w[\w-]{0,63}")
RESERVED = frozenset({"task", "mlm", "contrastive"})
"""What the losses of the main task and of the text without labels are called."""


class FitSpec(RowsSpec):
    """Tune a pretrained model on labelled rows and write a bundle with its report."""

    method: Method = Full()
    """How the model is adapted: auto (a plan measures and chooses), full, probe (frozen vectors and
    a linear head, in seconds), zero-shot (words for the labels), few-shot (examples in a prompt),
    contrastive (few labels), extractive (summarization), or one that learns a delta: lora, adalora,
    ia3, bitfit, freeze, adapter, prefix, soft-prompt, p-tuning."""

    training: TrainingRecipe = TrainingRecipe()
    """How the loop trains."""

    boost: Annotated[BoostRecipe, BeforeValidator(by_names)] = Field(
        BoostRecipe(), json_schema_extra={"by_names": True}
    )
    """What is added to training: fgm, pgd, freelb, r_drop, mixup, focal, supervised_contrastive,
    balanced_sampling, ema, swa; several with commas."""

    joint: JointRecipe | None = None
    """Text without labels that is learned beside the task; none learns the task alone."""

    also: dict[str, OtherTask] = Field(default_factory=dict)
    """Other tasks that are learned beside the main one, by names of your own."""

    augmentation: Augmentation | None = None
    """Changed copies of the training rows: eda (words exchanged), masked (words guessed anew),
    back-translation, mentions (ner); none learns the rows as they are."""

    self_training: SelfTrainingRecipe | None = None
    """Rows without labels that a first model labels for a second one; none uses no such rows."""

    distillation: DistillationRecipe | None = None
    """Bundles whose probabilities are learned beside the labels; none learns the labels alone."""

    ensemble: EnsembleRecipe | None = None
    """Several models that become one bundle; none tunes one."""

    search: Search = Field(None, json_schema_extra={"by_number": True})
    """Settings that are tried before the best become the bundle (the extra `search`); none tries
    the recipe alone."""

    decoding: DecodingRecipe = DecodingRecipe()
    """How a model that writes does it; kept in the bundle."""

    reliability: ReliabilityRecipe = ReliabilityRecipe()
    """What the model learns of its own limits; kept in the bundle."""

    device: str = "auto"
    """Device that computes: auto, cpu, cuda, cuda:1."""

    language: Language = "en"
    """Language of the report page."""

    out: OptionalPathText = None
    """Folder of the run; none makes `runs/NAME` from the data's name."""

    resume: bool = False
    """Continue an interrupted run in `out` from its last checkpoint."""

    overwrite: bool = False
    """Replace an earlier run in `out`."""

    @field_validator("also")
    @classmethod
    def _name_folders(cls, also: dict[str, OtherTask]) -> dict[str, OtherTask]:
        """Refuse names that no folder should have."""
        if wrong := [name for name in also if not FOLDER_NAME.fullmatch(name)]:
            raise ValueError(f"a name must be letters, digits, _ and -; got {', '.join(wrong)}")
        if taken := RESERVED & set(also):
            raise ValueError(f"{', '.join(sorted(taken))} is taken: choose another name")
        return also

    @property
    def folder(self) -> Path:
        """The folder of the run: `out`, else `runs/NAME` from the data's name."""
        if self.out is not None:
            return Path(self.out)
        return Path("runs") / Path(self.data.removeprefix("hub:")).name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class FitResult:
    """Where the bundle stands, its measures and the split they were taken on.

    `also` has bundle and report of each task that was learned beside it, by name.
    """

    bundle: Path
    report: dict[str, Any]
    seconds: float
    next_commands: tuple[str, ...]
    also: Mapping[str, tuple[Path, dict[str, Any]]] = field(default_factory=dict)

    @property
    def measures(self) -> dict[str, Measure]:
        """The measures of the report by name."""
        return {name: Measure.from_json(fields) for name, fields in self.report["measures"].items()}

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready fields."""
        return {
            "bundle": str(self.bundle),
            "report": str(self.bundle / "report.html"),
            "split": self.report["data"]["split"],
            "headline": self.report["headline"],
            "measures": self.report["measures"],
            "seconds": round(self.seconds, 3),
            "notes": self.report["notes"],
            "next": list(self.next_commands),
            "also": {
                name: {
                    "bundle": str(bundle),
                    "split": report["data"]["split"],
                    "headline": report["headline"],
                    "measures": report["measures"],
                }
                for name, (bundle, report) in self.also.items()
            },
        }


def run(spec: FitSpec, session: Session) -> FitResult:
    """Check the rows, tune, measure, and write the bundle."""
    if spec.search is not None:
        from tunesmith.operations.settings_search import fit_searched

        return fit_searched(spec, session, recipe=spec.search)
    if isinstance(spec.method, Auto):
        from tunesmith.operations.auto import settle_method
        from tunesmith.operations.fitting import fit_bundle

        spec, plan = settle_method(spec, session)
        return fit_bundle(spec, session, plan=plan)
    if spec.ensemble is not None:
        from tunesmith.operations.ensembles import fit_ensemble

        return fit_ensemble(spec, session)
    from tunesmith.core.prompting import Asked
    from tunesmith.operations.companions import refuse_contradictions
    from tunesmith.operations.fitting import fit_bundle

    if isinstance(spec.method, Asked):
        from tunesmith.operations.prompting import answers_by_prompt, fit_asked

        refuse_contradictions(spec)
        if by := answers_by_prompt(spec):
            return fit_asked(spec, session, method=spec.method, by=by)
    return fit_bundle(spec, session)


OPERATION = Operation(
    "fit",
    "Tune a model on labelled rows and write a bundle with its report.",
    FitSpec,
    FitResult,
    run,
    recorded=True,
)
