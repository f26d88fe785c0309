"""Vectors of texts and words from a model as it is: the mean over its layers, the head left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from tunesmith.model.backbones import Backbone
from tunesmith.model.batching import Batch, collate, move, plan_batches
from tunesmith.model.device import autocast
from tunesmith.model.framing import Window
from tunesmith.model.hidden import average_states

BATCH_TOKENS = 1024


def layer_averages(
    backbone: Backbone, windows: Sequence[Window], *, device: torch.device, precision: str
) -> np.ndarray:
    """Return (A, H) float32 in the order of the windows: one vector a window, or one a word.

    A token's vector is the mean of its states behind every layer, the embeddings left out; a
    window's is the mean over its tokens, special ones included; a word's that of its first token.
    The model is moved to `device` and left in evaluation mode.
    """
    model = backbone.model.to(device).eval()
    lengths = np.array([len(window.ids) for window in windows], dtype=np.int64)
    found: list[np.ndarray] = [np.empty(0)] * len(windows)
    with torch.inference_mode(), autocast(device, precision):
        for indices in plan_batches(lengths, batch_tokens=BATCH_TOKENS):
            chosen = [windows[index] for index in indices]
            batch = move(collate(chosen, pad_id=backbone.tokenizer.pad_token_id), device)
            vectors = _vectors(model, batch).float().cpu().numpy()
            ends = np.cumsum([window.answers for window in chosen])[:-1]
            for index, part in zip(indices, np.split(vectors, ends), strict=True):
                found[index] = part
    return np.concatenate(found)


def _vectors(model: Any, batch: Batch) -> torch.Tensor:
    mean = average_states(model, batch)
    if "word_rows" in batch:
        return mean[batch["word_rows"], batch["word_positions"]]
    weights = batch["attention_mask"].unsqueeze(-1).to(mean.dtype)
    kept = torch.where(weights > 0, mean, torch.zeros_like(mean))
    return kept.sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
