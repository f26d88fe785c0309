"""How `export --to hub-folder` makes a folder that anybody can push to the Hugging Face hub.

The model's files are those of the bundle, byte by byte but for paths of this machine. What else is
in the bundle, rows above all, stays there.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunesmith.core.errors import SpecError
from tunesmith.core.events import Said
from tunesmith.model.deltas import IN_PEFT_FORMAT
from tunesmith.model.known import find_entry
from tunesmith.operations.export import ExportResult, ExportSpec
from tunesmith.operations.output import open_output_folder
from tunesmith.operations.plain_notes import plain_loader
from tunesmith.runtime.canary import canary_difference
from tunesmith.runtime.loading import load_engine, read_reading
from tunesmith.session import Session
from tunesmith.stages.evaluate.hub_card import Terms, make_hub_card
from tunesmith.stages.evaluate.snippets import make_snippet
from tunesmith.store.atomic import new_folder
from tunesmith.store.bundles import Bundle
from tunesmith.tasks.generation import Generation

MODEL = "model/"
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
LARGE_FILES = "*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
ATTRIBUTES = ".gitattributes"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
PATHS_IN = {"config.json": "_name_or_path", "adapter_config.json": "base_model_name_or_path"}
"""Fields in which a library writes where it read a model from."""

UNKNOWN = frozenset({"", "not stated", "unknown"})


def export_hub_folder(spec: ExportSpec, session: Session) -> ExportResult:
    """Return what was written into `out`, whole or not at all.

    Raises `SpecError` where the bundle has no model of its own, or nobody says its licence.
    """
    started = time.perf_counter()
    _refuse_other_settings(spec)
    bundle = session.workspace.bundle(spec.bundle)
    _refuse_bundle(bundle, spec)
    terms = _terms(bundle, spec)
    session.emit(Said("asking the model its canary rows"))
    difference = canary_difference(load_engine(bundle), bundle.path / "canary.jsonl")
    out = open_output_folder(spec.out, overwrite=False) or Path(str(spec.out))
    with new_folder(out) as folder:
        _fill(folder, bundle, spec, terms)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return ExportResult(
        bundle=str(bundle.path),
        fingerprint=bundle.fingerprint,
        file=str(out),
        precision="fp32",
        bytes=size,
        source_bytes=size,
        parity={"largest_difference": difference},
        seconds=time.perf_counter() - started,
        form="hub-folder",
    )


def _fill(folder: Path, bundle: Bundle, spec: ExportSpec, terms: Terms) -> None:
    for name in bundle.manifest["files"]:
        if name.startswith(MODEL):
            _put(bundle.path / name, folder / name.removeprefix(MODEL), terms)
    if spec.adapter:
        for name in ADAPTER_FILES:
            _put(bundle.path / "delta" / name, folder / "adapter" / name, terms)
    outputs = list(bundle.task.outputs())
    if outputs:
        text = json.dumps(outputs, ensure_ascii=False, indent=1) + "\n"
        (folder / "labels.json").write_text(text, encoding="utf-8")
    (folder / ATTRIBUTES).write_text(LARGE_FILES, encoding="utf-8")
    loader = plain_loader(
        bundle.manifest["plain_transformers"]["lacks"],
        bundle.task,
        read_reading(bundle),
        architecture=bundle.manifest["model"]["architecture"],
    )
    snippet = make_snippet(_use(bundle), loader=loader)
    card = make_hub_card(_published(bundle), bundle.manifest, terms, snippet=snippet)
    (folder / "README.md").write_text(card, encoding="utf-8")


def _put(source: Path, target: Path, terms: Terms) -> None:
    """Copy a file of the bundle; what names a folder of this machine names the hub's id instead."""
    target.parent.mkdir(parents=True, exist_ok=True)
    content = source.read_bytes()
    if (field := PATHS_IN.get(source.name)) and field.encode() in content:
        fields = json.loads(content)
        fields.pop(field, None)
        if terms.base:
            fields[field] = terms.base
        content = (json.dumps(fields, ensure_ascii=False, indent=2) + "\n").encode()
    target.write_bytes(content)


