"""prompt: the best prompt for a model that stays as it is, found on training rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from tunesmith.core.data_spec import Language, RowsSpec
from tunesmith.core.locations import Location, OptionalPathText
from tunesmith.core.measures import Measure
from tunesmith.core.operation import Operation
from tunesmith.core.prompting import LabelWords, PromptLanguage, ShotChoice, ShotOrder
from tunesmith.core.prompts import Calibration

if TYPE_CHECKING:
    from tunesmith.session import Session


def _listed(value: Any) -> Any:
    """Turn a single value into a list of one."""
    return (value,) if isinstance(value, str | int) and not isinstance(value, bool) else value


Templates = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Counts = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_listed)]
Choices = Annotated[tuple[ShotChoice, ...], BeforeValidator(_listed)]
Calibrations = Annotated[tuple[Calibration, ...], BeforeValidator(_listed)]


class PromptSpec(RowsSpec):
    """Find the best prompt for a model, and write a bundle that answers by it."""

    templates: Templates = ()
    """Templates of your own, with named slots and `{label}`; they are tried beside ours."""

    own_only: bool = False
    """Try your own templates alone."""

    words: LabelWords = Field(default_factory=dict)
    """Words for labels, several joined by `|`: tried together, each by itself, and beside the
    labels' names."""

    template_language: PromptLanguage = "auto"
    """Language of our own templates; auto looks at the training rows."""

    examples: Counts = (0, 4, 8)
    """Numbers of examples to try; 0 is a prompt without any."""

    choices: Choices = ("balanced", "diverse")
    """Ways to choose examples: random, balanced, nearest, diverse, uncertain."""

    order: ShotOrder = "auto"
    """Order of the examples: random, alternated, nearest_last, or auto."""

    draws: int = Field(2, ge=1)
    """Draws of examples for each way of choosing them."""

    calibrations: Calibrations = ("none", "contextual")
    """Calibrations to try: none, contextual, domain."""

    vectors: Annotated[str, Location("model", words=("own",))] = "own"
    """What says which texts are alike: the model's own states (own), or the name of a model for
    sentences."""

    mean: bool = False
    """Divide the log-probability of a word by its tokens."""

    candidates: int = Field(32, ge=1)
    """Prompts to begin with, at most; more are drawn from by the seed."""

    first_rows: int = Field(32, ge=4)
    """Training rows that all candidates are measured on; each round has half of the prompts, and
    twice as many rows."""

    most_rows: int = Field(512, ge=4)
    """Training rows that prompts are measured on, at most."""

    budget_minutes: float | None = Field(None, gt=0)
    """Minutes after which the search ends; none ends it by rounds alone."""

    device: str = "auto"
    """Device that computes: auto, cpu, cuda, cuda:1."""

    threads: int | None = Field(None, ge=1)
    """Processor threads; none takes all cores."""

    language: Language = "en"
    """Language of the report page."""

    out: OptionalPathText = None
    """Folder of the run; none makes `runs/NAME-prompt` from the data's name."""

    resume: bool = False
    """Continue an interrupted search in `out` from its transcript."""

    overwrite: bool = False
    """Replace an earlier run in `out`."""

    @property
    def folder(self) -> Path:
        """The folder of the run: `out`, else `runs/NAME-prompt` from the data's name."""
        if self.out is not None:
            return Path(self.out)
        name = Path(self.data.removeprefix("hub:")).name.partition(".")[0]
        return Path("runs") / f"{name}-prompt"


@dataclass(frozen=True, slots=True)
class PromptResult:
    """Where the bundle stands, the prompt in it, and the transcript of all that were tried."""

    bundle: Path
    transcript: Path
    template: str
    tried: int
    reason: str
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
            "transcript": str(self.transcript),
            "template": self.template,
            "tried": self.tried,
            "reason": self.reason,
            "split": self.report["data"]["split"],
            "headline": self.report["headline"],
            "measures": self.report["measures"],
            "seconds": round(self.seconds, 3),
            "notes": self.report["notes"],
            "next": list(self.next_commands),
        }


def run(spec: PromptSpec, session: Session) -> PromptResult:
    """Read the rows, try prompts on samples of the training rows, measure and write the best."""
    from tunesmith.operations.searching import search_prompt

    return search_prompt(spec, session)


OPERATION = Operation(
    "prompt",
    "Find the best prompt for a model that is not trained, and write a bundle that answers by it.",
    PromptSpec,
    PromptResult,
    run,
    recorded=True,
)
