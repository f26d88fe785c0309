"""What a run that ended well leaves in the records: what it made, and what it measured."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.machine import describe_machine
from tunesmith.core.measures import Measure
from tunesmith.core.operation import Result
from tunesmith.operations.evaluate import EvaluateResult
from tunesmith.operations.export import ExportResult
from tunesmith.operations.fit import FitResult
from tunesmith.operations.pretrain import PretrainResult
from tunesmith.operations.prompt import PromptResult
from tunesmith.session import Session
from tunesmith.store.run_folder import LOCK, RESULTS, TEACHER, read_lock

if TYPE_CHECKING:
    from tunesmith.store.bundles import Bundle


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run took: its seconds, and the most memory its process held meanwhile."""

    seconds: float
    peak_bytes: int | None


def record_outcome(session: Session, run: str, result: Result, *, cost: Cost) -> None:
    """Record the bundles and measures of a run; of other results nothing is to be recorded."""
    match result:
        case FitResult() | PromptResult():
            reports = {result.bundle: result.report}
            reports |= {path: report for path, report in getattr(result, "also", {}).values()}
            for path, report in reports.items():
                fingerprint = _record_bundle(session, run, path)
                told = (path, fingerprint, report)
                _record_results(session, run, told, cost, operation=_verb(result))
        case EvaluateResult():
            told = (Path(result.bundle), result.fingerprint, result.report)
            _record_results(session, run, told, cost, operation="evaluate")
        case ExportResult() if result.form == "onnx":  # others leave the bundle as it was
            _record_bundle(session, run, Path(result.bundle), is_export=True)
        case PretrainResult():
            _record_backbone(session, run, result.backbone)


def _verb(result: FitResult | PromptResult) -> str:
    return "fit" if isinstance(result, FitResult) else "prompt"


def _record_bundle(session: Session, run: str, path: Path, *, is_export: bool = False) -> str:
    """Record a bundle with its parents, and return its fingerprint.

    A backbone that was pretrained here is a parent too, and so is what the bundle was before an
    export was put into it.
    """
    from tunesmith.store.bundles import read_bundle

    bundle, made = read_bundle(path, verify=False), session.workspace.made
    parents = list(bundle.manifest.get("parents") or [])
    backbone = (bundle.manifest.get("model") or {}).get("sha256")
    if backbone and made.of(backbone):
        parents.append(backbone)
    if is_export:
        place = str(path.resolve())
        known = [own for own in made.within(path) if own.path == place]
        parents += [own.fingerprint for own in sorted(known, key=lambda own: own.made)[-1:]]
    made.add(run, bundle.fingerprint, path, kind="bundle", parents=parents)
    for inner in _bundles_beside(bundle):
        own = read_bundle(inner, verify=False)
        made.add(run, own.fingerprint, own.path, kind="bundle", parents=own.manifest["parents"])
    return bundle.fingerprint


def _bundles_beside(bundle: Bundle) -> list[Path]:
    """Return the parents that a bundle's run made too: members in it, a teacher beside it."""
    teacher = bundle.path.parent / TEACHER
    return [*bundle.members, *([teacher] if (teacher / RESULTS["fit"]).exists() else [])]


def _record_backbone(session: Session, run: str, path: Path) -> None:
    from tunesmith.model.sources import hash_weights

    facts = read_lock(path.parent / LOCK)[1]
    parents = [facts["model"]] if facts.get("model") else []
    session.workspace.made.add(run, hash_weights(path), path, kind="backbone", parents=parents)


def _record_results(
    session: Session,
    run: str,
    told: tuple[Path, str, Mapping[str, Any]],
    cost: Cost,
    *,
    operation: str,
) -> None:
    """Record every measure of a report of a bundle: `told` is its path, fingerprint and report."""
    from tunesmith.store.results import Measured

    path, fingerprint, report = told
    data, model = report["data"], report["model"]
    common = {
        "operation": operation,
        "task": report["task"]["kind"],
        "method": str(report["method"].get("name", operation)),
        "model": model["name"],
        "model_sha256": model.get("sha256"),
        "data": whole_path(data["name"]),
        "data_sha256": data["sha256"],
        "split": data["split"],
        "train_rows": data.get("train_rows"),
        "seconds": cost.seconds,
        "peak_bytes": cost.peak_bytes,
        "machine": f"{describe_machine()}, {session.device}",
        "bundle": str(path.resolve()),
        "fingerprint": fingerprint,
    }
    session.workspace.results.add(
        run,
        [
            Measured(**common, measure=name, place=place, is_headline=is_headline, score=measure)
            for place, (name, is_headline, measure) in enumerate(_in_order(report))
        ],
    )


def whole_path(data: str) -> str:
    """Return a data argument that means the same from every folder."""
    return data if data.startswith("hub:") else os.path.abspath(data)


def _in_order(report: Mapping[str, Any]) -> Iterator[tuple[str, bool, Measure]]:
    """Yield each measure's name, whether it is a headline, and itself; headlines come first."""
    measures, headline = report["measures"], report["headline"]
    for name in (*headline, *(other for other in measures if other not in headline)):
        if name in measures:
            yield name, name in headline, Measure.from_json(measures[name])
