"""The packed encoder is the encoder: same states, same gradients, whatever stands beside a row."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    RobertaConfig,
    RobertaModel,
)

from tunesmith.model.dropout_masks import draw_mask
from tunesmith.model.heads.classify import NativeClassifier
from tunesmith.model.hidden import can_pack, hidden_states, lower_states

SIZES = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
    "initializer_range": 0.3,
}
PAD = 1


def make_encoder(family: str):
    torch.manual_seed(0)
    if family == "bert":
        return BertModel(BertConfig(**SIZES, pad_token_id=PAD), add_pooling_layer=False)
    return RobertaModel(RobertaConfig(**SIZES, pad_token_id=PAD), add_pooling_layer=False)


def make_rows(lengths: tuple[int, ...], seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and mask of rows with random tokens, padded on the right."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(2, SIZES["vocab_size"], (len(lengths), max(lengths)), generator=generator)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    return ids.masked_fill(mask == 0, PAD), mask


def read(encoder, ids, mask, **more):
    return hidden_states(encoder, {"input_ids": ids, "attention_mask": mask}, **more)


def states_and_gradients(encoder, compute, mask):
    """Return the states at tokens, and the gradient of a weighted sum of them by parameter."""
    encoder.zero_grad()
    states = compute()[mask.bool()].float()
    weights = torch.randn(states.shape, generator=torch.Generator().manual_seed(1))
    (states * weights).sum().backward()
    gradients = {
        name: parameter.grad.clone()
        for name, parameter in encoder.named_parameters()
        if parameter.grad is not None
    }
    return states.detach(), gradients


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("lengths", [(7, 3, 12), (5, 5), (1, 9)])
def test_packed_states_and_gradients_are_those_of_transformers(family, lengths):
    encoder = make_encoder(family).eval()
    ids, mask = make_rows(lengths)
    assert can_pack(encoder)
    theirs, their_gradients = states_and_gradients(
        encoder, lambda: encoder(ids, attention_mask=mask)[0], mask
    )
    ours, our_gradients = states_and_gradients(encoder, lambda: read(encoder, ids, mask), mask)
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
    assert our_gradients.keys() == their_gradients.keys()
    for name, gradient in their_gradients.items():
        torch.testing.assert_close(our_gradients[name], gradient, atol=2e-4, rtol=1e-3, msg=name)


def make_types(mask: torch.Tensor) -> torch.Tensor:
    """Return types that are 1 from a third of each row on, and 0 at padding."""
    lengths = mask.sum(1, keepdim=True)
    return ((torch.arange(mask.shape[1]) >= lengths // 3) & mask.bool()).long()


@pytest.mark.parametrize("lengths", [(7, 3, 12), (5, 5), (1, 9)])
def test_packed_states_and_gradients_of_two_types_are_those_of_transformers(lengths):
    encoder = make_encoder("bert").eval()
    ids, mask = make_rows(lengths)
    types = make_types(mask)
    assert can_pack(encoder)
    theirs, their_gradients = states_and_gradients(
        encoder, lambda: encoder(ids, attention_mask=mask, token_type_ids=types)[0], mask
    )
    batch = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    ours, our_gradients = states_and_gradients(encoder, lambda: hidden_states(encoder, batch), mask)
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
    assert our_gradients.keys() == their_gradients.keys()
    types_name = "embeddings.token_type_embeddings.weight"
    assert (our_gradients[types_name].abs().sum(1) > 0).all()
    for name, gradient in their_gradients.items():
        torch.testing.assert_close(our_gradients[name], gradient, atol=2e-4, rtol=1e-3, msg=name)
    assert not torch.allclose(ours, read(encoder, ids, mask)[mask.bool()], atol=1e-2)


def test_types_reach_an_encoder_that_is_not_packed():
    encoder = BertModel(BertConfig(**SIZES, hidden_act="relu"), add_pooling_layer=False).eval()
    ids, mask = make_rows((5, 8))
    types = make_types(mask)
    assert not can_pack(encoder)
    batch = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    with torch.no_grad():
        ours = hidden_states(encoder, batch)
        theirs = encoder(ids, attention_mask=mask, token_type_ids=types)[0]
        head = NativeClassifier(
            BertForSequenceClassification(BertConfig(**SIZES, hidden_act="relu")).eval()
        )
        logits = head.whole(ids, attention_mask=mask, token_type_ids=types).logits
        untyped = head.whole(ids, attention_mask=mask).logits
        torch.testing.assert_close(ours, theirs)
        torch.testing.assert_close(head(batch), logits)
    assert not torch.allclose(logits, untyped, atol=1e-4)


def test_types_are_left_out_where_an_encoder_knows_none():
    sizes = {"vocab_size": 60, "dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 48}
    distil = DistilBertModel(DistilBertConfig(**sizes)).eval()
    single = BertModel(BertConfig(**SIZES, type_vocab_size=1), add_pooling_layer=False).eval()
    ids, mask = make_rows((5, 8))
    batch = {"input_ids": ids, "attention_mask": mask, "token_type_ids": make_types(mask)}
    with torch.no_grad():
        for encoder in (distil, single):
            ours = hidden_states(encoder, batch)[mask.bool()]
            theirs = encoder(ids, attention_mask=mask)[0][mask.bool()]
            torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


def test_added_embeddings_reach_the_states_and_get_their_gradient():
    encoder = make_encoder("bert").eval()
    ids, mask = make_rows((6, 4))
    added = torch.randn(2, 6, SIZES["hidden_size"], requires_grad=True)
    words = encoder.get_input_embeddings()(ids)
    theirs = encoder(inputs_embeds=words + added, attention_mask=mask)[0][mask.bool()]
    (expected,) = torch.autograd.grad(theirs.pow(3).sum(), added)
    ours = read(encoder, ids, mask, added=added)[mask.bool()]
    (got,) = torch.autograd.grad(ours.pow(3).sum(), added)
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(got, expected, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_row_is_read_alike_alone_and_among_others(precision):
    encoder = make_encoder("bert").eval()
    ids, mask = make_rows((4, 11, 7))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, precision == "bf16"):
        together = read(encoder, ids, mask)
        for row, length in enumerate((4, 11, 7)):
            alone = read(encoder, ids[row : row + 1, :length], mask[row : row + 1, :length])
            tolerance = 1e-5 if precision == "fp32" else 0.06
            torch.testing.assert_close(
                together[row, :length], alone[0], atol=tolerance, rtol=tolerance
            )


def test_bf16_is_as_close_to_float32_as_autocast_is():
    encoder = make_encoder("bert").eval()
    ids, mask = make_rows((9, 5, 12, 3))
    exact, exact_gradients = states_and_gradients(
        encoder, lambda: encoder(ids, attention_mask=mask)[0], mask
    )

    def in_bf16(compute):
        with torch.autocast("cpu", torch.bfloat16):
            return compute()

    errors = []
    for compute in (
        lambda: encoder(ids, attention_mask=mask)[0],
        lambda: read(encoder, ids, mask),
    ):
        states, gradients = states_and_gradients(encoder, lambda c=compute: in_bf16(c), mask)
        error = sum((gradients[n] - g).pow(2).sum() for n, g in exact_gradients.items()) ** 0.5
        errors.append((float((states - exact).norm()), float(error)))
    (theirs, their_gradient), (ours, our_gradient) = errors
    assert ours < 1.2 * theirs
    assert our_gradient < 1.2 * their_gradient


def test_dropout_gives_noise_around_the_states_and_its_own_gradient():
    encoder = make_encoder("bert").train()
    ids, mask = make_rows((8, 6))
    torch.manual_seed(3)
    first, second = (read(encoder, ids, mask) for _ in range(2))
    torch.manual_seed(3)
    again = read(encoder, ids, mask)
    assert not torch.equal(first, second)
    assert torch.equal(first, again)

    def loss(shift: float) -> torch.Tensor:
        torch.manual_seed(3)
        with torch.no_grad():
            weight.add_(shift * direction)
        value = read(encoder.double().float(), ids, mask)[mask.bool()].pow(3).sum()
        with torch.no_grad():
            weight.sub_(shift * direction)
        return value

    weight = encoder.encoder.layer[0].attention.self.value.weight
    direction = torch.randn(weight.shape, generator=torch.Generator().manual_seed(4))
    (gradient,) = torch.autograd.grad(loss(0.0), weight)
    numeric = (loss(1e-3) - loss(-1e-3)) / 2e-3
    assert float((gradient * direction).sum()) == pytest.approx(float(numeric.detach()), rel=0.02)


def test_frozen_layers_get_no_gradient():
    encoder = make_encoder("bert").eval()
    for parameter in encoder.embeddings.parameters():
        parameter.requires_grad_(False)
    for parameter in encoder.encoder.layer[0].parameters():
        parameter.requires_grad_(False)
    ids, mask = make_rows((5, 3))
    read(encoder, ids, mask)[mask.bool()].sum().backward()
    assert encoder.encoder.layer[0].output.dense.weight.grad is None
    assert encoder.encoder.layer[1].output.dense.weight.grad is not None


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_states_read_from_a_lower_layer_on_are_the_same(layers):
    encoder = make_encoder("bert").eval()
    ids, mask = make_rows((5, 9, 2))
    batch = {"input_ids": ids, "attention_mask": mask}
    below = {"states": lower_states(encoder, batch, layers), "first_layer": torch.tensor(layers)}
    assert len(below["states"]) == int(mask.sum())
    whole, continued = hidden_states(encoder, batch), hidden_states(encoder, {**batch, **below})
    torch.testing.assert_close(continued[mask.bool()], whole[mask.bool()])


def test_masks_have_their_ratio_and_differ():
    torch.manual_seed(0)
    masks = [draw_mask((500, 400), 0.1, dtype=torch.float32) for _ in range(5)]
    for mask in masks:
        assert set(mask.unique().tolist()) == {0.0, 1.0}
        assert float(mask.mean()) == pytest.approx(0.9, abs=0.005)
    agreement = (masks[0] == masks[1]).float().mean()
    assert float(agreement) == pytest.approx(0.82, abs=0.01)  # 0.9² + 0.1²: independent


def test_a_mask_larger_than_a_window_is_made_of_several_that_differ():
    mask = draw_mask((3, 1 << 21), 0.5, dtype=torch.bfloat16)
    assert mask.shape == (3, 1 << 21)
    for row in mask.float():
        assert float(row.mean()) == pytest.approx(0.5, abs=0.01)
    agreement = (mask[0] == mask[1]).float().mean()
    assert float(agreement) == pytest.approx(0.5, abs=0.01)
