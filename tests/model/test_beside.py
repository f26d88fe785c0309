"""Bottlenecks and prefixes: beside the backbone, seen by its layers, nothing at first."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from tunesmith.core.deltas import Adapter, Prefix
from tunesmith.model.beside import add_bottlenecks, add_prefixes
from tunesmith.model.hidden import can_pack, hidden_states


def stir(modules):
    torch.manual_seed(2)
    with torch.no_grad():
        for weight in modules.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)


def seen(model, batch):
    return hidden_states(model, batch)[batch["attention_mask"].bool()]


def test_bottleneck_is_nothing_at_first(encoder, batch):
    before = seen(encoder, batch)
    add_bottlenecks(encoder, Adapter(size=4))
    assert torch.equal(seen(encoder, batch), before)


def test_bottlenecks_are_the_same_in_packed_layers_and_in_transformers_own(encoder, batch):
    before = seen(encoder, batch)
    stir(add_bottlenecks(encoder, Adapter(size=4)))
    assert can_pack(encoder)
    packed = seen(encoder, batch)
    encoder.is_plain = True
    assert torch.allclose(packed, seen(encoder, batch), atol=1e-5)
    assert not torch.allclose(packed, before, atol=1e-2)


@pytest.mark.parametrize("add", [add_bottlenecks, add_prefixes])
def test_backbone_owns_nothing_of_what_stands_beside_it(encoder, add):
    before = set(encoder.state_dict())
    modules = add(encoder, Adapter() if add is add_bottlenecks else Prefix())
    assert set(encoder.state_dict()) == before
    assert len(modules) == encoder.config.num_hidden_layers


def test_prefix_answers_alike_in_any_batch(encoder, batch):
    before = seen(encoder, batch)
    stir(add_prefixes(encoder, Prefix(tokens=4)))
    together = hidden_states(encoder, batch)
    assert not torch.allclose(seen(encoder, batch), before, atol=1e-2)
    short = {name: tensor[1:2, :5] for name, tensor in batch.items()}
    alone = hidden_states(encoder, short)
    assert torch.allclose(together[1, :5], alone[0], atol=1e-5)


def test_prefix_of_one_place_moves_an_attention_as_the_equation_says(encoder, batch):
    """One more key and value in the softmax: computed by hand in the lowest layer."""
    modules = add_prefixes(encoder, Prefix(tokens=1))
    stir(modules)
    attention = encoder.encoder.layer[0].attention.self
    hidden = encoder.embeddings(batch["input_ids"])[:1]
    heads, size = attention.num_attention_heads, attention.attention_head_size
    shaped = [
        layer(hidden).view(1, 9, heads, size).transpose(1, 2)
        for layer in (attention.query, attention.key, attention.value)
    ]
    query, key, value = shaped
    key = torch.cat([modules[0].keys[None], key], dim=2)
    value = torch.cat([modules[0].values[None], value], dim=2)
    weights = torch.softmax(query @ key.transpose(2, 3) / size**0.5, dim=-1)
    expected = (weights @ value).transpose(1, 2).reshape(1, 9, -1)
    assert torch.allclose(attention(hidden)[0], expected, atol=1e-5)


@pytest.mark.parametrize("fixture", ["tiny_decoder", "tiny_writer"])
def test_prefix_writes_alike_with_and_without_kept_states(request, fixture):
    causal = fixture == "tiny_decoder"
    auto = AutoModelForCausalLM if causal else AutoModelForSeq2SeqLM
    model = auto.from_pretrained(request.getfixturevalue(fixture)).eval()
    ids = torch.tensor([[7, 8, 9, 10, 11]])
    settings = {"max_new_tokens": 8, "min_new_tokens": 8, "do_sample": False}
    plain = model.generate(ids, **settings)
    stir(add_prefixes(model, Prefix(tokens=4)))
    kept = model.generate(ids, **settings)
    again = model.generate(ids, use_cache=False, **settings)
    assert kept.tolist() == again.tolist()
    assert kept.tolist() != plain.tolist()
