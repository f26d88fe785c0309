"""Runs that are stopped on the way, and what can be resumed of them."""

from __future__ import annotations

import json
import os
import shlex
import signal
import time
from pathlib import Path

import pytest

SMALL_STEPS = ("--set", "training.batch_tokens=128", "--set", "training.checkpoint_steps=1")
LOCK = "out/config.lock.yaml"


@pytest.fixture
def long_words(fit_words) -> tuple[str, ...]:
    """Return the words, after `fit rows.csv`, of a run with about 20 steps and checkpoints."""
    return (*fit_words, *SMALL_STEPS)


def steps(out: Path) -> list[int]:
    names = [path.name for path in out.glob("checkpoint-*")] if out.is_dir() else []
    return sorted(int(name.rpartition("-")[2]) for name in names)


def await_step(out: Path, step: int) -> None:
    end = time.monotonic() + 60
    while not any(found >= step for found in steps(out)):
        assert time.monotonic() < end
        time.sleep(0.002)


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


def last_run(type_in) -> dict:
    return json.loads(type_in("runs", "--json").out)["runs"][0]


@pytest.mark.usefixtures("rows")
def test_fit_stopped_by_ctrl_c_leaves_with_130_and_its_hint_finishes_it(
    here, processes, type_in, long_words
):
    process = processes("fit", "rows.csv", *long_words)
    await_step(here / "out", 4)
    os.kill(process.process, signal.SIGINT)
    typed = process.wait()
    assert typed.status == 130, typed
    assert "Error: the work was stopped before its end" in typed.err
    assert typed.hint == f"tunesmith fit {LOCK} --resume"
    assert not hidden(here / "out")
    assert not (here / "out/bundle").exists()
    assert last_run(type_in)["status"] == "interrupted"

    stopped_at = max(steps(here / "out"))
    resumed = type_in(*shlex.split(typed.hint)[1:])
    assert resumed.status == 0, resumed.err
    assert f"resumed after step {stopped_at} of" in resumed.err
    assert type_in("predict", "out", "my order is good").status == 0
    assert [run["status"] for run in json.loads(type_in("runs", "--json").out)["runs"]] == [
        "done",
        "interrupted",
    ]


@pytest.mark.usefixtures("rows")
def test_fit_killed_at_once_can_be_resumed_and_nothing_is_left_over(
    here, processes, type_in, long_words, refuse
):
    process = processes("fit", "rows.csv", *long_words)
    await_step(here / "out", 4)
    os.kill(process.process, signal.SIGKILL)
    assert process.wait().status == -signal.SIGKILL
    assert last_run(type_in)["status"] == "stopped"
    half_written = here / "out" / ".checkpoint-99.abcd1234"
    half_written.mkdir()
    (half_written / "weights.safetensors").write_bytes(b"half")

    resume = f"tunesmith fit {LOCK} --resume"
    refuse("predict", "out", "x", status=3, says=("a run that has not finished",), hint=resume)
    refuse("fit", "rows.csv", *long_words, status=2, says=("`out` exists",), hint=resume)
    resumed = type_in("fit", LOCK, "--resume")
    assert resumed.status == 0, resumed.err
    assert "resumed after step" in resumed.err
    assert not hidden(here / "out")
    assert type_in("evaluate", "out", "rows.csv").status == 0


@pytest.mark.usefixtures("rows")
def test_ctrl_c_before_the_run_began_gives_no_hint_to_resume(here, processes, fit_words):
    os.mkfifo(here / "pipe.csv")
    process = processes("fit", "pipe.csv", *fit_words)
    with (here / "pipe.csv").open("w") as pipe:
        pipe.write("text,label\n")
        pipe.flush()
        time.sleep(0.2)
        os.kill(process.process, signal.SIGINT)
        typed = process.wait()
    assert typed.status == 130
    assert typed.hint == "type the same command again"
    assert not (here / "out").exists()


@pytest.fixture
def unfinished(run_folder, rows, fit_words, here) -> Path:
    """Return an unfinished run: its bundle is taken away, its checkpoints stand."""
    assert rows
    assert fit_words
    (run_folder / "bundle").rename(here / "aside")
    lock = run_folder / "config.lock.yaml"
    text = lock.read_text("utf-8")
    data = next(line for line in text.splitlines() if line.startswith("data: "))
    lock.write_text(text.replace(data, "data: rows.csv"), "utf-8")
    return run_folder


def test_resume_of_an_unfinished_run_completes_it(unfinished, type_in):
    typed = type_in("fit", "run/config.lock.yaml", "--set", "out=run", "--resume")
    assert typed.status == 0, typed.err
    assert (unfinished / "bundle/bundle.json").is_file()


@pytest.mark.usefixtures("unfinished")
def test_resume_with_other_settings_names_each_of_them(refuse):
    words = (
        "--set",
        "training.learning_rate=0.01",
        "--set",
        "seed=7",
        "--set",
        "model.dropout=0.5",
    )
    typed = refuse(
        *("fit", "run/config.lock.yaml", "--set", "out=run", "--resume", *words),
        status=2,
        says=(
            "`training.learning_rate` must be 0.0001 as when the run began; got 0.01",
            "`seed` must be 0 as when the run began; got 7",
            "`model.dropout` must be None as when the run began; got 0.5",
        ),
    )
    assert typed.hint == "tunesmith fit run/config.lock.yaml --resume"


@pytest.mark.usefixtures("unfinished")
def test_resume_with_changed_rows_says_so(rows, write, refuse):
    write("rows.csv", "\n".join([*rows, "one more row is good,good"]) + "\n")
    refuse(
        *("fit", "run/config.lock.yaml", "--set", "out=run", "--resume"),
        status=4,
        says=("the rows must be those the run began with",),
        hint="--overwrite starts again with the new rows",
    )


def test_resume_where_nothing_was_begun_is_not_found(rows, here, refuse, fit_words):
    assert rows
    refuse(
        *("fit", "rows.csv", *fit_words, "--resume"),
        status=3,
        says=("`--resume` needs a run in `out`; there is no config.lock.yaml",),
        hint="tunesmith runs",
    )
    (here / "out").mkdir()
    refuse("fit", "rows.csv", *fit_words, "--resume", status=3, says=("`--resume` needs a run",))


@pytest.mark.usefixtures("rows")
def test_resume_of_a_finished_run_says_it_is_complete(run_folder, refuse):
    refuse(
        *("fit", f"{run_folder.name}/config.lock.yaml", "--set", "out=run", "--resume"),
        status=2,
        says=("`--resume` needs an unfinished run; `run/bundle` is complete",),
        hint="tunesmith predict run/bundle",
    )


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.safetensors", "state.json"])
def test_resume_from_a_damaged_checkpoint_names_its_folder(unfinished, refuse, name):
    checkpoint = unfinished / f"checkpoint-{max(steps(unfinished))}"
    content = (checkpoint / name).read_bytes()
    (checkpoint / name).write_bytes(content[: len(content) // 2])
    refuse(
        *("fit", "run/config.lock.yaml", "--set", "out=run", "--resume"),
        status=4,
        says=("a checkpoint must be as this run wrote it", checkpoint.name),
        hint="rm -r ",
    )


@pytest.mark.usefixtures("unfinished")
def test_resume_from_a_damaged_lock_file_says_what_it_must_hold(here, refuse):
    (here / "run/config.lock.yaml").write_text("- nothing\n", "utf-8")
    says = ("must hold `name: value` lines",)
    refuse("fit", "run/config.lock.yaml", "--resume", status=2, says=says)
