"""A workspace that cannot be used: fit says so before it begins, and no result is lost over it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("rows")
MUST = "must be readable and writable"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """Return the path of a workspace that does not exist yet."""
    monkeypatch.setenv("TUNESMITH_HOME", str(tmp_path / "workspace"))
    return tmp_path / "workspace"


def test_fit_with_a_file_in_place_of_the_workspace_says_so(home, refuse, fit_words):
    home.write_text("not a folder", "utf-8")
    typed = refuse(
        *("fit", "rows.csv", *fit_words),
        status=6,
        says=(f"the run log `{home / 'runs.sqlite'}` {MUST}",),
        hint="export TUNESMITH_HOME=FOLDER",
    )
    assert "reading" not in typed.err


def test_fit_with_a_workspace_that_may_not_be_written_says_so(
    locked_folder, monkeypatch, refuse, fit_words
):
    for home in (locked_folder, locked_folder / "deeper"):
        monkeypatch.setenv("TUNESMITH_HOME", str(home))
        refuse("fit", "rows.csv", *fit_words, status=6, says=(str(home), MUST))


def test_fit_with_a_home_that_is_nowhere_says_so(monkeypatch, refuse, fit_words):
    monkeypatch.delenv("TUNESMITH_HOME")
    monkeypatch.setenv("HOME", "/proc/nowhere")
    refuse("fit", "rows.csv", *fit_words, status=6, says=("/proc/nowhere/.tunesmith", MUST))


@pytest.mark.parametrize("verb", ["fit", "runs"])
def test_run_log_that_is_no_database_is_named(home, refuse, fit_words, verb):
    home.mkdir()
    (home / "runs.sqlite").write_bytes(b"this is no database, only words. " * 40)
    words = ("fit", "rows.csv", *fit_words) if verb == "fit" else ("runs",)
    refuse(*words, status=6, says=("runs.sqlite", MUST), hint="export TUNESMITH_HOME=FOLDER")


def test_run_log_of_a_later_version_is_named(home, type_in, refuse):
    assert type_in("runs").status == 0
    with sqlite3.connect(home / "runs.sqlite") as database:
        database.execute("UPDATE schema_version SET version = 99")
    refuse("runs", status=6, says=("got 99, which a newer Tunesmith made",))


def test_predict_needs_no_workspace(home, bundle, type_in):
    home.write_text("not a folder", "utf-8")
    assert type_in("predict", bundle, "my order").status == 0


def test_fit_whose_end_cannot_be_recorded_keeps_its_bundle(
    home, small_disk, type_in, fit_words, monkeypatch, here
):
    disk = small_disk(2**20)
    monkeypatch.setenv("TUNESMITH_HOME", str(disk))
    assert type_in("runs").status == 0
    fill_after_start(monkeypatch, disk)
    typed = type_in("fit", "rows.csv", *fit_words)
    assert typed.status == 0, typed.err
    assert not home.exists()
    assert "warning: the end of this run is not recorded: the run log" in typed.err
    assert (here / "out/bundle/bundle.json").is_file()


def fill_after_start(monkeypatch, disk: Path) -> None:
    """Fill the disk to its last byte once a run has been recorded as begun."""
    from tunesmith.store.runs import RunLog

    start = RunLog.start

    def start_and_fill(log: RunLog, *values: object, **named: object) -> str:
        identity = start(log, *values, **named)
        with (disk / "filler").open("wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(b"x" * 4096)
            except OSError:
                pass
        return identity

    monkeypatch.setattr(RunLog, "start", start_and_fill)
