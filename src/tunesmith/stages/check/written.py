"""Texts to be written that are the source itself, or that stand in its column."""

from __future__ import annotations

from collections.abc import Iterator

from tunesmith.core.examples import Example
from tunesmith.stages.check.context import Context, normalise_text
from tunesmith.stages.check.findings import Finding
from tunesmith.stages.check.wording import show_part
from tunesmith.tasks.summarization import Summaries
from tunesmith.tasks.written import Written

FAULT_SHARE = 0.5


def check_written(context: Context) -> Iterator[Finding]:
    """Yield rows that teach to copy, and those whose two columns look swapped.

    What a source and a target look like is learned from the training rows: it tells held rows from
    them, and rows of one side among them. Summaries are the affair of `check_summaries`.
    """
    if not isinstance(context.task, Written) or isinstance(context.task, Summaries):
        return
    equal, swapped = [], []
    for row, example in enumerate(context.rows):
        if not context.has_gold[row]:
            continue
        if _repeats(example):
            equal.append(row)
        elif context.task.looks_swapped(example):
            swapped.append(row)
    total = len(context.rows)
    source, target = context.task.input_roles[0], context.task.gold_roles[0]
    if equal:
        yield Finding(
            "fault" if len(equal) > FAULT_SHARE * total else "warning",
            "target_is_source",
            f"The text to be written is the source itself: {show_part(len(equal), total, 'row')}. "
            f"They teach to copy; name the column of the other: --column {target}=NAME",
            context.places(equal),
            {"rows": len(equal), "of": total},
        )
    if swapped:
        yield Finding(
            "warning",
            "columns_swapped",
            f"The words of `{source}` and `{target}` look swapped: "
            f"{show_part(len(swapped), total, 'row')}. See that every file names the two columns "
            f"alike, or say which is which: --column {source}=NAME --column {target}=NAME",
            context.places(swapped),
            {"rows": len(swapped), "of": total},
        )


def _repeats(example: Example) -> bool:
    source = normalise_text(example.inputs.text)
    return any(normalise_text(reference) == source for reference in example.gold)
