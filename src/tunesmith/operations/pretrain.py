"""pretrain: from text without labels to a backbone for every other verb."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tunesmith.core.data_spec import LARGEST_SEED, Columns
from tunesmith.core.locations import OptionalModelText, OptionalPathText, PathText
from tunesmith.core.measures import Measure
from tunesmith.core.operation import Operation
from tunesmith.core.pretraining import (
    CorpusReading,
    MaskedText,
    ModelShape,
    ModelSize,
    PretrainingObjective,
    PretrainingRecipe,
    TokenizerRecipe,
    TokenizerSetting,
)
from tunesmith.core.spec import Spec

if TYPE_CHECKING:
    from tunesmith.session import Session


class PretrainSpec(Spec):
    """Learn from text without labels and write a backbone that `--model` takes."""

    corpus: PathText = Field(json_schema_extra={"positional": True})
    """Text to learn from: a .txt file, rows with a text column, or a folder of such files."""

    objective: PretrainingObjective = MaskedText()
    """What is learned: hidden words (mlm), the next word (causal), text whose spans were masked
    (seq2seq), or vectors of sentences (contrastive)."""

    size: ModelSize | None = None
    """Size of a model made from scratch: about 1, 5 or 15 million parameters; none makes a mini."""

    model: OptionalModelText = None
    """Pretrained model to go on with: `minilm`, a folder, or a hub id; none begins from scratch."""

    shape: ModelShape = ModelShape()
    """Width, depth and heads of a model made from scratch, where they are not those of its size."""

    tokenizer: TokenizerSetting = TokenizerRecipe()
    """Vocabulary of a model made from scratch: wordpiece, bpe, unigram, character, or auto."""

    column: Columns
    """`text=NAME`: the column that holds the text of rows, where it has another name."""

    valid: OptionalPathText = None
    """File or folder with the held-out text; none holds out a share of the corpus."""

    reading: CorpusReading = CorpusReading()
    """How the text becomes windows."""

    training: PretrainingRecipe = PretrainingRecipe()
    """How the loop trains."""

    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout ratio of a model made from scratch, while it trains."""

    beginning: Literal["counted", "random"] = "counted"
    """Where a model made from scratch begins: at embeddings and frequencies counted in its text, or
    at random."""

    device: str = "auto"
    """Device that computes: auto, cpu, cuda, cuda:1."""

    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    """Seed of everything random: weights, order, what is hidden, dropout."""

    out: OptionalPathText = None
    """Folder of the run; none makes `runs/NAME` from the corpus' name."""

    resume: bool = False
    """Continue an interrupted run in `out` from its last checkpoint."""

    overwrite: bool = False
    """Replace an earlier run in `out`."""

    @property
    def folder(self) -> Path:
        """The folder of the run: `out`, else `runs/NAME` from the corpus' name."""
        if self.out is not None:
            return Path(self.out)
        return Path("runs") / (Path(self.corpus).name.partition(".")[0] or "corpus")


@dataclass(frozen=True, slots=True)
class PretrainResult:
    """Where the backbone stands, and what it makes of text it has not seen."""

    backbone: Path
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
            "backbone": str(self.backbone),
            "report": str(self.backbone / "pretraining.json"),
            "objective": self.report["objective"]["name"],
            "parameters": self.report["model"]["parameters"],
            "vocabulary": self.report["tokenizer"]["size"],
            "headline": self.report["headline"],
            "measures": self.report["measures"],
            "seconds": round(self.seconds, 3),
            "notes": self.report["notes"],
            "next": list(self.next_commands),
        }


def run(spec: PretrainSpec, session: Session) -> PretrainResult:
    """Read the corpus, make or load a model, train it, measure it, and write the backbone."""
    from tunesmith.operations.pretraining import pretrain_backbone

    return pretrain_backbone(spec, session)


OPERATION = Operation(
    "pretrain",
    "Learn from text without labels and write a backbone for every other verb.",
    PretrainSpec,
    PretrainResult,
    run,
    recorded=True,
)
