"""Canary rows: inputs with the outputs this very model gave.

Any later form of the model can be held to them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tunesmith.core.examples import Example
from tunesmith.runtime.engine import Engine, score

DECIMALS = 5


def make_canary(engine: Engine, examples: Sequence[Example]) -> str:
    """Return JSONL: each text with the answer and the logits of `engine`, to 5 decimals."""
    inputs = [engine.task.inputs_of(example.inputs.text) for example in examples]
    lines = []
    for item, scores in zip(inputs, score(engine, inputs), strict=True):
        fields = {
            "text": item.text,
            "answer": engine.task.answer(scores, item).to_json(),
            "logits": np.round(scores, DECIMALS).tolist(),
        }
        lines.append(json.dumps(fields, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines)


def canary_difference(engine: Engine, path: Path) -> float:
    """Return the largest absolute difference between a logit of `engine` and its record in `path`.

    A file without rows gives 0.
    """
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    inputs = [engine.task.inputs_of(row["text"]) for row in rows]
    differences = [
        float(np.abs(scores - np.array(row["logits"]).reshape(scores.shape)).max(initial=0.0))
        for row, scores in zip(rows, score(engine, inputs), strict=True)
    ]
    return max(differences, default=0.0)
