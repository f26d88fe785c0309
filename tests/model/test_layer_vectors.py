"""Vectors averaged over layers, against transformers' own states."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tunesmith.core.examples import TextInput, WordsInput
from tunesmith.model.backbones import load_backbone
from tunesmith.model.encoding import encode_windows
from tunesmith.model.framing import Reading
from tunesmith.model.layer_vectors import layer_averages
from tunesmith.model.own_labels import own_labels

READING = Reading(max_length=64, stride=0, long_text="truncate", case_shape=False, apart=True)
TEXTS = ("my order is late", "good", "the card is broken and i want it back")
CPU = torch.device("cpu")


def averages(folder, inputs) -> np.ndarray:
    backbone = load_backbone(str(folder))
    windows = list(encode_windows(backbone.tokenizer, inputs, READING))
    return layer_averages(backbone, windows, device=CPU, precision="fp32")


def states_of(folder, text: str) -> np.ndarray:
    """Return (T, H): the mean of transformers' states behind each layer, for one text alone."""
    backbone = load_backbone(str(folder))
    backbone.model.eval()
    encoded = backbone.tokenizer(text, return_tensors="pt")
    encoded.pop("token_type_ids", None)
    with torch.inference_mode():
        states = backbone.model(**encoded, output_hidden_states=True).hidden_states[1:]
    return torch.stack(states).mean(dim=0)[0].numpy()


@pytest.mark.parametrize("family", ["tiny_model", "tiny_decoder"])
def test_text_is_the_mean_of_its_tokens_over_all_layers(family, request):
    folder = request.getfixturevalue(family)
    found = averages(folder, map(TextInput, TEXTS))
    expected = np.stack([states_of(folder, text).mean(axis=0) for text in TEXTS])
    assert found == pytest.approx(expected, abs=1e-4)


def test_word_is_its_first_token(tiny_model):
    text = "good card"
    found = averages(tiny_model, [WordsInput(text, ((0, 4), (5, 9)))])
    assert found[0] == pytest.approx(states_of(tiny_model, text)[1], abs=1e-4)
    assert len(found) == 2


def test_model_without_labels_of_its_own_has_none(tiny_model):
    backbone = load_backbone(str(tiny_model))
    windows = list(encode_windows(backbone.tokenizer, map(TextInput, TEXTS), READING))
    assert own_labels(tiny_model, windows, pad_id=0, device=CPU) is None


def test_tagger_gives_each_word_a_label(save_tiny):
    from transformers import BertForTokenClassification

    folder = save_tiny(BertForTokenClassification, "tiny-tagger", num_labels=3)
    backbone = load_backbone(str(folder))
    words = [WordsInput("good card", ((0, 4), (5, 9))), WordsInput("late", ((0, 4),))]
    windows = list(encode_windows(backbone.tokenizer, words, READING))
    found = own_labels(folder, windows, pad_id=backbone.tokenizer.pad_token_id, device=CPU)
    assert found.shape == (3,)
    assert set(found.tolist()) <= {0, 1, 2}
