"""No dense work for embedding rows that a batch did not touch.

Half of a small encoder's weights are its vocabulary, of which a batch reads a few hundred rows. The
table's gradient is kept as those rows, and only they are clipped, decayed and moved.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from tunesmith.core.recipe import TrainingRecipe
from tunesmith.model.heads import HeadModel

TAKE_ROWS = frozenset({"adamw", "lion", "muon"})
"""Optimisers that move only the rows that a sparse gradient names."""


def make_rowwise(model: HeadModel, recipe: TrainingRecipe) -> None:
    """Let the table of word embeddings give its gradient as rows, where the optimiser takes such.

    A table that also stands elsewhere in the model (tied weights) is left alone.
    """
    encoder: Any = model.encoder
    table = encoder.get_input_embeddings()
    uses = sum(getattr(module, "weight", None) is table.weight for module in model.modules())
    if isinstance(table, nn.Embedding) and recipe.optimizer in TAKE_ROWS and uses == 1:
        table.sparse = True


class RowwiseAdamW(torch.optim.AdamW):
    """AdamW that moves only the touched rows of a parameter whose gradient is sparse.

    Moments and decay of the other rows wait until they are touched again, as in torch's SparseAdam;
    dense parameters are updated by torch's own fused step. Source: Loshchilov & Hutter 2019,
    algorithm 2.
    """

    grad_scale: torch.Tensor | None

    def scale_next(self, factor: float) -> None:
        """Let the next step multiply dense gradients as it reads them, sparing a pass of its own.

        Only where the step is fused.
        """
        self.grad_scale = torch.tensor(1.0 / factor)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Do one step; `closure` is torch's interface and handed on."""
        by_rows = [
            (group, parameter, parameter.grad.coalesce())
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None and parameter.grad.is_sparse
        ]
        for _, parameter, _ in by_rows:
            parameter.grad = None
        loss = super().step(closure)
        self.grad_scale = None
        for group, parameter, gradient in by_rows:
            self._step_rows(group, parameter, gradient)
        return loss

    def _step_rows(
        self, group: dict[str, Any], parameter: nn.Parameter, gradient: torch.Tensor
    ) -> None:
        """Move the rows of (V, H) `parameter` that the coalesced `gradient` names."""
        state = self.state[parameter]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        step, (beta1, beta2) = float(state["step"]), group["betas"]
        rows, values = gradient.indices()[0], gradient.values()
        mean = state["exp_avg"].index_select(0, rows).lerp_(values, 1 - beta1)
        square = state["exp_avg_sq"].index_select(0, rows).mul_(beta2)
        square.addcmul_(values, values, value=1 - beta2)
        state["exp_avg"].index_copy_(0, rows, mean)
        state["exp_avg_sq"].index_copy_(0, rows, square)
        scale = square.sqrt_().div_((1 - beta2**step) ** 0.5).add_(group["eps"])
        moved = parameter.index_select(0, rows).mul_(1 - group["lr"] * group["weight_decay"])
        moved.addcdiv_(mean, scale, value=-group["lr"] / (1 - beta1**step))
        parameter.index_copy_(0, rows, moved)


def clip_gradients(
    parameters: Iterable[nn.Parameter],
    largest: float,
    *,
    before: torch.optim.Optimizer | None = None,
) -> float:
    """Scale all gradients so that their joint norm is at most `largest`, and return what it was.

    Sparse gradients are coalesced on the way, since a row read twice counts once. Where the step to
    come is a fused `RowwiseAdamW` (`before`), it scales the dense ones itself. Source: Pascanu et
    al. 2013, algorithm 1.
    """
    values, rows = [], []
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is None:
            continue
        if gradient.is_sparse:
            parameter.grad = gradient = gradient.coalesce()
            gradient = gradient.values()
            rows.append(gradient)
        values.append(gradient)
    norms = torch._foreach_norm(values)
    norm = float(torch.linalg.vector_norm(torch.stack(norms)))
    if norm > largest:
        factor = largest / (norm + 1e-6)
        if isinstance(before, RowwiseAdamW) and before.defaults["fused"]:
            before.scale_next(factor)
            values = rows
        if values:
            torch._foreach_mul_(values, factor)
    return norm
