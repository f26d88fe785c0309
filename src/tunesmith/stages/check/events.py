"""Events and items judged together: who can be learned from, and what cannot be recommended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tunesmith.core.examples import Example
from tunesmith.data.splits import Splits
from tunesmith.stages.check.findings import MAX_PLACES, Finding
from tunesmith.stages.check.wording import show_part, show_some
from tunesmith.tasks.recommendation import Recommendation

UNKNOWN_FAULT = 0.5


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What the checks of events look at.

    That is the rows as they were split, those of the item file, and the `texts` of the catalogue
    in its order.
    """

    splits: Splits
    items: Sequence[Example]
    texts: Sequence[Example]
    task: Recommendation


def check_events(facts: EventFacts) -> Iterator[Finding]:
    """Yield what is wrong with events, users and items; nothing is changed."""
    yield from _check_users(facts)
    yield from _check_unknown_items(facts)
    yield from _check_repeats(facts)
    yield from _check_times(facts)
    yield from _check_items(facts)
    yield from _check_cold_items(facts)


def _check_users(facts: EventFacts) -> Iterator[Finding]:
    train, splits = facts.splits.train, facts.splits
    sizes = {"train": len(train), "valid": len(splits.valid), "test": len(splits.test)}
    items = _items_of_users(facts)
    yield Finding(
        "note",
        "size",
        f"{sizes['train']:,} train events of {len(items):,} users; {sizes['valid']:,} valid and "
        f"{sizes['test']:,} test events, one ranking each; "
        f"{len(facts.task.catalogue.items):,} items.",
        figures={**sizes, "users": len(items), "items": len(facts.task.catalogue.items)},
    )
    if not any(own > 1 for own in items.values()):
        yield Finding(
            "fault",
            "no_histories",
            "No user has two train events with different items, so nothing says what comes after "
            "what. Give more events of each user, and see that `user` names the right column.",
            figures={"users": len(items)},
        )
    if not splits.valid:
        yield Finding(
            "fault",
            "no_valid_rows",
            "There is no event to choose the best checkpoint by: the last of each user is taken "
            "where he has two. Name a file that holds some: --valid FILE",
            figures=sizes,
        )
    asked = {example.inputs.user for example in (*splits.valid, *splits.test)}
    single = [user for user, own in items.items() if own == 1 and user not in asked]
    if single:
        yield Finding(
            "note",
            "users_with_one_event",
            f"With one event, so learned from but never tested: "
            f"{show_part(len(single), len(items), 'user')}, "
            f"{show_some([f'`{user}`' for user in single])}.",
            figures={"users": len(single), "of": len(items)},
        )


def _items_of_users(facts: EventFacts) -> dict[str, int]:
    """Return how many different liked items each user of train has."""
    had: dict[str, set[str]] = {}
    for example in facts.splits.train:
        own = had.setdefault(example.inputs.user, set())
        if facts.task.is_liked(example.inputs):
            own.add(example.gold)
    return {user: len(own) for user, own in had.items()}


def _check_unknown_items(facts: EventFacts) -> Iterator[Finding]:
    known = {example.id for example in facts.items}
    rows = [example for example in facts.splits.train if example.gold not in known]
    if not rows:
        return
    names = list(dict.fromkeys(example.gold for example in rows))
    total = len(facts.splits.train)
    is_fault = len(rows) > UNKNOWN_FAULT * total
    advice = (
        "See that both files mean the same by `item`."
        if is_fault
        else "They are known by who had them alone; add their texts."
    )
    yield Finding(
        "fault" if is_fault else "warning",
        "items_without_row",
        f"Not in the item file: {len(names):,} items of {show_part(len(rows), total, 'event')}, "
        f"{show_some([f'`{name}`' for name in names])}. {advice}",
        _places(rows),
        {"items": len(names), "events": len(rows), "of": total},
    )


def _check_repeats(facts: EventFacts) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    rows = []
    for example in facts.splits.train:
        pair = (example.inputs.user, example.gold)
        if pair in seen:
            rows.append(example)
        seen.add(pair)
    if rows:
        yield Finding(
            "warning",
            "repeated_events",
            "The user had the item before, so only the first time counts: "
            f"{show_part(len(rows), len(facts.splits.train), 'train event')}.",
            _places(rows),
            {"events": len(rows), "of": len(facts.splits.train)},
        )


def _check_times(facts: EventFacts) -> Iterator[Finding]:
    without = [example for example in facts.splits.train if example.inputs.time is None]
    if without:
        yield Finding(
            "warning",
            "events_without_time",
            f"Without a time: {show_part(len(without), len(facts.splits.train), 'train event')}. "
            "They count as the first, in the order of the rows; if another column holds it: "
            "--column time=NAME",
            _places(without),
            {"events": len(without), "of": len(facts.splits.train)},
        )


def _check_items(facts: EventFacts) -> Iterator[Finding]:
    counts = Counter(example.id for example in facts.items)
    repeated = [example for example in facts.items if counts[example.id] > 1]
    if repeated:
        names = list(dict.fromkeys(example.id for example in repeated))
        yield Finding(
            "warning",
            "repeated_items",
            f"More than once in the item file, so the first row counts: {len(names):,} items, "
            f"{show_some([f'`{name}`' for name in names])}.",
            _places(repeated),
            {"items": len(names)},
        )
    blank = [example for example in facts.items if not example.inputs.text.strip()]
    if blank:
        is_fault = len(blank) > UNKNOWN_FAULT * len(facts.items)
        yield Finding(
            "fault" if is_fault else "warning",
            "items_without_text",
            f"Without a text: {show_part(len(blank), len(facts.items), 'item')}. Nobody can tell "
            "what they are before somebody had them; fill it in, or name its column: "
            "--column text=NAME",
            _places(blank),
            {"items": len(blank), "of": len(facts.items)},
        )


def _check_cold_items(facts: EventFacts) -> Iterator[Finding]:
    counts = facts.task.catalogue.counts
    cold = int((counts == 0).sum())
    if cold:
        yield Finding(
            "note",
            "cold_items",
            f"Without a train event: {show_part(cold, len(counts), 'item')}. They are recommended "
            "by their texts alone.",
            figures={"items": cold, "of": len(counts), "events": int(np.sum(counts))},
        )


def _places(rows: Sequence[Example]) -> tuple[str, ...]:
    return tuple(str(example.place) for example in rows[:MAX_PLACES])
