"""Summaries that summarise nothing: the document itself, or a text that is longer than it."""

from __future__ import annotations

from collections.abc import Iterator

from tunesmith.core.examples import Example
from tunesmith.stages.check.context import Context, normalise_text
from tunesmith.stages.check.findings import Finding
from tunesmith.stages.check.wording import show_part
from tunesmith.tasks.summarization import Summaries

FAULT_SHARE = 0.5


def check_summaries(context: Context) -> Iterator[Finding]:
    """Yield rows whose summary is the document, and those whose summary is the longer text."""
    if not isinstance(context.task, Summaries):
        return
    equal, longer = [], []
    for row, example in enumerate(context.rows):
        if not context.has_gold[row]:
            continue
        if _repeats(example):
            equal.append(row)
        elif context.task.looks_swapped(example):
            longer.append(row)
    total = len(context.rows)
    if equal:
        yield Finding(
            "fault" if len(equal) > FAULT_SHARE * total else "warning",
            "summary_is_document",
            f"The summary is the document itself: {show_part(len(equal), total, 'row')}. There is "
            "nothing to leave out; name the column of the summaries: --column summary=NAME",
            context.places(equal),
            {"rows": len(equal), "of": total},
        )
    if longer:
        yield Finding(
            "fault" if len(longer) > FAULT_SHARE * total else "warning",
            "summary_above_document",
            f"The summary is longer than its document: {show_part(len(longer), total, 'row')}. "
            "Are the two columns swapped? --column document=NAME --column summary=NAME",
            context.places(longer),
            {"rows": len(longer), "of": total},
        )


def _repeats(example: Example) -> bool:
    document = normalise_text(example.inputs.text)
    return any(normalise_text(reference) == document for reference in example.gold)
