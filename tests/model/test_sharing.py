"""Networks on one encoder: the same weights below, their own heads above."""

from __future__ import annotations

import pytest
import torch

from tunesmith.core.errors import SpecError
from tunesmith.core.pretraining import ContrastedText, MaskedText
from tunesmith.core.recipe import ModelRecipe
from tunesmith.model.backbones import load_backbone
from tunesmith.model.batching import count_tokens, join_batches, split_batch
from tunesmith.model.heads import new_head
from tunesmith.model.pretraining import text_model_on
from tunesmith.model.sharing import Together, share_encoder


def head(model, family="classify", **recipe):
    backbone = load_backbone(str(model))
    torch.manual_seed(0)
    return new_head(
        family, backbone, outputs=3, recipe=ModelRecipe(**recipe), case_shape=family == "tag"
    ).eval()


@pytest.mark.parametrize("pooling", ["mean", "native"])
def test_masked_head_shares_the_storage_of_the_encoder(tiny_model, pooling):
    task = head(tiny_model, pooling=pooling)
    masked = text_model_on(task.encoder, MaskedText(), tiny_model)
    table = task.encoder.get_input_embeddings().weight
    assert masked.whole.get_output_embeddings().weight is table
    own = {id(weight) for weight in task.encoder.parameters()}
    below = {name: weight for name, weight in masked.encoder.named_parameters()}
    assert len(below) > 20
    assert all(id(weight) in own for weight in below.values())


def test_pooler_of_a_native_head_stays(tiny_model):
    task = head(tiny_model, pooling="native")
    before = task.encoder.pooler
    text_model_on(task.encoder, ContrastedText(), tiny_model)
    assert task.encoder.pooler is before is not None


def test_outputs_of_a_native_head_on_a_shared_encoder_are_its_own(tiny_model):
    """The tagger has no pooler, the classifier needs one."""
    alone, shared = head(tiny_model, pooling="native"), head(tiny_model, pooling="native")
    share_encoder(head(tiny_model, "tag").encoder, shared.encoder)
    batch = {"input_ids": torch.randint(5, 60, (2, 9)), "attention_mask": torch.ones(2, 9).long()}
    with torch.no_grad():
        assert torch.equal(alone(batch), shared(batch))


def test_encoders_built_otherwise_are_refused(tiny_model):
    task = head(tiny_model)
    with pytest.raises(SpecError, match="modules of the same names"):
        share_encoder(task.encoder, torch.nn.Sequential(torch.nn.Linear(2, 2)))


def test_together_gives_each_network_its_own_batch(tiny_model):
    task, other = head(tiny_model), head(tiny_model, "embed")
    share_encoder(task.encoder, other.encoder)
    both = Together(task, [other]).eval()
    mask = torch.tensor([[1, 1, 1, 0]])
    batches = [
        {"input_ids": torch.randint(5, 60, (rows, 4)), "attention_mask": mask.expand(rows, 4)}
        for rows in (2, 5)
    ]
    joined = join_batches(batches, weights=torch.ones(2))
    assert count_tokens(joined) == 21
    assert [part.keys() for part in split_batch(joined)] == [b.keys() for b in batches]
    with torch.no_grad():
        first, second = both(joined)
        assert torch.equal(first, task(batches[0]))
        assert torch.equal(second, other(batches[1]))
    assert both.encoder is task.encoder
