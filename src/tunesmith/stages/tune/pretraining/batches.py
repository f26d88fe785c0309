"""Windows to batches, one way an objective: what is read, where it is guessed, and the answers.

What is hidden depends on the seed and on the numbers of the windows alone, so it is new in each
epoch, and a resumed run hides the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
import torch

from tunesmith.core.pretraining import (
    CausalText,
    ContrastedText,
    DenoisedText,
    MaskedText,
    PretrainingObjective,
)
from tunesmith.model.batching import Batch
from tunesmith.model.pretraining.vocabulary import Vocabulary
from tunesmith.stages.tune.pretraining.masking import hide_words, mask_spans
from tunesmith.stages.tune.pretraining.windows import TextWindows

Loader: TypeAlias = Callable[[np.ndarray], Batch]


def make_loader(
    objective: PretrainingObjective, windows: TextWindows, vocabulary: Vocabulary, *, seed: int
) -> Loader:
    """Return the function from window numbers to the batch of an objective.

    Each batch has `input_ids` and `attention_mask` (B, T), `targets` (N,) and, but for contrast,
    `places` (N,): where in the flattened (B * T) each target is guessed.
    """
    match objective:
        case MaskedText():
            return partial(_masked, objective, windows, vocabulary, seed)
        case CausalText():
            return partial(_causal, windows, vocabulary)
        case DenoisedText():
            return partial(_denoised, objective, windows, vocabulary, seed)
        case ContrastedText():
            return partial(_contrasted, windows, vocabulary)


def _masked(
    objective: MaskedText,
    windows: TextWindows,
    vocabulary: Vocabulary,
    seed: int,
    numbers: np.ndarray,
) -> Batch:
    ids, mask = _padded([windows.window(number) for number in numbers.tolist()], vocabulary)
    is_text = np.isin(ids, vocabulary.special, invert=True)
    hidden, places = hide_words(
        ids,
        is_text,
        continues=vocabulary.continues if objective.whole_words else None,
        ratio=objective.mask_ratio,
        fill=(vocabulary.required_mask_id, vocabulary.ordinary),
        random=_generator(seed, numbers),
    )
    return _tensors(
        input_ids=hidden, attention_mask=mask, places=places, targets=ids.ravel()[places]
    )


def _causal(windows: TextWindows, vocabulary: Vocabulary, numbers: np.ndarray) -> Batch:
    ids, mask = _padded([windows.window(number) for number in numbers.tolist()], vocabulary)
    inputs, following = ids[:, :-1], ids[:, 1:]
    places = np.flatnonzero(mask[:, 1:].ravel())
    return _tensors(
        input_ids=inputs,
        attention_mask=mask[:, :-1],
        places=places,
        targets=following.ravel()[places],
    )


def _denoised(
    objective: DenoisedText,
    windows: TextWindows,
    vocabulary: Vocabulary,
    seed: int,
    numbers: np.ndarray,
) -> Batch:
    random = _generator(seed, numbers)
    whole = [windows.window(number) for number in numbers.tolist()]
    before, after = len(windows.before), len(windows.after)
    damaged = []
    for ids in whole:
        end = len(ids) - after
        inside = mask_spans(
            ids[before:end],
            ratio=objective.span_ratio,
            span_tokens=objective.span_tokens,
            mask_id=vocabulary.required_mask_id,
            random=random,
        )
        room = max(len(each) for each in whole) - before - after
        damaged.append(np.concatenate([ids[:before], inside[:room], ids[end:]]))
    inputs, mask = _padded(damaged, vocabulary)
    targets, target_mask = _padded(whole, vocabulary)
    shifted = np.roll(targets, 1, axis=1)
    shifted[:, 0] = vocabulary.end_id
    places = np.flatnonzero(target_mask.ravel())
    return _tensors(
        input_ids=inputs,
        attention_mask=mask,
        decoder_input_ids=shifted,
        places=places,
        targets=targets.ravel()[places],
    )


def _contrasted(windows: TextWindows, vocabulary: Vocabulary, numbers: np.ndarray) -> Batch:
    ids, mask = _padded([windows.window(number) for number in numbers.tolist()], vocabulary)
    return _tensors(input_ids=ids, attention_mask=mask, targets=np.arange(len(ids)))


def _padded(rows: Sequence[np.ndarray], vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Return (B, T) ids padded on the right, and (B, T) 1 at tokens."""
    lengths = np.array([len(row) for row in rows])
    ids = np.full((len(rows), lengths.max()), vocabulary.pad_id, dtype=np.int64)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row
    return ids, (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64)


def _generator(seed: int, numbers: np.ndarray) -> np.random.Generator:
    """Return the generator of one batch; no two batches of a run begin with the same window."""
    return np.random.default_rng((seed, int(numbers[0])))


def _tensors(**arrays: np.ndarray) -> Batch:
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
