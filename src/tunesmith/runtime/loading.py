"""From a bundle's path to an engine that answers."""

from __future__ import annotations

from pathlib import Path

import torch

from tunesmith.core.errors import DataError
from tunesmith.model.backbones import load_tokenizer
from tunesmith.model.encoding import Reading
from tunesmith.model.heads import load_head
from tunesmith.runtime.engine import Engine
from tunesmith.store.bundles import Bundle, read_bundle


def load_engine(bundle: Bundle | Path | str, *, device: torch.device | None = None) -> Engine:
    """Return an engine over a verified bundle, in float32.

    Raises what `read_bundle` raises, and `DataError` where the model's outputs are not the task's.
    """
    if not isinstance(bundle, Bundle):
        bundle = read_bundle(bundle)
    device = device or torch.device("cpu")
    try:
        reading = Reading(**bundle.manifest["reading"])
        pooling = bundle.manifest["pooling"]
    except (KeyError, TypeError) as error:
        raise DataError(
            f"`bundle.json` must say how texts are read; {error} ({bundle.path})",
            hint="run `tunesmith fit` again",
        ) from error
    model = load_head(bundle.task.head, bundle.model_folder, pooling=pooling, reading=reading)
    expected = len(bundle.task.outputs())
    if model.linear.out_features != expected:
        raise DataError(
            f"the model must have one output for each of the task's {expected}; "
            f"it has {model.linear.out_features} ({bundle.path})",
            hint="run `tunesmith fit` again",
        )
    tokenizer = load_tokenizer(bundle.model_folder)
    return Engine(model.to(device).eval(), tokenizer, bundle.task, reading, device)
