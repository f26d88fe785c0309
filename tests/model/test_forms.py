"""Texts that are held to a form: whatever the weights are, nothing else can be written."""

from __future__ import annotations

import json
import re
import sys

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tunesmith.core.errors import MissingExtraError, SpecError
from tunesmith.core.examples import TextInput
from tunesmith.core.recipe import DecodingRecipe
from tunesmith.model.backbones import load_backbone
from tunesmith.model.forms import ChoiceForm, HeldTo, make_form
from tunesmith.model.framing import Reading
from tunesmith.model.heads.generate import Writer
from tunesmith.runtime.engine import Engine, answer
from tunesmith.runtime.replies import stream_text
from tunesmith.tasks.translation import Translation

TEXTS = ["my card is lost", "is it late?", "好"]
CHOICES = ("good", "good card", "refund it")
SCHEMA = {
    "type": "object",
    "properties": {"order": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["order"],
    "additionalProperties": False,
}


def writing_engine(model, tokenizer, **decoding):
    writer = Writer(model).eval()
    writing = writer.writing
    reading = Reading(64, 0, "windows", False, writing=writing, room_to_write=16)
    recipe = DecodingRecipe(**{"max_new_tokens": 24, **decoding})
    return Engine(writer, tokenizer, Translation(), reading, torch.device("cpu"), "fp32", recipe)


def written(engine):
    return [reply.text for reply in answer(engine, [TextInput(text) for text in TEXTS])]


@pytest.fixture(scope="module")
def byte_model():
    """Return an untrained Llama over bytes: every text can be spelled in its vocabulary."""
    own = Tokenizer(models.BPE())
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    own.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    own.train_from_iterator(["the order is late", "refund the card"] * 5, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=own, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=128,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        initializer_range=0.3,
    )
    return LlamaForCausalLM(config), tokenizer


def test_trie_offers_what_leads_to_a_text_and_its_end():
    form = ChoiceForm([[5, 6], [5, 6, 7], [8]], ends=[1])
    assert form.allowed(()).tolist() == [5, 8]
    assert form.allowed((5,)).tolist() == [6]
    assert form.allowed((5, 6)).tolist() == [1, 7]
    assert form.allowed((5, 6, 7)).tolist() == [1]
    assert form.allowed((9,)).tolist() == []


def test_scores_outside_the_form_become_impossible_and_ended_rows_stay():
    held = HeldTo(ChoiceForm([[2], [3]], ends=[1]), begin=2, ends=[1])
    scores = torch.arange(10.0).reshape(2, 5)
    found = held(torch.tensor([[4, 4, 2], [4, 1, 1]]), scores)
    assert found[0].tolist() == [float("-inf"), 1.0, *[float("-inf")] * 3]
    assert found[1].tolist() == scores[1].tolist()


@pytest.mark.parametrize("kind", ["tiny_decoder", "tiny_writer"])
@pytest.mark.parametrize(
    "decoding", [{"beams": 1}, {"beams": 3}, {"temperature": 2.0, "seed": 5}], ids=str
)
def test_only_choices_are_written_however_it_is_done(request, kind, decoding):
    folder = str(request.getfixturevalue(kind))
    backbone = load_backbone(folder, writes=True)
    engine = writing_engine(backbone.model, backbone.tokenizer, choices=CHOICES, **decoding)
    assert set(written(engine)) <= set(CHOICES)


def test_streamed_text_is_held_to_its_form_too(tiny_decoder):
    backbone = load_backbone(str(tiny_decoder), writes=True)
    engine = writing_engine(backbone.model, backbone.tokenizer, choices=CHOICES)
    assert "".join(stream_text(engine, TextInput(TEXTS[0]))) == written(engine)[0]


@pytest.mark.parametrize(
    ("decoding", "said"),
    [
        ({"choices": ("Ω",)}, "tokens that the vocabulary knows; got 'Ω'"),
        ({"choices": ("good",), "regex": "a"}, "to one form; got choices and regex"),
    ],
)
def test_form_that_cannot_be_held_is_refused(tiny_decoder, decoding, said):
    backbone = load_backbone(str(tiny_decoder), writes=True)
    with pytest.raises(SpecError, match=said):
        written(writing_engine(backbone.model, backbone.tokenizer, **decoding))


def test_missing_library_is_named(tiny_decoder, monkeypatch):
    monkeypatch.setitem(sys.modules, "llguidance", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    tokenizer = load_backbone(str(tiny_decoder), writes=True).tokenizer
    with pytest.raises(MissingExtraError, match="needs the package llguidance") as caught:
        make_form(tokenizer, DecodingRecipe(regex="[0-9]"), before=(), ends=(1,))
    assert "tunesmith[forms]" in caught.value.hint


@pytest.mark.parametrize("beams", [1, 3])
def test_regular_expression_is_matched_whole(byte_model, beams):
    pytest.importorskip("llguidance")
    engine = writing_engine(*byte_model, regex="[0-9]{2,3} days", beams=beams)
    assert all(re.fullmatch("[0-9]{2,3} days", text) for text in written(engine))


def test_schema_is_kept_by_what_is_written(byte_model):
    pytest.importorskip("llguidance")
    engine = writing_engine(*byte_model, json_schema=SCHEMA, max_new_tokens=40)
    for text in written(engine):
        found = json.loads(text)
        assert set(found) == {"order"}
        assert 0 <= found["order"] <= 99


@pytest.mark.parametrize(
    ("decoding", "said"),
    [
        ({"regex": "(["}, "one that can be read"),
        ({"json_schema": "{"}, "must be the text of a JSON schema"),
    ],
)
def test_grammar_that_says_nothing_is_refused(byte_model, decoding, said):
    pytest.importorskip("llguidance")
    with pytest.raises(SpecError, match=said):
        written(writing_engine(*byte_model, **decoding))
