"""runs: what fit and evaluate leave in the records, and every action on them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tunesmith.core.answers import EntitiesAnswer, EntityAnswer, LabelAnswer
from tunesmith.core.errors import DataError, GateError, NotFoundError, SpecError
from tunesmith.core.examples import Example, Place, TextInput, WordsInput
from tunesmith.interfaces.python import stream
from tunesmith.measure.intervals import paired_bootstrap
from tunesmith.operations.comparing import statistic_of
from tunesmith.operations.runs import RunsSpec
from tunesmith.store.bundles import read_bundle
from tunesmith.tasks.classification import Classification
from tunesmith.tasks.ner import Ner, spans_of
from tunesmith.tasks.words import join_words


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_model, new_work):
    """Return a place with a probe, its student, and what was measured of the probe later."""
    place = new_work(tmp_path_factory.mktemp("place"))
    data = place.folder / "data"
    data.mkdir()
    for split, count in (("train", 24), ("valid", 8), ("test", 15)):
        lines = ["text,label"]
        for number in range(count):
            # Every seventh row has the wrong label, so that no model is right everywhere.
            names = ("bad", "good") if number % 7 == 3 else ("good", "bad")
            lines.append(f"my order {split} {number} is good and i like it,{names[0]}")
            lines.append(f"the card {split} {number} is bad and broken,{names[1]}")
        (data / f"{split}.csv").write_text("\n".join(lines) + "\n", "utf-8")
    common = {"data": data, "task": "classification", "model": tiny_model}
    place.do("fit", **common, method="probe", out=place.folder / "runs/teacher")
    place.do(
        "fit",
        **common,
        method={"name": "full", "head_start": "random"},
        training={"epochs": 2, "track": "none"},
        distillation={"teacher": str(place.folder / "runs/teacher")},
        out=place.folder / "runs/student",
    )
    place.do("evaluate", bundle=place.folder / "runs/teacher", data=data / "valid.csv")
    return place


@pytest.fixture
def teacher(place) -> Path:
    return place.folder / "runs/teacher/bundle"


@pytest.fixture
def student(place) -> Path:
    return place.folder / "runs/student/bundle"


def test_fit_records_its_measures_with_their_cost(place, teacher, tiny_model):
    report = read_bundle(teacher).report
    found = [own for own in place.workspace.results.find() if own.bundle == str(teacher)]
    fits = [own for own in found if own.operation == "fit"]
    assert {own.measure for own in fits} == set(report["measures"])
    first = next(own for own in fits if own.place == 0)
    assert first.measure == report["headline"][0]
    assert first.is_headline
    assert first.score.to_json() == report["measures"][first.measure]
    assert (first.task, first.method, first.split) == ("classification", "probe", "test")
    assert (first.data_sha256, first.train_rows) == (report["data"]["sha256"], 48)
    assert (first.model, first.model_sha256) == (str(tiny_model), report["model"]["sha256"])
    assert first.fingerprint == read_bundle(teacher).fingerprint
    assert 0 < first.seconds < 600
    assert 10**7 < first.peak_bytes < 10**12
    assert first.machine.endswith(", cpu")
    assert place.workspace.runs.show(first.run).operation == "fit"


def test_results_are_found_by_rows_and_by_backbone(place, tiny_model, teacher):
    results = place.workspace.results
    sha256 = read_bundle(teacher).report["data"]["sha256"]
    by_rows = results.find(data_sha256=sha256, headline_only=True)
    assert [own.method for own in by_rows] == ["full", "probe"]
    assert len(results.find(model=str(tiny_model), headline_only=True)) == 3
    assert results.find(model="nobody") == []
    assert results.find(data_sha256=sha256, measure="macro_f1", task="ner") == []


def test_leaderboard_ranks_what_was_measured_on_these_rows(place):
    (board,) = place.runs("leaderboard", place.folder / "data/test.csv")["boards"]
    assert board["measure"] == "accuracy"
    assert len(board["rows"]) == 2
    values = [row["value"] for row in board["rows"]]
    assert values == sorted(values, reverse=True)
    boards = place.runs("leaderboard", place.folder / "data")["boards"]
    assert sorted(len(own["rows"]) for own in boards) == [1, 2]
    by_digits = place.runs("leaderboard", board["data_sha256"][:16])["boards"]
    assert by_digits[0]["rows"] == board["rows"]
    rising = place.runs("leaderboard", place.folder / "data/test.csv", measure="ece")["boards"][0]
    assert rising["lower_is_better"]
    values = [row["value"] for row in rising["rows"]]
    assert values == sorted(values)


@pytest.mark.parametrize(
    ("data", "more", "says"),
    [
        ("data/test.csv", {"measure": "bleu"}, "`bleu` must have been taken on"),
        ("data/train.csv", {}, "got none"),
        ("nowhere.csv", {}, "must be a data argument, or the beginning of the fingerprint"),
    ],
)
def test_leaderboard_of_what_nobody_measured_is_not_found(place, data, more, says):
    with pytest.raises(NotFoundError, match=says):
        place.runs("leaderboard", place.folder / data, **more)


def test_bundles_are_compared_by_the_answers_that_they_keep(place, teacher, student):
    kept = place.runs("compare", teacher, student)
    answered = place.runs("compare", teacher, student, place.folder / "data/test.csv")
    assert (kept["by"], answered["by"]) == ("kept answers", "answers to DATA")
    for name in ("difference", "rows", "measure", "replicates"):
        assert kept[name] == pytest.approx(answered[name]), name
    values = [
        read_bundle(path).report["measures"]["accuracy"]["value"] for path in (teacher, student)
    ]
    assert [kept["a"]["value"], kept["b"]["value"]] == pytest.approx(values)
    assert kept["difference"] == pytest.approx(values[1] - values[0])
    assert kept["rows"] == 30
    assert kept["low"] <= kept["difference"] <= kept["high"]
    assert "n=30, seed 0" in kept["sentence"]
    wrong = [
        [json.loads(line)["id"] for line in (path / "bad_cases.jsonl").open(encoding="utf-8")]
        for path in (teacher, student)
    ]
    rows = [*dict.fromkeys([*wrong[0], *wrong[1]])]
    rows += [f"right {number}" for number in range(30 - len(rows))]
    right = [np.array([row not in own for row in rows], dtype=float) for own in wrong]
    means = [lambda weights, own=own: float(weights @ own / weights.sum()) for own in right]
    expected = paired_bootstrap(means[1], means[0], 30)
    assert (kept["low"], kept["high"], kept["p_value"]) == pytest.approx(expected[1:])


def test_bundle_and_itself_are_not_told_apart(place, teacher):
    found = place.runs("compare", teacher, teacher)
    assert (found["difference"], found["low"], found["high"], found["p_value"]) == (0, 0, 0, 1)
    assert found["sentence"].startswith("B and A not told apart: +0.0 points, 95 % [0.0, 0.0]")


def test_rows_that_made_a_model_are_said_to_be_no_fair_measure(place, teacher, student):
    found = place.runs("compare", teacher, student, place.folder / "data/train.csv")
    assert [note[:2] for note in found["notes"]] == ["A:", "B:"]
    assert "not a fair measure" in found["notes"][0]


@pytest.mark.parametrize(("language", "word"), [("en", "Training loss"), ("zh-CN", "训练损失")])
def test_comparison_is_written_as_a_page_with_the_curves(
    place, teacher, student, tmp_path, language, word
):
    out = tmp_path / "page"
    found = place.runs("compare", teacher, student, out=out, language=language)
    page = (out / "compare.html").read_text("utf-8")
    assert word in page
    assert page.count("<polyline") >= 2
    assert json.loads((out / "compare.json").read_text("utf-8")) == found
    with pytest.raises(SpecError, match="must be a new or empty folder"):
        place.runs("compare", teacher, student, out=out)


def test_comparison_needs_the_same_rows_and_says_which_there_are(place, teacher, tmp_path):
    other = tmp_path / "other"
    place.do(
        "fit",
        data=place.folder / "data/train.csv",
        task="classification",
        model=read_bundle(teacher).manifest["model"]["name"],
        method="probe",
        out=other,
    )
    with pytest.raises(SpecError, match="must be measured on the same rows") as caught:
        place.runs("compare", teacher, other)
    assert caught.value.hint == "tunesmith runs compare A B DATA"
    found = place.runs("compare", teacher, other, place.folder / "data/test.csv")
    assert found["rows"] == 30


def test_alias_is_taken_wherever_a_bundle_is(place, teacher, monkeypatch):
    monkeypatch.setenv("TUNESMITH_HOME", str(place.folder / "home"))
    run = place.workspace.made.of(read_bundle(teacher).fingerprint)[0].run
    given = place.runs("alias", "@production", run)
    assert given["given"] == "@production"
    assert place.do("predict", bundle="@production", texts=["good"]).bundle == str(teacher)
    found = place.do("evaluate", bundle="@production", data=place.folder / "data/test.csv")
    assert found.fingerprint == read_bundle(teacher).fingerprint
    assert place.runs("compare", "@production", teacher)["a"]["run"] == run
    with pytest.raises(SpecError, match="`stream` is for models that write"):
        next(stream("@production", "good"))
    with pytest.raises(NotFoundError, match="the nearest is @production") as caught:
        place.do("predict", bundle="@prodction", texts=["x"])
    assert caught.value.hint == "tunesmith runs alias"


def test_alias_follows_its_bundle_into_an_export_and_no_other_change(place, teacher, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(teacher, copy)
    place.runs("alias", "@fast", copy)
    before = read_bundle(copy).fingerprint
    place.workspace.made.add("copied", before, copy, kind="bundle")
    made = place.do("export", bundle="@fast")
    assert place.workspace.made.parents_of(made.fingerprint) == [before]
    assert place.do("export", bundle="@fast").fingerprint == made.fingerprint
    place.workspace.runs.delete(["copied"])
    history = place.runs("alias", "@fast")["aliases"]
    assert [own["fingerprint"] for own in history] == [made.fingerprint, before]
    assert [own["reason"] for own in history] == ["export", None]
    assert history[1]["until"] == history[0]["since"]
    assert place.do("predict", bundle="@fast", texts=["good"]).engine == "onnx fp32"
    shutil.rmtree(copy)
    shutil.copytree(place.folder / "runs/student/bundle", copy)
    with pytest.raises(DataError, match="must be the bundle that was named so") as caught:
        place.do("predict", bundle="@fast", texts=["good"])
    assert caught.value.hint == f"tunesmith runs alias @fast {copy}"
    assert place.runs("unalias", "@fast")["taken"] == "@fast"
    assert "@fast" not in [own["alias"] for own in place.runs("alias")["aliases"]]
    with pytest.raises(NotFoundError):
        place.do("predict", bundle="@fast", texts=["good"])


def test_lineage_of_a_student_and_its_teacher_is_shown(place, teacher, student):
    made = {own: read_bundle(path) for own, path in (("teacher", teacher), ("student", student))}
    assert made["student"].manifest["parents"] == [made["teacher"].fingerprint]
    runs = {own: place.workspace.made.of(bundle.fingerprint)[0].run for own, bundle in made.items()}
    (shown,) = place.runs("show", runs["student"])["lineage"]
    assert [own["path"] for own in shown["parents"]] == [str(teacher)]
    assert shown["children"] == []
    (shown,) = place.runs(runs["teacher"])["lineage"]
    assert str(student) in [own["path"] for own in shown["children"]]
    assert shown["parents"] == []


def test_word_that_is_no_action_is_a_run_to_show():
    spec = RunsSpec(action="abcd1234")
    assert (spec.verb, spec.operands) == ("show", ("abcd1234",))
    spec = RunsSpec(action="compare", names=("a", "b"))
    assert (spec.verb, spec.operands) == ("compare", ("a", "b"))


def test_folder_of_an_alias_is_not_deleted(place, teacher):
    run = place.workspace.made.of(read_bundle(teacher).fingerprint)[0].run
    place.runs("alias", "@kept", teacher)
    with pytest.raises(GateError, match="is needed by .*@kept"):
        place.runs("delete", run, folders=True)
    place.runs("unalias", "@kept")
    assert teacher.is_dir()


def test_measure_that_is_no_mean_is_computed_on_the_rows_that_are_drawn():
    task = Ner(labels=("PER",))
    inputs = WordsInput(*join_words(["Ann", "met", "Bo"]))
    first, last, none = ("B-PER", "O", "O"), ("O", "O", "B-PER"), ("O", "O", "O")
    gold, answered = (first, last, none, first), (first, last, first, none)
    rows = [
        Example(str(number), inputs, spans_of(tags, inputs), Place("x", number))
        for number, tags in enumerate(gold)
    ]
    answers = [
        EntitiesAnswer(
            tuple(EntityAnswer(s.start, s.end, s.type, "", 1.0) for s in spans_of(tags, inputs)),
            tags,
        )
        for tags in answered
    ]
    statistic = statistic_of(task, rows, answers)
    assert statistic(np.ones(4, dtype=int)) == pytest.approx(2 * 2 / (3 + 3))
    assert statistic(np.array([1, 0, 1, 0])) == pytest.approx(2 * 1 / (1 + 2))
    assert statistic(np.array([2, 0, 0, 2])) == pytest.approx(2 * 2 / (4 + 2))
    mean = statistic_of(Classification(labels=("a", "b")), *labelled_rows())
    assert mean(np.array([3, 1])) == pytest.approx(0.75)


def labelled_rows() -> tuple[list[Example], list[LabelAnswer]]:
    """Return two rows, the first answered rightly."""
    rows = [Example(str(n), TextInput("x"), "a", Place("x", n)) for n in range(2)]
    return rows, [LabelAnswer(label, 1.0, {}) for label in "ab"]
