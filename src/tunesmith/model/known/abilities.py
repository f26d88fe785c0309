"""Which tasks a model can be tuned for, by its kind and its architecture: no library is asked.

A test holds this to the tables of transformers.
"""

from __future__ import annotations

from typing import get_args

from tunesmith.core.data_spec import TaskKind

WRITING: tuple[TaskKind, ...] = ("translation", "generation")
READING: tuple[TaskKind, ...] = tuple(task for task in get_args(TaskKind) if task not in WRITING)

TASKS_OF_KIND: dict[str, tuple[TaskKind, ...]] = {
    "encoder": READING,
    "seq2seq": READING + WRITING,
    "causal": READING + WRITING,
    "vision": (),
    "image-text": (),
}
"""The tasks of each kind of model; an encoder summarises by picking sentences. Images are no task
here yet."""

_ONE_OF_A_TEXT: tuple[TaskKind, ...] = ("classification", "multilabel", "matching")

LACKING: dict[str, tuple[TaskKind, ...]] = {
    "bart": ("ner",),
    "mbart": ("ner",),
    "marian": (*_ONE_OF_A_TEXT, "ner", "qa"),
    "pegasus": (*_ONE_OF_A_TEXT, "ner", "qa"),
    "gemma2": ("qa",),
    "gemma3_text": ("ner", "qa"),
    "glm": ("qa",),
    "glm4": ("qa",),
    "phi": ("qa",),
    "phi3": ("qa",),
    "internlm2": (*_ONE_OF_A_TEXT, "ner", "qa"),
    "internlm3": (*_ONE_OF_A_TEXT, "ner", "qa"),
}
"""By transformers' `model_type`, the tasks for which it has no head of that architecture."""


def able_tasks(kind: str, architecture: str) -> tuple[TaskKind, ...]:
    """Return the tasks that a model of this kind and architecture can be tuned for."""
    lacking = LACKING.get(architecture, ())
    return tuple(task for task in TASKS_OF_KIND.get(kind, ()) if task not in lacking)
