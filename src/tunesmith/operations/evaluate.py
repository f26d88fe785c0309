"""evaluate: what a bundle can do on rows it has never seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tunesmith.core.data_spec import LARGEST_SEED, Columns, Language
from tunesmith.core.locations import BundleText, OptionalPathText, RowsText
from tunesmith.core.measures import Measure
from tunesmith.core.operation import Operation
from tunesmith.core.recipe import DecodingRecipe
from tunesmith.core.reliability import Demands

if TYPE_CHECKING:
    from tunesmith.session import Session


class EvaluateSpec(Demands):
    """Measure a bundle on labelled rows."""

    bundle: BundleText = Field(json_schema_extra={"positional": True})
    """The bundle's folder, the run's that holds it, or an alias (`@production`)."""

    data: RowsText = Field(json_schema_extra={"positional": True})
    """Labelled rows: a file, a folder or JSON file whose test split is taken, or `hub:NAME`."""

    column: Columns
    """`ROLE=NAME`: the column that holds a role; those of the tuning are remembered."""

    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    """Seed of the bootstrap intervals."""

    decoding: DecodingRecipe = DecodingRecipe()
    """How a model that writes does it; what is not given is as it was tuned."""

    device: str = "auto"
    """Device that computes: auto, cpu, cuda, cuda:1."""

    language: Language = "en"
    """Language of the report page."""

    out: OptionalPathText = None
    """Folder for report.json, report.html, bad_cases.jsonl and confusion.csv; none writes no files.
    """

    overwrite: bool = False
    """Replace reports that stand in `out`."""


@dataclass(frozen=True, slots=True)
class EvaluateResult:
    """The whole report of this evaluation."""

    bundle: str
    fingerprint: str
    report: dict[str, Any]
    out: str | None

    @property
    def measures(self) -> dict[str, Measure]:
        """The measures by name."""
        return {name: Measure.from_json(fields) for name, fields in self.report["measures"].items()}

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready fields."""
        keys = ("headline", "measures", "classes", "averages", "reliability", "data", "notes")
        return {
            "bundle": self.bundle,
            "fingerprint": self.fingerprint,
            **{key: self.report[key] for key in keys},
            "out": self.out,
        }


def run(spec: EvaluateSpec, session: Session) -> EvaluateResult:
    """Answer every row, mark the answers, write the report where asked."""
    from tunesmith.data.fingerprints import fingerprint_examples
    from tunesmith.operations.output import open_output_folder
    from tunesmith.operations.reading import read_for
    from tunesmith.runtime.judging import asked_of, make_judge, split_strangers
    from tunesmith.runtime.loading import load_engine, with_decoding
    from tunesmith.stages.evaluate.marking import mark_engine
    from tunesmith.stages.evaluate.reliability import judge_reliability
    from tunesmith.stages.evaluate.report import Background, make_report, write_report
    from tunesmith.store.atomic import new_files

    bundle = session.workspace.bundle(spec.bundle)
    task, examples = read_for(bundle.task, spec.data, columns=spec.column)
    out = open_output_folder(spec.out, overwrite=spec.overwrite)
    engine = replace(load_engine(bundle, device=session.device), task=task)  # with its columns
    engine = asked_of(with_decoding(engine, spec.decoding), spec)
    judge = make_judge(spec, task, engine.reliability)
    inside, strangers = split_strangers(examples, engine.reliability)
    marked = mark_engine(engine, inside, seed=spec.seed, emit=session.emit)
    marked, known = judge_reliability(engine, marked, strangers=strangers, judge=judge)
    fingerprint = fingerprint_examples(inside)
    report = make_report(
        marked,
        Background(
            title=Path(spec.data.removeprefix("hub:")).name,
            data={
                "name": spec.data,
                "split": "given file",
                "rows": len(inside),
                "train_rows": bundle.report["data"]["train_rows"],
                "sha256": fingerprint,
            },
            model=bundle.manifest["model"],
            method=bundle.manifest["method"],
            notes=seen_notes(bundle.manifest["data"], fingerprint),
            reliability=known,
        ),
    )
    if out is not None:
        with new_files(out) as folder:
            write_report(folder, report, marked, language=spec.language)
    return EvaluateResult(str(bundle.path), bundle.fingerprint, report, spec.out)


def seen_notes(seen: Mapping[str, str], fingerprint: str) -> list[str]:
    """Return a caution where the rows of this fingerprint are those that made the model."""
    return [
        f"These are the very rows of the {name} split that made this model: not a fair measure."
        for name, digest in seen.items()
        if digest == fingerprint and name != "test"
    ]


OPERATION = Operation(
    "evaluate",
    "Measure a bundle on labelled rows.",
    EvaluateSpec,
    EvaluateResult,
    run,
    recorded=True,
)