def _published(bundle: Bundle) -> dict[str, Any]:
    """Return the report without what the card must not tell: paths, and words of any row."""
    report = bundle.report
    name = str(report["model"]["name"]).rstrip("/").rpartition("/")[2]
    kept = ("task", "headline", "measures", "classes", "method", "reliability")
    data = {name: report["data"][name] for name in ("split", "rows", "train_rows")}
    return {**{key: report.get(key) for key in kept}, "data": data, "model": {"name": name}}


def _terms(bundle: Bundle, spec: ExportSpec) -> Terms:
    """Return the terms: those that are given, else those of the backbone's entry."""
    card: Mapping[str, Any] = bundle.manifest["model"]
    entry = find_entry(card["name"])
    base = entry.hub.id if entry is not None and entry.hub is not None else None
    if base is None and str(card["source"]).startswith("hub ") and HUB_ID.fullmatch(card["name"]):
        base = card["name"]
    licence = spec.licence or (entry.licence if entry is not None else "")
    if licence.lower() in UNKNOWN:
        raise SpecError(
            "a model card must say the licence; that of the backbone is not known",
            hint="--licence apache-2.0, if that is what you may and want to give it under",
        )
    languages = spec.languages or (entry.languages if entry is not None else ())
    return Terms(licence, base, tuple(languages), tuple(spec.datasets))


def _use(bundle: Bundle) -> str:
    """Return which snippet shows how the model is used."""
    task, manifest = bundle.task, bundle.manifest
    writing = manifest["reading"].get("writing", "")
    if isinstance(task, Generation):
        return "chat" if writing == "causal" else "chat beside"
    if writing:
        return writing
    if task.head == "embed":
        return "embed"
    if task.head in ("classify", "tag", "span"):
        return task.kind
    is_classifier = task.head == "choose" and not manifest["plain_transformers"]["lacks"]
    return "matching" if is_classifier else "states"


def _refuse_other_settings(spec: ExportSpec) -> None:
    problems = [
        f"`{name}` is for other forms of export; the hub takes the model as it is"
        for name, is_given in (
            ("data", spec.data is not None),
            ("drop_layers", spec.drop_layers),
            ("trim_vocabulary", spec.trim_vocabulary),
            ("precision", spec.precision != "fp32"),
        )
        if is_given
    ]
    if spec.out is None:
        problems.append("`out` must name the new folder")
    if problems:
        raise SpecError(problems, hint="tunesmith export BUNDLE --to hub-folder --out FOLDER")


def _refuse_bundle(bundle: Bundle, spec: ExportSpec) -> None:
    """Raise `SpecError` where `model/` is not what the bundle answers by."""
    manifest = bundle.manifest
    if bundle.members:
        raise SpecError(
            f"a folder for the hub holds one model; this bundle joins {len(bundle.members)}",
            hint=f"tunesmith export {bundle.members[0]} --to hub-folder --out FOLDER",
        )
    if manifest.get("template") is not None or manifest["pooling"] == "words":
        raise SpecError(
            "a folder for the hub needs a tuned model; this bundle asks one in words",
            hint=f"tunesmith predict {bundle.path}",
        )
    method = manifest["method"]["name"]
    if not bundle.is_whole:
        raise SpecError(
            f"a folder for the hub needs a model that is whole; what {method} learned stands "
            "beside this one",
            hint="--method lora, whose delta is merged",
        )
    if spec.adapter and (method not in IN_PEFT_FORMAT or manifest.get("delta") is None):
        raise SpecError(
            f"`adapter` needs a delta in peft's format ({', '.join(sorted(IN_PEFT_FORMAT))}); "
            f"this bundle is of {method}",
            hint="leave out --adapter",
        )
