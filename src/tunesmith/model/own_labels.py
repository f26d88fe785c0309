"""What a model that is a classifier already says of texts or words, by labels of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

from tunesmith.model.backbones import load_config, load_whole
from tunesmith.model.batching import Batch, collate, move, plan_batches
from tunesmith.model.framing import Window
from tunesmith.model.hidden import type_inputs

CLASSIFIERS = {
    "ForSequenceClassification": AutoModelForSequenceClassification,
    "ForTokenClassification": AutoModelForTokenClassification,
}
BATCH_TOKENS = 1024


def classifier_of(folder: Path, *, of_words: bool) -> Any | None:
    """Return what loads the folder as a classifier of words, or of texts; None where it is none.

    It must have two labels at least.
    """
    config = load_config(folder)
    wanted = "ForTokenClassification" if of_words else "ForSequenceClassification"
    is_one = any(name.endswith(wanted) for name in config.architectures or ())
    return CLASSIFIERS[wanted] if is_one and config.num_labels > 1 else None


def own_labels(
    folder: Path, windows: Sequence[Window], *, pad_id: int, device: torch.device
) -> np.ndarray | None:
    """Return (A,) the number of the label that the model in a folder gives each text or word.

    The order is that of `layer_averages`. None where the model has no labels for such things.
    """
    of_words = any(window.words is not None for window in windows)
    auto = classifier_of(folder, of_words=of_words)
    if auto is None:
        return None
    model = load_whole(auto, folder).to(device).eval()
    lengths = np.array([len(window.ids) for window in windows], dtype=np.int64)
    found: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(windows)
    with torch.inference_mode():
        for indices in plan_batches(lengths, batch_tokens=BATCH_TOKENS):
            chosen = [windows[index] for index in indices]
            labels = _labels(model, move(collate(chosen, pad_id=pad_id), device))
            ends = np.cumsum([window.answers for window in chosen])[:-1]
            for index, part in zip(indices, np.split(labels, ends), strict=True):
                found[index] = part
    return np.concatenate(found)


def _labels(model: Any, batch: Batch) -> np.ndarray:
    mask = batch["attention_mask"]
    logits = model(batch["input_ids"], attention_mask=mask, **type_inputs(model, batch)).logits
    if "word_rows" in batch:
        logits = logits[batch["word_rows"], batch["word_positions"]]
    return logits.argmax(dim=-1).cpu().numpy()
