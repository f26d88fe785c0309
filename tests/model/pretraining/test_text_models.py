"""The networks that learn from text: their sizes, what they compute, and going on with others."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM, BartConfig, BartModel

from tunesmith.core.errors import SpecError
from tunesmith.core.pretraining import PRETRAINING, MaskedText, TokenizerRecipe
from tunesmith.model.pretraining import count_parameters, load_text_model, new_text_model
from tunesmith.model.pretraining.presets import SHAPES, Shape
from tunesmith.model.pretraining.vocabulary import train_vocabulary
from tunesmith.model.pretraining.writers import suit_attention

SMALL = Shape(hidden_size=32, layers=2, heads=2, vocabulary=100, window_tokens=24)
TEXTS = ["the card is late and the lamp is broken", "天下大势 分久必合"] * 3
MILLIONS = {"tiny": 1, "mini": 5, "small": 15}


def make(name, shape=SMALL):
    objective = PRETRAINING[name]()
    vocabulary = train_vocabulary(
        TEXTS, TokenizerRecipe(name="character"), objective=name, size=shape.vocabulary
    )
    torch.manual_seed(0)
    return new_text_model(objective, shape, vocabulary, window_tokens=24), vocabulary


class Tokens:
    """A vocabulary by its size alone."""

    pad_id, begin_id, end_id = 0, 2, 3

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size


@pytest.mark.parametrize("name", PRETRAINING)
@pytest.mark.parametrize("size", SHAPES)
def test_preset_has_about_the_parameters_it_is_named_for(name, size):
    shape = SHAPES[size]
    model = new_text_model(
        PRETRAINING[name](), shape, Tokens(shape.vocabulary), window_tokens=shape.window_tokens
    )
    assert count_parameters(model) / 1e6 == pytest.approx(MILLIONS[size], rel=0.15)


def test_logits_at_places_are_those_of_plain_transformers():
    model, vocabulary = make("mlm")
    model.eval()
    ids = torch.randint(5, len(vocabulary), (3, 20))
    mask = torch.ones_like(ids)
    mask[1, 14:] = 0
    places = torch.tensor([0, 7, 25, 59])
    with torch.no_grad():
        ours = model({"input_ids": ids, "attention_mask": mask, "places": places})
        theirs = model.whole(input_ids=ids, attention_mask=mask).logits.flatten(0, 1)[places]
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


def test_head_of_words_is_tied_to_the_embeddings():
    model, _ = make("mlm")
    table = model.encoder.get_input_embeddings().weight
    assert model.whole.get_output_embeddings().weight is table


def test_contrast_compares_each_text_with_itself_under_other_dropout():
    model, vocabulary = make("contrastive")
    batch = {
        "input_ids": torch.randint(5, len(vocabulary), (4, 10)),
        "attention_mask": torch.ones(4, 10, dtype=torch.long),
    }
    model.eval()
    still = model(batch) * model.temperature
    assert torch.diagonal(still).tolist() == pytest.approx([1.0] * 4, abs=1e-5)
    model.train()
    moved = model(batch) * model.temperature
    assert (torch.diagonal(moved) < 0.9999).all()


def test_encoder_without_a_masked_head_gets_one_that_is_tied(tiny_model):
    model = load_text_model(MaskedText(), tiny_model)
    plain = AutoModel.from_pretrained(tiny_model)
    table = model.encoder.get_input_embeddings().weight
    assert torch.equal(table, plain.get_input_embeddings().weight)
    assert model.whole.get_output_embeddings().weight is table


def test_saved_model_gives_the_same_logits_in_plain_transformers(tmp_path):
    model, vocabulary = make("mlm")
    model.eval()
    model.save(tmp_path)
    plain = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    ids = torch.randint(5, len(vocabulary), (2, 12))
    with torch.no_grad():
        torch.testing.assert_close(plain(ids).logits, model.whole(ids).logits)


@pytest.mark.parametrize("name", ["causal", "seq2seq"])
def test_encoder_is_refused_for_what_writes(tiny_model, name):
    with pytest.raises(SpecError, match="needs another architecture") as failure:
        load_text_model(PRETRAINING[name](), tiny_model)
    assert failure.value.hint.startswith("--objective mlm")


def test_encoder_decoder_is_refused_for_hidden_words(tmp_path):
    config = BartConfig(
        vocab_size=50, d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=16,
        decoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2,
    )  # fmt: skip
    BartModel(config).save_pretrained(tmp_path)
    with pytest.raises(SpecError, match="holds a bart"):
        load_text_model(MaskedText(), tmp_path)


@pytest.mark.parametrize("name", ["causal", "seq2seq"])
def test_attention_that_suits_a_processor_gives_the_same_logits_and_gradients(name):
    model, vocabulary = make(name)
    model.eval()
    ids = torch.randint(5, len(vocabulary), (3, 20))
    mask = torch.ones_like(ids)
    mask[1, 14:] = 0
    batch = {"input_ids": ids, "attention_mask": mask, "places": torch.tensor([0, 7, 33, 59])}
    if name == "seq2seq":
        batch["decoder_input_ids"] = ids.roll(1, dims=1)
    found = []
    for device in ("meta", "cpu"):
        suit_attention(model.whole, torch.device(device))
        logits = model(batch)
        (gradient,) = torch.autograd.grad(
            logits.sum(), [model.encoder.get_input_embeddings().weight]
        )
        found.append((logits.detach(), gradient))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
