"""Written answers on the page: how a text begins, what people wrote of it, and what was answered.

The three stand side by side, for an answer that is a text is judged by reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.stages.evaluate.page_findings import text_block
from tunesmith.stages.evaluate.page_markup import NOTHING, Markup, element, group, isolate
from tunesmith.stages.evaluate.page_numbers import count_text

WRITTEN = frozenset({"summarization", "translation", "generation"})
"""The tasks whose answers are texts."""


def written_part(mistakes: Sequence[Mapping[str, Any]], *, words: dict[str, str]) -> Markup:
    """Return the rows in the order given, each with its references and its answer beside it."""
    if not mistakes:
        return NOTHING
    lead = words["written.lead"].format(count=count_text(len(mistakes)))
    items = [_row(mistake, words) for mistake in mistakes]
    return group(
        [element("p", {"class": "quiet"}, lead), element("ol", {"class": "written"}, *items)]
    )


def _row(mistake: Mapping[str, Any], words: dict[str, str]) -> Markup:
    references = mistake.get("gold") or ()
    if isinstance(references, str):
        references = [references]
    place = mistake.get("place")
    source = element("p", {"class": "quiet"}, element("code", None, isolate(place)))
    return element(
        "li",
        None,
        _column(words["written.text"], [str(mistake.get("text", ""))], words),
        _column(words["written.reference"], references, words),
        _column(words["written.answer"], [str(mistake.get("predicted") or "")], words),
        source if place else None,
    )


def _column(title: str, texts: Sequence[str], words: dict[str, str]) -> Markup:
    """Return texts under a title; an empty one is said to be none."""
    blocks = [
        text_block(text, words=words)
        if text.strip()
        else element("p", {"class": "quiet"}, words["mistake.none"])
        for text in texts or [""]
    ]
    return element("div", None, element("h3", None, title), *blocks)
