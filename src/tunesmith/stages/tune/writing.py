"""What tuning decides for a model that writes: how long a text may become."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tunesmith.core.errors import DataError, SpecError
from tunesmith.core.events import Event, Said, Warned
from tunesmith.core.recipe import DecodingRecipe, settle_beams
from tunesmith.model.framing import Reading
from tunesmith.model.heads import HeadModel
from tunesmith.model.heads.generate import Writer, limit_written
from tunesmith.stages.tune.rows import Rows
from tunesmith.tasks.task import Task
from tunesmith.tasks.written import Written

LENGTH_FACTOR = 1.5
"""How much longer than the longest of training a text may become."""


def choose_decoding(
    recipe: DecodingRecipe,
    rows: Mapping[str, Rows],
    *,
    task: Task,
    model: HeadModel,
    reading: Reading,
    emit: Callable[[Event], None],
) -> DecodingRecipe:
    """Return how texts will be written, completed from the training rows; `rows` are by split.

    Says which rows are too long to be learned from. Raises `SpecError` where settings were given
    for a task that writes nothing, and `DataError` where no row of a split fits the model.
    """
    if task.head != "generate" or not isinstance(model, Writer):
        if recipe != DecodingRecipe():
            raise SpecError(
                f"`decoding` is for tasks whose answer is written; {task.kind} is not",
                hint="leave out the settings of `decoding`",
            )
        return recipe
    recipe = settle_beams(recipe, usual=task.beams if isinstance(task, Written) else Written.beams)
    for split, own in rows.items():
        _tell_left_out(split, own, reading, emit=emit)
    taught = rows["train"].windows.taught
    longest = 0 if taught is None else int(taught.max())
    most = limit_written(model, reading, recipe.max_new_tokens or int(LENGTH_FACTOR * longest))
    told = Warned if most < longest else Said
    emit(told(f"at most {most:,} tokens are written: the longest of training has {longest:,}"))
    return recipe.model_copy(update={"max_new_tokens": most})


def _tell_left_out(
    split: str, rows: Rows, reading: Reading, *, emit: Callable[[Event], None]
) -> None:
    """Warn of rows without a window to learn from. Raises `DataError` where no row has one."""
    left_out = len(rows.examples) - len(rows.windows)
    if not left_out:
        return
    if not len(rows.windows):
        raise DataError(
            f"a {split} row must fit the model, source and target whole, in "
            f"{reading.max_length:,} tokens; none of {len(rows.examples):,} does",
            hint="--set model.long_text=truncate, or a model that reads longer texts",
        )
    emit(
        Warned(
            f"{left_out:,} of {len(rows.examples):,} {split} rows are longer than the "
            f"{reading.max_length:,} tokens of a window and are left out: "
            "--set model.long_text=truncate cuts them instead"
        )
    )
