"""Canary rows: inputs with the outputs this very model gave, and what people say is right.

Any later form of the model can be held to them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.examples import Example, Inputs, Place, Span
from tunesmith.runtime.engine import Engine, score
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
    inputs = [engine.task.inputs_of(example.inputs.text) for example in examples]
    lines = []
    for example, item, scores in zip(examples, inputs, score(engine, inputs), strict=True):
        fields = {
            "text": item.text,
            "answer": engine.task.answer(scores, item).to_json(),
            "logits": np.round(scores, DECIMALS).tolist(),
        }
        if example.gold is not None:
            fields["gold"] = _gold_to_json(example.gold)
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
        inputs = task.inputs_of(fields["text"])
        place = Place(path.name, number)
        rows.append(CanaryRow(inputs, np.array(fields["logits"]), _example(fields, task, place)))
    return rows


def canary_difference(engine: Engine, path: Path) -> float:
    """Return the largest absolute difference between a logit of `engine` and its record in `path`.

    A file without rows gives 0.
    """
    rows = read_canary(path, engine.task)
    found = score(engine, [row.inputs for row in rows])
    differences = [
        float(np.abs(scores - row.logits.reshape(scores.shape)).max(initial=0.0))
        for row, scores in zip(rows, found, strict=True)
    ]
    return max(differences, default=0.0)


def _gold_to_json(gold: Any) -> Any:
    """Return a gold answer as a row holds it: a label, labels, or spans."""
    if isinstance(gold, str):
        return gold
    return [asdict(item) if isinstance(item, Span) else item for item in gold]


def _example(fields: dict[str, Any], task: Task, place: Place) -> Example | None:
    if "gold" not in fields:
        return None
    roles = {task.input_roles[0]: fields["text"], task.gold_roles[0]: fields["gold"]}
    row = {task.columns.get(role, role): value for role, value in roles.items()}
    example, _ = task.read(row, place=place)
    return example
