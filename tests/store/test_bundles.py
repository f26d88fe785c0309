"""Bundles at rest: the way there and back, and every change of a byte noticed by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.core.errors import DataError, NotFoundError, SpecError
from tunesmith.store.bundles import (
    FORMAT_VERSION,
    MANIFEST,
    Bundle,
    read_bundle,
    revise_bundle,
    write_bundle,
)
from tunesmith.tasks.classification import Classification

TASK = Classification(labels=("1", "2", "10"), columns={"label": "类别"})
FIELDS = {"task": TASK.to_json(), "method": {"name": "probe"}, "parents": []}


def fill(folder: Path) -> None:
    (folder / "model").mkdir()
    (folder / "model" / "model.safetensors").write_bytes(bytes(range(256)) * 10)
    (folder / "model" / "config.json").write_text("{}")
    (folder / "report.json").write_text('{"measures": {}}')
    (folder / "README.md").write_text("A card.")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "run" / "bundle", FIELDS, fill)


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_bundle(path)
    assert caught.value.exit_status == 4
    assert caught.value.hint
    return str(caught.value)


def rewrite(bundle: Bundle, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a field of bundle.json and write it in the form it had."""
    path = bundle.path / MANIFEST
    fields = json.loads(path.read_bytes())
    change(fields)
    text = json.dumps(fields, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    path.write_bytes(text.encode())


def test_bundle_written_is_read_as_it_was(bundle):
    for path in (bundle.path, bundle.path.parent, str(bundle.path)):
        again = read_bundle(path)
        assert again == bundle
        assert again.task == TASK
        assert again.path == bundle.path
        assert again.report == {"measures": {}}
        assert (again.model_folder / "config.json").is_file()


def test_bundle_can_be_read_by_a_service_that_runs_as_another_user(tmp_path):
    def fill_privately(folder: Path) -> None:
        fill(folder)
        (folder / "model" / "model.safetensors").chmod(0o600)

    made = write_bundle(tmp_path / "bundle", FIELDS, fill_privately)
    files = [path for path in made.path.rglob("*") if path.is_file()]
    assert len(files) == 5
    assert {path.stat().st_mode & 0o777 for path in files} == {0o644}
    assert made.path.stat().st_mode & 0o055 == 0o055


def test_bundle_json_records_the_sha256_of_every_other_file(bundle):
    recorded = bundle.manifest["files"]
    assert sorted(recorded) == [
        "README.md",
        "model/config.json",
        "model/model.safetensors",
        "report.json",
    ]
    for name, digest in recorded.items():
        assert hashlib.sha256((bundle.path / name).read_bytes()).hexdigest() == digest
    assert bundle.manifest["format_version"] == FORMAT_VERSION
    raw = (bundle.path / MANIFEST).read_bytes()
    assert hashlib.sha256(raw).hexdigest() == bundle.fingerprint
    assert "类别" in raw.decode()


def test_bundle_of_the_same_content_has_the_same_fingerprint(tmp_path, bundle):
    again = write_bundle(tmp_path / "again", dict(reversed(FIELDS.items())), fill)
    assert again.fingerprint == bundle.fingerprint


def test_bundle_fill_that_fails_leaves_the_old_bundle(bundle):
    def fail(folder: Path) -> None:
        fill(folder)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        write_bundle(bundle.path, {**FIELDS, "parents": ["x"]}, fail)
    assert read_bundle(bundle.path) == bundle
    assert [path.name for path in bundle.path.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize("name", ["model/model.safetensors", "report.json", "README.md"])
def test_bundle_changed_file_is_refused_by_its_name(bundle, name):
    path = bundle.path / name
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    assert f"`{name}` must be as it was written" in refusal(bundle.path)


def test_bundle_missing_file_is_refused_by_its_name(bundle):
    (bundle.path / "model" / "config.json").unlink()
    assert "`model/config.json` must be in the bundle; it is missing" in refusal(bundle.path)


@pytest.mark.parametrize("name", ["model/extra.json", "model/sub/x.txt", "hook.py", "w.bin"])
def test_bundle_file_nobody_recorded_is_refused_by_its_name(bundle, name):
    path = bundle.path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    assert f"`{name}` must not be in the bundle" in refusal(bundle.path)


def test_bundle_notes_beside_the_model_do_no_harm(bundle):
    (bundle.path / "notes.txt").write_text("mine")
    assert read_bundle(bundle.path) == bundle


def test_bundle_many_faults_are_named_at_once(bundle):
    (bundle.path / "README.md").unlink()
    (bundle.path / "report.json").write_text("{}")
    (bundle.path / "model" / "code.py").write_text("")
    assert len(refusal(bundle.path).splitlines()) == 4


def test_bundle_may_be_read_without_its_hashes(bundle):
    (bundle.path / "README.md").unlink()
    assert read_bundle(bundle.path, verify=False) == bundle


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_bundle_json_changed_in_any_byte_is_refused(bundle, data):
    path = bundle.path / MANIFEST
    raw = path.read_bytes()
    place = data.draw(st.integers(0, len(raw) - 1))
    try:
        changed = bytearray(raw)
        changed[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != raw[place]))
        path.write_bytes(changed)
        assert "`bundle.json` must be as it was written" in refusal(bundle.path)
    finally:
        path.write_bytes(raw)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "{", "[" * 100_000, "\xff", '{"format_version": 1}\n']
)
def test_bundle_json_that_is_none_is_refused(bundle, text):
    (bundle.path / MANIFEST).write_text(text, encoding="latin-1")
    assert "`bundle.json` must be as it was written" in refusal(bundle.path)


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.pop("files"),
        lambda fields: fields.pop("task"),
        lambda fields: fields.update(files=3),
        lambda fields: fields["task"].update(kind="magic"),
        lambda fields: fields["task"].update(labels=["1", "10", "2"]),
        lambda fields: fields.update(extra=1),
    ],
)
def test_bundle_json_changed_and_written_in_form_is_refused(bundle, change):
    rewrite(bundle, change)
    assert "`bundle.json` must be as it was written" in refusal(bundle.path)


