"""What a student learns from teachers beside the labels of its rows: settings only."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tunesmith.core.locations import Location
from tunesmith.core.spec import Part


def _read_paths(value: Any) -> Any:
    """Turn one path into a tuple of one, and the `Path`s that Python may give into text."""
    if isinstance(value, str | PurePath):
        return (str(value),)
    if isinstance(value, list | tuple):
        return tuple(str(item) if isinstance(item, PurePath) else item for item in value)
    return value


class DistillationRecipe(Part):
    """Teachers whose probabilities are learned beside the labels.

    The loss is (1 - w)·task + w·T²·KL(teacher at T, student at T). Source: Hinton et al. 2015, §2.
    """

    teacher: Annotated[
        tuple[str, ...], BeforeValidator(_read_paths), Field(min_length=1), Location("bundle")
    ]
    """Bundle of the teacher, or a list of bundles whose mean is learned from."""

    temperature: float = Field(2.0, gt=0)
    """T, what the logits of teacher and student are divided by."""

    weight: float = Field(0.5, gt=0, le=1)
    """w, the teacher's share of the loss; 1 looks at no label."""
