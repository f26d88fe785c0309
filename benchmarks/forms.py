"""The forms in which a bundle answers: each engine with each number format, opened or skipped."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tunesmith
from tunesmith.core.errors import TunesmithError
from tunesmith.runtime.engine import answer
from tunesmith.runtime.loading import load_engine


class FormMissing(Exception):
    """A form that this machine, bundle or version does not offer; the text says why."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to answer: its name in the figures, and what `load_engine` must be asked for."""

    name: str
    settings: Mapping[str, str]

    @property
    def is_exported(self) -> bool:
        """Tell whether `export` has to write it first."""
        return self.settings.get("runtime") == "onnx"


FORMS = (
    Form("torch_fp32", {}),
    Form("torch_bf16", {"precision": "bf16"}),
    Form("onnx_fp32", {"runtime": "onnx", "precision": "fp32"}),
    Form("onnx_int8", {"runtime": "onnx", "precision": "int8"}),
)


def export_form(bundle: Path, form: Form) -> None:
    """Have an exported form written into the bundle. Raises `FormMissing` where that fails."""
    if not form.is_exported:
        return
    export = getattr(tunesmith, "export", None)
    if export is None:
        raise FormMissing("this version has no export")
    try:
        export(str(bundle), to="onnx", precision=form.settings["precision"])
    except TunesmithError as error:
        raise FormMissing(str(error)) from error


def open_form(bundle: Path, form: Form) -> Any:
    """Return a fresh engine, its cache of answers empty. Raises `FormMissing`."""
    known = inspect.signature(load_engine).parameters
    asked = {name: value for name, value in form.settings.items() if name in known}
    refused = {name: value for name, value in form.settings.items() if name not in known}
    if "runtime" in refused:
        raise FormMissing("this version has one engine, torch")
    try:
        engine = load_engine(bundle, **asked)
    except TunesmithError as error:
        raise FormMissing(str(error)) from error
    return replace(engine, **refused) if refused else engine


def labels_of(engine: Any, texts: list[str]) -> list[str]:
    """Return the label of each text."""
    task = engine.task
    return [reply.label for reply in answer(engine, (task.inputs_of(text) for text in texts))]


def weight_bytes(bundle: Path, form: Form) -> int:
    """Return the bytes of the weights that a form reads; 0 where there are none.

    An ONNX file counts with the tensors that stand beside it.
    """
    if not form.is_exported:
        return sum(path.stat().st_size for path in (bundle / "model").glob("*.safetensors"))
    files = [path for path in bundle.rglob("*.onnx*") if path.is_file()]
    is_int8 = form.settings["precision"] == "int8"
    return sum(path.stat().st_size for path in files if ("int8" in path.name) == is_int8)
