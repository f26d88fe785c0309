"""Events in the order of time: the last of each user held out, and what each had before an event.

A row of events is nothing by itself: what is asked of it is which item came after those before it.
No event is ever predicted from a later one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.examples import Example
from tunesmith.data.spool import JoinedExamples, take_examples
from tunesmith.tasks.catalogue import Catalogue
from tunesmith.tasks.recommendation import Recommendation

FEWEST_EVENTS = 2
"""Events of a user of which one can be held out: something must be known of him before it."""


@dataclass(frozen=True, slots=True)
class Sequences:
    """What each user had and liked, user after user, the oldest first.

    `items` (N,) are indices of the catalogue; `firsts` (N,) say for each event where its user's
    first one stands.
    """

    items: NDArray[np.int32]
    firsts: NDArray[np.int64]


def in_time(examples: Sequence[Example]) -> Sequence[Example]:
    """Return events in the order of time; equal ones, and those without, as they stand."""
    return take_examples(examples, np.argsort(_times(examples), kind="stable"))


def hold_out_last(
    examples: Sequence[Example], task: Recommendation
) -> tuple[Sequence[Example], Sequence[Example]]:
    """Return (rest, held out), the last event of each user in the second; both keep the order.

    It is the last that he liked, with an item new to him. A user with fewer than two of these stays
    in the rest whole. Other events of a user with the item that is held out are in neither.
    """
    had: dict[str, set[str]] = {}
    last: dict[str, int] = {}
    order = np.argsort(_times(examples), kind="stable")
    for row, example in zip(order.tolist(), take_examples(examples, order), strict=True):
        own = had.setdefault(example.inputs.user, set())
        if task.is_liked(example.inputs) and example.gold not in own:
            own.add(example.gold)
            last[example.inputs.user] = row
    rows = sorted(row for user, row in last.items() if len(had[user]) >= FEWEST_EVENTS)
    held = take_examples(examples, np.array(rows, dtype=np.int64))
    gone = {(example.inputs.user, example.gold) for example in held}
    kept = [
        row
        for row, example in enumerate(examples)
        if (example.inputs.user, example.gold) not in gone
    ]
    return take_examples(examples, np.array(kept, dtype=np.int64)), held


def place_histories(
    known: Sequence[Example] | Catalogue, later: Sequence[Sequence[Example]], task: Recommendation
) -> list[list[Example]]:
    """Return the events of each of `later` with what their users had before them.

    Time decides what is before, and at equal times the order: `known`, then each of `later`. A
    catalogue, which remembers no times, is before everything. Left out are events that were not
    liked and items that the user had before: nobody is asked to recommend those.
    """
    wanted = {example.inputs.user for part in later for example in part}
    had: dict[str, dict[str, None]] = {user: {} for user in wanted}
    passed: dict[str, dict[str, None]] = {user: {} for user in wanted}
    if isinstance(known, Catalogue):
        for told, memory in ((known.users, had), (known.passed, passed)):
            for user in wanted & told.keys():
                memory[user] = dict.fromkeys(known.items[at] for at in told[user])
        known = []
    placed: list[list[Example]] = [[] for _ in later]
    for part, example in _merged([known, *later]):
        user = example.inputs.user
        if user not in wanted:
            continue
        is_liked = task.is_liked(example.inputs)
        if part and is_liked and example.gold not in had[user] and example.gold not in passed[user]:
            before = {"items": tuple(had[user]), "passed": tuple(passed[user])}
            inputs = replace(example.inputs, **before)
            placed[part - 1].append(replace(example, inputs=inputs))
        (had if is_liked else passed)[user].setdefault(example.gold)
    return placed


def read_sequences(examples: Sequence[Example], task: Recommendation) -> Sequences:
    """Return the liked events of each user; an item that he had twice counts the first time."""
    index = task.catalogue.index
    own: dict[str, dict[int, None]] = {}
    for example in in_time(examples):
        if task.is_liked(example.inputs):
            own.setdefault(example.inputs.user, {}).setdefault(index[example.gold])
    lengths = np.array([len(items) for items in own.values()], dtype=np.int64)
    flat = np.fromiter((item for items in own.values() for item in items), dtype=np.int32)
    starts = np.cumsum(lengths) - lengths
    return Sequences(flat, np.repeat(starts, lengths))


def _times(examples: Sequence[Example]) -> NDArray[np.float64]:
    return np.array([example.inputs.time or 0.0 for example in examples])


def _merged(parts: Sequence[Sequence[Example]]) -> Iterator[tuple[int, Example]]:
    """Yield the events of all parts in the order of time, each with the number of its part."""
    events = JoinedExamples(parts)
    order = np.argsort(np.concatenate([_times(part) for part in parts]), kind="stable")
    of_part = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    for row in order.tolist():
        yield int(of_part[row]), events[row]
