"""Boosted runs from end to end: resumed bit for bit, off without a trace, beside other things."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.numpy import load_file

import tunesmith
from tunesmith.core.errors import DataError, InterruptedRunError
from tunesmith.core.events import Event, Step
from tunesmith.runtime.canary import canary_difference
from tunesmith.runtime.loading import load_engine
from tunesmith.session import Session
from tunesmith.store.checkpoints import checkpoint_folder, list_checkpoints

TRAINING = {"max_steps": 16, "epochs": 100, "batch_tokens": 64, "learning_rate": 1e-3}
TRAINING |= {"evaluate_every": 6, "checkpoint_steps": 4, "patience": 0}
STOP = 10


def fit(rows, model, out, *, boost=None, training=None, listener=None, **more):
    return tunesmith.fit(
        str(rows),
        task="classification",
        model=str(model),
        **({} if boost is None else {"boost": boost}),
        training=TRAINING | (training or {}),
        out=str(out),
        session=Session(listener=listener),
        **more,
    )


def stop(event: Event) -> None:
    if isinstance(event, Step) and event.index == STOP:
        raise KeyboardInterrupt


def weights(out: Path) -> dict[str, bytes]:
    found = load_file(out / "bundle/model/model.safetensors")
    assert len(found) > 20
    return {name: weight.tobytes() for name, weight in found.items()}


@pytest.fixture(scope="module")
def plain(tmp_path_factory, tiny_rows, tiny_model):
    """Return the folder of a run that says nothing of boosters."""
    out = tmp_path_factory.mktemp("plain") / "run"
    fit(tiny_rows, tiny_model, out)
    return out


RESUMED = [
    {"adversarial": "freelb", "r_drop": True, "average": "ema"},
    {"adversarial": "pgd", "mixup": True, "average": {"name": "swa", "start": 0.2, "every": 3}},
    {"balanced_sampling": True, "supervised_contrastive": True, "focal": True},
]


@pytest.mark.parametrize("boost", RESUMED, ids=["+".join(boost) for boost in RESUMED])
def test_boosted_run_resumes_bit_for_bit(tmp_path, tiny_model, tiny_rows, plain, boost):
    """The run stops between two checkpoints, and goes on from the one before."""
    fit(tiny_rows, tiny_model, tmp_path / "whole", boost=boost)
    with pytest.raises(InterruptedRunError):
        fit(tiny_rows, tiny_model, tmp_path / "run", boost=boost, listener=stop)
    assert not (tmp_path / "run/bundle").exists()
    fit(tiny_rows, tiny_model, tmp_path / "run", boost=boost, resume=True)
    assert weights(tmp_path / "whole") == weights(tmp_path / "run")
    assert weights(tmp_path / "whole") != weights(plain)


def test_boosters_that_are_off_leave_no_trace(tmp_path, tiny_model, tiny_rows, plain):
    off = {"adversarial": False, "r_drop": False, "mixup": None, "average": False}
    fit(tiny_rows, tiny_model, tmp_path / "run", boost=off)
    assert weights(tmp_path / "run") == weights(plain)
    steps = list_checkpoints(plain)
    assert steps
    for step in steps:
        names = {path.name for path in checkpoint_folder(plain, step).iterdir()}
        assert names == {"weights.safetensors", "optimizer.safetensors", "state.json"}


def test_average_without_its_file_is_a_damaged_checkpoint(tmp_path, tiny_model, tiny_rows):
    boost, out = {"average": "ema"}, tmp_path / "run"
    with pytest.raises(InterruptedRunError):
        fit(tiny_rows, tiny_model, out, boost=boost, listener=stop)
    (checkpoint_folder(out, list_checkpoints(out)[-1]) / "average.safetensors").unlink()
    with pytest.raises(DataError, match="a checkpoint must be as this run wrote it"):
        fit(tiny_rows, tiny_model, out, boost=boost, resume=True)


def test_average_is_what_is_validated_and_kept(tmp_path, tiny_model, tiny_rows, plain):
    """Training itself is not changed by it: the losses are the same, the bundle is another."""
    ours = fit(tiny_rows, tiny_model, tmp_path / "run", boost={"average": "ema"})
    theirs = json.loads((plain / "bundle/report.json").read_text("utf-8"))
    curves = [report["curve"] for report in (ours.report, theirs)]
    assert [[step["loss"] for step in curve["steps"]] for curve in curves][0] == [
        step["loss"] for step in theirs["curve"]["steps"]
    ]
    assert weights(tmp_path / "run") != weights(plain)
    assert canary_difference(load_engine(ours.bundle), ours.bundle / "canary.jsonl") < 1e-4


@pytest.mark.parametrize(
    ("more", "training"),
    [
        ({}, {"precision": "bf16", "accumulation": 2}),
        ({}, {"find_learning_rate": True}),
        ({"joint": True}, {}),
        ({"also": True}, {}),
    ],
    ids=["bf16 and accumulation", "rate finder", "joint text", "another task"],
)
def test_boosters_go_with(tmp_path, tiny_model, tiny_rows, tiny_text, more, training):
    settings = {}
    if "joint" in more:
        settings = {"joint": {"data": str(tiny_text), "task_weight": 5}}
    if "also" in more:
        settings = {"also": {"again": {"data": str(tiny_rows), "task": "classification"}}}
    boost = {"adversarial": "fgm", "r_drop": True, "mixup": True, "average": "ema"}
    short = {"max_steps": 4, "evaluate_every": 4, "checkpoint_steps": 4, **training}
    result = fit(tiny_rows, tiny_model, tmp_path / "run", boost=boost, training=short, **settings)
    assert "boosters: fgm, r_drop, mixup, ema" in result.report["training"]["reasons"]
    steps = result.report["curve"]["steps"]
    assert len(steps) == 4
    assert all(0 < step["loss"] < 10 for step in steps)
    names = {name for step in steps for name in step.get("parts", {})}
    assert names == {
        *(["task"] if more else []),
        *(["mlm"] if "joint" in more else []),
        *result.also,
    }


def test_rows_frozen_below_are_read_twice_and_mixed_above(tmp_path, tiny_model, tiny_rows):
    boost = {"r_drop": True, "mixup": True, "supervised_contrastive": True}
    training = {"max_steps": 3, "freeze_layers": 1}
    result = fit(tiny_rows, tiny_model, tmp_path / "run", boost=boost, training=training)
    assert len(result.report["curve"]["steps"]) == 3


def test_packed_texts_are_read_twice(tmp_path, tiny_decoder):
    rows = tmp_path / "rows.csv"
    lines = [f"card {at} is late,it is the late order {at}" for at in range(40)]
    rows.write_text("\n".join(["source,target", *lines]), "utf-8")
    folder = tmp_path / "decoder"
    folder.mkdir()
    for path in tiny_decoder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["attention_dropout"] = 0.1
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    result = tunesmith.fit(
        str(rows),
        task="translation",
        model=str(folder),
        boost={"r_drop": True},
        training={"packing": True, "max_steps": 2, "batch_tokens": 128},
        decoding={"beams": 1, "max_new_tokens": 4},
        out=str(tmp_path / "run"),
    )
    steps = result.report["curve"]["steps"]
    assert len(steps) == 2
    assert all(0 < step["loss"] < 20 for step in steps)
