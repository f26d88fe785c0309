"""A run that was killed and resumed ends with the very bytes of one that was not."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import pytest
from safetensors.numpy import load_file

import tunesmith
from tunesmith.core.errors import InterruptedRunError
from tunesmith.core.events import Event, Step
from tunesmith.core.recipe import TrainingRecipe
from tunesmith.session import Session

STEPS = 120
CHECKPOINT_STEPS = 10
LIMIT_SECONDS = 120


def _command(model: Path, rows: Path, out: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "tunesmith", "fit", str(rows), "--task", "classification"),
        *("--model", str(model), "--out", str(out)),
        *("--set", "training.batch_tokens=64", "--set", f"training.max_steps={STEPS}"),
        *("--set", "training.epochs=100", "--set", "training.patience=0"),
        *("--set", f"training.checkpoint_steps={CHECKPOINT_STEPS}", *more),
    ]


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory, tiny_model, tiny_rows) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    subprocess.run(_command(tiny_model, tiny_rows, out), check=True, capture_output=True)
    return out


def test_killed_run_resumed_has_bit_identical_weights(tmp_path, tiny_model, tiny_rows, whole_run):
    out = tmp_path / "run"
    _kill_after_checkpoint(_command(tiny_model, tiny_rows, out), out, steps=30, by=signal.SIGKILL)
    assert not (out / "bundle").exists()

    resumed = subprocess.run(
        [sys.executable, "-m", "tunesmith", "fit", str(out / "config.lock.yaml"), "--resume"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert "resumed after step" in resumed.stderr
    _assert_equal_weights(whole_run, out)


def test_run_killed_twice_has_bit_identical_weights(tmp_path, tiny_model, tiny_rows, whole_run):
    out = tmp_path / "run"
    _kill_after_checkpoint(_command(tiny_model, tiny_rows, out), out, steps=10, by=signal.SIGKILL)
    again = [*_command(tiny_model, tiny_rows, out), "--resume"]
    _kill_after_checkpoint(again, out, steps=60, by=signal.SIGKILL)
    subprocess.run(again, check=True, capture_output=True)
    _assert_equal_weights(whole_run, out)


def test_same_run_twice_has_bit_identical_weights(tmp_path, tiny_model, tiny_rows, whole_run):
    out = tmp_path / "run"
    subprocess.run(_command(tiny_model, tiny_rows, out), check=True, capture_output=True)
    _assert_equal_weights(whole_run, out)


def test_interrupted_run_says_how_to_resume(tmp_path, tiny_model, tiny_rows):
    out = tmp_path / "run"
    more = ("--set", "training.max_steps=100000", "--set", "training.epochs=10000")
    endless = _command(tiny_model, tiny_rows, out, *more)
    done = _kill_after_checkpoint(endless, out, steps=10, by=signal.SIGINT)
    assert done.returncode == 130
    assert f"tunesmith fit {out}/config.lock.yaml --resume" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "settings",
    [
        *(
            {"optimizer": name}
            for name in get_args(TrainingRecipe.model_fields["optimizer"].annotation)
        ),
        {"optimizer": "muon", "freeze_layers": 1, "layer_decay": 0.9, "schedule": "wsd"},
        {"optimizer": "schedule_free", "schedule": "cosine_restarts", "max_grad_norm": 0.0},
    ],
    ids=str,
)
def test_every_optimizer_resumes_bit_for_bit(tmp_path, tiny_model, tiny_rows, settings):
    """The run stops between two checkpoints, and goes on from the one before."""
    training = {"max_steps": 24, "epochs": 100, "batch_tokens": 64, "learning_rate": 1e-3}
    training |= {"evaluate_every": 8, "checkpoint_steps": 5, "patience": 0, **settings}
    asked = {"task": "classification", "model": str(tiny_model), "training": training}

    def stop(event: Event) -> None:
        if isinstance(event, Step) and event.index == 13:
            raise KeyboardInterrupt

    tunesmith.fit(str(tiny_rows), **asked, out=str(tmp_path / "whole"))
    with pytest.raises(InterruptedRunError):
        tunesmith.fit(
            str(tiny_rows), **asked, out=str(tmp_path / "run"), session=Session(listener=stop)
        )
    assert not (tmp_path / "run/bundle").exists()
    tunesmith.fit(str(tiny_rows), **asked, out=str(tmp_path / "run"), resume=True)
    _assert_equal_weights(tmp_path / "whole", tmp_path / "run")


def _kill_after_checkpoint(
    command: list[str], out: Path, *, steps: int, by: signal.Signals
) -> subprocess.CompletedProcess:
    """Start the run and send the signal once a checkpoint of at least `steps` stands."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        limit = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < limit and process.poll() is None:
            found = [int(path.name.split("-")[1]) for path in out.glob("checkpoint-*")]
            if found and max(found) >= steps:
                break
            time.sleep(0.005)
        assert process.poll() is None, "the run ended before it could be stopped"
        process.send_signal(by)
        words, complaint = process.communicate(timeout=LIMIT_SECONDS)
    return subprocess.CompletedProcess(command, process.returncode, words, complaint)


def _assert_equal_weights(first: Path, second: Path) -> None:
    ours, theirs = (load_file(out / "bundle/model/model.safetensors") for out in (first, second))
    assert ours.keys() == theirs.keys()
    assert len(ours) > 20
    for name, weight in ours.items():
        assert weight.tobytes() == theirs[name].tobytes(), name
