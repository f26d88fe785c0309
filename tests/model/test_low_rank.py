"""peft's layers: what they amount to, merged and read back by peft itself."""

from __future__ import annotations

import copy

import pytest
import torch
from peft import PeftModel
from transformers import AutoModel, AutoModelForCausalLM

from tunesmith.core.deltas import AdaLora, Ia3, Lora
from tunesmith.core.errors import SpecError
from tunesmith.model import low_rank
from tunesmith.model.hidden import hidden_states

METHODS = {
    "lora": Lora(rank=4),
    "rslora": Lora(rank=4, rslora=True),
    "dora": Lora(rank=4, dora=True),
    "attention": Lora(targets="attention"),
    "adalora": AdaLora(),
    "ia3": Ia3(),
}


def stir(model):
    """Move what is learned away from its beginning, at which it does nothing."""
    torch.manual_seed(2)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                spread = 0.1 if "lora" in name else 0.3
                weight.add_(torch.randn_like(weight) * spread)


def seen(model, batch):
    mask = batch["attention_mask"].bool()
    return hidden_states(model, batch)[mask]


@pytest.mark.parametrize("name", METHODS)
def test_packed_layers_compute_what_pefts_own_do(encoder, batch, name):
    low_rank.inject(encoder, METHODS[name])
    stir(encoder)
    packed = seen(encoder, batch)
    encoder.is_plain = True
    plain = seen(encoder, batch)
    assert torch.allclose(packed, plain, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_gradients_reach_all_that_is_learned(encoder, batch, name):
    low_rank.inject(encoder, METHODS[name])
    stir(encoder)
    gradients = []
    for plain in (False, True):
        encoder.is_plain = plain
        encoder.zero_grad()
        seen(encoder, batch).square().sum().backward()
        learned = {n: w for n, w in encoder.named_parameters() if w.requires_grad}
        assert learned
        gradients.append({n: w.grad.clone() for n, w in learned.items()})
    for key, gradient in gradients[0].items():
        assert torch.allclose(gradient, gradients[1][key], rtol=1e-3, atol=1e-3), key


@pytest.mark.parametrize("name", METHODS)
def test_merged_weights_give_the_same_states(encoder, batch, name):
    before = {path for path, _ in encoder.named_parameters()}
    low_rank.inject(encoder, METHODS[name])
    stir(encoder)
    learned = seen(encoder, batch)
    low_rank.merge(encoder)
    assert torch.allclose(seen(encoder, batch), learned, atol=1e-5)
    assert {path for path, _ in encoder.named_parameters()} == before


@pytest.mark.parametrize("name", METHODS)
def test_peft_reads_what_was_written(encoder, batch, tmp_path, tiny_model, name):
    low_rank.inject(encoder, METHODS[name])
    stir(encoder)
    learned = seen(encoder, batch)
    low_rank.save_peft(encoder, tmp_path, base=str(tiny_model))
    fresh = AutoModel.from_pretrained(tiny_model).eval()
    loaded = PeftModel.from_pretrained(fresh, tmp_path)
    mask = batch["attention_mask"]
    states = loaded(**batch).last_hidden_state[mask.bool()]
    assert torch.allclose(states, learned, atol=1e-5)


def test_writer_is_read_by_peft_too(tiny_decoder, batch, tmp_path):
    whole = AutoModelForCausalLM.from_pretrained(tiny_decoder).eval()
    low_rank.inject(whole, Lora())
    assert not any("lm_head" in n for n, w in whole.named_parameters() if w.requires_grad)
    stir(whole)
    learned = whole(**batch).logits
    low_rank.save_peft(whole, tmp_path, base=str(tiny_decoder))
    fresh = AutoModelForCausalLM.from_pretrained(tiny_decoder).eval()
    loaded = PeftModel.from_pretrained(fresh, tmp_path)
    assert torch.allclose(loaded(**batch).logits, learned, atol=1e-4)


def test_ranks_of_adalora_fall_to_what_was_asked_for(encoder, batch):
    method = AdaLora(initial_rank=6, rank=2, warmup=0.1, settling=0.3)
    tuner = low_rank.inject(encoder, method)
    low_rank.set_steps(tuner, method, 20)
    learned = [weight for weight in encoder.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(learned, lr=1e-2)
    for step in range(1, 21):
        loss = seen(encoder, batch).square().sum() + low_rank.orthogonality(encoder)
        loss.backward()
        optimizer.step()
        tuner.update_and_allocate(step)
        optimizer.zero_grad()
    kept = [
        int((weight != 0).sum()) for name, weight in encoder.named_parameters() if "lora_E" in name
    ]
    assert sum(kept) <= 2 * len(kept)
    assert len(set(kept)) > 1


def test_architecture_without_such_layers_is_refused(encoder):
    config = copy.deepcopy(encoder.config)
    config.model_type = "unheard-of"
    encoder.config = config
    with pytest.raises(SpecError, match="ia3"):
        low_rank.inject(encoder, Ia3())
