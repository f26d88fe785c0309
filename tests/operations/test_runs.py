"""runs: what fit and evaluate leave in the records, and every action on them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import DataError, GateError, NotFoundError, SpecError
from tunesmith.interfaces.python import stream
from tunesmith.measure.intervals import paired_bootstrap
from tunesmith.operations import execute
from tunesmith.operations.runs import RunsSpec
from tunesmith.session import Session
from tunesmith.store.bundles import read_bundle
from tunesmith.store.workspace import Workspace


class Place:
    """A workspace in which runs were made, and the data they were made from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.session = Session(workspace=Workspace(folder / "home"))
        self.workspace = self.session.workspace

    def do(self, verb: str, **values: Any) -> Any:
        """Carry out an operation in this workspace."""
        return execute(verb, values, session=self.session)

    def runs(self, action: str, *names: object, **values: Any) -> dict[str, Any]:
        """Carry out `runs ACTION NAMES…`."""
        found = self.do("runs", action=action, names=[str(name) for name in names], **values)
        return found.to_json()


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_model) -> Place:
    """Return a place with a probe, its student, and what was measured of the probe later."""
    place = Place(tmp_path_factory.mktemp("place"))
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


@pytest.fixture
def records(tmp_path, monkeypatch) -> Place:
    """Return a workspace without runs; its folder is the current one."""
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


def past_run(place: Place, name: str, *, checkpoints: int = 0) -> str:
    """Record a finished fit whose folder has a lock, a bundle's manifest and checkpoints."""
    identity = place.workspace.runs.start("fit", {"data": "x.csv"}, out=f"runs/{name}")
    make_folder(place, name, checkpoints=checkpoints)
    bundle = place.folder / "runs" / name / "bundle"
    place.workspace.runs.finish(identity, "done", result={"bundle": str(bundle)})
    place.workspace.made.add(identity, f"f-{name}", bundle, kind="bundle")
    return identity


def make_folder(place: Place, name: str, *, checkpoints: int = 0) -> Path:
    folder = place.folder / "runs" / name
    (folder / "bundle").mkdir(parents=True)
    (folder / "config.lock.yaml").write_text("data: x.csv\n", "utf-8")
    for step in range(1, checkpoints + 1):
        (folder / f"checkpoint-{step}").mkdir()
        (folder / f"checkpoint-{step}" / "state.json").write_text("{}", "utf-8")
    return folder


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
    made = place.do("export", bundle="@fast")
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


def test_lineage_ends_where_it_would_turn_in_a_circle(records):
    made = records.workspace.made
    identity = past_run(records, "x")
    made.add(identity, "a", records.folder / "a", kind="bundle", parents=["b"])
    made.add("other", "b", records.folder / "b", kind="bundle", parents=["a", "c"])
    shown = {own["fingerprint"]: own for own in records.runs("show", identity)["lineage"]}["a"]
    (parent,) = shown["parents"]
    assert (parent["fingerprint"], parent["run"], parent["is_there"]) == ("b", "other", False)
    assert [own["fingerprint"] for own in parent["parents"]] == ["c"]
    assert parent["parents"][0]["path"] is None


def test_run_gets_a_name_a_note_and_tags(records):
    identity = past_run(records, "x")
    assert records.runs("name", identity, "best")["runs"][0]["name"] == "best"
    assert records.runs("note", "best", "new", "labels")["runs"][0]["note"] == "new labels"
    assert records.runs("tag", "best", "a", "b")["runs"][0]["tags"] == ["a", "b"]
    assert records.runs("untag", "best", "a")["runs"][0]["tags"] == ["b"]
    assert [own["id"] for own in records.runs("list", tag="b")["runs"]] == [identity]
    assert records.runs("list", tag="a")["runs"] == []
    assert [own["id"] for own in records.runs("list", since="1d", status="done")["runs"]] == [
        identity
    ]
    assert records.runs("list", since="2999-01-01")["runs"] == []
    assert records.runs("best")["runs"][0]["id"] == identity


@pytest.mark.parametrize(
    ("action", "names", "says", "hint"),
    [
        ("compare", ["a"], "`runs compare` must be written", "tunesmith runs compare A B [DATA]"),
        ("tag", ["a"], "got 1 word behind it", "tunesmith runs tag RUN TAG…"),
        ("list", ["a"], "`runs list` must be written `tunesmith runs list`", "tunesmith runs list"),
        ("alias", ["production", "x"], "must begin with `@`", "runs alias @production BUNDLE"),
        ("name", ["RUN", "beef"], "must not be read as an id", "my-beef"),
        ("name", ["RUN", "gc"], "must not be read as an id or an action", "my-gc"),
    ],
)
def test_action_without_what_it_needs_is_refused(records, action, names, says, hint):
    identity = past_run(records, "x")
    with pytest.raises(SpecError) as caught:
        records.runs(action, *(identity if name == "RUN" else name for name in names))
    assert says in str(caught.value)
    assert hint in caught.value.hint


