"""A head whose linear layer stands in a file beside an encoder that `AutoModel` loads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModel

from tunesmith.core.errors import DataError
from tunesmith.model.backbones import load_whole

Head = TypeVar("Head", bound=nn.Module)


def save_with_layer(model: Any, folder: Path, *, file: str, id2label: dict[int, str]) -> None:
    """Write `model.encoder`, which knows its labels, and `model.linear` into `file` beside it."""
    model.encoder.config.id2label = id2label
    model.encoder.config.label2id = {label: index for index, label in id2label.items()}
    model.encoder.save_pretrained(folder)
    save_file(model.linear.state_dict(), folder / file)


def load_with_layer(
    folder: Path, make: Callable[[Any, int], Head], *, file: str, what: str
) -> Head:
    """Return what `make` gives of the encoder and the count of outputs, with the saved layer.

    Raises `DataError` where `file` does not hold it; `what` says what that layer is.
    """
    encoder = load_whole(AutoModel, folder)
    try:
        state = load_file(folder / file)
        model: Any = make(encoder, len(state["bias"]))
        model.linear.load_state_dict(state)
    except Exception as error:  # noqa: BLE001
        raise DataError(f"`model/{file}` must hold {what}; {error}", hint="tune again") from error
    return model
