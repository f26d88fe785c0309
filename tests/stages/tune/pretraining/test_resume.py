"""A pretraining that was killed and resumed ends with the very bytes of one that was not."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

STEPS = 80
LIMIT_SECONDS = 120


def _command(text: Path, out: Path, objective: str, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "tunesmith", "pretrain", str(text), "--objective", objective),
        *("--size", "tiny", "--out", str(out), "--set", "reading.window_tokens=32"),
        *("--set", "training.batch_tokens=128", "--set", f"training.max_steps={STEPS}"),
        *("--set", "training.checkpoint_steps=10", "--set", "training.epochs=50", *more),
    ]


@pytest.mark.parametrize("objective", ["mlm", "contrastive"])
def test_killed_run_resumed_has_bit_identical_weights(tmp_path, tiny_text, objective):
    whole, out = tmp_path / "whole", tmp_path / "run"
    subprocess.run(_command(tiny_text, whole, objective), check=True, capture_output=True)
    with subprocess.Popen(
        _command(tiny_text, out, objective), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        limit = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < limit and process.poll() is None:
            if any(int(each.name.split("-")[1]) >= 20 for each in out.glob("checkpoint-*")):
                break
            time.sleep(0.005)
        assert process.poll() is None, "the run ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=LIMIT_SECONDS)
    assert not (out / "backbone").exists()

    resumed = subprocess.run(
        [sys.executable, "-m", "tunesmith", "pretrain", str(out / "config.lock.yaml"), "--resume"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert "resumed after step" in resumed.stderr
    for file in ("model.safetensors", "tokenizer.json"):
        one, two = (folder / "backbone" / file for folder in (whole, out))
        assert one.read_bytes() == two.read_bytes(), file


def test_interrupted_run_says_how_to_resume(tmp_path, tiny_text):
    out = tmp_path / "run"
    command = _command(tiny_text, out, "mlm", "--set", "training.max_steps=100000")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        limit = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < limit and not any(out.glob("checkpoint-*")):
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 130
    assert f"tunesmith pretrain {out}/config.lock.yaml --resume" in complaint
