"""Mirrors of the curve: figures arrive whole, events are passed on, a missing package is said."""

from __future__ import annotations

import pytest

from tunesmith.core.errors import MissingExtraError
from tunesmith.core.events import Event, Said, Step, Validated
from tunesmith.stages.tune.tracking import tracked

EVENTS: list[Event] = [
    Said("begins"),
    Step(1, 0.9, 1e-3, 100, 0.5, 0, 2, parts={"task": 0.8}),
    Step(2, 0.4, 5e-4, 100, 0.5, 0, 2),
    Validated(2, "accuracy", 0.75, best=True, state="step 2"),
]
EXPECTED = {
    "train/loss": [(1, 0.9), (2, 0.4)],
    "train/loss/task": [(1, 0.8)],
    "train/learning_rate": [(1, 1e-3), (2, 5e-4)],
    "train/tokens_per_second": [(1, 200.0), (2, 200.0)],
    "valid/accuracy": [(2, 0.75)],
}


def mirror(tracker: str, folder) -> list[Event]:
    """Return what the listener behind the mirror was told."""
    heard: list[Event] = []
    with tracked(heard.append, tracker=tracker, folder=folder) as listen:
        for event in EVENTS:
            listen(event)
    return heard


def test_curve_arrives_in_tensorboard(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra `track` is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert mirror("tensorboard", tmp_path / "run/tensorboard") == EVENTS
    kept = EventAccumulator(str(tmp_path / "run/tensorboard"))
    kept.Reload()
    assert set(kept.Tags()["scalars"]) == set(EXPECTED)
    for name, points in EXPECTED.items():
        steps, values = zip(*((own.step, own.value) for own in kept.Scalars(name)), strict=True)
        assert steps == tuple(step for step, _ in points)
        assert values == pytest.approx([value for _, value in points])


def test_curve_arrives_in_mlflow_under_the_name_of_the_run(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    assert mirror("mlflow", tmp_path / "my-run/tensorboard") == EVENTS
    client = mlflow.MlflowClient()
    (experiment,) = client.search_experiments(filter_string="name = 'tunesmith'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("my-run", "FINISHED")
    for name, points in EXPECTED.items():
        history = client.get_metric_history(run.info.run_id, name.replace("/loss/", "/loss_"))
        kept = [(own.step, own.value) for own in history]
        assert kept == points


@pytest.mark.parametrize("tracker", ["tensorboard", "mlflow", "wandb"])
def test_tracker_that_is_not_installed_is_named_before_the_first_step(
    tmp_path, monkeypatch, tracker
):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == tracker else 1)
    with (
        pytest.raises(MissingExtraError, match=f"the package {tracker}") as caught,
        tracked(print, tracker=tracker, folder=tmp_path),
    ):
        pass
    assert caught.value.hint.startswith("pip install ")


def test_run_without_a_tracker_is_told_as_it_is(tmp_path):
    assert mirror("none", tmp_path) == EVENTS
    assert list(tmp_path.iterdir()) == []
