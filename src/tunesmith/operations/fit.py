"""fit: from labelled rows to a bundle with its report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.data_spec import Language, OptionalPathText, RowsSpec
from tunesmith.core.measures import Measure
from tunesmith.core.methods import Full, Method
from tunesmith.core.operation import Operation
from tunesmith.core.recipe import DecodingRecipe, TrainingRecipe

if TYPE_CHECKING:
    from tunesmith.session import Session


class FitSpec(RowsSpec):
    """Tune a pretrained model on labelled rows and write a bundle with its report."""

    method: Method = Full()
    """How the model is adapted: full, or probe (frozen vectors and a linear head, in seconds)."""

    training: TrainingRecipe = TrainingRecipe()
    """How the loop trains."""

    decoding: DecodingRecipe = DecodingRecipe()
    """How a model that writes does it; kept in the bundle."""

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

    @property
    def folder(self) -> Path:
        """The folder of the run: `out`, else `runs/NAME` from the data's name."""
        if self.out is not None:
            return Path(self.out)
        return Path("runs") / Path(self.data.removeprefix("hub:")).name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class FitResult:
    """Where the bundle stands, its measures and the split they were taken on."""

    bundle: Path
    report: dict[str, Any]
    seconds: float
    next_commands: tuple[str, ...]

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
        }


def run(spec: FitSpec, session: Session) -> FitResult:
    """Check the rows, tune, measure, and write the bundle."""
    from tunesmith.operations.fitting import fit_bundle

    return fit_bundle(spec, session)


OPERATION = Operation(
    "fit",
    "Tune a model on labelled rows and write a bundle with its report.",
    FitSpec,
    FitResult,
    run,
    recorded=True,
)
