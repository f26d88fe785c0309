"""A folder for the hub: what it holds, what its card says, and what never leaves the bundle."""

from __future__ import annotations

import json
import re

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results

import tunesmith
from tunesmith.core.errors import SpecError, TunesmithError
from tunesmith.store.bundles import read_bundle

SECRET = "xylophonist"
"""A word of every row that must stand in no file of the folder."""

ROWS = {
    "classification": lambda n, word: {"text": f"{SECRET} {n} {word}", "label": word},
    "multilabel": lambda n, word: {"text": f"{SECRET} {n} {word}", "labels": [word, "any"]},
    "matching": lambda n, word: {"text_a": f"{SECRET} {n}", "text_b": word, "label": word},
    "matching apart": lambda n, word: {"text_a": f"{SECRET} {n}", "text_b": word, "score": n % 2},
    "ner": lambda n, word: {"tokens": [SECRET, word, str(n)], "tags": ["O", f"B-{word}", "O"]},
    "qa": lambda n, word: {
        "context": f"{SECRET} {n} is {word}",
        "question": "how is it",
        "answers": [{"text": word, "start": len(f"{SECRET} {n} is ")}],
    },
    "choice": lambda n, word: {
        "context": f"{SECRET} {n} {word}",
        "question": "to",
        "choices": ["good", "bad"],
        "answer": n % 2,
    },
    "relation": lambda n, word: {
        "text": f"{SECRET} {n} is {word}",
        "head": {"start": 0, "end": 5},
        "tail": {"start": 6, "end": 9},
        "label": word,
    },
    "translation": lambda n, word: {"source": f"{SECRET} {n} {word}", "target": word},
    "generation": lambda n, word: {
        "messages": [
            {"role": "user", "content": f"{SECRET} {n}"},
            {"role": "assistant", "content": word},
        ]
    },
}
CASES = [
    ("classification", "tiny_model", {}),
    ("multilabel", "tiny_model", {}),
    ("matching", "tiny_decoder", {}),
    ("ner", "tiny_model", {"case_shape": False}),
    ("qa", "tiny_model", {}),
    ("choice", "tiny_model", {"pooling": "native"}),
    ("relation", "tiny_model", {}),
    ("matching apart", "tiny_model", {"pairs": "apart"}),
    ("translation", "tiny_writer", {}),
    ("translation", "tiny_decoder", {}),
    ("generation", "tiny_decoder", {}),
    ("generation", "tiny_writer", {}),
]


def fit(folder, task, model, *, method="full", **recipe):
    words = ("good", "bad")
    rows = [ROWS[task](number, words[number % 2]) for number in range(24)]
    data = folder / "private.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    decoding = {"decoding": {"beams": 1, "max_new_tokens": 4}}
    return tunesmith.fit(
        str(data),
        task=task.partition(" ")[0],
        method=method,
        model={"name": str(model), **recipe},
        training={"max_steps": 2, "batch_tokens": 128, "patience": 0},
        out=str(folder / "run"),
        **(decoding if task in ("translation", "generation") else {}),
    ).bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, tiny_model):
    return fit(tmp_path_factory.mktemp("hub"), "classification", tiny_model)


def export(bundle, out, **more):
    settings = {"licence": "Apache-2.0", **more}
    return tunesmith.export(str(bundle), to="hub-folder", out=str(out), **settings)


def test_folder_holds_the_model_and_its_card_and_nothing_else(bundle, tmp_path):
    result = export(bundle, tmp_path / "hub")
    names = {path.name for path in (tmp_path / "hub").iterdir()}
    assert names == {
        *(path.name for path in (bundle / "model").iterdir()),
        *("README.md", "labels.json", ".gitattributes"),
    }
    assert json.loads((tmp_path / "hub" / "labels.json").read_text("utf-8")) == ["bad", "good"]
    sizes = [path.stat().st_size for path in (tmp_path / "hub").rglob("*") if path.is_file()]
    assert result.bytes == sum(sizes)
    assert result.parity["largest_difference"] < 1e-4
    assert read_bundle(bundle).fingerprint == result.fingerprint


