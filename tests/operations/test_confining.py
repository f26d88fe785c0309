"""What a request from elsewhere may touch: nothing outside the folders that were named for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import tunesmith
from tunesmith.core.errors import NotFoundError, SpecError
from tunesmith.core.jobs import RunRequest
from tunesmith.core.locations import holds_overrides, location_of
from tunesmith.core.spec import setting_paths
from tunesmith.operations import OPERATIONS
from tunesmith.operations.confining import MOST_OVERRIDES, read_bounds
from tunesmith.operations.jobs import OFFERED, read_job
from tunesmith.store.workspace import default_workspace

WORDS = {
    *("task", "column", "also", "device", "candidates", "model.revision", "augmentation.revision"),
    *("also.NAME.task", "also.NAME.column", "joint.column", "self_training.column"),
    *("training.selection", "reliability.outside", "method.words", "method.template"),
    *("method.candidates", "method.initial_text", "decoding.choices", "decoding.regex"),
    *("decoding.json_schema", "texts", "templates", "words", "licence", "languages", "datasets"),
}
"""Settings that hold texts which name nothing on a disk or elsewhere. One that does has a mark in
its type: whoever adds a setting of texts says here or there which it is."""


def holds_free_text(annotation: Any) -> bool:
    """Tell whether a value may hold a text that the user makes up."""
    if annotation in (str, Any):
        return True
    return any(map(holds_free_text, getattr(annotation, "__args__", ())))


def test_every_setting_of_texts_is_a_location_or_is_known_to_be_none():
    """Of what may be asked for over HTTP."""
    counted, unknown = 0, []
    for verb in OFFERED:
        for path, field in setting_paths(OPERATIONS[verb].spec):
            if not holds_free_text(field.annotation):
                continue
            counted += 1
            is_marked = location_of(field) is not None or holds_overrides(field)
            if is_marked == (path in WORDS):
                unknown.append(f"{verb}: {path}")
    assert counted > 60
    assert unknown == []


def test_offered_operations_change_nothing_that_whoever_runs_the_service_decided():
    assert set(OFFERED) < set(OPERATIONS)
    assert not {"serve", "keys", "runs", "zoo", "env"} & set(OFFERED)


@pytest.fixture
def root(tmp_path) -> Path:
    """Return a folder with rows, beside one that is nobody's affair."""
    folder = tmp_path / "root"
    (folder / "split").mkdir(parents=True)
    (folder / "rows.csv").write_text("text,label\nit is good,good\n", "utf-8")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "rows.csv").write_text("text,label\nit is mine,mine\n", "utf-8")
    (folder / "link.csv").symlink_to(secret / "rows.csv")
    (folder / "linked").symlink_to(secret)
    (folder / "split" / "train.csv").symlink_to(secret / "rows.csv")
    (folder / "inner.csv").symlink_to(folder / "rows.csv")
    (tmp_path / "root-2").mkdir()
    os.mkfifo(folder / "pipe.csv")
    return folder


def ask(root: Path, operation: str = "fit", *, hub: bool = False, **spec: Any):
    rows = {"data": "rows.csv", "task": "classification"} if operation == "fit" else {}
    request = RunRequest(operation=operation, spec={**rows, **spec})
    return read_job(request, read_bounds([str(root)], hub=hub), default_workspace())


