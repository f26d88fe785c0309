"""`fit` with text or other tasks beside the task, from end to end on a tiny model."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

import tunesmith
from tunesmith.core.errors import DataError, InterruptedRunError, NotFoundError, SpecError
from tunesmith.core.events import Event, Step
from tunesmith.session import Session

STEPS = 8


def fit(rows, model, out, *, listener=None, training=None, **settings):
    return tunesmith.fit(
        str(rows),
        task="classification",
        model=model if isinstance(model, dict) else str(model),
        out=str(out),
        training={"max_steps": STEPS, "epochs": 1000, "batch_tokens": 64, **(training or {})},
        session=Session(device="cpu", listener=listener),
        **settings,
    )


@pytest.fixture(scope="module")
def entity_rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("ner") / "rows.jsonl"
    rows = [
        {
            "tokens": ["my", thing, "number", str(number), "is", "late"],
            "tags": ["O", "B-THING", "O", "B-NUMBER", "O", "O"],
        }
        for number in range(20)
        for thing in ("card", "lamp")
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def weights_of(bundle):
    return load_file(bundle / "model/model.safetensors")


def assert_equal_weights(first, second):
    ours, theirs = weights_of(first), weights_of(second)
    assert ours.keys() == theirs.keys()
    assert len(ours) > 20
    assert all(torch.equal(weight, theirs[name]) for name, weight in ours.items())


@pytest.mark.parametrize("objective", ["mlm", "contrastive"])
def test_both_losses_are_told_and_the_bundle_is_an_ordinary_one(
    tmp_path, tiny_model, tiny_rows, tiny_text, objective
):
    seen: list[Event] = []
    text = {"data": str(tiny_text), "objective": objective, "task_weight": 3}
    result = fit(tiny_rows, tiny_model, tmp_path / "run", listener=seen.append, joint=text)
    steps = [event for event in seen if isinstance(event, Step)]
    assert len(steps) == STEPS
    for step in steps:
        assert set(step.parts) == {"task", objective}
        expected = (step.parts[objective] + 3 * step.parts["task"]) / 4
        assert step.loss == pytest.approx(expected, rel=1e-5)
    curve = result.report["curve"]["steps"]
    assert [set(record["parts"]) for record in curve] == [{"task", objective}] * STEPS
    reasons = " ".join(result.report["training"]["reasons"])
    assert f"beside the task: {objective}, its loss" in reasons
    plain = AutoModelForSequenceClassification.from_pretrained(result.bundle / "model")
    assert set(plain.config.id2label.values()) == {"good", "bad"}
    assert not any(name.startswith("cls.") for name in weights_of(result.bundle))
    assert tunesmith.predict(str(result.bundle), "my card is bad").predictions


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_task_of_all_the_weight_ends_where_the_task_alone_does(
    tmp_path, tiny_model, tiny_rows, tiny_text, optimizer
):
    model = {"name": str(tiny_model), "dropout": 0}
    training = {"optimizer": optimizer, "weight_decay": 0, "precision": "fp32"}
    training["learning_rate"] = 0.05 if optimizer == "sgd" else 1e-3
    alone = fit(tiny_rows, model, tmp_path / "alone", training=training)
    joint = {"data": str(tiny_text), "task_weight": 1e12}
    beside = fit(tiny_rows, model, tmp_path / "beside", training=training, joint=joint)
    light = {**joint, "task_weight": 1}
    other = fit(tiny_rows, model, tmp_path / "other", training=training, joint=light)
    query = "bert.encoder.layer.0.attention.self.query.weight"
    first, second, third = (weights_of(each.bundle)[query] for each in (alone, beside, other))
    assert (first - second).norm() < 1e-3 * first.norm()
    assert (first - third).norm() > 10 * (first - second).norm()


@pytest.mark.parametrize(
    "training",
    [{}, {"optimizer": "schedule_free"}, {"optimizer": "muon", "freeze_layers": 1}],
    ids=str,
)
def test_resumed_run_has_bit_identical_weights(
    tmp_path, tiny_model, tiny_rows, tiny_text, entity_rows, training
):
    """It stops between two checkpoints, in the text's second round and with λ on its way."""
    training = {"evaluate_every": 5, "checkpoint_steps": 3, "patience": 0, **training}
    asked = {
        "training": training,
        "joint": {"data": str(tiny_text), "final_task_weight": 30, "batch_tokens": 4096},
        "also": {"things": {"task": "ner", "data": str(entity_rows)}},
    }

    def stop(event: Event) -> None:
        if isinstance(event, Step) and event.index == 5:
            raise KeyboardInterrupt

    whole = fit(tiny_rows, tiny_model, tmp_path / "whole", **asked)
    with pytest.raises(InterruptedRunError):
        fit(tiny_rows, tiny_model, tmp_path / "run", listener=stop, **asked)
    resumed = fit(tiny_rows, tiny_model, tmp_path / "run", resume=True, **asked)
    assert_equal_weights(whole.bundle, resumed.bundle)
    assert_equal_weights(whole.also["things"][0], resumed.also["things"][0])
    assert whole.report["curve"]["steps"] == resumed.report["curve"]["steps"]


