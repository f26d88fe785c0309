"""Soft prompts are tokens: seen by every window, alone learned, and plain weights in the end."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from tunesmith.core.deltas import PTuning, SoftPrompt
from tunesmith.core.errors import SpecError
from tunesmith.core.examples import PairInput, TextInput
from tunesmith.model.backbones import load_backbone
from tunesmith.model.encoding import encode_windows
from tunesmith.model.framing import Reading, find_frame
from tunesmith.model.hidden import hidden_states
from tunesmith.model.prompt_tokens import learn_prompt, merge_prompt, with_prompt

READING = Reading(max_length=32, stride=4, long_text="windows", case_shape=False)


def windows_of(backbone, item):
    return list(encode_windows(backbone.tokenizer, [item], READING))


@pytest.fixture
def prompted(tiny_model):
    return with_prompt(load_backbone(str(tiny_model)), SoftPrompt(tokens=4), seed=0)


def test_every_window_begins_with_the_prompt(prompted, tiny_model):
    before = windows_of(load_backbone(str(tiny_model)), TextInput("my order is late"))[0].ids
    after = windows_of(prompted, TextInput("my order is late"))[0].ids
    size = prompted.model.get_input_embeddings().num_embeddings
    assert after.tolist() == [before[0], *range(size - 4, size), *before[1:]]
    long = windows_of(prompted, TextInput("a " * 80))
    assert len(long) > 2
    assert all(window.ids[1:5].tolist() == list(range(size - 4, size)) for window in long)
    assert all(len(window.ids) <= 32 for window in long)


def test_two_texts_have_one_prompt(prompted):
    ids = windows_of(prompted, PairInput("my card", "is lost"))[0].ids
    size = prompted.model.get_input_embeddings().num_embeddings
    assert ids[1:5].tolist() == list(range(size - 4, size))
    assert sum(number >= size - 4 for number in ids) == 4


def test_prompt_begins_at_the_words_given(tiny_model):
    plain = load_backbone(str(tiny_model))
    words = plain.tokenizer("good bad", add_special_tokens=False)["input_ids"]
    table = plain.model.get_input_embeddings().weight.detach().clone()
    made = with_prompt(plain, SoftPrompt(tokens=3, initial_text="good bad"), seed=0)
    rows = made.model.get_input_embeddings().weight[-3:]
    assert torch.equal(rows, table[[words[0], words[1], words[0]]])


@pytest.mark.parametrize("method", [SoftPrompt(tokens=4), PTuning(tokens=4, width=8)])
def test_prompt_alone_is_learned_and_merged_without_a_trace(tiny_model, tmp_path, method):
    backbone = with_prompt(load_backbone(str(tiny_model)), method, seed=0)
    model = backbone.model.eval()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    learn_prompt(model, method)
    learned = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert all("word_embeddings.prompt" in name or ".network." in name for name in learned)
    ids = torch.from_numpy(windows_of(backbone, TextInput("where is my card"))[0].ids).long()[None]
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    optimizer = torch.optim.SGD([w for w in model.parameters() if w.requires_grad], lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        hidden_states(model, batch).square().mean().backward()
        optimizer.step()
    expected = hidden_states(model, batch)
    merge_prompt(model)
    assert torch.allclose(hidden_states(model, batch), expected, atol=1e-6)
    after = model.state_dict()
    assert set(after) == set(before)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"embeddings.word_embeddings.weight"}
    table = after["embeddings.word_embeddings.weight"]
    assert torch.equal(table[:-4], before["embeddings.word_embeddings.weight"][:-4])
    model.save_pretrained(tmp_path)
    backbone.tokenizer.save_pretrained(tmp_path)
    plain = AutoModel.from_pretrained(tmp_path).eval()
    inputs = AutoTokenizer.from_pretrained(tmp_path)("where is my card", return_tensors="pt")
    assert inputs["input_ids"].tolist() == ids.tolist()
    assert torch.allclose(plain(**inputs).last_hidden_state, expected, atol=1e-5)


def test_prompt_that_fills_the_window_is_refused(tiny_model):
    with pytest.raises(SpecError, match=r"`method.tokens` must be at most half of the 128"):
        with_prompt(load_backbone(str(tiny_model)), SoftPrompt(tokens=100), seed=0)


def test_words_without_a_token_are_refused(tiny_model):
    with pytest.raises(SpecError, match="text that the vocabulary knows"):
        with_prompt(load_backbone(str(tiny_model)), SoftPrompt(initial_text="   "), seed=0)


def test_frame_counts_the_prompt(prompted, tiny_model):
    plain = find_frame(load_backbone(str(tiny_model)).tokenizer)
    assert len(find_frame(prompted.tokenizer)) == len(plain) + 4


@pytest.mark.parametrize("fixture", ["tiny_writer", "tiny_decoder"])
def test_prompt_is_read_and_never_written(request, fixture):
    folder = str(request.getfixturevalue(fixture))
    backbone = with_prompt(load_backbone(folder, writes=True), SoftPrompt(tokens=4), seed=0)
    model = backbone.model.eval()
    first = model.get_input_embeddings().num_embeddings - 4
    with torch.no_grad():
        model.get_output_embeddings().weight[first:] += 50.0
    ids = torch.from_numpy(windows_of(backbone, TextInput("where is my card"))[0].ids).long()[None]
    settings = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False}
    written = model.generate(ids, generation_config=None, **settings)
    begin = 1 if model.config.is_encoder_decoder else ids.shape[1]
    assert (written[:, begin:] < first).all()