def test_bundle_of_another_format_says_which_this_version_reads(bundle):
    rewrite(bundle, lambda fields: fields.update(format_version=99))
    assert "format 99, this version reads 1" in refusal(bundle.path)


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ("nothing", "no such folder"),
        ("folder", "no `bundle.json` in it"),
        ("file", "no `bundle.json` in it"),
    ],
)
def test_no_bundle_there_is_not_found(tmp_path, there, found):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(NotFoundError, match=found):
        read_bundle(tmp_path / there)


def test_run_without_its_bundle_hints_how_to_go_on(tmp_path):
    (tmp_path / "config.lock.yaml").write_text("task: ner\n")
    with pytest.raises(NotFoundError, match="has not finished") as caught:
        read_bundle(tmp_path)
    assert caught.value.hint == f"tunesmith fit {tmp_path}/config.lock.yaml --resume"


def test_bundle_revised_holds_the_new_file_and_field_and_all_it_held(bundle):
    again = revise_bundle(bundle, {"exports": {"x": 1}}, add={"onnx/a.onnx": b"graph"})
    assert read_bundle(bundle.path) == again
    assert again.manifest["exports"] == {"x": 1}
    assert (again.path / "onnx/a.onnx").read_bytes() == b"graph"
    assert again.fingerprint != bundle.fingerprint
    assert again.manifest["files"].items() > bundle.manifest["files"].items()
    third = revise_bundle(again, {}, add={"onnx/b.onnx": b"other"}, remove=["onnx/a.onnx"])
    assert read_bundle(bundle.path) == third
    assert [path.name for path in (bundle.path / "onnx").iterdir()] == ["b.onnx"]


@pytest.mark.parametrize("place", ["onnx", MANIFEST])
def test_bundle_whose_revision_fails_is_the_old_one(bundle, monkeypatch, place):
    from tunesmith.store import bundles

    write = bundles.write_file

    def fail(target: Path, content: str | bytes) -> None:
        if place in (target.name, target.parent.name):
            raise KeyboardInterrupt
        write(target, content)

    monkeypatch.setattr(bundles, "write_file", fail)
    with pytest.raises(KeyboardInterrupt):
        revise_bundle(bundle, {"exports": {}}, add={"onnx/a.onnx": b"graph"})
    assert read_bundle(bundle.path) == bundle


def test_bundle_with_a_file_where_a_folder_must_be_is_not_revised(bundle):
    (bundle.path / "onnx").write_text("mine")
    with pytest.raises(SpecError):
        revise_bundle(bundle, {}, add={"onnx/a.onnx": b"graph"})
    assert read_bundle(bundle.path) == bundle