def test_card_is_read_by_the_hubs_own_library(bundle, tmp_path):
    export(bundle, tmp_path / "hub", languages=("en", "zh"), datasets=("owner/rows",))
    card = ModelCard.load(tmp_path / "hub" / "README.md")
    report = read_bundle(bundle).report
    assert card.data.license == "apache-2.0"
    assert card.data.pipeline_tag == "text-classification"
    assert card.data.language == ["en", "zh"]
    assert card.data.datasets == ["owner/rows"]
    assert card.data.base_model is None
    results = card.data.eval_results
    assert [result.metric_value for result in results] == [
        round(report["measures"][name]["value"], 4) for name in report["headline"]
    ]
    assert all("95 % interval" in result.metric_name for result in results)
    assert {result.dataset_split for result in results} == {report["data"]["split"]}
    name, again = model_index_to_eval_results(card.data.to_dict()["model-index"])
    assert name == "tiny-bert-classification"
    assert len(again) == len(results)
    assert "| good |" in card.content
    assert "The weakest class is" in card.content


def test_terms_are_those_of_the_backbone_where_they_are_known(tmp_path):
    bundle = fit(tmp_path, "classification", "minilm")
    tunesmith.export(str(bundle), to="hub-folder", out=str(tmp_path / "hub"))
    card = ModelCard.load(tmp_path / "hub" / "README.md")
    assert card.data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert card.data.license == "apache-2.0"
    assert card.data.language == ["en"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def test_lines_of_the_card_run_and_no_row_is_in_the_folder(
    request, tmp_path, monkeypatch, capsys, case
):
    task, model, recipe = case
    bundle = fit(tmp_path, task, request.getfixturevalue(model), **recipe)
    assert SECRET in (bundle / "canary.jsonl").read_text("utf-8")
    export(bundle, tmp_path / "hub")
    for path in (tmp_path / "hub").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert SECRET.encode() not in content, path.name
        assert b"private" not in content or path.name == "README.md", path.name
        assert str(tmp_path).encode() not in content, path.name
        assert b"/tiny-" not in content, path.name
    card = (tmp_path / "hub" / "README.md").read_text("utf-8")
    assert "private.jsonl" not in card
    (lines,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path / "hub")
    exec(compile(lines, "card", "exec"), {})
    assert capsys.readouterr().out
    lacks = read_bundle(bundle).manifest["plain_transformers"]["lacks"]
    assert all(name in card for name in lacks)
    assert ("transformers alone does not load" in card) == bool(lacks)


def test_peft_delta_goes_along_without_a_path_of_this_machine(tiny_model, tmp_path):
    bundle = fit(tmp_path, "classification", tiny_model, method="lora")
    export(bundle, tmp_path / "hub", adapter=True)
    folder = tmp_path / "hub" / "adapter"
    assert {path.name for path in folder.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    config = (folder / "adapter_config.json").read_text("utf-8")
    assert json.loads(config)["peft_type"] == "LORA"
    assert "tiny-bert" not in config


def test_every_wrong_wish_is_refused_and_nothing_is_written(bundle, tmp_path):
    for settings, said in [
        ({"licence": None}, "must say the licence"),
        ({"adapter": True}, "peft's format"),
        ({"precision": "int8"}, "as it is"),
        ({"out": None}, "must name the new folder"),
    ]:
        given = {"licence": "mit", "out": str(tmp_path / "hub"), **settings}
        with pytest.raises(SpecError, match=said):
            tunesmith.export(str(bundle), to="hub-folder", **given)
        assert not (tmp_path / "hub").exists()
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "mine").write_text("kept")
    with pytest.raises(TunesmithError, match="new or empty"):
        export(bundle, tmp_path / "hub")
    assert [path.name for path in (tmp_path / "hub").iterdir()] == ["mine"]


def test_model_that_is_not_whole_is_refused(tiny_model, tmp_path):
    bundle = fit(tmp_path, "classification", tiny_model, method="prefix")
    with pytest.raises(SpecError, match="stands beside"):
        export(bundle, tmp_path / "hub")


def test_licence_that_the_hub_does_not_know_is_named(bundle, tmp_path):
    export(bundle, tmp_path / "hub", licence="Own Terms 2")
    card = ModelCard.load(tmp_path / "hub" / "README.md")
    assert (card.data.license, card.data.license_name) == ("other", "Own Terms 2")
