"""What the last layer of a head reads: seen, or changed, while a model is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import torch

from tunesmith.core.errors import SpecError
from tunesmith.model.batching import Batch
from tunesmith.model.heads import HeadModel, linear_of

Change: TypeAlias = Callable[[torch.Tensor, Batch], torch.Tensor]
"""From the (N, H) vectors that a head reads of a batch to those that it reads instead."""


@contextlib.contextmanager
def before_head(model: HeadModel, change: Change) -> Iterator[None]:
    """Let `change` say what the last layer reads in training; one that comes later is asked first.

    Raises `SpecError`, when it reads, where the layer stands on every token instead of on a text.
    """
    network: Any = model
    read: list[Batch] = []

    def remember(_: Any, inputs: tuple[Batch, ...]) -> None:
        read[:] = inputs

    def changed(_: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        if not network.training:
            return inputs
        if inputs[0].dim() != 2:  # noqa: PLR2004 (vectors of texts or words, not a padded batch)
            raise SpecError(
                f"`boost.mixup` and `boost.supervised_contrastive` need one vector a text; "
                f"{network.encoder.config.model_type} makes one a token",
                hint="--model minilm",
            )
        return (change(inputs[0], read[0]),)

    handles = (
        network.register_forward_pre_hook(remember),
        linear_of(model).register_forward_pre_hook(changed, prepend=True),
    )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
