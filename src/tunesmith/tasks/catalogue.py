"""What can be recommended, and what each user had: the facts a ranking rests on.

They stand in the bundle as one JSON file. Nothing here reads a file or knows a model.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import Problem
from tunesmith.core.examples import Example, HistoryInput, Place, TextInput
from tunesmith.tasks.rows import Reader
from tunesmith.tasks.task import Labelled

CATALOGUE_FILE = "catalogue.json"


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The items in their fixed order, each with its text, and the histories of the known users.

    `counts` (items,) are the training events of each item: 0 for one that was never seen. `users`
    has what each user had and liked, the oldest first, as indices of items; `passed` what he had
    and did not like.
    """

    items: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    users: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    passed: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)

    @cached_property
    def index(self) -> dict[str, int]:
        """The index of each item's id."""
        return {item: number for number, item in enumerate(self.items)}

    def history_of(self, inputs: HistoryInput) -> NDArray[np.int64]:
        """Return the indices of what somebody had and liked; items nobody knows are left out."""
        if inputs.items is None:
            known = self.users.get(inputs.user, np.zeros(0, dtype=np.int32))
            return known.astype(np.int64)
        return self._indices(inputs.items)

    def had_by(self, inputs: HistoryInput) -> NDArray[np.int64]:
        """Return the indices of all that somebody had, liked or not: what is not shown again."""
        passed = self._indices(inputs.passed)
        if inputs.items is None and inputs.user in self.passed:
            passed = np.concatenate([passed, self.passed[inputs.user]])
        return np.concatenate([self.history_of(inputs), passed])

    def unknown_of(self, inputs: HistoryInput) -> tuple[str, ...]:
        """Return the items of a given history that are not in the catalogue."""
        return tuple(item for item in inputs.items or () if item not in self.index)

    def to_json(self) -> str:
        """Return the catalogue as text; `from_json` reads it."""
        fields = {
            "items": list(self.items),
            "texts": list(self.texts),
            "counts": self.counts.tolist(),
            "users": {user: own.tolist() for user, own in self.users.items()},
            "passed": {user: own.tolist() for user, own in self.passed.items()},
        }
        return json.dumps(fields, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, content: str) -> Catalogue:
        """Read what `to_json` wrote."""
        fields = json.loads(content)
        return cls(
            tuple(fields["items"]),
            tuple(fields["texts"]),
            np.array(fields["counts"], dtype=np.int64),
            *(
                {user: np.array(own, dtype=np.int32) for user, own in fields[name].items()}
                for name in ("users", "passed")
            ),
        )

    def _indices(self, items: Sequence[str]) -> NDArray[np.int64]:
        found = (self.index.get(item) for item in items)
        return np.array([number for number in found if number is not None], dtype=np.int64)


@dataclass(frozen=True)
class ItemRows(Labelled):
    """Rows `item, text` of the item file, read as examples whose id is the item's."""

    kind: ClassVar[str] = "items"
    input_roles: ClassVar[tuple[str, ...]] = ("item", "text")
    gold_roles: ClassVar[tuple[str, ...]] = ("label",)

    def read(self, row: Mapping[str, Any], *, place: Place) -> tuple[Example | None, list[Problem]]:
        """Return the item of one row; a text that is null is empty, which the check tells."""
        reader = Reader(row, columns=self.columns, place=place)
        item = reader.text("item")
        column = self.columns.get("text", "text")
        text = "" if column in row and row[column] is None else reader.text("text")
        if item is None or text is None:
            return None, reader.problems
        return Example(item, TextInput(text), None, place), []


def make_catalogue(
    items: Iterable[Example],
    learned: Iterable[Example],
    later: Iterable[Example],
    *,
    is_liked: Callable[[HistoryInput], bool],
) -> Catalogue:
    """Return the catalogue of items and of what their users had.

    `learned` are the events that are trained on, `later` those that are known beside, both in the
    order of time; `is_liked` tells whether an event was one that the user liked. Events of one user
    and item count once. An item that only events name has no text; of two with one id the first
    counts.
    """
    texts: dict[str, str] = {}
    for example in items:
        texts.setdefault(example.id, example.inputs.text)
    users: dict[str, dict[str, None]] = {}
    passed: dict[str, dict[str, None]] = {}
    counts: Counter[str] = Counter()
    for events, is_learned in ((learned, True), (later, False)):
        for event in events:
            texts.setdefault(event.gold, "")
            own = (users if is_liked(event.inputs) else passed).setdefault(event.inputs.user, {})
            if is_learned and is_liked(event.inputs) and event.gold not in own:
                counts[event.gold] += 1
            own.setdefault(event.gold)
    order = {item: number for number, item in enumerate(texts)}
    indexed = (
        {user: np.array([order[item] for item in own], dtype=np.int32) for user, own in had.items()}
        for had in (users, passed)
    )
    return Catalogue(
        tuple(texts),
        tuple(texts.values()),
        np.array([counts[item] for item in texts], dtype=np.int64),
        *indexed,
    )
