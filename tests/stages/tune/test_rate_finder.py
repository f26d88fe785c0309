"""The learning-rate range finder: what it suggests, what it leaves behind, and where it is told."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import tunesmith
from tunesmith.core.errors import InterruptedRunError
from tunesmith.core.events import Event, Progress, Step
from tunesmith.core.recipe import TrainingRecipe
from tunesmith.session import Session
from tunesmith.stages.tune.rate_finder import LOWEST_RATE, SWEEP_STEPS, conclude

STAGE = "sweeping the learning rate"
RATES = np.geomspace(1e-6, 1.0, 100)


@pytest.fixture(scope="module")
def data(tmp_path_factory, repository):
    """Return 120 rows of `examples/support`."""
    path = tmp_path_factory.mktemp("support") / "rows.csv"
    with (repository / "examples/support/train.csv").open(encoding="utf-8") as stream:
        path.write_text("".join(islice(stream, 121)), "utf-8")
    return path


def _fit(data, model, out, *, listener=None, resume=False, **training: Any):
    settings = {"max_steps": 6, "batch_tokens": 256, "checkpoint_steps": 2, **training}
    return tunesmith.fit(
        str(data),
        task="classification",
        model=str(model),
        method={"name": "full", "head_start": "random"},
        training=settings,
        out=str(out),
        resume=resume,
        session=Session(listener=listener),
    )


def _weights(out):
    return load_file(out / "bundle/model/model.safetensors")


@pytest.fixture(scope="module")
def found(tmp_path_factory, data, tiny_model):
    """Return the folder of a run that found its rate, and the report."""
    out = tmp_path_factory.mktemp("found") / "run"
    return out, _fit(data, tiny_model, out, find_learning_rate=True).report


def test_report_holds_the_sweep_its_suggestion_and_the_reason(found):
    out, report = found
    finder = report["rate_finder"]
    assert 9 <= len(finder["steps"]) <= SWEEP_STEPS
    rates = [step["learning_rate"] for step in finder["steps"]]
    assert rates == sorted(rates)
    assert rates[0] == LOWEST_RATE
    assert finder["suggestion"] == pytest.approx(finder["limit"] / 10, rel=0.05)
    (reason,) = [text for text in report["training"]["reasons"] if "learning rate" in text]
    assert reason.startswith(f"learning rate: {finder['suggestion']:g} and ")
    assert json.loads((out / "bundle/report.json").read_text())["rate_finder"] == finder
    page = (out / "bundle/report.html").read_text()
    assert f"taken {finder['suggestion']:g}" in page
    assert "Loss over the learning rate" in page


def test_run_that_found_its_rate_is_the_run_that_was_given_it(found, tmp_path, data, tiny_model):
    out, report = found
    rate = report["rate_finder"]["suggestion"]
    given = tmp_path / "given"
    _fit(data, tiny_model, given, learning_rate=rate, head_learning_rate=float(f"{10 * rate:.2g}"))
    ours, theirs = _weights(out), _weights(given)
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)


def test_resumed_run_does_not_sweep_again(found, tmp_path, data, tiny_model):
    whole, report = found
    out, stages = tmp_path / "run", []

    def stop(event: Event) -> None:
        if isinstance(event, Step) and event.index == 3:
            raise KeyboardInterrupt

    def listen(event: Event) -> None:
        if isinstance(event, Progress):
            stages.append(event.stage)

    with pytest.raises(InterruptedRunError):
        _fit(data, tiny_model, out, find_learning_rate=True, listener=stop)
    resumed = _fit(
        data, tiny_model, out, find_learning_rate=True, resume=True, listener=listen
    ).report
    assert STAGE not in stages
    assert resumed["rate_finder"] == report["rate_finder"]
    ours, theirs = _weights(whole), _weights(out)
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)


def test_run_without_the_finder_has_no_sweep(tmp_path, data, tiny_model):
    report = _fit(data, tiny_model, tmp_path / "run", max_steps=2).report
    assert report["rate_finder"] is None


def test_suggestion_is_a_tenth_of_where_the_loss_breaks_down():
    losses = np.where(RATES < 1e-2, 4.0 - 0.5 * np.log10(RATES / 1e-6), 9.0)
    losses += np.random.default_rng(0).normal(scale=0.05, size=100)
    sweep = conclude(RATES, losses, TrainingRecipe())
    assert sweep.limit is not None
    assert 3e-3 < sweep.limit < 1.5e-2
    assert sweep.recipe.learning_rate == pytest.approx(sweep.limit / 10, rel=0.05)
    assert sweep.recipe.head_learning_rate == pytest.approx(sweep.limit, rel=0.05)


def test_flat_loss_before_the_break_down_is_no_reason_for_a_low_rate():
    losses = np.where(RATES < 1e-2, 1.0, 9.0)
    losses += np.random.default_rng(0).normal(scale=0.2, size=100)
    sweep = conclude(RATES, losses, TrainingRecipe())
    assert sweep.limit is not None
    assert sweep.limit > 1e-3


@pytest.mark.parametrize("losses", [np.linspace(4.0, 1.0, 100), np.ones(100), np.ones(3), []])
def test_sweep_without_a_break_down_keeps_the_rate(losses):
    recipe = TrainingRecipe(learning_rate=3e-5)
    sweep = conclude(RATES[: len(losses)], list(losses), recipe)
    assert sweep.limit is None
    assert sweep.recipe == recipe
    assert "3e-05 kept" in sweep.reason
    assert sweep.to_json()["suggestion"] is None


def test_one_rate_for_all_stays_one_rate():
    losses = np.where(RATES < 1e-2, 1.0, 9.0)
    sweep = conclude(RATES, losses, TrainingRecipe(head_learning_rate=None))
    assert sweep.recipe.head_learning_rate is None
    assert "head" not in sweep.reason


def test_sweep_draws_no_random_number_of_the_run(data, tiny_model, tmp_path):
    states = []

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == STAGE and event.done == 1:
            states.append(torch.get_rng_state())
        if isinstance(event, Step):
            states.append(torch.get_rng_state())

    _fit(data, tiny_model, tmp_path / "run", max_steps=1, find_learning_rate=True, listener=listen)
    assert len(states) == 2
    assert torch.equal(*states)  # both have made one step, from one state
