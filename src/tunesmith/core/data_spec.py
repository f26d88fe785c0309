"""Settings that several operations share, written once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tunesmith.core.methods import named
from tunesmith.core.recipe import ModelRecipe, SplitRecipe
from tunesmith.core.spec import Spec

TaskKind = Literal["classification", "multilabel", "ner"]

ModelSetting = Annotated[ModelRecipe, BeforeValidator(lambda value: named(value, default="minilm"))]


def _read_columns(value: Any) -> Any:
    """Turn `role=name` texts into a mapping."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple):
        pairs = [item.partition("=") for item in value if isinstance(item, str)]
        if len(pairs) != len(value) or any(not equals or not name for _, equals, name in pairs):
            raise ValueError("each column must be written ROLE=NAME, such as label=category")
        return {role.strip(): name.strip() for role, _, name in pairs}
    return value


Columns = Annotated[dict[str, str], BeforeValidator(_read_columns), Field(default_factory=dict)]


class RowsSpec(Spec):
    """The labelled rows an operation reads, and the model that is to read them."""

    data: str = Field(json_schema_extra={"positional": True})
    """Rows to learn from: a file, a folder holding train/valid/test, or `hub:NAME`."""

    task: TaskKind
    """What is to be learned."""

    model: ModelSetting = ModelRecipe()
    """The pretrained model: `minilm`, a folder, or a hub id."""

    column: Columns
    """`ROLE=NAME`: the column that holds a role, where it has another name."""

    valid: str | None = None
    """File with the rows that choose the checkpoint, where `data` is a single file."""

    test: str | None = None
    """File with the rows the report is measured on, where `data` is a single file."""

    split: SplitRecipe = SplitRecipe()
    """Shares held out where the data names no split."""

    seed: int = Field(0, ge=0)
    """Seed of everything random: split, head, dropout, order of batches."""
