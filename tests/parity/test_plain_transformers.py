"""A bundle's `model/` in plain transformers answers as the bundle does."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

import tunesmith
from tunesmith.core.examples import TextInput
from tunesmith.runtime.canary import canary_difference
from tunesmith.runtime.engine import score
from tunesmith.runtime.loading import load_engine


@pytest.fixture(scope="module")
def support_bundle(tmp_path_factory, repository):
    out = tmp_path_factory.mktemp("support") / "run"
    result = tunesmith.fit(
        str(repository / "examples/support"),
        task="classification",
        method="probe",
        out=str(out),
    )
    return result.bundle


def test_classifier_in_plain_transformers_gives_the_same_labels_and_probabilities(
    support_bundle, repository
):
    engine = load_engine(support_bundle)
    texts = [
        line.split(",", 1)[0]
        for line in (repository / "examples/support/test.csv").read_text("utf-8").split("\n")[1:41]
    ]
    texts = [text for text in texts if text.strip()]
    ours = np.stack(score(engine, [TextInput(text) for text in texts]))

    plain = AutoModelForSequenceClassification.from_pretrained(support_bundle / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(support_bundle / "model")
    with torch.no_grad():
        batch = tokenizer(texts, return_tensors="pt", padding=True)
        theirs = plain(**batch).logits.numpy()

    assert len(texts) > 20
    labels = [plain.config.id2label[index] for index in theirs.argmax(-1)]
    assert labels == [engine.task.labels[index] for index in ours.argmax(-1)]
    assert np.abs(_softmax(ours) - _softmax(theirs)).max() < 1e-4


def test_bundle_canary_rows_are_answered_as_recorded(support_bundle):
    engine = load_engine(support_bundle)
    assert canary_difference(engine, support_bundle / "canary.jsonl") < 1e-4


def test_bundle_canary_rows_of_another_model_are_noticed(support_bundle):
    engine = load_engine(support_bundle)
    with torch.no_grad():
        engine.model.linear.weight.mul_(1.01)
    assert canary_difference(engine, support_bundle / "canary.jsonl") > 1e-3


def test_tagger_without_case_shape_in_plain_transformers_gives_the_same_tags(tmp_path, repository):
    result = tunesmith.fit(
        str(repository / "examples/orders"),
        task="ner",
        model={"case_shape": False},
        training={"max_steps": 3, "checkpoint_steps": 100},
        out=str(tmp_path / "run"),
    )
    manifest = json.loads((result.bundle / "bundle.json").read_text("utf-8"))
    assert manifest["plain_transformers"]["lacks"] == []
    engine = load_engine(result.bundle)
    text = "Two large flat whites with oat milk to 14 Harbour Lane at 9 please"
    inputs = engine.task.inputs_of(text)
    ours = score(engine, [inputs])[0]

    plain = AutoModelForTokenClassification.from_pretrained(result.bundle / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(result.bundle / "model")
    batch = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
    starts = [start for start, _ in batch.pop("offset_mapping")[0].tolist()]
    with torch.no_grad():
        theirs = plain(**batch).logits[0].numpy()
    for (start, _), scores in zip(inputs.words, ours, strict=True):
        token = next(i for i, first in enumerate(starts) if first == start and i > 0)
        assert np.abs(theirs[token] - scores).max() < 1e-4


def test_tagger_with_case_shape_says_what_plain_transformers_lacks(tmp_path, repository):
    result = tunesmith.fit(
        str(repository / "examples/orders"),
        task="ner",
        training={"max_steps": 2, "checkpoint_steps": 100},
        out=str(tmp_path / "run"),
    )
    manifest = json.loads((result.bundle / "bundle.json").read_text("utf-8"))
    assert manifest["plain_transformers"]["lacks"] == ["case_shape.safetensors"]
    assert (result.bundle / "model" / "case_shape.safetensors").is_file()
    AutoModelForTokenClassification.from_pretrained(result.bundle / "model")


def _softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)
