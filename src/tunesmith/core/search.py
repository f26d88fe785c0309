"""What a search over settings tries, and how long: settings only, and how a range is written.

`operations/search_space.py` says which settings may be searched.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from tunesmith.core.boosters import switched
from tunesmith.core.locations import Location, Overrides
from tunesmith.core.spec import Part

LOGARITHMIC_FROM = 10.0
"""A range whose ends differ by this factor or more is searched by its logarithm."""


@dataclass(frozen=True, slots=True)
class Between:
    """Numbers from `low` to `high`, both included; whole ones alone where `is_whole`."""

    low: float
    high: float
    is_whole: bool

    @property
    def is_log(self) -> bool:
        """Whether factors count and not differences."""
        return self.low > 0 and self.high / self.low >= LOGARITHMIC_FROM

    @property
    def samples(self) -> tuple[float, ...]:
        """The ends, and a number between them that is whole only where all are."""
        if self.is_whole:
            return self.low, self.high
        return self.low, self.low + 0.618 * (self.high - self.low), self.high

    def holds(self, value: Any) -> bool:
        """Tell whether a value is one of the range."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return (
            is_number
            and self.low <= value <= self.high
            and (not self.is_whole or float(value).is_integer())
        )

    def __str__(self) -> str:
        """Return the range as it is written.

        >>> str(read_range("1e-5..0.001"))
        '1e-05..0.001'
        """
        return f"{self.low!r}..{self.high!r}"

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names, and whether it is searched by its logarithm."""
        return {"low": self.low, "high": self.high, "whole": self.is_whole, "log": self.is_log}


@dataclass(frozen=True, slots=True)
class OneOf:
    """Several values of which each trial takes one."""

    choices: tuple[Any, ...]

    @property
    def samples(self) -> tuple[Any, ...]:
        """Every value."""
        return self.choices

    def holds(self, value: Any) -> bool:
        """Tell whether a value is one of them."""
        return any(value == choice and _is_like(value, choice) for choice in self.choices)

    def __str__(self) -> str:
        """Return the list as it is written."""
        return f"[{', '.join(str(choice) for choice in self.choices)}]"

    def to_json(self) -> dict[str, Any]:
        """Return the choices under their own name."""
        return {"choices": list(self.choices)}


Range: TypeAlias = Between | OneOf


def read_range(value: Any) -> Range:
    """Return what `LOW..HIGH` or a list of choices stands for.

    Raises `ValueError` for all else, and where no two values are in it.

    >>> read_range("2..8")
    Between(low=2, high=8, is_whole=True)
    >>> read_range(["1e-5", "cosine"])
    OneOf(choices=(1e-05, 'cosine'))
    """
    if isinstance(value, str) and ".." in value:
        return _read_between(value)
    if not isinstance(value, list | tuple):
        raise ValueError("a range must be written LOW..HIGH, or as a list of choices")
    choices = tuple(_read_choice(choice) for choice in value)
    if any(not isinstance(choice, str | int | float | None) for choice in choices):
        raise ValueError("a choice must be a number, a text, true, false or null")
    distinct = [
        choice for at, choice in enumerate(choices) if not OneOf(choices[:at]).holds(choice)
    ]
    if len(distinct) < 2:
        raise ValueError("a list must have two choices or more")
    return OneOf(tuple(distinct))


def _read_between(text: str) -> Between:
    low, high = (_read_number(part) for part in text.split("..", 1))
    if low is None or high is None:
        raise ValueError(f"the ends of LOW..HIGH must be numbers; got {text}")
    if low >= high:
        raise ValueError(f"LOW must be below HIGH; got {text}")
    is_whole = isinstance(low, int) and isinstance(high, int)
    return Between(low, high, True) if is_whole else Between(float(low), float(high), False)


def _read_number(text: str) -> int | float | None:
    """Return the number that a text is, whole where it is written so; None where it is none."""
    for read in (int, float):
        try:
            number = read(text.strip())
        except ValueError:
            continue
        return number if math.isfinite(number) else None
    return None


def _read_choice(value: Any) -> Any:
    """Return a choice, as a number where YAML took `1e-5` for a text."""
    number = _read_number(value) if isinstance(value, str) else None
    return value if number is None else number


def _is_like(one: Any, other: Any) -> bool:
    """Tell apart what Python calls equal: true and 1, false and 0."""
    return isinstance(one, bool) == isinstance(other, bool)


def _flat(value: Any) -> Any:
    """Return nested mappings as one of full paths, each with what was written for its range.

    Raises `ValueError` with every range that cannot be read.
    """
    if not isinstance(value, Mapping):
        return value
    leaves = dict(_leaves(value))
    problems = []
    for path, leaf in leaves.items():
        try:
            read_range(leaf)
        except ValueError as error:
            problems.append(f"`{path}`: {error}")
    if problems:
        raise ValueError("; ".join(problems))
    return {path: list(leaf) if isinstance(leaf, tuple) else leaf for path, leaf in leaves.items()}


def _leaves(tree: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


class SearchRecipe(Part):
    """How many settings are tried, which, and how they are chosen."""

    trials: int = Field(20, ge=1)
    """Settings that are tried, the recipe's own among them; what was tried before a run was
    resumed counts."""

    space: Annotated[dict[str, Any], BeforeValidator(_flat), Overrides()] = Field(
        default_factory=dict
    )
    """Ranges by the paths of settings: `1e-5..1e-3`, `2..8` (whole numbers) or a list of choices;
    none takes those that are declared beside the method."""

    minutes: float | None = Field(None, gt=0)
    """Minutes of all trials together after which no other is begun; none sets no limit."""

    sampler: Literal["tpe", "random"] = "tpe"
    """What chooses the next values: those like the best so far, after ten at random (tpe, Bergstra
    et al. 2011), or all at random."""

    prune: bool = True
    """Break off a trial that at a quarter, half or three quarters of its training is worse than the
    median of the others there, once five are complete."""

    storage: Annotated[str | None, Location("address")] = None
    """SQLAlchemy URL of the database that keeps the trials; none takes `search.sqlite3` in the
    run's folder."""

    @property
    def ranges(self) -> dict[str, Range]:
        """The range of each setting."""
        return {path: read_range(leaf) for path, leaf in self.space.items()}


def by_number(value: Any) -> Any:
    """Return the settings that a bare number stands for; it may stand under `name` beside others.

    >>> by_number({"name": "30", "trials": 20, "sampler": "random"})
    {'trials': '30', 'sampler': 'random'}
    """
    if isinstance(value, bool):
        return switched(value)
    if isinstance(value, int | str):
        return {"trials": value}
    if isinstance(value, dict) and "name" in value:
        rest = {key: given for key, given in value.items() if key not in ("name", "trials")}
        return {"trials": value["name"], **rest}
    return value


Search = Annotated[SearchRecipe | None, BeforeValidator(by_number)]
