"""What a model takes of memory while it is tuned and while it answers, computed from its sizes.

Each term is a formula; only the constants were measured, on two models on a CPU (`docs/zoo.md`
has the figures). Nothing is loaded or run.

Source: Rajbhandari et al. 2020 (ZeRO), §3.1, for weights, gradients and optimiser; Korthikanti et
al. 2022, arXiv:2205.05198, §4.1, for activations, here with residuals in float32.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from tunesmith.model.known import Entry

Precision = Literal["fp32", "bf16"]
TunedBy = Literal["full", "lora", "probe"]
Device = Literal["cpu", "cuda"]

FLOAT_BYTES = 4
COMPUTED_BYTES: dict[Precision, int] = {"fp32": 4, "bf16": 2}
OPTIMIZER_BYTES = {
    "adamw": 8,
    "adam": 8,
    "schedule_free": 8,
    "sgd": 4,
    "lion": 4,
    "muon": 4,
    "adafactor": 0,
}
"""Bytes of state for each trained weight: two moments, one, or sums of rows and columns alone.
Muon's moments of what is no hidden matrix are not counted."""

TUNING_PROCESS_BYTES = 650_000_000
SERVING_PROCESS_BYTES = 450_000_000
"""Python, torch, transformers and what is kept beside the model, in a process of the CPU that tunes
and in one that answers."""

SLACK = 1.25
"""What an allocator holds beyond what is in use, and short-lived copies, as a factor."""

LORA_RANK = 8


@dataclass(frozen=True, slots=True)
class Memory:
    """The terms of a process's memory in bytes; on a GPU, of the GPU's, without its context.

    `weights` are kept in float32; `casts` their copies in the number format of the products;
    `kept` is the best state so far; `activations` what one batch leaves for the way back;
    `outputs` the scores of a whole vocabulary, for writers.
    """

    process: int
    weights: int
    casts: int
    gradients: int
    optimizer: int
    kept: int
    activations: int
    outputs: int

    @property
    def total(self) -> int:
        """The sum of all terms."""
        return sum(getattr(self, field.name) for field in fields(self))

    def to_json(self) -> dict[str, int]:
        """Return every term and the total."""
        return {**{field.name: getattr(self, field.name) for field in fields(self)}} | {
            "total": self.total
        }


def tuning_memory(
    entry: Entry,
    *,
    method: TunedBy = "full",
    optimizer: str = "adamw",
    precision: Precision = "bf16",
    batch_tokens: int = 1024,
    device: Device = "cpu",
) -> Memory:
    """Return what it takes to tune a model on batches of `batch_tokens` tokens.

    Attention is taken to keep no matrix of scores (torch's fused attention), texts no memory.
    """
    if method == "probe":
        return serving_memory(entry, precision=precision, batch_tokens=batch_tokens, device=device)
    trained = entry.parameters if method == "full" else _lora_weights(entry)
    computed = COMPUTED_BYTES[precision]
    return Memory(
        process=TUNING_PROCESS_BYTES if device == "cpu" else 0,
        weights=FLOAT_BYTES * entry.parameters,
        casts=_cast_bytes(entry, precision),
        gradients=FLOAT_BYTES * trained,
        optimizer=OPTIMIZER_BYTES[optimizer] * trained,
        kept=FLOAT_BYTES * trained,
        activations=round(SLACK * batch_tokens * _stacks(entry) * _layer_bytes(entry, computed)),
        outputs=batch_tokens * _output_bytes(entry, computed, is_learned=True),
    )


def serving_memory(
    entry: Entry,
    *,
    precision: Precision = "bf16",
    batch_tokens: int = 1024,
    device: Device = "cpu",
) -> Memory:
    """Return what it takes to answer batches of `batch_tokens` tokens: one layer at a time.

    Of a model that writes, the keys and values of these tokens are counted too.
    """
    computed = COMPUTED_BYTES[precision]
    activations = SLACK * batch_tokens * _layer_bytes(entry, computed)
    if entry.kind in ("seq2seq", "causal"):
        activations += batch_tokens * _stacks(entry) * 2 * _key_width(entry) * computed
    return Memory(
        process=SERVING_PROCESS_BYTES if device == "cpu" else 0,
        weights=FLOAT_BYTES * entry.parameters,
        casts=_cast_bytes(entry, precision),
        gradients=0,
        optimizer=0,
        kept=0,
        activations=round(activations),
        outputs=batch_tokens * _output_bytes(entry, computed, is_learned=False),
    )


def _layer_bytes(entry: Entry, computed: int) -> int:
    """Return what one layer keeps of one token for the way back.

    Of the width: the input, query, key, value and mixed values as computed; two residuals and two
    norms in float32; two dropout masks. Of the feed-forward network: its inner states before and
    after the activation.
    """
    width, inner = entry.hidden_size, entry.feed_forward or 4 * entry.hidden_size
    return width * (5 * computed + 4 * FLOAT_BYTES + 2) + inner * 2 * computed


def _output_bytes(entry: Entry, computed: int, *, is_learned: bool) -> int:
    """Return what the scores of the vocabulary take for one token; only writers have them."""
    if entry.kind not in ("seq2seq", "causal"):
        return 0
    return (entry.vocabulary or 0) * (computed + (2 if is_learned else 1) * FLOAT_BYTES)


def _cast_bytes(entry: Entry, precision: Precision) -> int:
    """Return the copies of all matrices but the embeddings in the format of the products."""
    if precision == "fp32":
        return 0
    embeddings = (entry.vocabulary or 0) * entry.hidden_size
    return COMPUTED_BYTES[precision] * max(0, entry.parameters - embeddings)


def _stacks(entry: Entry) -> int:
    """Return the layers that a token passes, on both sides of an encoder-decoder."""
    return entry.layers * (2 if entry.kind == "seq2seq" else 1)


def _key_width(entry: Entry) -> int:
    heads = entry.heads or 1
    head = entry.config.get("head_dim") or entry.hidden_size // heads
    return head * (entry.config.get("num_key_value_heads") or heads)


def _lora_weights(entry: Entry) -> int:
    """Return the weights of two thin matrices beside each linear layer (Hu et al. 2022)."""
    width, inner = entry.hidden_size, entry.feed_forward or 4 * entry.hidden_size
    return _stacks(entry) * LORA_RANK * (4 * 2 * width + 2 * (width + inner))
