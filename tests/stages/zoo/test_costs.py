from __future__ import annotations

import pytest

from tunesmith.model.known import find_entry
from tunesmith.stages.zoo import serving_memory, tuning_memory

MINILM = find_entry("minilm")

MEASURED = {1024: 1_247_000_000, 4096: 1_760_000_000, 8192: 2_220_000_000}
"""Peak resident bytes of `fit --method full` on 372 messages, by `training.batch_tokens`: bf16 on a
CPU core, 2026-11-28."""


PEAKS = {
    "google/bert_uncased_L-2_H-128_A-2": (789_000_000, 471_000_000),
    "minilm": (1_263_000_000, 569_000_000),
    "distilbert-base-uncased": (2_373_000_000, 752_000_000),
}
"""Peak resident bytes of `fit`, 1,024 tokens a batch, and of `predict`, 512, by
`benchmarks/costs.py`: bf16 on a CPU core, 2026-12-01."""


@pytest.mark.parametrize("name", PEAKS)
def test_memory_is_near_what_was_measured_for_models_of_other_shapes(name):
    entry, (tuning, serving) = find_entry(name), PEAKS[name]
    assert tuning_memory(entry).total == pytest.approx(tuning, rel=0.25)
    assert serving_memory(entry, batch_tokens=512).total == pytest.approx(serving, rel=0.25)


@pytest.mark.parametrize("batch_tokens", MEASURED)
def test_memory_of_tuning_is_near_what_was_measured(batch_tokens):
    predicted = tuning_memory(MINILM, batch_tokens=batch_tokens).total
    assert predicted == pytest.approx(MEASURED[batch_tokens], rel=0.25)


def test_terms_are_those_of_mixed_precision_tuning():
    memory = tuning_memory(MINILM, device="cuda")
    count = MINILM.parameters
    assert (memory.weights, memory.gradients, memory.optimizer) == (4 * count, 4 * count, 8 * count)
    assert memory.process == memory.outputs == 0
    assert memory.casts == 2 * (count - 30522 * 384)
    assert memory.to_json()["total"] == memory.total


def test_activations_grow_with_tokens_and_the_format_of_products():
    small, large = (tuning_memory(MINILM, batch_tokens=size).activations for size in (512, 1024))
    assert large == pytest.approx(2 * small, rel=1e-6)
    assert tuning_memory(MINILM, precision="fp32").activations > large
    assert tuning_memory(MINILM, precision="fp32").casts == 0


def test_low_rank_tuning_keeps_weights_and_few_gradients():
    full, lora = (tuning_memory(MINILM, method=name) for name in ("full", "lora"))
    assert lora.weights == full.weights
    assert lora.gradients < full.gradients / 50
    assert lora.optimizer == 2 * lora.gradients


def test_optimisers_differ_by_their_moments():
    bytes_of = {
        name: tuning_memory(MINILM, optimizer=name).optimizer
        for name in ("adamw", "sgd", "adafactor")
    }
    assert bytes_of["adamw"] == 2 * bytes_of["sgd"]
    assert bytes_of["adafactor"] == 0


def test_serving_is_below_tuning_and_writers_keep_keys_and_scores():
    assert serving_memory(MINILM).total < tuning_memory(MINILM).total
    qwen = find_entry("Qwen/Qwen2.5-0.5B")
    one, two = (serving_memory(qwen, batch_tokens=size) for size in (1, 2))
    keys = 24 * 2 * 2 * 64 * 2  # layers, keys and values, their heads, width of a head, bytes
    layer = 1.25 * (896 * (5 * 2 + 4 * 4 + 2) + 4864 * 2 * 2)
    assert two.activations - one.activations == pytest.approx(keys + layer, abs=1)
    assert two.outputs == 2 * 151936 * (2 + 4)


def test_probing_takes_what_serving_takes():
    assert tuning_memory(MINILM, method="probe") == serving_memory(MINILM)
