"""Deltas in their bundles: small, whole by themselves, and many on one backbone."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import yaml
from peft import PeftModel
from transformers import AutoModel

import tunesmith
from tunesmith.core.errors import DataError, SpecError
from tunesmith.core.methods import DELTAS
from tunesmith.model.deltas import root_of
from tunesmith.runtime.deltas import load_deltas
from tunesmith.runtime.engine import answer
from tunesmith.runtime.loading import load_engine
from tunesmith.store.bundles import read_bundle

TRAINING = {"max_steps": 6, "batch_tokens": 256, "evaluate_every": 6}
TEXTS = ["my order 3 is good and i like it", "where is my late card", "a bad refund"]


@pytest.fixture(scope="module")
def fit(tmp_path_factory, tiny_model, tiny_rows):
    def run(method, *, training=TRAINING, **settings):
        return tunesmith.fit(
            str(tiny_rows),
            task="classification",
            model=str(tiny_model),
            training=training,
            method={"name": method, **settings},
            out=str(tmp_path_factory.mktemp("runs") / method),
        )

    return run


@pytest.fixture(scope="module")
def tuned(fit):
    return {method: fit(method).bundle for method in DELTAS}


def probabilities(engine):
    inputs = [engine.task.inputs_of(text) for text in TEXTS]
    return [list(reply.scores.values()) for reply in answer(engine, inputs)]


def near(found, expected):
    return torch.allclose(torch.tensor(found), torch.tensor(expected), atol=1e-5)


@pytest.mark.parametrize("method", DELTAS)
def test_bundle_tells_what_its_delta_costs(tuned, method):
    bundle = read_bundle(tuned[method])
    facts = bundle.manifest["delta"]
    files = [path for path in (bundle.path / "delta").iterdir()]
    assert facts["bytes"] == sum(path.stat().st_size for path in files)
    assert 0 < facts["trainable_parameters"] < facts["backbone_parameters"]
    assert facts["merged"] == (method not in ("adapter", "prefix"))
    assert facts["merge_difference"] is None or facts["merge_difference"] < 1e-5
    told = json.loads((bundle.path / "delta" / "delta.json").read_text("utf-8"))
    assert told["backbone"]["sha256"] == bundle.manifest["model"]["sha256"]
    assert told["method"]["name"] == method


def test_many_deltas_answer_from_one_backbone_as_their_bundles_do(tuned):
    engines = load_deltas(tuned)
    for method, path in tuned.items():
        assert near(probabilities(engines[method]), probabilities(load_engine(path))), method
    again = probabilities(engines["lora"])
    assert near(again, probabilities(load_engine(tuned["lora"])))


def test_backbone_is_in_memory_once(tuned):
    engines = load_deltas({name: tuned[name] for name in ("lora", "adapter", "prefix")})
    tables = {
        root_of(engine.model).get_input_embeddings().weight.data_ptr()
        for engine in engines.values()
    }
    assert len(tables) == 1


def test_delta_beside_another_backbone_is_refused(tuned, tiny_model, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    model = AutoModel.from_pretrained(other)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight.add_(0.1)
    model.save_pretrained(other)
    with pytest.raises(DataError, match="beside the backbone it was learned beside") as caught:
        load_deltas({"a": tuned["lora"]}, backbone=str(other))
    assert "sha256" in str(caught.value)


def test_bundle_without_a_delta_is_refused(fit):
    with pytest.raises(DataError, match="must have a delta"):
        load_deltas({"a": fit("full").bundle})


def test_damaged_delta_is_refused(tuned, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tuned["adapter"], copy)
    path = copy / "delta" / "delta.safetensors"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="sha256 differs"):
        load_engine(copy)


@pytest.mark.parametrize("method", ["lora", "ia3", "adalora"])
def test_peft_loads_the_delta_of_a_bundle(tuned, tiny_model, method):
    engine = load_engine(tuned[method])
    ids = torch.tensor([[2, 40, 41, 42, 3]])
    mask = torch.ones_like(ids)
    base = AutoModel.from_pretrained(tiny_model).eval()
    loaded = PeftModel.from_pretrained(base, tuned[method] / "delta")
    theirs = loaded(input_ids=ids, attention_mask=mask).last_hidden_state
    ours = engine.model.encoder(input_ids=ids, attention_mask=mask)[0]
    assert torch.allclose(theirs, ours, atol=1e-5)


def test_method_brings_its_own_learning_rate_unless_one_is_given(fit):
    given = {"learning_rate": 3e-4}
    for bundle, rate in (
        (fit("full").bundle, 1e-4),
        (fit("lora").bundle, DELTAS["lora"].learning_rate),
        (fit("lora", training={**TRAINING, **given}).bundle, 3e-4),
    ):
        lock = yaml.safe_load((bundle.parent / "config.lock.yaml").read_text("utf-8"))
        assert lock["training"]["learning_rate"] == rate


@pytest.mark.parametrize("method", ["adapter", "prefix"])
def test_export_of_what_stands_beside_is_refused(tuned, method):
    with pytest.raises(SpecError, match="stands beside") as caught:
        tunesmith.export(str(tuned[method]), to="onnx")
    assert "--method lora" in caught.value.hint


def test_delta_beside_another_task_is_refused(tiny_rows, tiny_model, tmp_path):
    with pytest.raises(SpecError, match="leaves it as it is"):
        tunesmith.fit(
            str(tiny_rows),
            task="classification",
            model=str(tiny_model),
            method="lora",
            also={"other": {"task": "classification", "data": str(tiny_rows)}},
            out=str(tmp_path / "run"),
        )
