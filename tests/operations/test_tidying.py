"""runs: names, tags and lineage of records, and what delete and gc remove."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tunesmith.core.errors import GateError, NotFoundError, SpecError


def test_lineage_ends_where_it_would_turn_in_a_circle(records):
    made = records.workspace.made
    identity = records.past_run("x")
    made.add(identity, "a", records.folder / "a", kind="bundle", parents=["b"])
    made.add("other", "b", records.folder / "b", kind="bundle", parents=["a", "c"])
    shown = {own["fingerprint"]: own for own in records.runs("show", identity)["lineage"]}["a"]
    (parent,) = shown["parents"]
    assert (parent["fingerprint"], parent["run"], parent["is_there"]) == ("b", "other", False)
    assert [own["fingerprint"] for own in parent["parents"]] == ["c"]
    assert parent["parents"][0]["path"] is None


def test_run_gets_a_name_a_note_and_tags(records):
    identity = records.past_run("x")
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
    identity = records.past_run("x")
    with pytest.raises(SpecError) as caught:
        records.runs(action, *(identity if name == "RUN" else name for name in names))
    assert says in str(caught.value)
    assert hint in caught.value.hint


def test_action_that_is_misspelt_is_guessed_and_a_bad_moment_refused(records):
    with pytest.raises(NotFoundError) as caught:
        records.runs("compar")
    assert caught.value.hint == "tunesmith runs compare"
    with pytest.raises(SpecError, match="must be list, show, compare.* got `comapre`") as caught:
        records.runs("comapre", "a", "b")
    assert caught.value.hint == "tunesmith runs compare"
    with pytest.raises(SpecError, match="`since` must be a day"):
        records.runs("list", since="yesterday")
    identity = records.workspace.runs.start("evaluate", {}, out=None)
    with pytest.raises(NotFoundError, match="must have made a bundle"):
        records.runs("alias", "@x", identity)


def test_deleted_run_leaves_its_folder_unless_that_is_asked_for(records):
    first, second = (records.past_run(name) for name in "xy")
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
    parent, child = records.past_run("parent"), records.past_run("child")
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


def test_run_that_is_going_on_is_not_deleted(records):
    identity = records.workspace.runs.start("fit", {}, out="runs/x")
    with pytest.raises(SpecError, match="is running"):
        records.runs("delete", identity)
    assert records.workspace.runs.show(identity).status == "running"


def test_garbage_is_told_first_and_removed_only_when_asked(records):
    lost, kept = records.past_run("lost"), records.past_run("kept", checkpoints=2)
    shutil.rmtree(records.folder / "runs/lost")
    stray = records.make_folder("stray")
    unfinished = records.make_folder("unfinished", checkpoints=1)
    shutil.rmtree(unfinished / "bundle")
    going = records.workspace.runs.start("fit", {}, out="runs/unfinished")
    shutil.rmtree(records.make_folder("by-another", checkpoints=1) / "bundle")
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
    assert (records.folder / "runs/by-another/checkpoint-1").is_dir()
    assert (records.folder / "runs/kept").is_dir()
    found = records.runs("gc")
    assert not any(found[name] for name in found if isinstance(found[name], list))


def test_garbage_of_another_machine_is_let_be(records, monkeypatch):
    records.past_run("x")
    with monkeypatch.context() as patched:
        patched.setattr("tunesmith.store.runs.host_name", lambda: "far-away")
        records.past_run("y")
    shutil.rmtree(records.folder / "runs")
    assert len(records.runs("gc")["records_without_folder"]) == 1
