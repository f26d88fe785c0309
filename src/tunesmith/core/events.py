"""What an operation tells while it works. Doors show events; nothing depends on them being seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence for the person who waits: a choice made and its reason, or a stage that begins."""

    text: str


@dataclass(frozen=True, slots=True)
class Warned:
    """A sentence the person should not miss."""

    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is: `done` of `total` (None where unknown) in `unit`."""

    stage: str
    done: int
    total: int | None
    unit: str = "rows"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One optimiser step.

    `index` counts from 1; `loss` is the mean per row; `learning_rate` the first group's; `tokens`
    the real (non-padding) ones read; `epoch` counts from 0; `total` is the number of steps planned.
    Where several losses are learned together, `loss` is their weighted mean and `parts` has each as
    it is, by name.
    """

    index: int
    loss: float
    learning_rate: float
    tokens: int
    seconds: float
    epoch: int
    total: int
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Validated:
    """One validation: the selection `measure` of the `index`-th state tried, named `state`."""

    index: int
    measure: str
    value: float
    best: bool
    state: str


@dataclass(frozen=True, slots=True)
class Wrote:
    """A piece of a text that is being written; the last one of each text is a line break."""

    text: str


Event: TypeAlias = Said | Warned | Progress | Step | Validated | Wrote
