"""Smaller bundles: what they keep, what they cost, whose children they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tunesmith
from tunesmith.core.errors import SpecError
from tunesmith.model.backbones import load_tokenizer
from tunesmith.model.tokenizers import read_tokenizer
from tunesmith.model.trimming import trim_tokenizer, used_tokens
from tunesmith.store.bundles import read_bundle


@pytest.fixture(scope="module")
def source(tmp_path_factory, tiny_model, tiny_rows) -> Path:
    """Return a tuned bundle. Never change it."""
    out = tmp_path_factory.mktemp("source") / "run"
    settings = {"learning_rate": 2e-3, "epochs": 6, "batch_tokens": 128}
    return tunesmith.fit(
        tiny_rows, task="classification", model=tiny_model, training=settings, out=out
    ).bundle


def labels(bundle: object, texts: list[str], **how: str) -> list[str]:
    found = tunesmith.predict(str(bundle), texts, **how).predictions
    return [row["label"] for row in found]


def test_trimmed_bundle_answers_its_rows_as_before_with_fewer_tokens(source, tiny_rows, tmp_path):
    before = read_bundle(source)
    result = tunesmith.export(source, data=tiny_rows, trim_vocabulary=True, out=tmp_path / "small")
    trimmed = read_bundle(result.bundle)
    cost = result.pruned["trim_vocabulary"]
    assert cost["tokens"] < cost["tokens_before"]
    assert cost["agreement"] == 1.0
    assert cost["difference"] == 0.0
    assert trimmed.manifest["parents"] == [before.fingerprint]
    assert trimmed.manifest["pruned"] == result.pruned
    assert read_bundle(source) == before
    config = json.loads((trimmed.model_folder / "config.json").read_text("utf-8"))
    assert config["vocab_size"] == cost["tokens"]
    texts = [line.split(",")[0] for line in tiny_rows.read_text("utf-8").splitlines()[1:]]
    texts += ["", "a w0rd nob0dy used 订单"]
    assert labels(result.bundle, texts) == labels(source, texts)
    assert labels(result.bundle, texts, engine="torch") == labels(source, texts)


def test_trimmed_tokenizer_gives_the_tokens_it_gave(tiny_model, tmp_path):
    texts = ["the order is late", "我们想要订单", "card 12x"]
    whole = read_tokenizer(tiny_model)
    content, kept = trim_tokenizer(tiny_model, used_tokens(whole, texts))
    for name in ("tokenizer_config.json", "config.json"):
        (tmp_path / name).write_bytes((tiny_model / name).read_bytes())
    (tmp_path / "tokenizer.json").write_text(content, "utf-8")
    small = read_tokenizer(tmp_path)
    for special in (False, True):
        wanted, _ = whole.encode(texts, special=special)
        found, _ = small.encode(texts, special=special)
        assert [[kept[number] for number in ids] for ids in found] == wanted
    assert kept[small.pad_token_id] == whole.pad_token_id
    assert small.tokenizer.token_to_id("refund") is None
    assert small.tokenizer.token_to_id("q") is not None
    theirs = load_tokenizer(tmp_path)(texts)["input_ids"]
    assert theirs == small.encode(texts, special=True)[0]


def test_vocabulary_of_another_kind_is_refused(tiny_model, tmp_path):
    fields = json.loads((tiny_model / "tokenizer.json").read_text("utf-8"))
    fields["model"]["type"] = "Unigram"
    (tmp_path / "tokenizer.json").write_text(json.dumps(fields))
    with pytest.raises(SpecError, match="must be WordPiece; got Unigram"):
        trim_tokenizer(tmp_path, set())


def test_bundle_with_a_layer_less_is_tuned_again_and_its_loss_told(source, tiny_rows, tmp_path):
    result = tunesmith.export(source, data=tiny_rows, drop_layers=1, out=tmp_path / "short")
    cost = result.pruned["drop_layers"]
    assert cost["layers"] == 1
    assert cost["difference"] == cost["pruned"] - cost["source"]
    short = read_bundle(result.bundle)
    assert short.manifest["parents"] == [read_bundle(source).fingerprint]
    assert short.manifest["pruned"] == result.pruned
    assert tunesmith.predict(result.bundle, ["it is good"]).engine == "onnx fp32"


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        ({"drop_layers": 1}, ("`data` must be given", "`out` must be given")),
        ({"trim_vocabulary": True, "out": "x"}, ("`data` must be given",)),
        ({"out": "x"}, ("`out` is the place of a pruned bundle",)),
        ({"drop_layers": 2, "data": "rows.csv", "out": "x"}, ("must leave a layer; got 2 of 2",)),
    ],
)
def test_pruning_that_cannot_be_is_refused(source, tmp_path, monkeypatch, wishes, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        tunesmith.export(source, **wishes)
    assert all(part in str(caught.value) for part in says)


def relation(number: int) -> dict:
    head, tail = {"start": 0, "end": 2, "type": "refund"}, {"start": 3, "end": 8}
    return {"text": f"my order {number}", "head": head, "tail": tail, "label": "ab"[number % 2]}


def scored(number: int) -> dict:
    word = "good" if number % 2 else "bad"
    return {"text_a": f"it is {word}", "text_b": f"card {number}", "score": float(number % 2)}


def choice(number: int) -> dict:
    choices = ["late", "lost", "good"][: 2 + number % 2]
    return {"question": f"is it {number}", "choices": choices, "answer": number % 2}


def question(number: int) -> dict:
    answer = {"text": "order", "start": 3}
    return {"context": f"my order {number}", "question": "what?", "answers": [answer]}


@pytest.mark.parametrize(
    ("task", "row", "pruning"),
    [
        ("relation", relation, {"trim_vocabulary": True}),
        ("matching", scored, {"drop_layers": 1}),
        ("choice", choice, {"drop_layers": 1}),
        ("qa", question, {"trim_vocabulary": True}),
    ],
)
def test_rows_of_several_parts_are_pruned_and_exported(tiny_model, tmp_path, task, row, pruning):
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row(number)) + "\n" for number in range(40)), "utf-8")
    fitted = tunesmith.fit(
        data, task=task, model=tiny_model, training={"max_steps": 4}, out=tmp_path / "run"
    )
    result = tunesmith.export(fitted.bundle, data=data, out=tmp_path / "small", **pruning)
    (cost,) = result.pruned.values()
    if "tokens" in cost:
        assert cost["tokens"] < cost["tokens_before"]
        assert cost["agreement"] == 1.0
    found = tunesmith.predict(result.bundle, [json.dumps(row(1))])
    assert (found.engine, found.rows) == ("onnx fp32", 1)
    small, source = (read_bundle(path).manifest for path in (result.bundle, fitted.bundle))
    assert (small["reading"], small["pooling"]) == (source["reading"], source["pooling"])
