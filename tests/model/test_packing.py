"""Several texts in one row of a batch: the logits of each alone, and no token lost."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from tunesmith.model.batching import collate, count_tokens
from tunesmith.model.framing import Window
from tunesmith.model.heads.generate import Writer
from tunesmith.model.packing import collate_packed, plan_packed, why_unpacked

MADE = {
    "llama": lambda: LlamaForCausalLM(
        LlamaConfig(
            vocab_size=60,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=64,
            initializer_range=0.2,
        )
    ),
    "gpt2": lambda: GPT2LMHeadModel(
        GPT2Config(
            vocab_size=60, n_embd=32, n_layer=2, n_head=4, n_positions=64, initializer_range=0.2
        )
    ),
}


@pytest.fixture
def windows():
    random = np.random.default_rng(0)
    return [
        Window(
            random.integers(1, 60, size=length), row, 1.0, guessed=np.arange(length // 2, length)
        )
        for row, length in enumerate((9, 4, 12, 2, 7))
    ]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", MADE)
def test_logits_of_packed_texts_are_those_of_each_alone(kind, attention, windows):
    torch.manual_seed(0)
    model = Writer(MADE[kind]()).eval()
    model.whole.set_attn_implementation(attention)
    assert why_unpacked(model) == ""
    rows = [windows[:3], windows[3:]]  # the second row is padded
    with torch.no_grad():
        together = model(collate_packed(rows, pad_id=0))
        alone = torch.cat([model(collate([window], pad_id=0)) for window in windows])
    assert together.shape == alone.shape
    assert (together - alone).abs().max() < 1e-4
    assert count_tokens(collate_packed(rows, pad_id=0)) == sum(len(w.ids) for w in windows)


def test_model_whose_texts_would_see_each_other_is_not_packed(monkeypatch):
    torch.manual_seed(0)
    model = Writer(MADE["llama"]())
    inner = model.whole.forward

    def deaf(input_ids, attention_mask, position_ids=None, **_):
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        return inner(input_ids, attention_mask=mask, position_ids=position_ids)

    monkeypatch.setattr(model.whole, "forward", deaf)
    assert "sees those before it" in why_unpacked(model)
    monkeypatch.setattr(model.whole, "forward", lambda input_ids: inner(input_ids))
    assert "takes no positions" in why_unpacked(model)


@given(st.lists(st.integers(1, 90), min_size=1, max_size=60), st.integers(0, 5))
def test_every_window_stands_in_one_row_that_has_room(lengths, seed):
    lengths = np.array(lengths)
    plan = plan_packed(lengths, row_tokens=64, batch_tokens=128, seed=(seed, 0))
    rows = [row for batch in plan for row in batch]
    assert sorted(np.concatenate(rows).tolist()) == list(range(len(lengths)))
    assert all(len(batch) <= 2 for batch in plan)
    assert all(lengths[row].sum() <= 64 or len(row) == 1 for row in rows)
    # best fit: at most one row in two is less than half full
    full = [int(lengths[row].sum()) for row in rows]
    assert sum(2 * tokens <= 64 for tokens in full) <= 1
    again = plan_packed(lengths, row_tokens=64, batch_tokens=128, seed=(seed, 0))
    assert [row.tolist() for b in plan for row in b] == [row.tolist() for b in again for row in b]
