"""The same text more than once: duplicates, leaks between splits, contradicting answers."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from tunesmith.core.examples import Example, SentencesInput, Span, spanned_text
from tunesmith.data.rows import shorten
from tunesmith.stages.check.context import SPLITS, Context, normalise_text
from tunesmith.stages.check.findings import Finding
from tunesmith.stages.check.wording import show_count, show_part

WARNING_SHARE = 0.05
LEAKS = (("test", "train"), ("valid", "train"), ("test", "valid"))
SHOWN_CHARACTERS = 40

Group: TypeAlias = list[int]
"""Rows of equal text in order, two or more."""

_SPACE = re.compile(r"\s+")


def check_repeats(context: Context) -> Iterator[Finding]:
    """Yield duplicates in a split, rows two splits share, and equal texts answered differently."""
    groups = _equal_texts(context)
    if not groups:
        return
    for split in SPLITS:
        yield from _check_duplicates(context, groups, split)
    for held, known in LEAKS:
        yield from _check_leak(context, groups, held, known)
    if context.task.head != "generate":  # two wordings of one answer do not contradict
        yield from _check_conflicts(context, groups)


def _equal_texts(context: Context) -> list[Group]:
    """Return the groups of rows with equal text; rows without any text are in none."""
    rows = np.flatnonzero(~context.is_blank)
    rows = rows[np.argsort(context.keys[rows], kind="stable")]
    borders = np.flatnonzero(np.diff(context.keys[rows])) + 1
    starts, ends = np.append(0, borders), np.append(borders, len(rows))
    repeated = ends - starts > 1
    stretches = zip(starts[repeated].tolist(), ends[repeated].tolist(), strict=True)
    return sorted(rows[start:end].tolist() for start, end in stretches)


def _check_duplicates(context: Context, groups: Sequence[Group], split: str) -> Iterator[Finding]:
    within = context.spans[split]
    repeated = [own for group in groups if len(own := [row for row in group if row in within]) > 1]
    count = sum(len(group) - 1 for group in repeated)
    if not count:
        return
    share = count / len(within)
    yield Finding(
        "warning" if share > WARNING_SHARE else "note",
        "duplicates",
        f"Repeating an earlier row of the split: {show_part(count, len(within), f'{split} row')}, "
        f"such as {_quote(context.rows[repeated[0][0]])}. They weigh double; delete them unless "
        "they are meant.",
        context.places(row for group in repeated for row in group),
        {"split": split, "rows": len(within), "repeats": count, "share": round(share, 6)},
    )


def _check_leak(
    context: Context, groups: Sequence[Group], held: str, known: str
) -> Iterator[Finding]:
    outer, inner = context.spans[held], context.spans[known]
    pairs = [
        (row, first)
        for group in groups
        if (first := next((row for row in group if row in inner), None)) is not None
        for row in group
        if row in outer
    ]
    if not pairs:
        return
    harm = (
        "its measures partly reward memory"
        if known == "train"
        else "it is no longer independent of the rows that choose the checkpoint"
    )
    yield Finding(
        "warning",
        "leak",
        f"Also in {known}: {show_part(len(pairs), len(outer), f'{held} row')}, such as "
        f"{_quote(context.rows[pairs[0][0]])}, so {harm}. Delete them from {known} or from {held}.",
        context.places(row for pair in pairs for row in pair),
        {"split": held, "known": known, "rows": len(outer), "leaked": len(pairs)},
    )


def _check_conflicts(context: Context, groups: Sequence[Group]) -> Iterator[Finding]:
    """Yield equal texts whose answers differ: within train, then between train and the others."""
    train = context.spans["train"]
    within: list[Group] = []
    across: list[Group] = []
    for group in groups:
        golds = {row: _gold_key(context.rows[row]) for row in group if context.has_gold[row]}
        taught = [row for row in golds if row in train]
        if not taught:
            continue
        known = {golds[row] for row in taught}
        if len(known) > 1:
            within.append(_other_first(taught, golds))
        across += [[row, taught[0]] for row in golds if golds[row] not in known]
    if within:
        rows = sum(map(len, within))
        yield Finding(
            "warning",
            "conflicts",
            f"Same text, different answers: {show_count(len(within), 'text')} in "
            f"{show_part(rows, len(train), 'train row')}; {_show_pair(context, *within[0][:2])}. "
            "Correct one of each, or delete both.",
            context.places(row for group in within for row in group),
            {"split": "train", "texts": len(within), "rows": rows},
        )
    if across:
        held = sum(len(context.spans[split]) for split in SPLITS[1:])
        yield Finding(
            "warning",
            "conflicts_across_splits",
            f"Answered otherwise in train: {show_part(len(across), held, 'valid and test row')}; "
            f"{_show_pair(context, *across[0])}. No model can get such rows right: correct one of "
            "each.",
            context.places(row for pair in across for row in pair),
            {"rows": len(across), "held_out_rows": held},
        )


def _other_first(rows: Group, golds: Mapping[int, Hashable]) -> Group:
    """Return the rows with the first two of different gold in front."""
    other = next(row for row in rows if golds[row] != golds[rows[0]])
    return [rows[0], other, *(row for row in rows[1:] if row != other)]


def _gold_key(example: Example) -> Hashable:
    """Return the gold answer in a form that is equal where two rows of equal text agree.

    Spans are counted in characters other than white space, since equal texts may differ in that.
    """
    gold = example.gold
    if isinstance(gold, float) or isinstance(example.inputs, SentencesInput):
        return None  # two people's scores, or summaries, of the same texts may differ
    if not isinstance(gold, tuple):
        return gold
    text = spanned_text(example.inputs)
    return frozenset(
        (_solid_length(text[: item.start]), _solid_length(text[: item.end]), item.type)
        if isinstance(item, Span)
        else item
        for item in gold
    )


def _solid_length(text: str) -> int:
    return len(_SPACE.sub("", normalise_text(text)))


def _show_pair(context: Context, one: int, other: int) -> str:
    """Return two rows of equal text with what their answers do not share, and their places."""
    golds = [_list_gold(context, row) for row in (one, other)]
    shown = [
        _show_gold([name for name in mine if name not in yours])
        for mine, yours in (golds, reversed(golds))
    ]
    places = [context.rows[row].place for row in (one, other)]
    return f"{_quote(context.rows[one])} is {shown[0]} in {places[0]} and {shown[1]} in {places[1]}"


def _list_gold(context: Context, row: int) -> list[str]:
    gold = context.task.show_gold(context.rows[row])
    return [gold] if isinstance(gold, str) else gold


def _show_gold(names: Sequence[str]) -> str:
    return f"`{shorten(', '.join(names))}`" if names else "without it"


def _quote(example: Example) -> str:
    return f"“{shorten(' '.join(example.inputs.text.split()), limit=SHOWN_CHARACTERS)}”"
