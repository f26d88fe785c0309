"""`fit` with copies of its rows, and with teachers, from end to end on a tiny model."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.torch import load_file

import tunesmith
from tunesmith.core.errors import DataError, InterruptedRunError, NotFoundError, SpecError
from tunesmith.core.events import Step
from tunesmith.runtime.engine import score
from tunesmith.runtime.loading import load_engine
from tunesmith.session import Session

TRAINING = {"max_steps": 6, "epochs": 1000, "batch_tokens": 128, "evaluate_every": 3}


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
def chinese_rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("zh") / "rows.jsonl"
    rows = [
        {"text": f"订单{number}{text}", "label": label}
        for number in range(20)
        for text, label in (("到了很好", "好评"), ("退款快递坏的", "差评"))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture(scope="module")
def teacher(tmp_path_factory, tiny_model, tiny_rows):
    out = tmp_path_factory.mktemp("teacher") / "run"
    return fit(tiny_rows, tiny_model, out, training={"max_steps": 30, "learning_rate": 1e-3}).bundle


def reasons_of(result):
    return " ".join(result.report["training"]["reasons"])


def test_training_rows_alone_are_copied_and_the_report_counts_them(tmp_path, tiny_model, tiny_rows):
    plain = fit(tiny_rows, tiny_model, tmp_path / "plain")
    more = fit(
        tiny_rows,
        tiny_model,
        tmp_path / "more",
        augmentation={"name": "eda", "copies": 2},
    )
    assert "augmentation: eda, " in reasons_of(more)
    assert "copies beside 54 training rows" in reasons_of(more)
    assert "augmentation" not in reasons_of(plain)
    for name in ("data", "check"):
        assert more.report[name] == plain.report[name]
    assert more.bundle.joinpath("bundle.json").exists()
    first, second = (load_file(each.bundle / "model/model.safetensors") for each in (plain, more))
    assert any(not np.array_equal(weight, second[name]) for name, weight in first.items())


def test_chinese_rows_are_copied_with_a_dictionary_of_ones_own(tmp_path, tiny_model, chinese_rows):
    words = tmp_path / "words.tsv"
    words.write_text("退款\t想退款\n到了\t快到了\n", "utf-8")
    recipe = {"name": "eda", "synonyms": str(words), "operations": ["synonyms"]}
    result = fit(chinese_rows, tiny_model, tmp_path / "run", augmentation=recipe)
    assert "eda, 36 copies beside 36 training rows; 0 empty" in reasons_of(result)


def test_probe_learns_from_copies_and_its_head_is_fitted_on_them(tmp_path, tiny_model, tiny_rows):
    result = fit(tiny_rows, tiny_model, tmp_path / "run", method="probe", augmentation="eda")
    assert "copies beside 54 training rows" in reasons_of(result)


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [("broken.tsv", "good fine\n", DataError), ("missing.tsv", None, NotFoundError)],
)
def test_dictionary_that_cannot_be_read_leaves_no_run_behind(
    tmp_path, tiny_model, tiny_rows, name, content, error
):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    recipe = {"name": "eda", "synonyms": str(path)}
    with pytest.raises(error, match=name):
        fit(tiny_rows, tiny_model, tmp_path / "run", augmentation=recipe)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"augmentation": "mentions"}, "keeps the answers of ner"),
        ({"augmentation": "eda", "method": "zero-shot"}, "reads none"),
        ({"distillation": {"teacher": "x"}, "method": "probe"}, "--method probe` has none"),
    ],
)
def test_wish_that_cannot_be_met_is_refused_before_rows_are_read(tmp_path, settings, found):
    with pytest.raises(SpecError, match=found):
        fit(tmp_path / "none.csv", "minilm", tmp_path / "run", **settings)


@pytest.mark.parametrize("asked", ["augmentation", "distillation"])
def test_resumed_run_ends_with_the_weights_it_would_have_had(
    tmp_path, tiny_model, tiny_rows, teacher, asked
):
    settings = {
        "augmentation": {"augmentation": {"name": "eda", "copies": 2}},
        "distillation": {"distillation": {"teacher": [str(teacher)], "weight": 0.8}},
    }[asked]

    def stop(event):
        if isinstance(event, Step) and event.index == 5:
            raise KeyboardInterrupt

    whole = fit(tiny_rows, tiny_model, tmp_path / "whole", **settings)
    with pytest.raises(InterruptedRunError):
        fit(tiny_rows, tiny_model, tmp_path / "cut", listener=stop, **settings)
    gone_on = fit(tiny_rows, tiny_model, tmp_path / "cut", resume=True, **settings)
    first, second = (
        load_file(each.bundle / "model/model.safetensors") for each in (whole, gone_on)
    )
    assert all(np.array_equal(weight, second[name]) for name, weight in first.items())
    assert len(first) > 20


def test_student_of_a_teacher_alone_says_what_the_teacher_says(
    tmp_path, tiny_model, tiny_rows, teacher
):
    """Its labels are shuffled in the rows; with the whole weight nobody looks at them."""
    lines = tiny_rows.read_text("utf-8").splitlines()
    swapped = [lines[0]] + [
        line.replace(",good", ",x").replace(",bad", ",good").replace(",x", ",bad")
        for line in lines[1:]
    ]
    rows = tmp_path / "rows.csv"
    rows.write_text("\n".join(swapped) + "\n", "utf-8")
    distillation = {"teacher": [str(teacher), str(teacher)], "temperature": 1, "weight": 1}
    student = fit(
        rows,
        tiny_model,
        tmp_path / "run",
        method={"name": "full", "head_start": "random"},
        training={"max_steps": 60, "patience": 0, "learning_rate": 1e-3, "evaluate_every": 60},
        distillation=distillation,
    )
    assert "distillation: 2 teachers" in reasons_of(student)
    texts = [line.rpartition(",")[0] for line in lines[1:]]
    asked = [tunesmith.predict(str(path), texts) for path in (teacher, student.bundle)]
    labels = [[row["label"] for row in result.predictions] for result in asked]
    assert np.mean([one == other for one, other in zip(*labels, strict=True)]) > 0.9


def test_taggers_learn_word_by_word_from_a_teacher(tmp_path, tiny_model):
    path = tmp_path / "rows.jsonl"
    rows = [
        {
            "tokens": ["my", thing, str(number), "is", "late"],
            "tags": ["O", "B-THING", "O", "O", "O"],
        }
        for number in range(20)
        for thing in ("card", "order")
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    training = {"max_steps": 60, "learning_rate": 3e-3, "head_learning_rate": 3e-3}
    teacher = fit(path, tiny_model, tmp_path / "teacher", task="ner", training=training)
    student = fit(
        path,
        tiny_model,
        tmp_path / "student",
        task="ner",
        training=training,
        distillation={"teacher": str(teacher.bundle), "weight": 1, "temperature": 1},
        augmentation="mentions",
    )
    engines = [load_engine(result.bundle) for result in (teacher, student)]
    items = [engines[0].task.inputs_of(" ".join(row["tokens"])) for row in rows]
    ours, theirs = (
        np.concatenate([scores.argmax(axis=-1) for scores in score(engine, items)])
        for engine in engines
    )
    assert np.mean(ours == theirs) > 0.9


def test_teacher_with_other_labels_is_refused_and_no_run_is_left(
    tmp_path, tiny_model, chinese_rows, teacher
):
    with pytest.raises(SpecError, match="好评, 差评 that it does not know and bad, good that"):
        fit(
            chinese_rows,
            tiny_model,
            tmp_path / "run",
            distillation={"teacher": str(teacher)},
        )
    assert not (tmp_path / "run").exists()
