"""Contrastive tuning: classes come together, few labels go further, nothing is lost on the way."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tunesmith
from tunesmith.core.errors import InterruptedRunError, SpecError
from tunesmith.core.events import Step
from tunesmith.model.encoding import encode_windows
from tunesmith.runtime.engine import window_vectors
from tunesmith.runtime.loading import load_engine
from tunesmith.session import Session
from tunesmith.stages.tune.label_names import are_words
from tunesmith.store.bundles import read_bundle
from tunesmith.tasks.labels import spoken_label

WORDS = {"refund": ["refund", "bad", "broken"], "card": ["card", "lost", "where"]}


def make_rows(count=12, names=None):
    return [
        {
            "text": f"please {WORDS[label][number % 3]} it {number}",
            "label": (names or {}).get(label, label),
        }
        for number in range(count)
        for label in WORDS
    ]


@pytest.fixture
def fit(tmp_path, tiny_model):
    def run(rows, name="run", **settings):
        data = tmp_path / f"{name}.jsonl"
        data.write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8"
        )
        given = {
            "method": "contrastive",
            "training": {"learning_rate": 5e-3, "batch_tokens": 128},
            **settings,
        }
        return tunesmith.fit(
            str(data),
            task="classification",
            model={"name": str(tiny_model), "pooling": "mean"},
            out=str(tmp_path / name),
            **given,
        )

    return run


def spread(bundle, rows):
    """How much nearer a text is to its own class than to the other, in cosines."""
    engine = load_engine(bundle)
    inputs = [engine.task.inputs_of(row["text"]) for row in rows]
    vectors = window_vectors(engine, list(encode_windows(engine.tokenizer, inputs, engine.reading)))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = np.array([row["label"] for row in rows])
    alike = labels[:, None] == labels[None, :]
    cosines = units @ units.T
    return cosines[alike].mean() - cosines[~alike].mean()


def test_classes_come_together_and_the_head_tells_them_apart(fit):
    rows = make_rows()
    untouched = fit(rows, "probe", method="probe", training={})
    longer = {"learning_rate": 5e-3, "batch_tokens": 128, "epochs": 30}
    tuned = fit(rows, "tuned", training=longer)
    assert spread(tuned.bundle, rows) > spread(untouched.bundle, rows) + 0.2
    assert tuned.measures["accuracy"].value == 1.0
    losses = [step["loss"] for step in tuned.report["curve"]["steps"]]
    assert losses[-1] < losses[0]


def test_bundle_is_tuned_once_more_on_all_rows_and_says_so(fit):
    rows = make_rows()
    with_all, without = (
        fit(rows, "all"),
        fit(rows, "part", method={"name": "contrastive", "refit": False}),
    )
    assert any(
        "once more on the train and valid rows together (24)" in n for n in with_all.report["notes"]
    )
    assert not any("once more" in note for note in without.report["notes"])
    assert with_all.measures["accuracy"] == without.measures["accuracy"]
    heads = [
        read_bundle(made.bundle).path / "model" / "model.safetensors"
        for made in (with_all, without)
    ]
    assert heads[0].read_bytes() != heads[1].read_bytes()


def test_names_are_texts_of_their_class_where_they_are_words(fit):
    said = "the names of the 2 labels are texts too"
    assert said in fit(make_rows(), "words").report["training"]["reasons"]
    numbers = make_rows(names={"refund": "0", "card": "1"})
    assert said not in fit(numbers, "numbers").report["training"]["reasons"]
    never = fit(make_rows(), "never", method={"name": "contrastive", "names": "never"})
    assert said not in never.report["training"]["reasons"]


@pytest.mark.parametrize(
    ("labels", "are"),
    [
        (("refund", "lost_card"), True),
        (("退款", "卡"), True),
        (("0", "1"), False),
        (("LABEL_0", "LABEL_1"), False),
        (("标签1", "标签2"), False),
        (("a", "b"), False),
        (("refund", "17"), False),
    ],
)
def test_names_that_say_nothing_are_known(labels, are):
    assert are_words(labels) is are


def test_name_is_spoken_without_its_joints():
    assert spoken_label("lost_or-stolen.cardNow") == "lost or stolen card Now"


def test_class_of_one_row_is_tuned_too(fit):
    rows = [*make_rows(), {"text": "good order", "label": "thanks"}]
    tuned = fit(rows, method={"name": "contrastive", "names": "never"})
    assert "thanks" in load_engine(tuned.bundle).task.labels


@pytest.mark.parametrize("task", ["multilabel", "ner"])
def test_task_without_one_label_a_row_is_refused(tmp_path, tiny_model, task):
    row = {
        "multilabel": {"text": "refund my card", "labels": ["a", "b"]},
        "ner": {"text": "my card", "entities": [{"start": 3, "end": 7, "type": "ITEM"}]},
    }[task]
    data = tmp_path / "rows.jsonl"
    rows = [row | {"text": f"{row['text']} {number}"} for number in range(40)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    with pytest.raises(SpecError, match="rows of one label each"):
        tunesmith.fit(
            str(data), task=task, method="contrastive", model=str(tiny_model), out=tmp_path / "run"
        )


def test_resumed_run_ends_with_the_same_bytes(tmp_path, tiny_model):
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in make_rows(30)), "utf-8")

    def spec(out, **more):
        return {
            "data": str(data),
            "task": "classification",
            "method": "contrastive",
            "model": str(tiny_model),
            "training": {"batch_tokens": 64, "checkpoint_steps": 4},
            "out": str(out),
            **more,
        }

    def stop(event):
        if isinstance(event, Step) and event.index == 11:
            raise KeyboardInterrupt

    whole = tunesmith.fit(**spec(tmp_path / "whole"))
    with pytest.raises(InterruptedRunError):
        tunesmith.fit(**spec(tmp_path / "cut"), session=Session(listener=stop))
    assert list((tmp_path / "cut").glob("checkpoint-*"))
    resumed = tunesmith.fit(**spec(tmp_path / "cut", resume=True))
    weights = [made.bundle / "model" / "model.safetensors" for made in (whole, resumed)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
