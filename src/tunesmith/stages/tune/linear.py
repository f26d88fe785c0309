"""Regularised linear heads on frozen vectors: logistic regression by L-BFGS.

The solver is torch's; loss and gradient are two matrix products in float32, on all cores. One fit
can begin where its neighbour ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tunesmith.core.errors import SpecError

Linear: TypeAlias = tuple[np.ndarray, np.ndarray]
"""A weight (C, H) and a bias (C,), float32."""

GRADIENT_TOLERANCE = 1e-5
"""Largest entry of the mean loss's gradient at which a fit has converged."""

LEAST_GAIN = 1e-9
"""Change of the loss, or of the largest weight, at which a fit ends."""

HISTORY = 10
"""Past steps from which L-BFGS guesses the curvature, as in SciPy."""

NEVER = 10.0
"""How far below every other the bias of an output stands that no target names."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """How many logits a layer makes, and whether it has a bias."""

    count: int
    has_bias: bool = True

    @classmethod
    def of(cls, layer: nn.Linear) -> Outputs:
        """Return those of a layer."""
        return cls(layer.out_features, layer.bias is not None)


def fit_linear(
    vectors: np.ndarray,
    targets: np.ndarray,
    *,
    outputs: Outputs,
    strength: float,
    max_iterations: int,
    start: Linear | None = None,
) -> Linear:
    """Return the weight and bias that maximise the L2-regularised likelihood.

    `vectors` (N, H) are scaled to mean norm 1, so that one `strength` means the same for every
    backbone: scikit-learn's C, the inverse weight of half the squared norm (biases left out) beside
    the summed loss. `targets` (N,) of indices give a softmax over the outputs; (N, C) of 0/1 give
    one sigmoid each. An output that no target names, or that all do, gets a bias that says so. The
    search begins at `start`, the fit at a neighbouring strength. Outputs without a bias are fitted
    without one; it is all 0 then.

    Source: Liu & Nocedal 1989 (L-BFGS).
    """
    scale = float(np.linalg.norm(vectors, axis=1).mean()) or 1.0
    inputs = torch.from_numpy(np.asarray(vectors, dtype=np.float32) / np.float32(scale))
    is_multilabel = targets.ndim > 1
    if is_multilabel:
        fitted = np.flatnonzero((targets.min(axis=0) < 1) & (targets.max(axis=0) > 0))
        loss = _sigmoid_loss(torch.from_numpy(targets[:, fitted].astype(np.float32)))
    else:
        fitted = np.unique(targets)
        loss = _softmax_loss(torch.from_numpy(np.searchsorted(fitted, targets)))
    begin = np.zeros((len(fitted), vectors.shape[1] + 1))
    if start is not None:
        begin[:, :-1], begin[:, -1] = start[0][fitted] * scale, start[1][fitted]
    found = _minimise(
        inputs,
        loss,
        begin,
        strength=strength,
        iterations=max_iterations,
        has_bias=outputs.has_bias,
    )

    weight = np.zeros((outputs.count, vectors.shape[1]), dtype=np.float32)
    bias = np.zeros(outputs.count, dtype=np.float32)
    if outputs.has_bias:
        bias += found[:, -1].min(initial=0.0) - NEVER
        if is_multilabel:
            bias[targets.min(axis=0) == 1] = NEVER
    weight[fitted], bias[fitted] = found[:, :-1] / scale, found[:, -1]
    return weight, bias


def read_linear(linear: nn.Linear) -> Linear:
    """Return copies of the weight and bias of a layer, 0 where it has none."""
    weight = linear.weight.detach().cpu().numpy().copy()
    if linear.bias is None:
        return weight, np.zeros(len(weight), dtype=np.float32)
    return weight, linear.bias.detach().cpu().numpy().copy()


def set_linear(linear: nn.Linear, weight: np.ndarray, bias: np.ndarray) -> None:
    """Write a fitted weight and bias into a layer.

    Raises `SpecError` where the layer has no bias to write into.
    """
    if linear.bias is None and bias.any():
        raise SpecError(
            "this method must have a head with a bias; transformers gives a decoder's none",
            hint="--method full",
        )
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(weight))
        if linear.bias is not None:
            linear.bias.copy_(torch.from_numpy(bias))


Loss: TypeAlias = Callable[[torch.Tensor], tuple[float, torch.Tensor]]
"""From logits (N, C) to the mean loss and its gradient (N, C)."""


def _softmax_loss(targets: torch.Tensor) -> Loss:
    rows = torch.arange(len(targets))

    def loss(logits: torch.Tensor) -> tuple[float, torch.Tensor]:
        log_probabilities = functional.log_softmax(logits, dim=-1)
        value = -float(log_probabilities[rows, targets].double().mean())
        gradient = log_probabilities.exp_()
        gradient[rows, targets] -= 1.0
        return value, gradient.div_(len(targets))

    return loss


def _sigmoid_loss(targets: torch.Tensor) -> Loss:
    def loss(logits: torch.Tensor) -> tuple[float, torch.Tensor]:
        losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        gradient = logits.sigmoid().sub_(targets)
        return float(losses.double().sum()) / len(targets), gradient.div_(len(targets))

    return loss


def _minimise(
    inputs: torch.Tensor,
    loss: Loss,
    begin: np.ndarray,
    *,
    strength: float,
    iterations: int,
    has_bias: bool,
) -> np.ndarray:
    """Return (C, H + 1), weight and bias, that minimise loss plus penalty, from `begin`."""
    if not begin.size:
        return begin
    penalty = 1.0 / (strength * len(inputs))
    point = torch.from_numpy(begin.copy()).requires_grad_()
    solver = torch.optim.LBFGS(
        [point],
        max_iter=iterations,
        history_size=HISTORY,
        tolerance_grad=GRADIENT_TOLERANCE,
        tolerance_change=LEAST_GAIN,
        line_search_fn="strong_wolfe",
    )

    def objective() -> float:
        weight, bias = point.detach()[:, :-1], point.detach()[:, -1]
        value, logits_g = loss(torch.addmm(bias.float(), inputs, weight.float().t()))
        gradient = torch.empty_like(point)
        gradient[:, :-1] = (logits_g.t() @ inputs).double() + penalty * weight
        gradient[:, -1] = logits_g.sum(dim=0) if has_bias else 0.0
        point.grad = gradient
        return value + 0.5 * penalty * float(weight.pow(2).sum())

    solver.step(objective)
    return point.detach().numpy()
