"""A classifier without a head: the words of the labels, and how probable the model finds them.

Nothing beside the language model itself is needed, so a soft prompt of a few vectors is all that is
learned. The tokenizer puts the words that ask behind every text (`model.prompt_tokens`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tunesmith.model.backbones import load_config, load_whole
from tunesmith.model.batching import Batch
from tunesmith.model.heads.generate import only_at
from tunesmith.model.heads.speak import SPEAKERS, Speaker, speaking_of


class WordsClassifier(Speaker):
    """A language model read where an answer would stand, at the tokens of the labels' words alone.

    Its config says which those are: `label_words` has the ids of each label, `gap_id` the token of
    a gap, or None where the answer goes on with the text.
    Source: Lester et al. 2021, §2 (the label's words are what is predicted).
    """

    pooling = "words"
    table: torch.Tensor
    is_there: torch.Tensor

    def __init__(self, whole: Any) -> None:
        """Wrap a language model whose config names the labels' words."""
        super().__init__(whole)
        known = whole.config.label_words
        width = max(map(len, known))
        table = np.array([[*own, *[own[0]] * (width - len(own))] for own in known])
        is_there = np.arange(width) < np.array([len(own) for own in known])[:, None]
        self.register_buffer("table", torch.from_numpy(table), persistent=False)
        self.register_buffer("is_there", torch.from_numpy(is_there), persistent=False)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (B, C) float32: the log of the mean of what the words of each label weigh."""
        ids, mask = batch["input_ids"], batch["attention_mask"]
        gap = self.whole.config.gap_id
        at = mask if gap is None else (ids == gap).long()
        steps = torch.arange(1, ids.shape[1] + 1, device=ids.device)
        places = (at * steps).argmax(dim=1)
        flat = torch.arange(len(ids), device=ids.device) * ids.shape[1] + places
        with only_at(self.linear, flat):
            logits = self.whole(input_ids=ids, attention_mask=mask)[0]
        shares = logits.reshape(len(ids), -1).float().log_softmax(dim=-1)
        own = shares[:, self.table].masked_fill(~self.is_there, float("-inf"))
        return own.logsumexp(dim=-1) - self.is_there.sum(dim=-1).log()


def load_words_classifier(folder: Path) -> WordsClassifier:
    """Return the classifier that `save` wrote into `folder`."""
    speaking = speaking_of(load_config(folder))
    return WordsClassifier(load_whole(SPEAKERS[speaking or "masked"], folder))