def test_run_is_not_resumed_with_other_text(tmp_path, tiny_model, tiny_rows, tiny_text):
    text = tmp_path / "text.txt"
    text.write_text(tiny_text.read_text("utf-8"), "utf-8")
    asked = {"joint": {"data": str(text)}, "training": {"checkpoint_steps": 2}}

    def stop(event: Event) -> None:
        if isinstance(event, Step) and event.index == 3:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError):
        fit(tiny_rows, tiny_model, tmp_path / "run", listener=stop, **asked)
    text.write_text("something else altogether, and more of it\n", "utf-8")
    with pytest.raises(DataError, match="must be those the run began with"):
        fit(tiny_rows, tiny_model, tmp_path / "run", resume=True, **asked)


def test_each_task_gets_a_bundle_that_later_verbs_take(
    tmp_path, tiny_model, tiny_rows, entity_rows
):
    seen: list[Event] = []
    result = fit(
        tiny_rows,
        tiny_model,
        tmp_path / "run",
        listener=seen.append,
        training={"max_steps": 80, "evaluate_every": 80, "learning_rate": 2e-3},
        also={"things": {"task": "ner", "data": str(entity_rows), "weight": 2.0}},
    )
    step = next(event for event in seen if isinstance(event, Step))
    assert step.loss == pytest.approx((step.parts["task"] + 2 * step.parts["things"]) / 3)
    bundle, report = result.also["things"]
    assert bundle == tmp_path / "run/bundles/things"
    assert result.to_json()["also"]["things"]["measures"] == report["measures"]
    assert report["measures"]["strict_f1"]["value"] > 0.5
    assert report["task"]["kind"] == "ner"
    assert [record["loss"] for record in report["curve"]["steps"][:1]] == [
        pytest.approx(step.parts["things"], abs=1e-5)
    ]
    marked = tunesmith.evaluate(str(bundle), str(entity_rows))
    assert marked.measures["strict_f1"].value > 0.5
    plain = AutoModelForTokenClassification.from_pretrained(bundle / "model")
    assert "B-THING" in plain.config.id2label.values()
    ours, theirs = weights_of(result.bundle), weights_of(bundle)
    shared = {name for name in set(ours) & set(theirs) if name.startswith("bert.")}
    assert len(shared) > 30
    assert all(torch.equal(ours[name], theirs[name]) for name in shared)


def test_spec_of_a_run_repeats_it(tmp_path, tiny_model, tiny_rows, tiny_text, entity_rows):
    asked = {
        "joint": {"data": str(tiny_text), "objective": {"name": "mlm", "mask_ratio": 0.3}},
        "also": {"things": {"task": "ner", "data": str(entity_rows), "weight": 0.5}},
    }
    first = fit(tiny_rows, tiny_model, tmp_path / "run", **asked)
    from typer.testing import CliRunner

    from tunesmith.interfaces.cli import app

    again = CliRunner().invoke(
        app, ["fit", str(tmp_path / "run/config.lock.yaml"), "--out", str(tmp_path / "again")]
    )
    assert again.exit_code == 0, again.output
    assert_equal_weights(first.bundle, tmp_path / "again/bundle")


@pytest.mark.parametrize(
    "case",
    [
        ({"joint": {}}, SpecError, "`joint.data` must be given"),
        ({"joint": {"data": "nowhere.txt"}}, NotFoundError, "nowhere.txt"),
        ({"joint": {"data": "TEXT", "task_weight": 0}}, SpecError, "task_weight` must be above 0"),
        ({"joint": {"data": "TEXT", "final_task_weight": -1}}, SpecError, "final_task_weight"),
        ({"joint": {"data": "TEXT", "objective": "causal"}}, SpecError, "'mlm', 'contrastive'"),
        ({"joint": {"data": "TEXT", "column": {"label": "x"}}}, SpecError, "the role text"),
        ({"joint": {"data": "EMPTY"}}, DataError, "a corpus must hold text"),
        ({"joint": {"data": "TEXT"}, "method": "probe"}, SpecError, "train the encoder"),
        (
            {"joint": {"data": "TEXT", "reading": {"window_tokens": 4000}}},
            SpecError,
            "must be at most 128",
        ),
        (
            {"joint": {"data": "TEXT", "objective": "contrastive"}, "model": {"dropout": 0}},
            SpecError,
            "under dropout",
        ),
        ({"also": {"a b": {"task": "ner", "data": "x"}}}, SpecError, "letters, digits"),
        ({"also": {"task": {"task": "ner", "data": "x"}}}, SpecError, "is taken"),
        ({"also": {"x": {"task": "nor", "data": "x"}}}, SpecError, "`also.x.task` must be"),
        ({"also": {"x": {"task": "ner", "dat": "x"}}}, SpecError, "did you mean `also.x.data`"),
        ({"also": {"x": {"task": "ner", "data": "nowhere.csv"}}}, NotFoundError, "nowhere.csv"),
    ],
)
def test_what_cannot_be_learned_beside_the_task_is_refused(
    tmp_path, tiny_model, tiny_rows, tiny_text, case
):
    settings, error, words = case
    (tmp_path / "empty.txt").write_text("\n\n", "utf-8")
    named = {"TEXT": str(tiny_text), "EMPTY": str(tmp_path / "empty.txt")}
    joint = settings.get("joint", {})
    if joint.get("data") in named:
        settings = {**settings, "joint": {**joint, "data": named[joint["data"]]}}
    model = {"name": str(tiny_model), **settings.get("model", {})}
    rest = {name: value for name, value in settings.items() if name != "model"}
    with pytest.raises(error, match=words):
        fit(tiny_rows, model, tmp_path / "run", **rest)
    assert not (tmp_path / "run").exists()
