"""Where a model begins: what can be counted in the text need not be learned step by step.

A network with random weights takes thousands of steps to find out which tokens are frequent, which
places lie side by side, and which tokens keep company. The first is a count, the second a wave, the
third a factorised table of neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

NEIGHBOURS = 4
"""Tokens on each side that count as company, each by one over its distance."""
CONTEXT_POWER = 0.75
"""Smooths the frequency of the neighbours, so that rare ones do not look telling (§3.3)."""
SEEN_OFTEN = 3
"""A token that occurs less keeps its random embedding."""
COUNTED_TOKENS = 20_000_000
BLOCK_TOKENS = 1_000_000
POSITIONS = ("position_embeddings", "embed_positions")
OUTPUT_BIASES = ("predictions.bias", "final_logits_bias")
"""How transformers names what a learned position, and a token's own chance, add (BERT, BART)."""

UNSEEN = 0.1
"""Occurrences that a token without any is taken to have."""
LONGEST_WAVE = 10_000.0


def begin_from_counts(model: Any, ids: np.ndarray, *, seed: int) -> None:
    """Set what a transformers language model can know of its text before it trains.

    `ids` (N,) are the tokens of the text, end to end; of more than 20 million, the first. Word
    embeddings become those of `company_vectors`, learned position embeddings waves (Vaswani et al.
    2017, §3.5), both of the length that random ones have; the output's bias, where there is one,
    becomes the logarithm of each token's frequency.
    """
    ids = ids[:COUNTED_TOKENS]
    words = model.get_input_embeddings().weight
    counts = np.bincount(ids, minlength=len(words))
    spread = getattr(model.config, "initializer_range", None) or model.config.init_std
    vectors, is_known = company_vectors(ids, counts, width=words.shape[1], seed=seed)
    frequencies = np.log((counts + UNSEEN) / (counts.sum() + UNSEEN * len(counts)))
    with torch.no_grad():
        words[torch.from_numpy(is_known)] = _as_weights(vectors[is_known], spread)
        for name, module in model.named_modules():
            if name.endswith(POSITIONS):
                module.weight.copy_(_as_weights(waves(*module.weight.shape), spread))
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            if name.endswith(OUTPUT_BIASES):
                tensor.copy_(torch.from_numpy(frequencies).expand_as(tensor))


def company_vectors(
    ids: np.ndarray, counts: np.ndarray, *, width: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (V, width) vectors of tokens by the company they keep, and (V,) which ones have one.

    The table of positive pointwise mutual information within four tokens is factorised; vectors are
    the left side times the root of the singular values, turned so that no dimension stands out.
    Source: Levy, Goldberg & Dagan 2015, §2 and §3.
    """
    information = _mutual_information(ids, len(counts))
    rank = min(width, len(counts) - 1)
    left, values, _ = randomized_svd(information, rank, random_state=seed)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))
    vectors = (left * np.sqrt(values)) @ turn[:rank]
    is_known = (counts >= SEEN_OFTEN) & (np.abs(vectors).max(axis=1) > 0)
    return vectors, is_known


def waves(count: int, width: int) -> np.ndarray:
    """Return (count, width) sines, then cosines, of wavelengths from 2π to 10,000 · 2π."""
    rates = LONGEST_WAVE ** -(np.arange((width + 1) // 2) * 2 / width)
    angles = np.arange(count)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, :width]


def _mutual_information(ids: np.ndarray, size: int) -> sparse.csr_matrix:
    """Return (V, V) the positive pointwise mutual information of tokens and their neighbours."""
    met = sparse.csr_matrix((size, size))
    for start in range(0, len(ids), BLOCK_TOKENS):
        block = ids[start : start + BLOCK_TOKENS + NEIGHBOURS]
        for distance in range(1, min(NEIGHBOURS, len(block) - 1) + 1):
            pairs = (block[:-distance], block[distance:])
            weights = np.full(len(pairs[0]), 1.0 / distance)
            met = met + sparse.coo_matrix((weights, pairs), shape=(size, size)).tocsr()
    met = (met + met.T).tocoo()
    totals = np.asarray(met.sum(axis=1)).ravel()
    context = totals**CONTEXT_POWER
    expected = totals[met.row] * (context / max(context.sum(), 1.0))[met.col]
    information = np.log(met.data / expected)
    met.data = np.maximum(information, 0.0)
    return met.tocsr()


def _as_weights(rows: np.ndarray, spread: float) -> torch.Tensor:
    """Return the rows at the length that random ones of this spread have on average."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return torch.from_numpy(rows / lengths * spread * np.sqrt(rows.shape[1])).float()