def test_action_that_is_misspelt_is_guessed_and_a_bad_moment_refused(records):
    with pytest.raises(NotFoundError) as caught:
        records.runs("compar")
    assert caught.value.hint == "tunesmith runs compare"
    with pytest.raises(SpecError, match="`since` must be a day"):
        records.runs("list", since="yesterday")
    identity = records.workspace.runs.start("evaluate", {}, out=None)
    with pytest.raises(NotFoundError, match="must have made a bundle"):
        records.runs("alias", "@x", identity)


def test_word_that_is_no_action_is_a_run_to_show():
    spec = RunsSpec(action="abcd1234")
    assert (spec.verb, spec.operands) == ("show", ("abcd1234",))
    spec = RunsSpec(action="compare", names=("a", "b"))
    assert (spec.verb, spec.operands) == ("compare", ("a", "b"))


def test_deleted_run_leaves_its_folder_unless_that_is_asked_for(records):
    first, second = (past_run(records, name) for name in "xy")
    found = records.runs("delete", first)
    folder = records.folder / "runs/x"
    assert (found["deleted"], found["folders"]) == ([first], [])
    assert found["kept_folders"] == [str(folder)]
    assert folder.is_dir()
    assert records.runs("delete", second, folders=True)["folders"] == [
        str(records.folder / "runs/y")
    ]
    assert not (records.folder / "runs/y").exists()
    assert records.runs("list")["runs"] == []


def test_folder_that_an_alias_or_a_child_needs_is_not_deleted(records):
    parent, child = past_run(records, "parent"), past_run(records, "child")
    made = records.workspace.made
    made.add(
        child, "f-child", records.folder / "runs/child/bundle", kind="bundle", parents=["f-parent"]
    )
    with pytest.raises(GateError, match="runs/parent` is needed by .*runs/child/bundle"):
        records.runs("delete", parent, folders=True)
    assert (records.folder / "runs/parent").is_dir()
    assert len(records.runs("list")["runs"]) == 2
    found = records.runs("delete", parent, child, folders=True)
    assert len(found["folders"]) == 2


def test_folder_of_an_alias_is_not_deleted(place, teacher):
    run = place.workspace.made.of(read_bundle(teacher).fingerprint)[0].run
    place.runs("alias", "@kept", teacher)
    with pytest.raises(GateError, match="is needed by .*@kept"):
        place.runs("delete", run, folders=True)
    place.runs("unalias", "@kept")
    assert teacher.is_dir()


def test_run_that_is_going_on_is_not_deleted(records):
    identity = records.workspace.runs.start("fit", {}, out="runs/x")
    with pytest.raises(SpecError, match="is running"):
        records.runs("delete", identity)
    assert records.workspace.runs.show(identity).status == "running"


def test_garbage_is_told_first_and_removed_only_when_asked(records):
    lost, kept = past_run(records, "lost"), past_run(records, "kept", checkpoints=2)
    shutil.rmtree(records.folder / "runs/lost")
    stray = make_folder(records, "stray")
    unfinished = make_folder(records, "unfinished", checkpoints=1)
    shutil.rmtree(unfinished / "bundle")
    going = records.workspace.runs.start("fit", {}, out="runs/unfinished")
    found = records.runs("gc")
    assert [own["run"] for own in found["records_without_folder"]] == [lost]
    assert [own["folder"] for own in found["folders_without_record"]] == [str(stray)]
    checkpoints = [str(records.folder / f"runs/kept/checkpoint-{step}") for step in (1, 2)]
    assert [own["folder"] for own in found["stale_checkpoints"]] == checkpoints
    assert not found["is_done"]
    assert len(records.runs("list")["runs"]) == 3
    assert Path(checkpoints[0]).is_dir()
    records.runs("gc", yes=True)
    assert {own["id"] for own in records.runs("list")["runs"]} == {kept, going}
    assert not any(Path(path).exists() for path in checkpoints)
    assert (unfinished / "checkpoint-1").is_dir()
    assert stray.is_dir()
    records.runs("gc", yes=True, folders=True)
    assert not stray.exists()
    assert (records.folder / "runs/kept").is_dir()
    found = records.runs("gc")
    assert not any(found[name] for name in found if isinstance(found[name], list))


def test_garbage_of_another_machine_is_let_be(records, monkeypatch):
    past_run(records, "x")
    with monkeypatch.context() as patched:
        patched.setattr("tunesmith.store.runs.host_name", lambda: "far-away")
        past_run(records, "y")
    shutil.rmtree(records.folder / "runs")
    assert len(records.runs("gc")["records_without_folder"]) == 1
