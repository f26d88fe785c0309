"""Canary rows: inputs with the outputs this very model gave, and what people say is right.

Any later form of the model can be held to them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.examples import Example, Inputs, Place
from tunesmith.runtime.engine import Engine, make_answer, score
from tunesmith.tasks.structured import read_inputs
from tunesmith.tasks.task import Task

DECIMALS = 5


@dataclass(frozen=True, slots=True)
class CanaryRow:
    """One row: its inputs, the logits on record, and its example where the gold answer is known."""

    inputs: Inputs
    logits: np.ndarray
    example: Example | None


def make_canary(engine: Engine, examples: Sequence[Example]) -> str:
    """Return JSONL: each text with the answer and the logits of `engine`, to 5 decimals.

    `gold` is there too where the example has it.
    """
    task = engine.task
    rows = [task.input_fields(example.inputs) for example in examples]
    inputs = [read_inputs(task, row) for row in rows]
    lines = []
    for number, scores in enumerate(score(engine, inputs)):
        gold = examples[number].gold
        fields = {
            **rows[number],
            "answer": make_answer(engine, scores, inputs[number]).to_json(),
            "logits": np.round(scores, DECIMALS).tolist(),
        }
        if gold is not None:
            fields["gold"] = task.gold_fields(gold)
        lines.append(json.dumps(fields, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines)


def read_canary(path: Path, task: Task) -> list[CanaryRow]:
    """Return the rows of a canary file; those of older bundles have no gold, so no example."""
    lines = path.read_text(encoding="utf-8").split("\n")
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        fields = json.loads(line)
        inputs, example = _read_row(fields, task, Place(path.name, number))
        rows.append(CanaryRow(inputs, np.array(fields["logits"]), example))
    return rows


def canary_difference(engine: Engine, path: Path) -> float:
    """Return the largest absolute difference between a logit of `engine` and its record in `path`.

    A file without rows gives 0.
    """
    rows = read_canary(path, engine.task)
    found = score(engine, [row.inputs for row in rows])
    kinds = {
        "span": _keyed_difference,
        "recommend": _keyed_difference,
        "generate": _written_difference,
    }
    differ = kinds.get(engine.task.head, _difference)
    differences = [differ(scores, row.logits) for row, scores in zip(rows, found, strict=True)]
    return max(differences, default=0.0)


def _difference(scores: np.ndarray, record: np.ndarray) -> float:
    return float(np.abs(scores - record.reshape(scores.shape)).max(initial=0.0))


def _keyed_difference(scores: np.ndarray, record: np.ndarray) -> float:
    """Compare the scores of the stretches or items that both have, whatever their order is.

    Near ties may stand in another one. The score is the last of each row.
    """
    ours, theirs = (
        {tuple(key): value for *key, value in rows.tolist()} for rows in (scores, record)
    )
    shared = ours.keys() & theirs.keys()
    return max((abs(ours[each] - theirs[each]) for each in shared), default=0.0)


def _written_difference(scores: np.ndarray, record: np.ndarray) -> float:
    """Compare the log-probabilities of the same tokens; other tokens are infinitely far."""
    record = record.reshape(-1, 2)
    if scores.shape != record.shape or (scores[:, 0] != record[:, 0]).any():
        return float("inf")
    return _difference(scores[:, 1], record[:, 1])


def _read_row(fields: dict[str, Any], task: Task, place: Place) -> tuple[Inputs, Example | None]:
    """Return the inputs of a canary row, and its example where the gold answer is known."""
    roles = (*task.input_roles, *task.extra_roles)
    row = {role: fields[role] for role in roles if role in fields}
    inputs = read_inputs(task, row, place=place)
    if "gold" not in fields:
        return inputs, None
    gold = fields["gold"]
    own = gold if isinstance(gold, dict) else {task.gold_roles[0]: gold}
    named = {task.columns.get(role, role): value for role, value in {**row, **own}.items()}
    example, _ = task.read(named, place=place)
    return inputs, example
