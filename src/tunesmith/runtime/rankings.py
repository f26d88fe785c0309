"""From histories to the best items of a catalogue: a bounded slice of users at a time.

No matrix of all users and items ever stands in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.examples import HistoryInput
from tunesmith.model.batching import Arrays
from tunesmith.runtime.torch_model import computing
from tunesmith.tasks.catalogue import Catalogue
from tunesmith.tasks.recommendation import require_catalogue

KEPT_ITEMS = 100
"""Items of a ranking that are kept: measures look at ten, a person at fewer."""

SLICE_SCORES = 4_000_000
SLICE_USERS = 256
DECIMALS = 5
"""Scores that differ by less tie, so that no order hangs on how a processor adds up."""


def rank_items(
    engine: Any,
    inputs: Sequence[HistoryInput],
    *,
    among: NDArray[np.int64] | None = None,
    most: int = KEPT_ITEMS,
) -> list[NDArray[np.float64]]:
    """Return (k, 2) for each input: index and score of its best items, at most `most`, in order.

    What somebody had is left out. `among` are the indices of the only items that are ranked. Of
    equal scores the lower index stands first. `engine` is that of a recommendation bundle.
    """
    catalogue = require_catalogue(engine.task)
    count = len(catalogue.items)
    rows = max(1, min(SLICE_USERS, SLICE_SCORES // count))
    hidden = np.zeros(count, dtype=bool)
    if among is not None:
        hidden[:] = True
        hidden[among] = False
    ranked: list[NDArray[np.float64]] = []
    with computing(
        engine.model, "logits", device=engine.device, precision=engine.precision
    ) as compute:
        for start in range(0, len(inputs), rows):
            chosen = inputs[start : start + rows]
            arrays = history_arrays(
                [catalogue.history_of(item) for item in chosen], engine.model.history
            )
            scores = np.round(compute(arrays).astype(np.float64), DECIMALS)
            scores[:, hidden] = -np.inf
            ranked += [
                _best(own, catalogue, item, most) for own, item in zip(scores, chosen, strict=True)
            ]
    return ranked


def history_arrays(histories: Sequence[NDArray[np.int64]], length: int) -> Arrays:
    """Return `input_ids` and `attention_mask` (B, length) of the last items, aligned to the right.

    The length does not depend on the batch, so neither does an answer.
    """
    ids = np.zeros((len(histories), length), dtype=np.int64)
    mask = np.zeros((len(histories), length), dtype=np.int64)
    for row, history in enumerate(histories):
        last = history[-length:]
        ids[row, length - len(last) :] = last
        mask[row, length - len(last) :] = 1
    return {"input_ids": ids, "attention_mask": mask}


def _best(
    scores: NDArray[np.float64], catalogue: Catalogue, item: HistoryInput, most: int
) -> NDArray[np.float64]:
    scores[catalogue.had_by(item)] = -np.inf
    if most < len(scores):
        floor = -np.partition(-scores, most - 1)[most - 1]
        near = np.flatnonzero(scores >= floor)
    else:
        near = np.arange(len(scores))
    near = near[np.isfinite(scores[near])]
    order = near[np.lexsort((near, -scores[near]))][:most]
    return np.stack([order.astype(np.float64), scores[order]], axis=1)