def refused(root: Path, operation: str = "fit", *, hub: bool = False, **spec: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        ask(root, operation, hub=hub, **spec)
    return [problem.must for problem in caught.value.problems]


def test_paths_inside_may_be_asked_for(root):
    assert ask(root).data == "rows.csv"
    for data in (str(root / "rows.csv"), "./rows.csv", "inner.csv", "not-there.csv", "inner.csv#a"):
        assert ask(root, data=data).data == data
    assert ask(root, model="minilm").model.name == "minilm"
    assert ask(root, out="runs/new").out == "runs/new"


@pytest.mark.parametrize(
    "data",
    [
        *("/etc/passwd", "../secret/rows.csv", "split/../../secret/rows.csv", "split/../rows.csv"),
        *("link.csv", "linked", "linked/rows.csv", "linked/new.csv", "split", "~/rows.csv"),
        *("pipe.csv", "-", ".", "../root-2/rows.csv"),
        *("link.csv#train", "pipe.csv#a#b", "../secret/rows.csv#a", "linked/rows.csv#a", "..#a"),
    ],
)
def test_paths_outside_are_refused_and_so_are_links_that_lead_there(root, data):
    (must,) = refused(root, data=data, out="runs/x")
    assert must.startswith("`data` must ")


def test_absolute_path_beside_the_folder_is_refused(root):
    assert refused(root, data=str(root.parent / "root-2")) == [
        "`data` must lie inside the folders of the service"
    ]
    assert refused(root, data=str(root.parent / "secret" / "rows.csv"))


def test_all_locations_outside_are_named_at_once(root):
    found = refused(
        root,
        data="/a",
        valid="/b",
        test="../c",
        out="/d",
        model="/e",
        joint={"data": "/f"},
        self_training={"data": "/g"},
        distillation={"teacher": ["/h", "/i"]},
        also={"more": {"data": "/j", "task": "ner", "test": "/k"}},
        augmentation={"name": "back-translation", "there": "/l", "back": "/m"},
        search={"storage": "sqlite:////n"},
        method={"name": "few-shot", "vectors": "/o"},
    )
    named = [must.split("`")[1] for must in found]
    assert sorted(named) == sorted(
        [
            *("data", "valid", "test", "out", "model.name", "joint.data", "self_training.data"),
            *("distillation.teacher", "distillation.teacher", "also.more.data", "also.more.test"),
            *("augmentation.there", "augmentation.back", "search.storage", "method.vectors"),
        ]
    )


def test_folder_that_a_request_makes_itself_must_lie_inside_too(root):
    (root / "runs").symlink_to(root.parent / "secret")
    assert refused(root) == ["`out` must lie inside the folders of the service"]


def test_settings_that_are_laid_over_are_looked_at(root):
    recipes = [{"method": "probe"}, {"model.name": "/etc"}]
    assert refused(root, ensemble={"recipes": recipes})[0].startswith("`model.name` must lie")
    space = {"augmentation.synonyms": ["/etc/passwd", "/etc/hosts"]}
    found = refused(root, augmentation="eda", search={"space": space})
    assert [must.split("`")[1] for must in found] == ["augmentation.synonyms"] * 2
    many = {"training.selection": [f"m{number}" for number in range(MOST_OVERRIDES + 1)]}
    assert "at most" in refused(root, search={"space": many})[0]


def test_what_the_hub_has_is_refused_unless_it_is_allowed(root):
    for given in ({"data": "hub:imdb"}, {"model": "someone/something"}, {"model": "no-folder"}):
        assert "without --jobs-hub" in refused(root, **given)[0]
        assert ask(root, hub=True, **given)


def test_alias_stands_for_a_bundle_that_must_lie_inside(root, tiny_model, tiny_rows):
    for folder, name in ((root, "@here"), (root.parent / "secret", "@there")):
        run = {"task": "classification", "model": tiny_model, "out": folder / "run"}
        fitted = tunesmith.fit(tiny_rows, method="probe", **run)
        tunesmith.runs("alias", [name, str(fitted.bundle)])
    assert ask(root, "evaluate", bundle="@here", data="rows.csv").bundle == "@here"
    (must,) = refused(root, "export", bundle="@there")
    assert must == "`bundle` must lie inside the folders of the service"
    (must,) = refused(root, "export", bundle="@nobody")
    assert "must be an alias" in must


def test_operation_that_is_not_offered_is_refused_with_the_nearest(root):
    for name, near in (("evalute", "evaluate"), ("keys", "check"), ("serve", "check")):
        with pytest.raises(NotFoundError, match="`operation` must be one of check, plan") as caught:
            ask(root, name)
        assert caught.value.hint == f'"operation": "{near}"'


def test_settings_are_those_of_python_with_all_their_problems(root):
    bad = {"data": "rows.csv", "task": "poetry", "seed": -1, "training": {"epoch": 3}}
    with pytest.raises(SpecError) as there:
        ask(root, **bad)
    with pytest.raises(SpecError) as here:
        tunesmith.fit(**bad)
    assert [(p.must, p.found) for p in there.value.problems] == [
        (p.must, p.found) for p in here.value.problems
    ]
    assert "did you mean `training.epochs`?" in str(there.value)


def test_settings_by_their_paths_are_judged_as_all_others(root):
    request = RunRequest(
        operation="fit",
        spec={"data": "rows.csv", "task": "classification"},
        set={"training.epochs": 2, "model.name": "/etc"},
    )
    with pytest.raises(SpecError, match=r"`model.name` must lie inside"):
        read_job(request, read_bounds([str(root)], hub=False), default_workspace())


def test_predict_reads_and_writes_files(root):
    bundle = {"bundle": "bundle"}
    assert "`data` must name" in refused(root, "predict", **bundle)[0]
    assert "`out` must name" in refused(root, "predict", **bundle, data="rows.csv")[0]
    assert ask(root, "predict", **bundle, texts=["it is good"])
    assert refused(root, "predict", **bundle, data="-", out="-") == [
        f"`{name}` must be a file: nobody is at standard input and output"
        for name in ("data", "out")
    ]


def test_folder_of_jobs_must_be_one(tmp_path):
    with pytest.raises(NotFoundError, match="`jobs_root` must be a folder"):
        read_bounds([str(tmp_path / "nowhere")], hub=False)
