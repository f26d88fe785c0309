"""What a model makes of text it has not seen: loss, perplexity, bits a byte, and xz beside it."""

from __future__ import annotations

import lzma
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from tunesmith.core.measures import Measure
from tunesmith.core.pretraining import (
    CausalText,
    ContrastedText,
    MaskedText,
    PretrainingObjective,
)
from tunesmith.model.batching import Batch, move, plan_batches
from tunesmith.model.device import autocast
from tunesmith.stages.tune.pretraining.corpus import Corpus
from tunesmith.stages.tune.pretraining.windows import Tokens

LARGEST_XZ_BYTES = 64 * 2**20
"""Text beyond this is compared with the compression of its beginning."""
CLUSTER_DEVIATIONS = 1.96


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Losses and right guesses, summed by window: (windows,) each; `counts` are the guesses."""

    losses: np.ndarray
    right: np.ndarray
    counts: np.ndarray

    @property
    def guesses(self) -> int:
        """How many tokens were guessed."""
        return int(self.counts.sum())

    @property
    def loss(self) -> float:
        """Mean loss of a guess, in nats."""
        return float(self.losses.sum() / self.counts.sum())


def measure_held_out(
    model: Any,
    lengths: np.ndarray,
    load: Callable[[np.ndarray], Batch],
    *,
    chosen: np.ndarray,
    computing: tuple[torch.device, str, int],
    seed: int,
) -> HeldOut:
    """Return the sums of losses and right guesses over the chosen windows.

    `lengths` (W,) are those of all windows; `computing` is device, precision and tokens of a
    batch. A contrastive model needs its dropout to be measured at all; it draws from `seed`, and
    the generators of training stay as they were.
    """
    device, precision, batch_tokens = computing
    was_training = model.training
    is_contrast = hasattr(model, "temperature")
    model.train(is_contrast)
    sums: list[np.ndarray] = []
    with torch.random.fork_rng(), torch.no_grad(), autocast(device, precision):
        torch.manual_seed(seed)
        for places in plan_batches(lengths[chosen], batch_tokens=batch_tokens):
            batch = move(load(chosen[places]), device)
            logits = model(batch)
            losses = functional.cross_entropy(logits, batch["targets"], reduction="none")
            right = logits.argmax(dim=-1) == batch["targets"]
            sums.append(_by_window(batch, losses, right))
    model.train(was_training)
    return HeldOut(*np.concatenate(sums, axis=1))


def make_measures(
    objective: PretrainingObjective, held_out: HeldOut, tokens: Tokens
) -> dict[str, Measure]:
    """Return what is claimed about held-out text, by name.

    Intervals are of a ratio over windows, which are taken as drawn independently. Bits a byte are
    those of the whole text only where each token is guessed from those before it; the pseudo
    measure of the others guesses a token with its neighbours in view, and is for comparing models
    of one kind.
    """
    loss = _ratio(held_out.losses, held_out.counts)
    right = _ratio(held_out.right, held_out.counts)
    guesses = held_out.guesses
    measures = {
        "loss": Measure(loss[0], "nats", guesses, loss[1], loss[2]),
        "accuracy": Measure(right[0], "ratio", guesses, right[1], right[2]),
    }
    if isinstance(objective, ContrastedText):
        return measures
    prefix = "" if isinstance(objective, CausalText) else "pseudo_"
    per_byte = len(tokens.ids) / max(1, tokens.text_bytes) / math.log(2)
    measures[f"{prefix}perplexity"] = Measure(
        math.exp(min(loss[0], 700.0)),
        "choices",
        guesses,
        *(math.exp(min(bound, 700.0)) for bound in loss[1:]),
    )
    measures[f"{prefix}bits_per_byte"] = Measure(
        loss[0] * per_byte, "bits/byte", tokens.text_bytes, *(b * per_byte for b in loss[1:])
    )
    if isinstance(objective, MaskedText):
        measures["masked_accuracy"] = measures.pop("accuracy")
    return measures


def xz_bits_per_byte(corpus: Corpus) -> float:
    """Return what `xz -9` makes of the held-out text: the yardstick that has learned nothing.

    It begins without knowledge of the language; on short text that is its handicap.
    """
    compressor = lzma.LZMACompressor(preset=9)
    read = written = 0
    for text in corpus.passages(corpus.valid):
        data = f"{text}\n".encode()
        read += len(data)
        written += len(compressor.compress(data))
        if read >= LARGEST_XZ_BYTES:
            break
    written += len(compressor.flush())
    return 8 * written / read


def _by_window(batch: Batch, losses: torch.Tensor, right: torch.Tensor) -> np.ndarray:
    """Return (3, B): the losses, right guesses and guesses of each row of a batch."""
    inputs = batch.get("decoder_input_ids", batch["input_ids"])
    rows = batch["targets"]
    if "places" in batch:
        rows = batch["places"] // inputs.shape[1]
    columns = [losses.float(), right.float(), torch.ones_like(losses, dtype=torch.float32)]
    return np.stack(
        [
            np.bincount(rows.cpu().numpy(), each.cpu().numpy(), minlength=len(inputs))
            for each in columns
        ]
    )


def _ratio(sums: np.ndarray, counts: np.ndarray) -> tuple[float, float, float]:
    """Return the ratio of two sums over clusters with its 95 % interval.

    Source: Cochran 1977, §6.3, the linearised variance of a ratio estimate.
    """
    value = float(sums.sum() / counts.sum())
    clusters = len(sums)
    if clusters < 2:
        return value, value, value
    residuals = sums - value * counts
    deviation = math.sqrt(clusters / (clusters - 1) * float(residuals @ residuals)) / counts.sum()
    return value, value - CLUSTER_DEVIATIONS * deviation, value + CLUSTER_DEVIATIONS * deviation
