"""Several networks on one encoder: each has its own head, all have the same layers below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from tunesmith.core.errors import SpecError
from tunesmith.model.batching import Batch, split_batch

POOLER = "pooler"
"""The part of an encoder that belongs to a head: it reads the first token for that head alone."""


def share_encoder(source: Any, target: Any) -> None:
    """Let the encoder `target` compute with the very modules of `source`.

    `target` keeps its config and its pooler, or that it has none. Raises `SpecError` where the two
    are not built alike.
    """
    theirs = dict(source.named_children())
    ours = dict(target.named_children())
    if {*theirs} - {POOLER} != {*ours} - {POOLER} or any(target.parameters(recurse=False)):
        raise SpecError(
            f"heads can share an encoder whose weights lie in modules of the same names; "
            f"{type(source).__name__} and {type(target).__name__} have others",
            hint="--model minilm",
        )
    for name in ours:
        if name != POOLER:
            setattr(target, name, theirs[name])


class Together(nn.Module):
    """The network of a task and those learned beside it, whose encoders share their modules.

    They are one module so that one optimiser, one checkpoint and one backward pass serve them.
    """

    def __init__(self, task: Any, others: Sequence[nn.Module]) -> None:
        """Hold the networks; what the encoder is, the task's network says."""
        super().__init__()
        self.task = task
        self.others = nn.ModuleList(others)

    @property
    def encoder(self) -> Any:
        """The encoder that all share."""
        return self.task.encoder

    def forward(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Return the outputs of each network on its own part of a joined batch, the task's first.

        The parts are those that `join_batches` was given.
        """
        networks = [self.task, *self.others]
        parts = split_batch(batch)
        return tuple(network(part) for network, part in zip(networks, parts, strict=True))
