"""What is hidden from a model: whole words for encoders, spans for encoder-decoders.

Only numpy; the same generator hides the same.
"""

from __future__ import annotations

import numpy as np

HIDDEN, REPLACED = 0.8, 0.1
"""Shares of the guessed tokens that become the mask, and a random token; the rest stay."""


def hide_words(
    ids: np.ndarray,
    is_text: np.ndarray,
    *,
    continues: np.ndarray | None,
    ratio: float,
    fill: tuple[int, np.ndarray],
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return ids (B, T) in which words are hidden, and (N,) the flat places to guess, at least one.

    `is_text` (B, T) tells the tokens that may be hidden; `continues` (V,) those that belong to the
    word before them, None where each token stands alone. Each word is chosen with probability
    `ratio`; of its tokens 80 % become the mask, `fill[0]`, 10 % one of `fill[1]`, and 10 % stay.
    Source: Devlin et al. 2019, §3.1, with the whole words of their later release.
    """
    flat, may = ids.ravel().copy(), is_text.ravel()
    begins = may.copy()
    if continues is not None:
        begins &= ~continues[flat]
    begins[1:] |= may[1:] & ~may[:-1]
    begins.reshape(ids.shape)[:, 0] |= is_text[:, 0]
    word = np.cumsum(begins)
    chosen = random.random(int(word[-1]) + 1) < ratio
    places = np.flatnonzero(chosen[word] & may)
    if not len(places):
        places = random.choice(np.flatnonzero(may), 1)
    mask_id, ordinary = fill
    fate = random.random(len(places))
    drawn = ordinary[random.integers(len(ordinary), size=len(places))]
    hidden = np.where(fate < HIDDEN, mask_id, flat[places])
    flat[places] = np.where((fate >= HIDDEN) & (fate < HIDDEN + REPLACED), drawn, hidden)
    return flat.reshape(ids.shape), places


def mask_spans(
    ids: np.ndarray, *, ratio: float, span_tokens: float, mask_id: int, random: np.random.Generator
) -> np.ndarray:
    """Return a text (L,) in which each of some spans has become one mask.

    Lengths are Poisson; about `ratio` of the tokens lie in a span. A span of length 0 puts a mask
    where nothing is missing. Source: Lewis et al. 2020, §2.2 (text infilling).
    """
    budget = round(ratio * len(ids))
    lengths: list[int] = []
    while budget > 0:
        length = min(budget, int(random.poisson(span_tokens)))
        lengths.append(length)
        budget -= max(1, length)
    covered = sum(lengths)
    free = len(ids) - covered
    gaps = np.sort(random.integers(0, free + 1, size=len(lengths)))
    kept: list[np.ndarray] = []
    at = before = 0
    for gap, length in zip(gaps.tolist(), lengths, strict=True):
        kept += [ids[at : at + gap - before], np.array([mask_id])]
        at += gap - before + length
        before = gap
    return np.concatenate([*kept, ids[at:]]).astype(np.int64)
