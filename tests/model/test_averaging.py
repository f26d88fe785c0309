from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

from tunesmith.model.averaging import fold, normalised_mean, unfold
from tunesmith.model.bert_family import is_bert_encoder

SIZES = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}


@pytest.fixture(params=["bert", "roberta"])
def encoder(request):
    torch.manual_seed(0)
    if request.param == "bert":
        return BertModel(BertConfig(**SIZES)).eval()
    return RobertaModel(RobertaConfig(**SIZES, pad_token_id=0), add_pooling_layer=False).eval()


@pytest.fixture
def linear():
    torch.manual_seed(1)
    layer = nn.Linear(32, 3)
    nn.init.normal_(layer.weight, std=1.0)
    return layer


def test_folded_model_answers_like_the_mean(encoder, linear):
    ids = torch.tensor([[5, 6, 7, 8, 9], [5, 6, 1, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    whole = fold(encoder, linear, id2label={0: "a", 1: "b", 2: "c"}, problem="x").eval()
    with torch.no_grad():
        ours = linear(normalised_mean(encoder(ids, attention_mask=mask)[0], mask))
        theirs = whole(input_ids=ids, attention_mask=mask).logits
    assert (ours.softmax(-1) - theirs.softmax(-1)).abs().max() < 1e-4
    assert whole.config.num_hidden_layers == 3


def test_unfolded_model_is_what_was_folded_bit_for_bit(encoder, linear):
    whole = fold(encoder, linear, id2label={0: "a", 1: "b", 2: "c"}, problem="x")
    back, head = unfold(whole)
    assert torch.equal(head.weight, linear.weight)
    assert torch.equal(head.bias, linear.bias)
    before = encoder.state_dict()
    after = back.state_dict()
    compared = [name for name in after if "pooler" not in name]
    assert len(compared) > 20
    assert all(torch.equal(after[name], before[name]) for name in compared)
    assert back.config.num_hidden_layers == 2


def test_normalised_mean_ignores_padding_and_has_unit_variance():
    hidden = torch.randn(2, 4, 16)
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])
    pooled = normalised_mean(hidden, mask)
    hidden[0, 2:] = 99.0
    assert torch.equal(pooled, normalised_mean(hidden, mask))
    assert torch.allclose(pooled.var(dim=-1, unbiased=False), torch.ones(2), atol=1e-4)


def test_decoder_cannot_be_folded():
    assert not is_bert_encoder(BertConfig(**SIZES, is_decoder=True))
