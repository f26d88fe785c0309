"""Batches in which every text meets others of its class, drawn without listing pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TOGETHER = 6
"""Texts of one class in a batch, at most: more would leave room for fewer classes."""


def plan_by_class(
    classes: np.ndarray,
    lengths: np.ndarray,
    *,
    batch_tokens: int,
    seed: int | Sequence[int],
    always: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Return the batches of an epoch: every text once, beside others of its class.

    `classes` and `lengths` (N,) are those of the texts. The texts of a class are shuffled and cut
    into groups of up to six; a batch holds groups of different classes, as many as about
    `batch_tokens` tokens allow. `always` (N,) marks texts that stand in each group of their class,
    such as its name. A text without company stands there twice, as two dropouts differ. All is
    linear in N.
    """
    random = np.random.default_rng(seed)
    if always is None:
        always = np.zeros(len(classes), dtype=bool)
    rounds: list[list[np.ndarray]] = []
    for members in _by_class(classes):
        constant, moved = members[always[members]], random.permutation(members[~always[members]])
        room = max(1, TOGETHER - len(constant))
        parts = np.array_split(moved, max(1, -(-len(moved) // room)))
        for number, part in enumerate(parts):
            group = np.concatenate([part, constant])
            if len(rounds) == number:
                rounds.append([])
            rounds[number].append(np.repeat(group, 2) if len(group) == 1 else group)
    groups = [own[at] for own in rounds for at in random.permutation(len(own))]
    return _join(groups, lengths, batch_tokens)


def _by_class(classes: np.ndarray) -> list[np.ndarray]:
    """Return the places of each class's texts."""
    order = np.argsort(classes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(classes[order])) + 1)


def _join(groups: list[np.ndarray], lengths: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Return neighbouring groups joined to batches of about equal tokens."""
    tokens = np.cumsum([lengths[group].sum() for group in groups])
    count = min(len(groups), max(1, round(tokens[-1] / batch_tokens)))
    cuts = np.searchsorted(tokens, tokens[-1] * np.arange(1, count) / count, side="right")
    starts = [0, *sorted({int(cut) for cut in cuts} - {0}), len(groups)]
    return [
        np.concatenate(groups[start:end]) for start, end in zip(starts, starts[1:], strict=False)
    ]
