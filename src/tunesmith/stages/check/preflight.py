"""The list of checks, and the one call that runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tunesmith.data.splits import Splits
from tunesmith.model.backbones import Backbone
from tunesmith.model.framing import Reading
from tunesmith.stages.check.classes import check_classes, check_foreign_labels, check_unlabelled
from tunesmith.stages.check.context import Context, make_context
from tunesmith.stages.check.entities import check_entities
from tunesmith.stages.check.events import EventFacts, check_events
from tunesmith.stages.check.findings import Finding, sort_findings
from tunesmith.stages.check.label_names import check_label_names
from tunesmith.stages.check.questions import check_questions
from tunesmith.stages.check.repeats import check_repeats
from tunesmith.stages.check.sizes import (
    check_long_texts,
    check_reading,
    check_sizes,
    check_truncation,
)
from tunesmith.stages.check.summaries import check_summaries
from tunesmith.stages.check.texts import check_blank_texts, check_encodings
from tunesmith.stages.check.tokens import TokenFigures
from tunesmith.stages.check.vocabulary import (
    check_chinese_vocabulary,
    check_spelling,
    check_unknown_characters,
)
from tunesmith.stages.check.written import check_written
from tunesmith.tasks.task import Task

CHECKS: tuple[Callable[[Context], Iterator[Finding]], ...] = (
    check_sizes,
    check_reading,
    check_truncation,
    check_unknown_characters,
    check_chinese_vocabulary,
    check_spelling,
    check_encodings,
    check_blank_texts,
    check_long_texts,
    check_questions,
    check_classes,
    check_foreign_labels,
    check_unlabelled,
    check_label_names,
    check_repeats,
    check_entities,
    check_summaries,
    check_written,
)

ITEM_CHECKS = (
    check_reading,
    check_truncation,
    check_unknown_characters,
    check_chinese_vocabulary,
    check_spelling,
    check_encodings,
    check_long_texts,
)
"""What is asked of the texts of items, which have no answers."""


def check_recommendation(
    facts: EventFacts, backbone: Backbone, reading: Reading, *, tokens: TokenFigures
) -> tuple[Finding, ...]:
    """Return what was found in events, items and how the model would read these, faults first.

    `tokens` are those of `facts.texts`.
    """
    items = Splits(facts.texts)
    context = make_context(items, facts.task, backbone, reading, tokens=tokens)
    found = [finding for check in ITEM_CHECKS for finding in check(context)]
    return sort_findings([*check_events(facts), *found])


def check_splits(
    splits: Splits,
    task: Task,
    backbone: Backbone,
    reading: Reading,
    *,
    tokens: TokenFigures | None = None,
) -> tuple[Finding, ...]:
    """Return what was found in the rows and in how the model would read them, faults first.

    `task` has the labels of train. Nothing is changed and no model is run; only the tokenizer is,
    unless its `tokens` of all rows in the order train, valid, test are known.
    """
    context = make_context(splits, task, backbone, reading, tokens=tokens)
    return sort_findings(finding for check in CHECKS for finding in check(context))
