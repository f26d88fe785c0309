"""Settings that several operations share, written once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tunesmith.core.locations import OptionalPathText, RowsText, read_path
from tunesmith.core.methods import named
from tunesmith.core.recipe import ModelRecipe, RecommendRecipe, SplitRecipe
from tunesmith.core.spec import Spec

Language = Literal["en", "zh-CN"]
TaskKind = Literal[
    "classification",
    "multilabel",
    "ner",
    "matching",
    "relation",
    "qa",
    "choice",
    "recommendation",
    "summarization",
    "translation",
    "generation",
]

LARGEST_SEED = 2**32 - 1
"""The largest that every random generator below us takes."""


def _read_model(value: Any) -> Any:
    """Turn a bare name or folder into the recipe's mapping."""
    return named(read_path(value), default="minilm")


ModelSetting = Annotated[ModelRecipe, BeforeValidator(_read_model)]


def _read_columns(value: Any) -> Any:
    """Turn `role=name` texts into a mapping."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple):
        parts = [item.partition("=") for item in value if isinstance(item, str)]
        pairs = [(role.strip(), name.strip()) for role, _, name in parts]
        if len(pairs) != len(value) or not all(role and name for role, name in pairs):
            raise ValueError("each column must be written ROLE=NAME, such as label=category")
        if len(dict(pairs)) < len(pairs):
            raise ValueError("each role must be given one column")
        return dict(pairs)
    return value


Columns = Annotated[dict[str, str], BeforeValidator(_read_columns), Field(default_factory=dict)]


class RowsSpec(Spec):
    """The labelled rows an operation reads, and the model that is to read them."""

    data: RowsText = Field(json_schema_extra={"positional": True})
    """Rows to learn from: a file, a folder or JSON file holding train/valid/test, or `hub:NAME`."""

    task: TaskKind
    """What is to be learned."""

    model: ModelSetting = ModelRecipe()
    """The pretrained model: `minilm`, a folder, or a hub id."""

    column: Columns
    """`ROLE=NAME`: the column that holds a role, where it has another name."""

    valid: OptionalPathText = None
    """File with the rows that choose the checkpoint, where `data` is a single file."""

    test: OptionalPathText = None
    """File with the rows the report is measured on, where `data` is a single file."""

    items: OptionalPathText = None
    """File with the columns `item` and `text` of all that can be recommended (recommendation)."""

    recommend: RecommendRecipe = RecommendRecipe()
    """What a recommender learns from, and how."""

    split: SplitRecipe = SplitRecipe()
    """Shares held out where the data names no split."""

    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    """Seed of everything random: split, head, dropout, order of batches."""
