"""Tokens that are drawn: each row by its own random numbers, whatever stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessor, TemperatureLogitsWarper, TopPLogitsWarper

from tunesmith.core.recipe import DecodingRecipe


class Drawing(LogitsProcessor):
    """Scores of which the highest is a token drawn from the probabilities that they were.

    Adding a Gumbel variable to each log-probability and taking the largest draws from the softmax
    (Gumbel 1954; Maddison et al. 2014, §2). A row's variables follow from `decoding.seed` and from
    what the row reads alone, so that batches change nothing.
    """

    def __init__(self, decoding: DecodingRecipe, prompts: Sequence[np.ndarray]) -> None:
        """Begin for rows that read `prompts`, their ids without padding."""
        self._warpers: list[Any] = []
        if decoding.temperature != 1.0:
            self._warpers.append(TemperatureLogitsWarper(decoding.temperature))
        if decoding.top_p < 1.0:
            self._warpers.append(TopPLogitsWarper(decoding.top_p))
        self._random = [
            np.random.default_rng([decoding.seed, *prompt.tolist()]) for prompt in prompts
        ]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return (B, V) the scores of the next token, with each row's own noise."""
        for warper in self._warpers:
            scores = warper(input_ids, scores)
        noise = np.stack([own.gumbel(size=scores.shape[1]) for own in self._random])
        return scores.double() + torch.from_numpy(noise).to(scores.device)
