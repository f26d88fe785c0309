"""What the last layer reads: seen in training, changed by who comes first, never in answering."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import torch

from tunesmith.core.errors import SpecError
from tunesmith.core.recipe import ModelRecipe
from tunesmith.model.backbones import load_backbone
from tunesmith.model.head_input import before_head
from tunesmith.model.heads import new_head
from tunesmith.model.hidden import hidden_states

BATCH = {
    "input_ids": torch.tensor([[2, 8, 9, 3], [2, 20, 3, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]]),
}


@pytest.fixture(params=["mean", "native"])
def model(request, tiny_model):
    recipe = ModelRecipe(pooling=request.param, dropout=0.0)
    backbone = load_backbone(str(tiny_model))
    return new_head("classify", backbone, outputs=3, recipe=recipe, case_shape=False).train()


def test_vectors_are_those_that_the_head_reads_and_may_be_exchanged(model):
    expected = model.vectors(BATCH)
    seen = []

    def double(vectors, batch):
        seen.append((vectors, batch))
        return 2.0 * vectors

    with before_head(model, double):
        logits = model(BATCH)
        assert torch.equal(model.eval()(BATCH), model.linear(expected))
    ((vectors, batch),) = seen
    assert batch is BATCH
    torch.testing.assert_close(vectors, expected)
    torch.testing.assert_close(logits, model.linear(2.0 * expected))


def test_who_comes_later_sees_what_is_not_yet_changed(model):
    seen = []

    def see(vectors, _):
        seen.append(vectors)
        return vectors

    with ExitStack() as hooks:
        hooks.enter_context(before_head(model, lambda vectors, _: 0.0 * vectors))
        hooks.enter_context(before_head(model, see))
        logits = model(BATCH)
    assert seen[0].abs().max() > 0
    torch.testing.assert_close(logits, model.linear.bias.expand(2, 3))
    assert not model._forward_pre_hooks
    assert not model.linear._forward_pre_hooks


def test_head_of_a_decoder_reads_the_last_token_alone(tiny_decoder):
    backbone = load_backbone(str(tiny_decoder))
    decoder = new_head("classify", backbone, outputs=3, recipe=ModelRecipe(), case_shape=False)
    seen = []

    def see(vectors, _):
        seen.append(vectors)
        return vectors

    with before_head(decoder.train(), see):
        decoder(BATCH)
    states = hidden_states(decoder.encoder, BATCH)
    torch.testing.assert_close(seen[0], states[[0, 1], [3, 2]])


def test_head_on_every_token_is_refused(tiny_decoder):
    backbone = load_backbone(str(tiny_decoder))
    decoder = new_head("classify", backbone, outputs=3, recipe=ModelRecipe(), case_shape=False)
    hidden = torch.zeros(2, 4, decoder.linear.in_features)
    with before_head(decoder.train(), lambda vectors, _: vectors):
        decoder(BATCH)
        with pytest.raises(SpecError, match="llama makes one a token"):
            decoder.linear(hidden)
