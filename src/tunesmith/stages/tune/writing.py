"""What tuning decides for a model that writes: how long a text may become."""

from __future__ import annotations

from collections.abc import Callable

from tunesmith.core.errors import DataError, SpecError
from tunesmith.core.events import Event, Said
from tunesmith.core.recipe import DecodingRecipe
from tunesmith.stages.tune.rows import Rows
from tunesmith.tasks.task import Task

LENGTH_FACTOR = 1.5
"""How much longer than the longest of training a text may become."""


def choose_decoding(
    recipe: DecodingRecipe, train: Rows, task: Task, *, emit: Callable[[Event], None]
) -> DecodingRecipe:
    """Return how texts will be written, completed from the training rows.

    Raises `SpecError` where settings were given for a task that writes nothing, and `DataError`
    where no training row fits the model.
    """
    if task.head != "generate":
        if recipe.model_fields_set:
            raise SpecError(
                f"`decoding` is for tasks whose answer is written; {task.kind} is not",
                hint="leave out the settings of `decoding`",
            )
        return recipe
    taught = train.windows.taught
    if taught is None or not len(taught):
        raise DataError(
            "a training row must fit the model, source and target whole; none does",
            hint="--set model.long_text=truncate, or a model that reads longer texts",
        )
    if recipe.max_new_tokens is not None:
        return recipe
    longest = int(taught.max())
    most = int(LENGTH_FACTOR * longest)
    emit(Said(f"at most {most} tokens are written: the longest of training has {longest}"))
    return recipe.model_copy(update={"max_new_tokens": most})
