"""How a model labels rows for the next one: settings only."""

from __future__ import annotations

from pydantic import Field

from tunesmith.core.data_spec import Columns
from tunesmith.core.locations import PathText
from tunesmith.core.spec import Part


class SelfTrainingRecipe(Part):
    """Rows without labels, labelled by a teacher and learned by its student.

    Source: Yarowsky 1995 (rounds, what is sure enough); Xie et al. 2020 (the most sure of each
    class, a student that learns from both).
    """

    data: PathText
    """Rows without labels: a file of texts, or of rows with the columns of the task; labels that
    stand there are not read."""

    column: Columns
    """`ROLE=NAME`: the column that holds a role, where it has another name than in the rows."""

    confidence: float = Field(0.9, ge=0, le=1)
    """Least probability of the answer that a teacher is believed with."""

    per_class: int | None = Field(None, ge=1)
    """Rows taken of each class, the surest first; none takes all that are sure enough."""

    rounds: int = Field(1, ge=1, le=16)
    """Students, one after the other; each is the teacher of the next."""
