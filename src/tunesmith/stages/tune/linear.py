"""Regularised linear heads on frozen vectors: logistic regression by scikit-learn's L-BFGS."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from torch import nn


def fit_linear(
    vectors: np.ndarray, targets: np.ndarray, *, outputs: int, strength: float, max_iterations: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return weight (C, H) and bias (C,) float32 that maximise the L2-regularised likelihood.

    `vectors` (N, H) are scaled to mean norm 1, so that one `strength` (scikit-learn's C) means the
    same for every backbone. `targets` (N,) of indices give a softmax over the outputs; (N, C) of
    0/1 give one sigmoid each. An output that no target names gets the lowest bias of all.
    """
    scale = float(np.linalg.norm(vectors, axis=1).mean()) or 1.0
    model = LogisticRegression(C=strength, max_iter=max_iterations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="Label .* is present in all training examples")
        if targets.ndim > 1:
            weight, bias = _fit_sigmoids(model, vectors / scale, targets)
        else:
            weight, bias = _fit_softmax(model, vectors / scale, targets, outputs)
    return (weight / scale).astype(np.float32), bias.astype(np.float32)


def set_linear(linear: nn.Linear, weight: np.ndarray, bias: np.ndarray) -> None:
    """Write a fitted weight and bias into a layer."""
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(weight))
        linear.bias.copy_(torch.from_numpy(bias))


def _fit_softmax(
    model: LogisticRegression, vectors: np.ndarray, targets: np.ndarray, outputs: int
) -> tuple[np.ndarray, np.ndarray]:
    present = np.unique(targets)
    weight = np.zeros((outputs, vectors.shape[1]))
    bias = np.full(outputs, -10.0)
    if len(present) == 1:
        bias[present] = 0.0
        return weight, bias
    model.fit(vectors, targets)
    if len(present) == 2:  # noqa: PLR2004 (scikit-learn keeps one row for two classes: the log-odds of the second)
        weight[present] = np.stack([-model.coef_[0] / 2, model.coef_[0] / 2])
        bias[present] = [-model.intercept_[0] / 2, model.intercept_[0] / 2]
    else:
        weight[present], bias[present] = model.coef_, model.intercept_
        absent = np.setdiff1d(np.arange(outputs), present)
        bias[absent] = model.intercept_.min() - 10.0
    return weight, bias


def _fit_sigmoids(
    model: LogisticRegression, vectors: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    fitted = OneVsRestClassifier(model).fit(vectors, targets.astype(np.int64))
    weight = np.zeros((targets.shape[1], vectors.shape[1]))
    bias = np.zeros(targets.shape[1])
    for output, estimator in enumerate(fitted.estimators_):
        if isinstance(estimator, LogisticRegression):
            weight[output], bias[output] = estimator.coef_[0], estimator.intercept_[0]
        else:  # every row has the label, or none: scikit-learn answers with a constant
            bias[output] = 10.0 if targets[:, output].all() else -10.0
    return weight, bias
