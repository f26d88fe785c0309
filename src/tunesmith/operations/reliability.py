"""How operations handle what a model learns of its own limits, and what is asked of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tunesmith.core.errors import DataError, SpecError
from tunesmith.core.examples import Example
from tunesmith.core.reliability import ReliabilityRecipe
from tunesmith.data.splits import Splits
from tunesmith.data.spool import take_examples
from tunesmith.operations.fit import FitSpec
from tunesmith.stages.tune.learned import Learned
from tunesmith.tasks.task import Task

UNLABELLED = {"calibration": "none", "keep_rows": False, "outside_score": "none"}
"""The settings that learn nothing of a model's limits: those of trials, and of zero-shot, which
reads no label of a row unless it is told to."""

REFITTED = (
    "What the bundle knows of its reliability was learned of the validation rows before its head "
    "was fitted on them too; measure it on other rows: tunesmith evaluate {bundle} TEST"
)
LEARNED_ON_VALID = (
    "Label sets and thresholds rest on the {rows:,} validation rows{also}. What they do on other "
    "rows: tunesmith evaluate {bundle} TEST"
)
ALSO_CHOSE = ", which also chose the model: their promise holds a little less well than it says"


def own_reliability(spec: FitSpec) -> ReliabilityRecipe:
    """Return the recipe of a fit, with what its method changes of the defaults."""
    recipe = spec.reliability
    if spec.method.name != "zero-shot":
        return recipe
    own = {k: v for k, v in UNLABELLED.items() if k not in recipe.model_fields_set}
    return recipe.model_copy(update=own)


def set_apart(
    splits: Splits, task: Task, label: str | None
) -> tuple[Splits, dict[str, Sequence[Example]]]:
    """Return the splits without the rows of the label that means outside, and those rows by split.

    Raises `SpecError` where the task has no such rows, and `DataError` where nobody has the label.
    """
    if label is None:
        return splits, {}
    if task.kind != "classification":
        raise SpecError(
            f"`reliability.outside` names a label of classification; {task.kind} has none",
            hint="leave out --set reliability.outside",
        )
    strangers: dict[str, Sequence[Example]] = {}
    kept = {}
    for name in ("train", "valid", "test"):
        rows = getattr(splits, name)
        is_outside = np.array([row.gold == label for row in rows], dtype=bool)
        strangers[name] = take_examples(rows, np.flatnonzero(is_outside))
        kept[name] = take_examples(rows, np.flatnonzero(~is_outside))
    if not strangers["train"] and not strangers["valid"]:
        found = sorted({row.gold for row in splits.valid})[:10]
        raise DataError(
            f"`reliability.outside` must be the label of rows of train or valid; got `{label}`, "
            f"and labels such as {', '.join(found)}",
            hint="leave out --set reliability.outside",
        )
    return replace(splits, **kept), strangers


def write_learned(folder: Path, learned: Learned) -> None:
    """Write the files of what was learned into a bundle's folder."""
    for name, content in learned.files().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


def learned_notes(reliability: Learned, *, bundle: Path, chosen: bool) -> list[str]:
    """Return what a reader must know of where the promises come from.

    `chosen` tells whether the validation rows chose the model too.
    """
    if reliability.held is None:
        return []
    rows = len(reliability.held.confidence)
    told = REFITTED if reliability.is_refitted else LEARNED_ON_VALID
    return [told.format(rows=rows, bundle=bundle, also=ALSO_CHOSE if chosen else "")]
