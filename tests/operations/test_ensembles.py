"""`fit --set ensemble…`: members, their joined bundle, resume, and what cannot be joined."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

import tunesmith
from tunesmith.core.errors import DataError, InterruptedRunError, SpecError
from tunesmith.core.events import Said, Step
from tunesmith.runtime.canary import canary_difference
from tunesmith.runtime.engine import score
from tunesmith.runtime.loading import load_engine
from tunesmith.session import Session
from tunesmith.store.bundles import read_bundle
from tunesmith.tasks.labels import softmax

TRAINING = {"max_steps": 4, "epochs": 1000, "batch_tokens": 128, "evaluate_every": 2}


def fit(rows, model, out, *, task="classification", listener=None, training=None, **settings):
    return tunesmith.fit(
        str(rows),
        task=task,
        model=str(model),
        out=str(out),
        training={**TRAINING, **(training or {})},
        session=Session(device="cpu", listener=listener),
        **settings,
    )


@pytest.fixture(scope="module")
def joined(tmp_path_factory, tiny_model, tiny_rows):
    out = tmp_path_factory.mktemp("joined") / "run"
    return fit(tiny_rows, tiny_model, out, ensemble={"seeds": 2}, seed=7)


def test_joined_bundle_answers_with_the_mean_of_its_members(joined):
    bundle = read_bundle(joined.bundle)
    assert not bundle.model_folder.exists()
    assert bundle.manifest["ensemble"] == {
        "join": "mean",
        "count": 2,
        "members": ["members/0", "members/1"],
    }
    item = bundle.task.inputs_of("my order 3 is late")
    whole = softmax(score(load_engine(bundle), [item])[0])
    alone = [softmax(score(load_engine(path), [item])[0]) for path in bundle.members]
    assert whole == pytest.approx(np.mean(alone, axis=0))
    assert not np.allclose(alone[0], alone[1])
    assert canary_difference(load_engine(bundle), bundle.path / "canary.jsonl") < 1e-4


def test_members_are_whole_bundles_of_their_seeds_on_the_same_rows(joined):
    members = [read_bundle(path) for path in read_bundle(joined.bundle).members]
    assert [bundle.manifest["seed"] for bundle in members] == [7, 8]
    assert members[0].manifest["data"] == members[1].manifest["data"]
    assert read_bundle(joined.bundle).manifest["parents"] == [b.fingerprint for b in members]
    plain = AutoModelForSequenceClassification.from_pretrained(members[0].model_folder)
    assert set(plain.config.id2label.values()) == {"good", "bad"}
    assert not joined.bundle.parent.joinpath("members").exists()


def test_every_verb_reads_the_joined_bundle(joined, tiny_rows, tmp_path):
    asked = tunesmith.predict(str(joined.bundle), "the card is bad", all_scores=True)
    assert sum(asked.predictions[0]["scores"].values()) == pytest.approx(1.0, abs=1e-5)
    marked = tunesmith.evaluate(str(joined.bundle), str(tiny_rows), out=str(tmp_path / "report"))
    assert "accuracy" in marked.measures
    (reason, *_) = joined.report["training"]["reasons"]
    assert reason.startswith("ensemble: 2 members, the mean of their probabilities; accuracy of")
    note = (joined.bundle / "README.md").read_text("utf-8")
    assert "joins 2 models" in note


def test_export_is_refused_and_says_what_to_do(joined):
    with pytest.raises(SpecError, match="joins 2") as caught:
        tunesmith.export(str(joined.bundle))
    assert "distillation.teacher=" in caught.value.hint


def test_changed_or_unrecorded_file_of_a_member_is_named(joined, tmp_path):
    copy = tmp_path / "bundle"
    shutil.copytree(joined.bundle, copy)
    (copy / "members/1/model/extra.json").write_text("{}")
    weights = copy / "members/0/model/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError) as caught:
        tunesmith.predict(str(copy), "text")
    words = str(caught.value)
    assert "members/0/model/model.safetensors` must be as it was written" in words
    assert "members/1/model/extra.json` must not be in the bundle" in words


def test_bundle_of_members_is_a_teacher_as_any_other(joined, tiny_model, tiny_rows, tmp_path):
    student = fit(
        tiny_rows, tiny_model, tmp_path / "run", distillation={"teacher": str(joined.bundle)}
    )
    assert any("1 teacher at" in reason for reason in student.report["training"]["reasons"])


def test_soup_has_the_mean_of_all_weights_and_is_one_ordinary_model(
    tiny_model, tiny_rows, tmp_path, joined
):
    result = fit(
        tiny_rows, tiny_model, tmp_path / "run", ensemble={"seeds": 2, "join": "soup"}, seed=7
    )
    bundle = read_bundle(result.bundle)
    assert bundle.members == ()
    assert bundle.manifest["ensemble"]["join"] == "soup"
    found = load_file(bundle.model_folder / "model.safetensors")
    members = [
        load_file(path / "model/model.safetensors") for path in read_bundle(joined.bundle).members
    ]
    query = "bert.encoder.layer.1.attention.self.query.weight"
    assert np.allclose(found[query], (members[0][query] + members[1][query]) / 2, atol=1e-6)
    plain = AutoModelForSequenceClassification.from_pretrained(bundle.model_folder)
    assert plain.config.num_labels == 2
    assert tunesmith.predict(str(bundle.path), "my card is bad").predictions


def test_folds_are_measured_by_members_that_did_not_learn_them(tiny_model, tiny_rows, tmp_path):
    result = fit(tiny_rows, tiny_model, tmp_path / "run", ensemble={"folds": 3})
    assert result.report["data"]["split"] == "out of fold"
    assert result.report["data"]["rows"] == 60
    assert any("out of fold" in note for note in result.report["notes"])
    members = [read_bundle(path) for path in read_bundle(result.bundle).members]
    assert len({bundle.manifest["data"]["valid"] for bundle in members}) == 3
    assert [bundle.report["data"]["rows"] for bundle in members] == [20, 20, 20]


def test_recipes_of_several_methods_are_joined_on_a_test_split(tiny_model, tiny_rows, tmp_path):
    recipes = [{"method": "probe"}, {"method": "lora", "training.max_steps": 2}]
    result = fit(
        tiny_rows,
        tiny_model,
        tmp_path / "run",
        ensemble={"recipes": recipes},
        split={"test": 0.2},
    )
    assert result.report["data"]["split"] == "test"
    members = [read_bundle(path) for path in read_bundle(result.bundle).members]
    assert [bundle.manifest["method"]["name"] for bundle in members] == ["probe", "lora"]
    assert members[1].report["training"]["steps"] == 2


def test_taggers_are_joined_word_by_word(tiny_model, tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [
        {"tokens": ["我", "们", "订", "单", str(number)], "tags": ["O", "O", "B-X", "I-X", "O"]}
        for number in range(30)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    result = fit(path, tiny_model, tmp_path / "run", task="ner", ensemble={"seeds": 2})
    assert tunesmith.predict(str(result.bundle), "我们订单7").predictions
    assert tunesmith.predict(str(result.bundle), "").predictions == ({"text": "", "entities": []},)


def test_members_that_are_done_are_not_tuned_again(tiny_model, tiny_rows, tmp_path):
    steps = []

    def stop(event):
        if isinstance(event, Step):
            steps.append(event.index)
            if len(steps) == 7:
                raise KeyboardInterrupt

    settings = {"ensemble": {"seeds": 2}}
    whole = fit(tiny_rows, tiny_model, tmp_path / "whole", **settings)
    with pytest.raises(InterruptedRunError) as caught:
        fit(tiny_rows, tiny_model, tmp_path / "cut", listener=stop, **settings)
    assert caught.value.hint.endswith("cut/config.lock.yaml --resume")
    seen = []
    gone_on = fit(
        tiny_rows, tiny_model, tmp_path / "cut", listener=seen.append, resume=True, **settings
    )
    said = [event.text for event in seen if isinstance(event, Said)]
    assert "member 1 of 2: tuned before" in said
    assert [event.index for event in seen if isinstance(event, Step)] == [3, 4]
    for number in range(2):
        first, second = (
            load_file(result.bundle / f"members/{number}/model/model.safetensors")
            for result in (whole, gone_on)
        )
        assert all(np.array_equal(weight, second[name]) for name, weight in first.items())


def test_failing_member_leaves_those_that_are_done(tiny_model, tiny_rows, tmp_path):
    recipes = [{"method": "probe"}, {"training.freeze_layers": 99}]
    with pytest.raises(SpecError, match="freeze_layers"):
        fit(
            tiny_rows,
            tiny_model,
            tmp_path / "run",
            ensemble={"recipes": recipes},
            split={"test": 0.2},
        )
    assert (tmp_path / "run/members/0/bundle/bundle.json").is_file()
    assert not (tmp_path / "run/members/1").exists()


def test_probe_that_learns_the_valid_rows_is_not_measured_on_them(tiny_model, tiny_rows, tmp_path):
    recipes = [{"method": "full"}, {"method": "probe"}]
    with pytest.raises(SpecError, match=r"must have test rows to be measured on.*member 1"):
        fit(tiny_rows, tiny_model, tmp_path / "run", ensemble={"recipes": recipes})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("task", "settings", "found"),
    [
        ("classification", {"ensemble": {"folds": 2}, "method": "probe"}, "would be equal"),
        ("qa", {"ensemble": {"seeds": 2}}, "got qa"),
        ("classification", {"ensemble": {"seeds": 2}, "method": "probe"}, "would be equal"),
        (
            "classification",
            {"ensemble": {"seeds": 2, "join": "soup"}, "method": "adapter"},
            "stands beside the model",
        ),
        (
            "ner",
            {"ensemble": {"seeds": 2, "join": "soup"}, "method": "lora"},
            "begin with equal heads",
        ),
        (
            "classification",
            {"ensemble": {"seeds": 2}, "also": {"x": {"task": "ner", "data": "y"}}},
            "models of one task",
        ),
        ("classification", {"ensemble": {"recipes": [{"method": "lorra"}, {}]}}, "lorra"),
        ("classification", {"ensemble": {"recipes": [{"data": "x"}, {}]}}, "got data"),
        ("classification", {"ensemble": {}}, "exactly one of .*got none of them"),
        ("classification", {"ensemble": {"folds": 2, "join": "soup"}}, "a soup is made of seeds"),
    ],
)
def test_what_cannot_be_joined_is_refused_before_rows_are_read(tmp_path, task, settings, found):
    with pytest.raises(SpecError, match=found):
        tunesmith.fit("none.csv", task=task, out=str(tmp_path / "run"), **settings)
    assert not (tmp_path / "run").exists()
