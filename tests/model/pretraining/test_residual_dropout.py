"""Dropout on the branches of a decoder: there while it trains, gone when it answers."""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaModel

from tunesmith.model.pretraining.residual_dropout import add_residual_dropout

IDS = torch.arange(24).reshape(2, 12)


def decoder() -> LlamaModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=30, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=16,
    )  # fmt: skip
    return LlamaModel(config)


def read(model: LlamaModel) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS)[0]


def test_answers_and_saved_names_are_those_of_a_decoder_without():
    plain, dropping = decoder().eval(), decoder().eval()
    add_residual_dropout(dropping, 0.5)
    torch.testing.assert_close(read(plain), read(dropping))
    assert plain.state_dict().keys() == dropping.state_dict().keys()


def test_training_draws_from_the_generator_that_checkpoints_save():
    model = decoder().train()
    add_residual_dropout(model, 0.5)
    state = torch.get_rng_state()
    first, second = read(model), read(model)
    assert not torch.equal(first, second)
    torch.set_rng_state(state)
    torch.testing.assert_close(read(model), first)


def test_ratio_of_nothing_changes_nothing():
    model = decoder().train()
    add_residual_dropout(model, 0.0)
    torch.testing.assert_close(read(model), read(model))
