"""Searches that are stopped on the way: what was tried stays, what comes next is the same."""

from __future__ import annotations

import json
import os
import shlex
import signal
import time
from pathlib import Path

import pytest

SEARCH = (
    *("--search", "4", "--set", "search.space.training.learning_rate=1e-4..1e-2"),
    *("--set", "search.space.training.epochs=1..2", "--set", "training.batch_tokens=128"),
    *("--set", "split.valid=0.3"),
)


@pytest.fixture
def search_words(fit_words) -> tuple[str, ...]:
    """Return the words, after `fit rows.csv`, of a search over four trials."""
    return (*fit_words, *SEARCH)


def trials(out: Path) -> list[dict]:
    path = out / "search.json"
    return json.loads(path.read_text("utf-8"))["trials"] if path.is_file() else []


def outcomes(out: Path) -> list[tuple]:
    return [(trial["number"], trial["values"], trial["score"]) for trial in trials(out)]


def await_trial(out: Path, count: int) -> None:
    """Wait until so many trials have ended and the next one is being tuned."""
    end = time.monotonic() + 120
    while len(trials(out)) < count or not (out / "trial").is_dir():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.usefixtures("rows")
def test_search_killed_at_once_tries_on_as_one_that_was_not(
    here, processes, type_in, search_words, refuse
):
    whole = type_in("fit", "rows.csv", *search_words, "--set", "out=whole")
    assert whole.status == 0, whole.err

    process = processes("fit", "rows.csv", *search_words)
    await_trial(here / "out", 2)
    os.kill(process.process, signal.SIGKILL)
    assert process.wait().status == -signal.SIGKILL
    before = outcomes(here / "out")
    assert 2 <= len(before) < 4
    assert (here / "out/trial").is_dir()

    resume = "tunesmith fit out/config.lock.yaml --resume"
    refuse("fit", "rows.csv", *search_words, status=2, says=("`out` exists",), hint=resume)
    resumed = type_in("fit", "out/config.lock.yaml", "--resume")
    assert resumed.status == 0, resumed.err
    assert f"{len(before)} of 4 trials were done before" in resumed.err
    assert outcomes(here / "out") == outcomes(here / "whole")
    assert outcomes(here / "out")[: len(before)] == before
    assert not (here / "out/trial").exists()
    assert type_in("evaluate", "out", "rows.csv").status == 0


@pytest.mark.usefixtures("rows")
def test_search_stopped_by_ctrl_c_leaves_its_hint_and_stops_at_once(
    here, processes, type_in, search_words
):
    process = processes("fit", "rows.csv", *search_words)
    await_trial(here / "out", 1)
    os.kill(process.process, signal.SIGINT)
    typed = process.wait()
    assert typed.status == 130, typed
    assert typed.hint == "tunesmith fit out/config.lock.yaml --resume"
    assert len(trials(here / "out")) < 4
    assert type_in(*shlex.split(typed.hint)[1:]).status == 0
    assert len(trials(here / "out")) == 4


@pytest.mark.usefixtures("rows")
def test_search_killed_in_the_last_tuning_tries_nothing_again(
    here, processes, type_in, search_words
):
    words = (*search_words, "--set", "training.checkpoint_steps=1", "--search", "2")
    process = processes("fit", "rows.csv", *words)
    end = time.monotonic() + 120
    while not list((here / "out").glob("checkpoint-*")):
        assert time.monotonic() < end
        time.sleep(0.002)
    os.kill(process.process, signal.SIGKILL)
    process.wait()
    before = trials(here / "out")
    assert len(before) == 2
    resumed = type_in("fit", "out/config.lock.yaml", "--resume")
    assert resumed.status == 0, resumed.err
    assert "trial 1" not in resumed.err
    assert "resumed after step" in resumed.err
    assert trials(here / "out") == before
