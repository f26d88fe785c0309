"""The ONNX Runtime back end: a graph in a file, numpy in and out. The library's errors end here."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tunesmith.core.errors import DataError, MissingExtraError
from tunesmith.model.batching import Arrays

INSTALL = "pip install 'tunesmith[onnx]'"
ROWS_APART = "rows_apart"
"""Property of a graph whose answer to a row does not depend on what shares the batch. Exports of
int8 made before it was written have scales of whole batches."""


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """An ONNX Runtime session with the names of its inputs.

    `sizes` are the last dimensions of its outputs: C `logits`, where it gives any, and H `vectors`.
    `are_rows_apart` tells that an answer does not depend on what shares the batch, but for
    rounding.
    """

    session: Any
    inputs: tuple[str, ...]
    sizes: dict[str, int]
    are_rows_apart: bool = False

    def compute(self, arrays: Arrays, output: Literal["logits", "vectors", "both"]) -> np.ndarray:
        """Return what `output` names, one row a window or, for word inputs, a word.

        Of both, the logits stand first.
        """
        names = self.names_of(output)
        if "word_rows" in self.inputs and not len(arrays["word_rows"]):
            return np.zeros((0, sum(self.sizes[name] for name in names)), dtype=np.float32)
        feeds = {name: arrays[name] for name in self.inputs}
        return np.concatenate(self.session.run(names, feeds), axis=-1)

    def names_of(self, output: Literal["logits", "vectors", "both"]) -> list[str]:
        """Return the outputs of the graph that make an output; without logits, vectors are those.

        A torch model that gives vectors does the same.
        """
        if output == "logits" and "logits" not in self.sizes:
            return ["vectors"]
        return ["logits", "vectors"] if output == "both" else [output]


def has_onnxruntime() -> bool:
    """Tell whether ONNX Runtime is installed, without importing it."""
    return importlib.util.find_spec("onnxruntime") is not None


def load_onnx_model(source: Path | bytes, *, threads: int | None = None) -> OnnxModel:
    """Return the model in a file, or in its bytes; None takes a thread for each core given to us.

    Raises `MissingExtraError` where ONNX Runtime is not installed, and `DataError` where the file
    is no graph that it can load.
    """
    # Read when the library is loaded: without it, builds since 1.29 tell their maker of each model.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise MissingExtraError(
            "answering by ONNX needs the package onnxruntime, which is not installed",
            hint=INSTALL,
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or core_count()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The graph is written as it should run. The fusions of the higher levels would undo that:
    # SkipLayerNormalization takes ten times as long as Add and LayerNormalization.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    content = str(source) if isinstance(source, Path) else source
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        inputs = tuple(item.name for item in session.get_inputs())
        sizes = {item.name: int(item.shape[-1]) for item in session.get_outputs()}
        properties = session.get_modelmeta().custom_metadata_map
    except Exception as error:  # noqa: BLE001 (any file may be broken in any way)
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        name = f"`{source.name}`" if isinstance(source, Path) else "the graph"
        raise DataError(
            f"{name} must be a graph that ONNX Runtime can load; got: {first}",
            hint="tunesmith export BUNDLE --to onnx",
        ) from error
    return OnnxModel(session, inputs, sizes, are_rows_apart=ROWS_APART in properties)


def core_count() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
