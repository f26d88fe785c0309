"""A disk that fills up: what was there stays whole, and half a file is never left."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest

from tunesmith.data import spool
from tunesmith.store import scratch

pytestmark = pytest.mark.usefixtures("rows")
EACH_STEP = ("--set", "training.checkpoint_steps=1", "--set", "training.patience=0")


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


def remove_hidden(folder: Path) -> None:
    for path in folder.glob(".*"):
        shutil.rmtree(path)


def checkpoints(run: Path) -> list[Path]:
    return sorted(run.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))


def test_disk_that_fills_during_a_checkpoint_keeps_the_one_before(
    small_disk, type_in, fit_words, tuned, snapshot
):
    one = folder_bytes(checkpoints(tuned)[-1])
    disk = small_disk(int(1.6 * one))
    words = ("fit", "rows.csv", *fit_words[:-1], disk / "run", *EACH_STEP)
    typed = type_in(*words)
    assert typed.status == 6, typed
    assert "the disk must have room for" in typed.err
    assert "what was there before is untouched" in typed.err
    assert typed.hint == f"df -h {disk / 'run'}"
    assert [path.name for path in checkpoints(disk / "run")] == ["checkpoint-1"]
    assert not hidden(disk)
    assert {"state.json", "weights.safetensors", "optimizer.safetensors"} == set(
        snapshot(disk / "run" / "checkpoint-1")
    )

    small_disk(20 * one)
    resumed = type_in("fit", disk / "run" / "config.lock.yaml", "--resume")
    assert resumed.status == 0, resumed.err
    assert "resumed after step 1 of" in resumed.err
    assert type_in("predict", disk / "run", "my order is good").status == 0


@pytest.mark.parametrize(("module", "limit"), [(spool, "SPOOL_ROWS"), (scratch, "MEMORY_BYTES")])
def test_temporary_folder_without_room_for_the_rows_says_so(
    small_disk, refuse, fit_words, monkeypatch, module, limit
):
    disk = small_disk(4096)
    (disk / "filler").write_bytes(b"x" * 4096)
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    monkeypatch.setattr(module, limit, 10)
    refuse(
        *("fit", "rows.csv", *fit_words),
        status=6,
        says=("the temporary folder must have room for the rows", str(disk)),
        hint="export TMPDIR=FOLDER",
    )


def test_disk_that_is_full_before_the_first_checkpoint_leaves_no_run(
    small_disk, type_in, fit_words
):
    disk = small_disk(64 * 1024)
    typed = type_in("fit", "rows.csv", *fit_words[:-1], disk / "run")
    assert typed.status == 6
    assert "the disk must have room for" in typed.err
    assert not list(disk.iterdir())


def test_disk_that_fills_while_the_bundle_is_written_leaves_none(
    small_disk, type_in, fit_words, tuned
):
    disk = small_disk(folder_bytes(tuned) - folder_bytes(tuned / "bundle") // 2)
    typed = type_in("fit", "rows.csv", *fit_words[:-1], disk / "run")
    assert typed.status == 6, typed
    assert not (disk / "run" / "bundle").exists()
    assert checkpoints(disk / "run")
    assert not hidden(disk)


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_disk_that_fills_during_an_answer_keeps_the_old_one(
    small_disk, bundle, type_in, snapshot, verb, write
):
    write("more.jsonl", '{"text": "my order is good", "label": "good"}\n' * 3000)
    disk = small_disk(16 * 1024)
    (disk / "out").mkdir()
    (disk / "out" / "answers.jsonl").write_text("old\n", "utf-8")
    (disk / "out" / "report.json").write_text("old\n", "utf-8")
    before = snapshot(disk)
    words = {
        "predict": ("--data", "more.jsonl", "--out", disk / "out/answers.jsonl"),
        "evaluate": ("more.jsonl", "--out", disk / "out"),
    }[verb]
    typed = type_in(verb, bundle, *words, "--overwrite")
    assert typed.status == 6, typed
    assert "must have room" in typed.err
    assert typed.hint.startswith("df -h ")
    assert snapshot(disk) == before


def test_file_limit_during_a_checkpoint_keeps_the_one_before(
    processes, here, type_in, fit_words, snapshot
):
    run_folder, lock = here / "out", here / "out" / "config.lock.yaml"
    killed = processes("fit", "rows.csv", *fit_words, *EACH_STEP)
    while not checkpoints(run_folder):
        time.sleep(0.002)
    os.kill(killed.process, signal.SIGKILL)
    killed.wait()
    remove_hidden(run_folder)
    before = snapshot(run_folder)
    weights = (checkpoints(run_folder)[0] / "weights.safetensors").stat().st_size
    process = processes("fit", lock, "--resume", largest_file_bytes=weights + weights // 2)
    typed = process.wait()
    assert typed.status == 6, typed
    assert "the disk must have room for" in typed.err
    assert snapshot(run_folder) == before
    resumed = type_in("fit", lock, "--resume")
    assert resumed.status == 0, resumed.err


def test_file_limit_during_answers_leaves_no_half_file(processes, bundle, write, snapshot, here):
    write("more.jsonl", '{"text": "my order is good"}\n' * 3000)
    before = snapshot(here)
    words = ("predict", bundle.name, "--data", "more.jsonl", "--out", "answers.jsonl")
    typed = processes(*words, largest_file_bytes=16 * 1024).wait()
    assert typed.status == 6, typed
    assert "answers.jsonl` must have room" in typed.err
    assert snapshot(here) == before
