"""Which back end answers and in which number format, with the reason.

Looks at the bundle and at what is installed; loads neither torch nor ONNX Runtime.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tunesmith.core.errors import (
    DataError,
    MissingExtraError,
    NotFoundError,
    Problem,
    SpecError,
)
from tunesmith.runtime.exports import Export, changed_sources, read_exports
from tunesmith.runtime.onnx_model import INSTALL, has_onnxruntime
from tunesmith.store.bundles import Bundle

EngineName: TypeAlias = Literal["auto", "torch", "onnx"]
Precision: TypeAlias = Literal["auto", "fp32", "bf16", "int8"]

FASTEST_FIRST = ("int8", "fp32")


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The back end that answers; `export` is its file where that is ONNX.

    `is_second_best` tells that an export stands there and cannot be used.
    """

    engine: Literal["torch", "onnx"]
    precision: str
    reason: str
    export: Export | None = None
    is_second_best: bool = False

    def __str__(self) -> str:
        """Return `onnx int8: the bundle holds that export`."""
        return f"{self.engine} {self.precision}: {self.reason}"


def choose_engine(
    bundle: Bundle, *, engine: EngineName, precision: Precision, device: str = "auto"
) -> EngineChoice:
    """Return what answers for a bundle.

    Auto takes a usable export, int8 before fp32, and torch in fp32 where there is none. Raises
    `SpecError` where the wishes exclude each other, `NotFoundError` where an export that was asked
    for is not there, `DataError` where it was made from other weights, and `MissingExtraError`
    where ONNX Runtime is not installed.
    """
    _refuse_contradictions(engine, precision, device)
    if engine == "torch":
        return EngineChoice("torch", _torch_precision(precision), "asked for")
    if engine == "auto" and precision == "bf16":
        return EngineChoice("torch", "bf16", "only torch computes in bf16")
    if engine == "auto" and precision != "int8" and not _is_processor(device):
        return EngineChoice("torch", _torch_precision(precision), f"the device is {device}")
    is_asked = engine == "onnx" or precision == "int8"
    exports = read_exports(bundle)
    wanted = [name for name in FASTEST_FIRST if precision in ("auto", name)]
    found = [exports[name] for name in wanted if name in exports]
    if not found:
        if is_asked:
            raise NotFoundError(_missing(bundle, wanted), hint=_export_command(bundle, wanted[-1]))
        kind = "" if precision == "auto" else f"{precision} "
        return EngineChoice("torch", "fp32", f"the bundle holds no {kind}export")
    fresh = [export for export in found if not changed_sources(export, bundle)]
    if not fresh:
        words = _staleness(found[0], bundle)
        if is_asked:
            raise DataError(words, hint=_export_command(bundle, found[0].precision))
        return EngineChoice("torch", "fp32", words, is_second_best=True)
    if not has_onnxruntime():
        if is_asked:
            raise MissingExtraError(
                "answering by ONNX needs the package onnxruntime, which is not installed",
                hint=INSTALL,
            )
        words = f"onnxruntime is not installed ({INSTALL})"
        return EngineChoice("torch", "fp32", words, is_second_best=True)
    reason = "asked for" if engine == "onnx" else "the bundle holds that export"
    return EngineChoice("onnx", fresh[0].precision, reason, fresh[0])


def _refuse_contradictions(engine: EngineName, precision: Precision, device: str) -> None:
    problems, hint = [], ""
    if engine == "torch" and precision == "int8":
        problems.append(Problem("`precision` must be fp32 or bf16 with `engine` torch", "int8"))
        hint = "--engine onnx"
    if engine == "onnx" and precision == "bf16":
        problems.append(Problem("`precision` must be fp32 or int8 with `engine` onnx", "bf16"))
        hint = "--precision int8"
    if (engine == "onnx" or precision == "int8") and not _is_processor(device):
        problems.append(Problem("`device` must be cpu with an ONNX export", device))
        hint = hint or "--device cpu"
    if problems:
        raise SpecError(problems, hint=hint)


def _is_processor(device: str) -> bool:
    return device in {"auto", "cpu"}


def _torch_precision(precision: Precision) -> str:
    return "fp32" if precision == "auto" else precision


def _missing(bundle: Bundle, wanted: list[str]) -> str:
    kind = f"{wanted[0]} " if len(wanted) == 1 else ""
    return f"the bundle must hold an {kind}export to answer by ONNX; it holds none ({bundle.path})"


def _staleness(export: Export, bundle: Bundle) -> str:
    names = ", ".join(f"`{name}`" for name in changed_sources(export, bundle))
    return (
        f"`{export.file}` must be made from the bundle's own model; "
        f"it is older than {names} ({bundle.path})"
    )


def _export_command(bundle: Bundle, precision: str) -> str:
    suffix = "" if precision == "fp32" else f" --precision {precision}"
    return f"tunesmith export {shlex.quote(str(bundle.path))} --to onnx{suffix}"
