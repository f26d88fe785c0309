"""The forms in which a bundle answers: each engine with each number format, opened or skipped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from record import tell

import tunesmith
from tunesmith.core.errors import TunesmithError
from tunesmith.runtime.choosing import choose_engine
from tunesmith.runtime.engine import Engine, answer
from tunesmith.runtime.loading import load_engine, load_onnx_engine
from tunesmith.store.bundles import read_bundle


class FormMissing(Exception):
    """A form that this machine, bundle or version does not offer; the text says why."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to answer: its engine, "torch" or "onnx", and its number format."""

    engine: str
    precision: str

    @property
    def name(self) -> str:
        """The name in the figures: `onnx_int8`."""
        return f"{self.engine}_{self.precision}"

    @property
    def is_exported(self) -> bool:
        """Tell whether `export` has to write it first."""
        return self.engine == "onnx"


FORMS = (Form("torch", "fp32"), Form("torch", "bf16"), Form("onnx", "fp32"), Form("onnx", "int8"))


def offered_forms(bundle: Path, *, benchmark: str) -> list[Form]:
    """Return the forms in which this bundle can answer here; print a line for each other one."""
    offered = []
    for form in FORMS:
        try:
            export_form(bundle, form)
            open_form(bundle, form)
        except FormMissing as reason:
            tell(benchmark, side=form.name, skipped=str(reason))
        else:
            offered.append(form)
    return offered


def export_form(bundle: Path, form: Form) -> None:
    """Have an exported form written into the bundle. Raises `FormMissing` where that fails."""
    if not form.is_exported:
        return
    try:
        tunesmith.export(str(bundle), to="onnx", precision=form.precision)
    except TunesmithError as error:
        raise FormMissing(str(error)) from error


def open_form(bundle: Path, form: Form) -> Engine:
    """Return a fresh engine. Raises `FormMissing`."""
    try:
        if form.is_exported:
            return _open_export(bundle, form)
        return replace(load_engine(bundle), precision=form.precision)
    except TunesmithError as error:
        raise FormMissing(str(error)) from error


def _open_export(bundle: Path, form: Form) -> Engine:
    opened = read_bundle(bundle)
    choice = choose_engine(opened, engine="onnx", precision=form.precision)
    return load_onnx_engine(opened, choice.export)


def labels_of(engine: Engine, texts: list[str]) -> list[str]:
    """Return the label of each text."""
    task = engine.task
    return [reply.label for reply in answer(engine, (task.inputs_of(text) for text in texts))]


def weight_bytes(bundle: Path, form: Form) -> int:
    """Return the bytes of the weights that a form reads; 0 where there are none.

    An ONNX file counts with the tensors that stand beside it.
    """
    if not form.is_exported:
        return sum(path.stat().st_size for path in (bundle / "model").glob("*.safetensors"))
    files = [path.relative_to(bundle) for path in bundle.rglob("*.onnx*") if path.is_file()]
    is_int8 = form.precision == "int8"
    return sum((bundle / path).stat().st_size for path in files if ("int8" in str(path)) == is_int8)
