"""A run's folder: never written over by accident, gone on with only as it began."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunesmith.core.errors import DataError, NotFoundError, SpecError
from tunesmith.operations.fit import FitSpec
from tunesmith.store.checkpoints import checkpoint_folder, keep_checkpoints, list_checkpoints
from tunesmith.store.run_folder import LOCK, open_run_folder, read_lock

SETTINGS = FitSpec(data="rows.csv", task="ner", column={"text": "正文"}, out="x").model_dump(
    mode="json", exclude={"resume", "overwrite"}
)
FACTS: dict[str, Any] = {"data": {"train": "abc"}, "packages": {"python": "3.11"}}


def open_folder(out: Path, settings: dict | None = None, facts: dict | None = None, **how: bool):
    flags = {"overwrite": False, "resume": False, **how}
    open_run_folder(out, settings or SETTINGS, facts or FACTS, **flags)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return the folder of a run that has begun."""
    open_folder(tmp_path / "run")
    return tmp_path / "run"


def changed(path: str, value: Any) -> dict[str, Any]:
    settings = copy.deepcopy(SETTINGS)
    target = settings
    *parents, last = path.split(".")
    for key in parents:
        target = target[key]
    target[last] = value
    return settings


def test_new_run_writes_a_lock_that_holds_the_whole_spec_and_the_facts(run):
    settings, facts = read_lock(run / LOCK)
    assert settings == SETTINGS
    assert facts == FACTS
    assert FitSpec(**settings).column == {"text": "正文"}
    assert "正文" in (run / LOCK).read_text(encoding="utf-8")


def test_empty_folder_is_as_good_as_a_new_one(tmp_path):
    open_folder(tmp_path)
    assert (tmp_path / LOCK).is_file()


def test_run_that_stands_there_is_refused_with_what_to_type(run):
    with pytest.raises(SpecError, match="must be a new or empty folder") as caught:
        open_folder(run)
    assert f"--out {run}-2" in caught.value.hint
    assert "--overwrite" in caught.value.hint
    assert "--resume" not in caught.value.hint


def test_unfinished_run_with_a_checkpoint_hints_at_resume(run):
    checkpoint_folder(run, 10).mkdir()
    with pytest.raises(SpecError) as caught:
        open_folder(run)
    assert f"tunesmith fit {run / LOCK} --resume" in caught.value.hint


def test_overwrite_begins_the_run_anew(run):
    (run / "bundle").mkdir()
    open_folder(run, changed("seed", 7), overwrite=True)
    assert read_lock(run / LOCK)[0]["seed"] == 7
    assert [path.name for path in run.iterdir()] == [LOCK]


def test_overwrite_of_a_folder_that_is_no_run_is_refused_and_removes_nothing(tmp_path):
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(SpecError, match="replaces only the folder of a run"):
        open_folder(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.docx").is_file()


@pytest.mark.parametrize("overwrite", [True, False])
def test_file_in_the_place_of_the_folder_is_refused(tmp_path, overwrite):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(SpecError):
        open_folder(tmp_path / "run", overwrite=overwrite)
    assert (tmp_path / "run").read_text() == "mine"


def test_resume_of_the_same_settings_keeps_the_lock_and_clears_leftovers(run):
    before = (run / LOCK).read_bytes()
    (run / ".bundle.ab12cd34").mkdir()
    checkpoint_folder(run, 10).mkdir()
    open_folder(run, {**SETTINGS, "out": "elsewhere"}, resume=True)
    assert (run / LOCK).read_bytes() == before
    assert sorted(path.name for path in run.iterdir()) == ["checkpoint-10", LOCK]


@pytest.mark.parametrize(
    ("path", "value"),
    [("seed", 7), ("training.epochs", 9), ("method.name", "probe"), ("model.max_length", 64)],
)
def test_resume_with_another_setting_is_refused_by_its_path(run, path, value):
    with pytest.raises(SpecError) as caught:
        open_folder(run, changed(path, value), resume=True)
    assert f"`{path}` must be" in str(caught.value)
    assert f"got {value!r}" in str(caught.value)


def test_resume_with_other_rows_is_refused(run):
    with pytest.raises(DataError, match="rows must be those the run began with"):
        open_folder(run, facts={**FACTS, "data": {"train": "xyz"}}, resume=True)


def test_resume_of_a_finished_run_is_refused(run):
    (run / "bundle").mkdir()
    with pytest.raises(SpecError, match="needs an unfinished run"):
        open_folder(run, resume=True)


def test_resume_without_a_run_is_not_found(tmp_path):
    with pytest.raises(NotFoundError):
        open_folder(tmp_path, resume=True)


def test_lock_written_by_hand_has_no_facts(tmp_path):
    path = tmp_path / "tune.yaml"
    path.write_text("\ufefftask: ner\ntraining:\n  epochs: 2\n", encoding="utf-8")
    assert read_lock(path) == ({"task": "ner", "training": {"epochs": 2}}, {})


@pytest.mark.parametrize(
    "text", ["", "just words", "- a\n- b\n", "a: [1\nb: 2\n", "\x00", "a: !!python/name:os.system"]
)
def test_settings_file_that_is_no_mapping_is_refused_with_its_name(tmp_path, text):
    path = tmp_path / "tune.yaml"
    path.write_text(text)
    with pytest.raises(SpecError, match=r"tune\.yaml"):
        read_lock(path)


def test_settings_file_with_a_fault_names_its_line(tmp_path):
    path = tmp_path / "tune.yaml"
    path.write_text("task: ner\nseed: [1\nx: 2\n")
    with pytest.raises(SpecError, match=r"tune\.yaml:3"):
        read_lock(path)


def test_settings_file_that_is_missing_is_not_found(tmp_path):
    with pytest.raises(NotFoundError):
        read_lock(tmp_path / "tune.yaml")


def test_settings_file_is_yaml_that_any_reader_reads(run):
    fields = yaml.safe_load((run / LOCK).read_text(encoding="utf-8"))
    assert fields.pop("lock") == FACTS
    assert fields == SETTINGS


def test_checkpoints_are_listed_by_number_and_thinned(tmp_path):
    assert list_checkpoints(tmp_path / "none") == []
    for step in (100, 9, 20):
        checkpoint_folder(tmp_path, step).mkdir()
    (tmp_path / "checkpoint-x").mkdir()
    assert list_checkpoints(tmp_path) == [9, 20, 100]
    keep_checkpoints(tmp_path, {100, 7})
    assert list_checkpoints(tmp_path) == [100]
    assert (tmp_path / "checkpoint-x").is_dir()
