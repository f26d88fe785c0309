"""How `export` composes its stages: read, write the graph, compare, put it into the bundle."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tunesmith.core.environment import package_versions
from tunesmith.core.errors import SpecError
from tunesmith.core.events import Said
from tunesmith.operations.export import ExportResult, ExportSpec
from tunesmith.operations.pruning import check_pruning, prune_bundle
from tunesmith.operations.reading import read_for
from tunesmith.runtime.canary import CanaryRow, read_canary
from tunesmith.runtime.engine import Engine
from tunesmith.runtime.exports import Export, source_files
from tunesmith.runtime.loading import load_engine, make_onnx_engine
from tunesmith.runtime.onnx_model import load_onnx_model
from tunesmith.session import Session
from tunesmith.stages.export.graph import OPSET, build_graph
from tunesmith.stages.export.network import read_network, tells_types
from tunesmith.stages.export.parity import (
    Parity,
    ScoreChange,
    answer_both,
    compare,
    compare_scores,
    require_parity,
)
from tunesmith.stages.export.smoothing import largest_channels, smooth
from tunesmith.store.bundles import Bundle, revise_bundle

EXPORTED = ("classification", "multilabel", "ner", "matching", "relation", "qa", "choice")
PACKAGES = ("tunesmith", "onnx", "onnxruntime")


def export_bundle(spec: ExportSpec, session: Session) -> ExportResult:
    """Return what was written into the bundle.

    Raises `GateError`, and writes nothing, where the answers are not those of the source.
    """
    started = time.perf_counter()
    is_pruned = check_pruning(spec)
    bundle = session.workspace.bundle(spec.bundle)
    pruned: dict[str, Any] = {}
    if bundle.task.kind not in EXPORTED:
        raise SpecError(
            f"an export to ONNX needs a task that is read and not written or ranked "
            f"({', '.join(EXPORTED)}); this bundle is for {bundle.task.kind}",
            hint=f"tunesmith predict {bundle.path} --engine torch",
        )
    if bundle.members:
        raise SpecError(
            f"an export needs one model; this bundle joins {len(bundle.members)} ({bundle.path})",
            hint="tune one that says what they say: tunesmith fit ROWS "
            f"--set distillation.teacher={bundle.path}, or average weights: "
            "--set ensemble.join=soup",
        )
    if bundle.manifest.get("template") is not None or bundle.manifest["pooling"] == "words":
        raise SpecError(
            f"an export needs a head; this bundle answers by a prompt, in words ({bundle.path})",
            hint=f"tunesmith predict {bundle.path} --engine torch",
        )
    if not bundle.is_whole:
        raise SpecError(
            f"an export needs a model that is whole; what {bundle.manifest['method']['name']} "
            f"learned stands beside this one ({bundle.path})",
            hint="--method lora, whose delta is merged",
        )
    if is_pruned:
        bundle, pruned = prune_bundle(spec, session, bundle)
    source = load_engine(bundle)
    rows = read_canary(bundle.path / "canary.jsonl", bundle.task)
    session.emit(Said(f"writing the graph ({spec.precision})"))
    inputs = [row.inputs for row in rows]
    network = read_network(source.model, has_types=tells_types(source, inputs))
    if spec.precision == "int8":
        network = smooth(network, largest_channels(network, source, inputs))
    content = build_graph(network, precision=spec.precision)
    model = load_onnx_model(content)
    exported = make_onnx_engine(bundle, model, precision=spec.precision)
    parity = _measure(spec, session, rows, (source, exported))
    require_parity(parity, precision=spec.precision)
    export = Export(
        file=f"onnx/{spec.precision}-{hashlib.sha256(content).hexdigest()[:12]}.onnx",
        precision=spec.precision,
        opset=OPSET,
        bytes=len(content),
        source=source_files(bundle),
        parity=parity.to_json(),
        packages=package_versions(PACKAGES),
    )
    before, bundle = bundle.fingerprint, _put(bundle, export, content)
    for alias in session.workspace.aliases.follow(before, bundle, reason="export"):
        session.emit(Said(f"@{alias.alias} stands for the bundle with its export now"))
    return ExportResult(
        bundle=str(bundle.path),
        fingerprint=bundle.fingerprint,
        file=export.file,
        precision=export.precision,
        bytes=export.bytes,
        source_bytes=sum((bundle.path / name).stat().st_size for name in _weights(export)),
        parity=parity.to_json(),
        seconds=time.perf_counter() - started,
        pruned=pruned,
    )


def _measure(
    spec: ExportSpec, session: Session, rows: Sequence[CanaryRow], engines: tuple[Engine, Engine]
) -> Parity:
    """Return how the export compares on the canary rows, and on the labelled rows given."""
    task = engines[0].task
    session.emit(Said(f"comparing the answers to {len(rows)} canary rows"))
    pairs = answer_both(*engines, [row.inputs for row in rows])
    score: ScoreChange | None = None
    if spec.data is not None:
        _, examples = read_for(task, spec.data, columns=spec.column)
        session.emit(Said(f"measuring both on {len(examples):,} rows of {spec.data}"))
        answered = answer_both(*engines, [example.inputs for example in examples])
        score = compare_scores(task, examples, answered, data=spec.data)
    elif known := [
        (row.example, pair) for row, pair in zip(rows, pairs, strict=True) if row.example
    ]:
        examples, answered = map(list, zip(*known, strict=True))
        score = compare_scores(task, examples, answered, data="canary.jsonl")
    return replace(compare(task, pairs), score=score)


def _put(bundle: Bundle, export: Export, content: bytes) -> Bundle:
    """Return the bundle with the export in it, in the place of an earlier one of its precision."""
    exports = dict(bundle.manifest.get("exports", {}))
    earlier = exports.get(export.precision, {}).get("file")
    exports[export.precision] = export.to_json()
    remove = [earlier] if earlier not in (None, export.file) else []
    return revise_bundle(bundle, {"exports": exports}, add={export.file: content}, remove=remove)


def _weights(export: Export) -> list[str]:
    return [name for name in export.source if name.endswith(".safetensors")]
