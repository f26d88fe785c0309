"""Whole or not at all: what a failure inside leaves behind, and what a full disk becomes."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tunesmith.core.errors import ResourceError, SpecError
from tunesmith.store.atomic import new_files, new_folder, remove_leftovers, write_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a folder with one file in it."""
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "old.txt").write_text("old")
    return folder


def test_new_folder_appears_at_the_end_with_its_files(tmp_path):
    target = tmp_path / "deep" / "made"
    with new_folder(target) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "a.txt").write_text("a")
        assert not target.exists()
    assert (target / "sub" / "a.txt").read_text() == "a"
    assert names(target.parent) == ["made"]


def test_new_folder_replaces_the_old_one_as_a_whole(tmp_path, old):
    with new_folder(old) as folder:
        (folder / "new.txt").write_text("new")
        assert names(old) == ["old.txt"]
    assert names(old) == ["new.txt"]
    assert names(tmp_path) == ["made"]


@pytest.mark.parametrize("failure", [RuntimeError("no"), KeyboardInterrupt(), SystemExit(1)])
def test_new_folder_failure_inside_leaves_the_old_one_and_nothing_else(tmp_path, old, failure):
    def fail() -> None:
        with new_folder(old) as folder:
            (folder / "new.txt").write_text("new")
            raise failure

    with pytest.raises(type(failure)):
        fail()
    assert names(old) == ["old.txt"]
    assert names(tmp_path) == ["made"]


def test_new_folder_rename_that_fails_puts_the_old_one_back(tmp_path, old, monkeypatch):
    rename = Path.rename

    def refuse_the_new(path: Path, target: Path) -> Path:
        if target == old and path.name != "old":
            raise OSError(errno.EIO, "the disk failed")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_the_new)
    with pytest.raises(OSError, match="disk failed"), new_folder(old) as folder:
        (folder / "new.txt").write_text("new")
    assert names(old) == ["old.txt"]
    assert names(tmp_path) == ["made"]


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("SafetensorError: I/O error: No space left on device"),
    ],
)
def test_full_disk_is_said_with_its_place_and_leaves_the_old_one(old, failure):
    with pytest.raises(ResourceError, match="must have room") as caught, new_folder(old):
        raise failure
    assert str(old) in str(caught.value)
    assert caught.value.exit_status == 6
    assert names(old) == ["old.txt"]


def test_full_disk_while_a_file_is_written_leaves_the_old_one(tmp_path, monkeypatch):
    target = tmp_path / "a.txt"
    write_file(target, "old")

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(ResourceError, match="must have room"):
        write_file(target, "new")
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_file_in_the_way_of_a_folder_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecError, match="which is a file"), new_folder(tmp_path / "file" / "made"):
        pass


@pytest.mark.parametrize("content", ["text\nwith 北京\r\n", b"\x00\xff", ""])
def test_write_file_writes_the_very_bytes_and_makes_the_folders(tmp_path, content):
    target = tmp_path / "deep" / "a.bin"
    write_file(target, content)
    assert target.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert names(target.parent) == ["a.bin"]


def test_new_files_join_what_stands_there(old):
    with new_files(old) as fresh:
        (fresh / "new.txt").write_text("new")
        assert not (old / "new.txt").exists()
    assert names(old) == ["new.txt", "old.txt"]


def test_new_files_failure_inside_changes_nothing(old):
    def fail() -> None:
        with new_files(old) as fresh:
            (fresh / "old.txt").write_text("changed")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert names(old) == ["old.txt"]
    assert (old / "old.txt").read_text() == "old"


def test_remove_leftovers_takes_temporary_folders_only(tmp_path):
    for name in (".bundle.ab12cd34", "bundle", ".git", "checkpoint-10"):
        (tmp_path / name).mkdir()
    (tmp_path / ".notes.ab12cd34").write_text("a file stays")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [".git", ".notes.ab12cd34", "bundle", "checkpoint-10"]
