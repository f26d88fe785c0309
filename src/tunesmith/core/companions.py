"""What a fine-tune may carry beside its task: text without labels, and other tasks.

They hold settings only; `stages/tune/companions.py` says how their losses are summed.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from tunesmith.core.data_spec import Columns, TaskKind
from tunesmith.core.locations import OptionalPathText, PathText, RowsText
from tunesmith.core.methods import named
from tunesmith.core.pretraining import ContrastedText, MaskedText, TextReading
from tunesmith.core.spec import Part

JointObjective = Annotated[
    MaskedText | ContrastedText,
    Field(discriminator="name"),
    BeforeValidator(lambda value: named(value, default="mlm")),
]


class JointRecipe(Part):
    """Text without labels that is learned beside the task: L = L_pre + λ·L_fin.

    The sum is divided by the sum of its weights, so that learning rates keep their meaning.
    """

    data: PathText
    """Text without labels: a .txt file, rows with a text column, or a folder of such files."""

    objective: JointObjective = MaskedText()
    """What is learned from the text: hidden words (mlm), or vectors of sentences (contrastive)."""

    task_weight: float = Field(10.0, gt=0)
    """λ, the weight of the task's loss where that of the text's loss is 1."""

    final_task_weight: float | None = Field(None, gt=0)
    """λ at the end of training, reached in a straight line from `task_weight`; none keeps it."""

    column: Columns
    """`text=NAME`: the column that holds the text of rows, where it has another name."""

    batch_tokens: int | None = Field(None, ge=16)
    """Tokens (padding included) of the text beside each batch of the task; none takes as many as
    `training.batch_tokens`."""

    reading: TextReading = TextReading()
    """How the text becomes windows."""


class OtherTask(Part):
    """A task that is learned beside the main one, on the same encoder with a head of its own."""

    data: RowsText
    """Rows to learn from: a file, a folder or JSON file holding train/valid/test, or `hub:NAME`."""

    task: TaskKind
    """What is to be learned of these rows."""

    column: Columns
    """`ROLE=NAME`: the column that holds a role, where it has another name."""

    valid: OptionalPathText = None
    """File with rows to measure on, where `data` is a single file."""

    test: OptionalPathText = None
    """File with the rows the report is measured on, where `data` is a single file."""

    weight: float = Field(1.0, gt=0)
    """Weight of this task's loss where that of the main one is 1."""
