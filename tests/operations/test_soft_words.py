"""A soft prompt without a head: the labels' words answer, and only the prompt's vectors learn."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

import tunesmith
from tunesmith.core.errors import SpecError
from tunesmith.model.heads.speak import load_speaking_backbone
from tunesmith.operations.soft_words import shared_beginning
from tunesmith.runtime.canary import canary_difference
from tunesmith.runtime.engine import score
from tunesmith.runtime.loading import load_engine


@pytest.fixture
def fit(tmp_path, tiny_rows):
    def run(model, *, folder="run", task="classification", data=tiny_rows, **method):
        own = {"name": "soft-prompt", "head": "words", "tokens": 4, **method}
        training = {"epochs": 30, "batch_tokens": 4096, "learning_rate": 0.1, "patience": 0}
        out = tmp_path / folder
        return tunesmith.fit(
            data, task=task, model=str(model), method=own, training=training, out=out
        )

    return run


@pytest.mark.parametrize(
    ("kind", "auto"),
    [("tiny_decoder", AutoModelForCausalLM), ("tiny_masked", AutoModelForMaskedLM)],
)
def test_only_the_prompt_learns_and_plain_transformers_says_the_same(request, fit, kind, auto):
    folder = request.getfixturevalue(kind)
    result = fit(folder, initial_text="the order is good or bad")
    losses = [step["loss"] for step in result.report["curve"]["steps"]]
    assert sum(losses[-3:]) < 0.95 * sum(losses[:3])
    kept = json.loads((result.bundle / "bundle.json").read_text("utf-8"))
    assert kept["delta"]["trainable_parameters"] == 4 * 32
    assert kept["delta"]["bytes"] < 4096
    assert load_file(result.bundle / "delta" / "head.safetensors") == {}
    engine = load_engine(result.bundle)
    assert canary_difference(engine, result.bundle / "canary.jsonl") < 1e-4
    before = load_speaking_backbone(str(folder)).model.state_dict()
    after = engine.model.whole.state_dict()
    table = next(
        name for name in before if name.endswith(("embed_tokens.weight", "word_embeddings.weight"))
    )
    assert torch.equal(after[table][: len(before[table])], before[table])
    text = "my order is good"
    tokenizer = AutoTokenizer.from_pretrained(result.bundle / "model")
    plain = auto.from_pretrained(result.bundle / "model")
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    at = -1 if kind == "tiny_decoder" else int((ids[0] == tokenizer.mask_token_id).nonzero()[0, 0])
    shares = plain(input_ids=ids).logits[0, at].log_softmax(dim=-1)
    words = tokenizer.convert_tokens_to_ids(["bad", "good"])
    (found,) = score(engine, [engine.task.inputs_of(text)])
    assert found == pytest.approx(shares[words].tolist(), abs=1e-3)


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        ({"template": "say {text} {label}"}, "tiny_decoder", r"must begin with `\{text\}`"),
        ({"template": "{text} {label} {x}"}, "tiny_decoder", "a slot of this template"),
        ({"words": {"bad": "good card", "good": "good"}}, "tiny_decoder", "must begin differently"),
        ({"words": {"bad": "not good"}}, "tiny_masked", "must be one token to fill one gap"),
        ({}, "tiny_writer", "must have a model that goes on"),
        ({}, "tiny_model", "must be a model that guesses words"),
    ],
)
def test_soft_prompt_that_cannot_ask_is_refused(request, fit, settings, kind, said):
    with pytest.raises(SpecError, match=said):
        fit(request.getfixturevalue(kind), **settings)


def test_soft_prompt_of_words_is_for_one_text_and_its_label(fit, tiny_decoder, tmp_path):
    rows = tmp_path / "rows.jsonl"
    row = {"text_a": "a", "text_b": "b", "label": "x"}
    rows.write_text("".join(json.dumps({**row, "text_a": f"a {n}"}) + "\n" for n in range(40)))
    with pytest.raises(SpecError, match="ask for the label of one text; got matching"):
        fit(tiny_decoder, task="matching", data=rows)


def test_export_of_a_soft_prompt_of_words_is_refused(fit, tiny_masked):
    with pytest.raises(SpecError, match="answers by a prompt, in words"):
        tunesmith.export(fit(tiny_masked).bundle)


def test_tokens_that_all_words_begin_with_belong_to_the_question():
    ids = {"a": [np.array([7, 1]), np.array([7, 2, 3])], "b": [np.array([7, 4])]}
    assert shared_beginning(ids) == (7,)
    assert shared_beginning({**ids, "c": [np.array([8, 4])]}) == ()
    assert shared_beginning({"a": [np.array([7])], "b": [np.array([7, 4])]}) == ()
