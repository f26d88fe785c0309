"""Rows out: formats, safety of what is already there, and failure half-way."""

from __future__ import annotations

import csv
import errno
import json
import os
import stat
import sys

import numpy as np
import pytest

from tunesmith.core.errors import NotFoundError, ResourceError, SpecError
from tunesmith.data.writing import open_writer


def write_rows(target, rows, *args, **options):
    with open_writer(target, *args, **options) as writer:
        for row in rows:
            writer.write(row)
    return writer.count


def test_jsonl_rows_are_written_readably(tmp_path):
    path = tmp_path / "a.jsonl"
    assert write_rows(path, [{"text": "很好\n", "scores": {"a": 0.5}}, {"text": None}]) == 2
    assert path.read_text(encoding="utf-8") == (
        '{"text": "很好\\n", "scores": {"a": 0.5}}\n{"text": null}\n'
    )


def test_csv_rows_hold_lists_and_objects_as_json(tmp_path):
    path = tmp_path / "a.csv"
    rows = [{"text": "a", "tags": ["x", "y"], "n": 0.5, "ok": True}, {"text": "b", "n": None}]
    write_rows(path, rows)
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            ["text", "tags", "n", "ok"],
            ["a", '["x", "y"]', "0.5", "true"],
            ["b", "", "", ""],
        ]


def test_csv_row_with_a_foreign_column_is_refused_and_leaves_no_file(tmp_path):
    with pytest.raises(SpecError) as error:
        write_rows(tmp_path / "a.csv", [{"a": 1}, {"b": 2}])
    assert error.value.hint == "--out FILE.jsonl"
    assert list(tmp_path.iterdir()) == []


def test_numpy_values_and_nan_are_written_as_json(tmp_path):
    path = tmp_path / "a.jsonl"
    write_rows(path, [{"a": np.float32(0.5), "b": np.array([1, 2]), "c": [float("nan")]}])
    assert json.loads(path.read_text()) == {"a": 0.5, "b": [1, 2], "c": [None]}


def test_lone_surrogate_is_written_as_its_escape(tmp_path):
    path = tmp_path / "a.jsonl"
    write_rows(path, [{"text": "a\ud83d"}])
    assert json.loads(path.read_text(encoding="utf-8")) == {"text": "a\ud83d"}


def rows_that_fail():
    yield {"a": 1}
    raise RuntimeError


def test_failure_half_way_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        write_rows(path, rows_that_fail(), overwrite=True)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]


def test_existing_file_is_replaced_only_when_asked(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("old")
    with pytest.raises(SpecError) as error:
        write_rows(path, [])
    assert error.value.hint == "--overwrite"
    write_rows(path, [{"a": 1}], overwrite=True)
    assert path.read_text() == '{"a": 1}\n'


@pytest.mark.parametrize("alias", ["a.csv", "./a.csv", "link.csv"])
def test_input_file_is_never_overwritten(tmp_path, monkeypatch, alias):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("text\n")
    (tmp_path / "link.csv").symlink_to("a.csv")
    with pytest.raises(SpecError, match="another file than the input") as error:
        write_rows(alias, [{"a": 1}], overwrite=True, inputs=["missing.csv", tmp_path / "a.csv"])
    assert error.value.hint.endswith("a.out.csv")
    assert (tmp_path / "a.csv").read_text() == "text\n"


def test_link_is_written_through_to_its_file(tmp_path):
    (tmp_path / "a.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("a.csv")
    write_rows(tmp_path / "link.csv", [{"a": 1}], overwrite=True)
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "a.csv").read_text() == "a\n1\n"


def test_new_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "other").touch()
    write_rows(tmp_path / "a.csv", [])
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


@pytest.mark.parametrize(
    ("name", "kind", "hint"),
    [("a.xlsx", None, "a.jsonl"), ("a", None, "a.jsonl"), ("a.csv", "jsonlines", "jsonl")],
)
def test_unknown_format_is_refused(tmp_path, name, kind, hint):
    with pytest.raises(SpecError) as error:
        write_rows(tmp_path / name, [], kind)
    assert error.value.hint.endswith(hint)


def test_kind_wins_over_the_ending(tmp_path):
    write_rows(tmp_path / "a.txt", [{"a": 1, "b": 2}], "tsv")
    assert (tmp_path / "a.txt").read_text() == "a\tb\n1\t2\n"


def test_folder_as_target_and_missing_folder_are_refused(tmp_path):
    with pytest.raises(SpecError, match="must be a file; got a folder"):
        write_rows(tmp_path, [], "jsonl")
    with pytest.raises(NotFoundError) as error:
        write_rows(tmp_path / "no" / "a.csv", [])
    assert error.value.hint == f"mkdir -p {tmp_path}/no"


def test_dash_writes_json_lines_to_standard_output(capfdbinary):
    write_rows("-", [{"text": "好"}])
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == '{"text": "好"}\n'.encode()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_is_named():
    with pytest.raises(ResourceError) as error:
        write_rows("/dev/full", [{"text": "a" * 1000}] * 10_000, "jsonl")
    assert error.value.problems[0].must == "the disk of `/dev/full` must have room"


def test_full_disk_at_the_last_moment_leaves_no_file(tmp_path, monkeypatch):
    def fail(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(ResourceError):
        write_rows(tmp_path / "a.csv", [{"a": 1}])
    assert list(tmp_path.iterdir()) == []


def test_error_of_the_caller_is_not_taken_for_ours(tmp_path):
    with pytest.raises(PermissionError), open_writer(tmp_path / "a.csv"):
        raise PermissionError(errno.EACCES, "someone else's")
