"""`fit --set self_training…`: teacher and student from end to end, rounds, resume, bad files."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.torch import load_file

import tunesmith
from tunesmith.core.errors import DataError, InterruptedRunError, NotFoundError, SpecError
from tunesmith.core.events import Step
from tunesmith.session import Session

TRAINING = {"max_steps": 10, "epochs": 1000, "batch_tokens": 128, "evaluate_every": 5}


def fit(rows, model, out, *, listener=None, **settings):
    return tunesmith.fit(
        str(rows),
        task=settings.pop("task", "classification"),
        model=str(model),
        out=str(out),
        training=TRAINING,
        session=Session(device="cpu", listener=listener),
        **settings,
    )


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Return a file of texts: 20 new ones, and two that stand among the labelled rows."""
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    lines = [f"my order {number} is {'good' if number % 2 else 'bad'}" for number in range(20)]
    lines += ["my order 3 is good and i like it", "the card 4 is bad and broken"]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def taken(result):
    (found,) = [
        reason
        for reason in result.report["training"]["reasons"]
        if reason.startswith("self-training")
    ]
    return found


def test_student_learns_what_its_teacher_labelled_and_says_how_much(
    tiny_model, tiny_rows, texts, tmp_path
):
    recipe = {"data": str(texts), "confidence": 0, "per_class": 3, "rounds": 2}
    result = fit(tiny_rows, tiny_model, tmp_path / "run", self_training=recipe)
    assert "student 2: " in taken(result)
    assert "of 22 rows without labels taken" in taken(result)
    assert "2 were known texts" in taken(result)
    first, second = tmp_path / "run/teacher", tmp_path / "run/teacher/teacher"
    assert (first / "bundle/bundle.json").is_file()
    assert (second / "bundle/bundle.json").is_file()
    assert not (second / "teacher").exists()
    plain = fit(tiny_rows, tiny_model, tmp_path / "plain")
    assert result.report["data"] == plain.report["data"]


def test_probe_is_taught_and_copies_are_made_of_what_was_taken(
    tiny_model, tiny_rows, texts, tmp_path
):
    result = fit(
        tiny_rows,
        tiny_model,
        tmp_path / "run",
        method="probe",
        augmentation="eda",
        self_training={"data": str(texts), "confidence": 0},
        split={"test": 0.2},
    )
    assert ": 20 of 22 rows" in taken(result)
    taught = result.report["data"]["train_rows"] + 20
    assert any(f"beside {taught} training rows" in r for r in result.report["training"]["reasons"])


def test_probe_that_teaches_the_valid_rows_needs_others_to_be_measured_on(
    tiny_model, tiny_rows, texts, tmp_path
):
    with pytest.raises(SpecError, match="there must be test rows"):
        fit(
            tiny_rows,
            tiny_model,
            tmp_path / "run",
            method="probe",
            self_training={"data": str(texts)},
        )
    assert not (tmp_path / "run").exists()


def test_stopped_student_goes_on_and_its_teacher_is_not_tuned_again(
    tiny_model, tiny_rows, texts, tmp_path
):
    recipe = {"data": str(texts), "confidence": 0.5}
    steps = []

    def stop(event):
        if isinstance(event, Step):
            steps.append(event.index)
            if len(steps) == 17:
                raise KeyboardInterrupt

    whole = fit(tiny_rows, tiny_model, tmp_path / "whole", self_training=recipe)
    with pytest.raises(InterruptedRunError):
        fit(tiny_rows, tiny_model, tmp_path / "cut", listener=stop, self_training=recipe)
    seen = []
    gone_on = fit(
        tiny_rows,
        tiny_model,
        tmp_path / "cut",
        listener=seen.append,
        self_training=recipe,
        resume=True,
    )
    assert [event.index for event in seen if isinstance(event, Step)] == [6, 7, 8, 9, 10]
    assert taken(whole) == taken(gone_on)
    first, second = (load_file(r.bundle / "model/model.safetensors") for r in (whole, gone_on))
    assert all(np.array_equal(weight, second[name]) for name, weight in first.items())


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("empty.txt", "", DataError),
        ("header.csv", "text,label\n", DataError),
        ("other.csv", "words,label\nx,good\n", DataError),
        ("missing.txt", None, NotFoundError),
    ],
)
def test_file_without_texts_is_refused_before_anything_is_tuned(
    tiny_model, tiny_rows, tmp_path, name, content, error
):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    seen = []
    with pytest.raises(error, match=name):
        fit(
            tiny_rows,
            tiny_model,
            tmp_path / "run",
            listener=seen.append,
            self_training={"data": str(path)},
        )
    assert not (tmp_path / "run").exists()
    assert not [event for event in seen if isinstance(event, Step)]


def test_task_or_method_without_labels_to_learn_is_refused(tmp_path):
    for settings in ({"task": "qa"}, {"method": "zero-shot"}):
        with pytest.raises(SpecError, match="`self_training` learns labels"):
            fit("none.csv", "minilm", tmp_path / "run", self_training={"data": "x"}, **settings)
