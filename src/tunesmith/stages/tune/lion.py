"""Lion: the sign of a momentum, with decoupled decay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch


class Lion(torch.optim.Optimizer):
    """Moves every weight by the learning rate, up or down, as an interpolated momentum says.

    One moment a weight, where AdamW keeps two. Of a parameter whose gradient is sparse only the
    touched rows are moved and decayed: a sign does not fade with its momentum, so a row read once
    would be moved for ever. Source: Chen et al. 2023, algorithm 2.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
    ) -> None:
        """Take over the groups; the betas are those of the paper."""
        super().__init__(groups, {"lr": lr, "betas": betas, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Do one step; `closure` is torch's interface: the loss is computed again and returned."""
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["exp_avg"] = torch.zeros_like(parameter)
                if parameter.grad.is_sparse:
                    gradient = parameter.grad.coalesce()
                    rows, weight, mean = gradient.indices()[0], parameter, state["exp_avg"]
                    moved, kept = weight.index_select(0, rows), mean.index_select(0, rows)
                    _move(moved, kept, gradient.values(), group)
                    weight.index_copy_(0, rows, moved)
                    mean.index_copy_(0, rows, kept)
                else:
                    _move(parameter, state["exp_avg"], parameter.grad, group)
        return loss


def _move(
    weight: torch.Tensor, mean: torch.Tensor, gradient: torch.Tensor, group: dict[str, Any]
) -> None:
    """Move `weight` and then its `mean`, in place; all three are of one shape."""
    beta1, beta2 = group["betas"]
    direction = mean.lerp(gradient, 1 - beta1).sign_()
    weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(direction, alpha=group["lr"])
    mean.lerp_(gradient, 1 - beta2)
