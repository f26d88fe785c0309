"""A model as a bundle keeps it: a folder that plain transformers loads, its outputs named."""

from __future__ import annotations

from pathlib import Path

from tunesmith.model.heads.generate import keep_decoding
from tunesmith.runtime.engine import Engine
from tunesmith.tasks.task import Task

PROBLEM_TYPES = {
    "classification": "single_label_classification",
    "multilabel": "multi_label_classification",
    "matching": "single_label_classification",
}


def save_weights(folder: Path, engine: Engine) -> None:
    """Write an engine's model into a new folder, its outputs named; the tokenizer is not there."""
    folder.mkdir()
    id2label = dict(enumerate(engine.task.outputs()))
    problem = _problem_type(engine.task)
    if engine.task.head == "generate":
        keep_decoding(engine.model, engine.decoding)
    engine.model.to("cpu").save(folder, id2label=id2label, problem=problem)
    engine.model.to(engine.device)


def _problem_type(task: Task) -> str:
    """Return what transformers calls the problem; one score is a sigmoid, as a label of many is."""
    is_score = task.kind == "matching" and not task.labels
    return PROBLEM_TYPES.get("multilabel" if is_score else task.kind, "")
