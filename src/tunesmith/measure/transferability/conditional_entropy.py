"""NCE: how much the labels that a model has already tell of the labels that are wanted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def negative_conditional_entropy(source: NDArray, target: NDArray) -> float:
    """Return -H(target | source) in nats, at most 0, of two lists of class numbers (N,).

    Source: Tran, Nguyen & Hassner 2019, arXiv:1908.08142, equation 7.
    """
    joint = _joint(source, target)
    given = joint.sum(axis=1, keepdims=True)
    shares = np.divide(joint, given, out=np.ones_like(joint), where=joint > 0)
    return float((joint * np.log(shares)).sum())


def explained_entropy_ratio(source: NDArray, target: NDArray) -> float:
    """Return the share of the target's entropy that the source's labels take away, 0 to 1.

    0 where the target has no entropy. Source: Theil 1970, the uncertainty coefficient.
    """
    shares = _joint(source, target).sum(axis=0)
    shares = shares[shares > 0]
    entropy = -float((shares * np.log(shares)).sum())
    if entropy <= 0:
        return 0.0
    return 1.0 + negative_conditional_entropy(source, target) / entropy


def _joint(source: NDArray, target: NDArray) -> NDArray:
    """Return (S, T) the share of rows that have each pair of labels."""
    if not len(source) or len(source) != len(target):
        raise ValueError(f"both lists must have the same rows; got {len(source)}, {len(target)}")
    _, rows = np.unique(source, return_inverse=True)
    _, columns = np.unique(target, return_inverse=True)
    joint = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(joint, (rows, columns), 1.0 / len(source))
    return joint
