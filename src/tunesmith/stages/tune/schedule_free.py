"""AdamW without a schedule: gradients are taken near an average of the weights, which is kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn


class ScheduleFreeAdamW(torch.optim.Optimizer):
    """AdamW whose place of decay is taken by averaging.

    Three weights go with each parameter: `base` is moved by the gradients, `average` is the mean of
    all bases and what is evaluated and saved (`averaged`), and the parameter itself lies between
    them while training, where gradients are taken. Each is kept rather than recomputed from the
    other two, so that switching rounds nothing. Source: Defazio et al. 2024, algorithm 1 and §4.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        """Take over the groups; the first beta is the share of `average` in the parameter."""
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0}
        super().__init__(groups, {**defaults, "step": 0, "peak": 0.0, "weight_sum": 0.0})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Do one step; `closure` is torch's interface: the loss is computed again and returned."""
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            group["step"] += 1
            # Steps of the warm-up count less, by the square of their rate (§3 of the source).
            group["peak"] = max(group["peak"], group["lr"])
            group["weight_sum"] += group["peak"] ** 2
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)
        return loss

    def _move(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        state, gradient = self.state[parameter], parameter.grad
        if not state:
            state["base"], state["average"] = parameter.clone(), parameter.clone()
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        beta2 = group["betas"][1]
        square = state["exp_avg_sq"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        scale = (square / (1 - beta2 ** group["step"])).sqrt_().add_(group["eps"])
        state["base"].addcdiv_(gradient, scale, value=-group["lr"])
        state["base"].sub_(parameter, alpha=group["lr"] * group["weight_decay"])
        share = group["peak"] ** 2 / group["weight_sum"] if group["weight_sum"] else 1.0
        state["average"].lerp_(state["base"], share)
        self._between(parameter, group)

    def _between(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        """Put the parameter where the next gradient is taken."""
        state = self.state[parameter]
        torch.lerp(state["base"], state["average"], group["betas"][0], out=parameter.data)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over groups and state, and put every parameter where its gradient is taken."""
        super().load_state_dict(state_dict)
        self.leave_average()

    @torch.no_grad()
    def enter_average(self) -> None:
        """Put the averages into the parameters; training must not go on before they leave."""
        for parameter, state in self.state.items():
            parameter.copy_(state["average"])

    @torch.no_grad()
    def leave_average(self) -> None:
        """Put the parameters back, bit for bit."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if self.state.get(parameter):
                    self._between(parameter, group)


@contextlib.contextmanager
def averaged(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Let the parameters hold the weights that are evaluated and saved.

    For every optimiser but the schedule-free one these are the weights that are trained, and
    nothing is done. Accelerate's wrapper is looked through.
    """
    inner = getattr(optimizer, "optimizer", optimizer)
    if not isinstance(inner, ScheduleFreeAdamW):
        yield
        return
    inner.enter_average()
    try:
        yield
    finally:
        inner.leave_average()
