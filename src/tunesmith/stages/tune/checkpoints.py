"""The state of a training loop as safetensors and JSON, so that a killed run continues bit for bit.

Saved: weights, optimiser moments, schedule, random generators and the loop's position; where an
average stands in for the weights, it is saved as them and they beside it. Never pickled.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tunesmith.core.errors import DataError
from tunesmith.stages.tune.loop import Position, Tuning
from tunesmith.store.atomic import new_folder

FORMAT_VERSION = 1
AVERAGE = "average.safetensors"


def save_checkpoint(folder: Path, tuning: Tuning, progress: dict[str, Any]) -> None:
    """Write the whole state to `folder`, or nothing. `progress` is the caller's own JSON."""
    optimizer = tuning.optimizer.state_dict()
    moments, scalars = {}, {}
    for index, state in optimizer["state"].items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor):
                moments[f"{index}.{name}"] = value.detach().contiguous().cpu()
            else:
                scalars[f"{index}.{name}"] = value
    schedule = {
        key: value for key, value in tuning.schedule.state_dict().items() if key != "lr_lambdas"
    }
    position = tuning.position
    state = {
        "format_version": FORMAT_VERSION,
        "position": {"step": position.step, "epoch": position.epoch, "batch": position.batch},
        "param_groups": optimizer["param_groups"],
        "optimizer_scalars": scalars,
        "schedule": schedule,
        "progress": progress,
    }
    with new_folder(folder) as fresh:
        weights = {
            name: weight.detach().clone().contiguous().cpu()
            for name, weight in _weights(tuning.model).items()
        }
        save_file(weights, fresh / "weights.safetensors")
        save_file({**moments, **_generators()}, fresh / "optimizer.safetensors")
        if tuning.average is not None:
            save_file(tuning.average.tensors(), fresh / AVERAGE)
        (fresh / "state.json").write_text(json.dumps(state), encoding="utf-8")


def load_checkpoint(folder: Path, tuning: Tuning) -> dict[str, Any]:
    """Put the state in `folder` back into `tuning` and return the caller's `progress`.

    Raises `DataError` where the files are damaged or belong to another model.
    """
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        load_weights(folder, tuning.model)
        tensors = load_file(folder / "optimizer.safetensors")
        moments: dict[int, dict[str, Any]] = {}
        for key, value in {**tensors, **state["optimizer_scalars"]}.items():
            if not key.startswith("random."):
                index, name = key.split(".", 1)
                moments.setdefault(int(index), {})[name] = value
        if tuning.average is not None:
            tuning.average.restore(load_file(folder / AVERAGE))
        tuning.optimizer.load_state_dict({"state": moments, "param_groups": state["param_groups"]})
        tuning.schedule.load_state_dict({**tuning.schedule.state_dict(), **state["schedule"]})
        torch.set_rng_state(tensors["random.cpu"])
        for number in range(torch.cuda.device_count()):
            if f"random.cuda{number}" in tensors:
                torch.cuda.set_rng_state(tensors[f"random.cuda{number}"], number)
        tuning.position = Position(**state["position"])
    except DataError:
        raise
    except Exception as error:
        raise _damaged(folder, error) from error
    return state["progress"]


def load_weights(folder: Path, model: torch.nn.Module) -> None:
    """Put the weights of a checkpoint into `model`. Raises `DataError` where they do not fit."""
    try:
        result = model.load_state_dict(load_file(folder / "weights.safetensors"), strict=False)
    except Exception as error:
        raise _damaged(folder, error) from error
    if wrong := sorted((set(result.missing_keys) & {*_weights(model)}) | {*result.unexpected_keys}):
        raise _damaged(folder, ValueError(f"{wrong[0]} is missing, or stands in no such model"))


def _weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights by name; one that stands in several places has the first one's alone."""
    names: dict[int, str] = {}
    kept = model.state_dict(keep_vars=True)
    for name, weight in kept.items():
        names.setdefault(id(weight), name)
    return {name: kept[name] for name in names.values()}


def _generators() -> dict[str, torch.Tensor]:
    states = {"random.cpu": torch.get_rng_state()}
    for number in range(torch.cuda.device_count()):
        states[f"random.cuda{number}"] = torch.cuda.get_rng_state(number)
    return states


def _damaged(folder: Path, error: Exception) -> DataError:
    first = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return DataError(
        f"a checkpoint must be as this run wrote it; {folder}: {first}",
        hint=f"rm -r {folder} and resume from the one before, or --overwrite to start again",
    )
