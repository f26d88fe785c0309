"""What the page says in words: the mistakes, the findings of the pre-flight check, the notes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tunesmith.stages.evaluate.page_markup import (
    NOTHING,
    Markup,
    definitions,
    element,
    group,
    isolate,
)
from tunesmith.stages.evaluate.page_numbers import count_text, finite, ratio_text
from tunesmith.stages.evaluate.page_words import named

# About three lines of the page's text column on a phone; Chinese fills them with half as many.
CLAMPED_CHARACTERS = 130
# A mistake is there to be read; what is longer than this is looked up by its place.
SHOWN_CHARACTERS = 4000

SEVERITIES = ("fault", "warning", "note")


def is_long(text: str) -> bool:
    """Return whether a text needs more than about three lines; Chinese takes twice the width."""
    width = len(text) if text.isascii() else sum(1 if char.isascii() else 2 for char in text)
    return width > CLAMPED_CHARACTERS or text.count("\n") > 2


def text_block(text: str, *, words: dict[str, str]) -> Markup:
    """Return a text, a long one clamped to three lines behind a switch that opens it.

    The paragraph stands beside the switch, not inside it: it can be selected, and prints in full.
    """
    cut = len(text) - SHOWN_CHARACTERS
    ending = words["mistake.cut"].format(count=count_text(cut)) if cut > 0 else ""
    rest = element("span", {"class": "quiet"}, " ", ending) if ending else None
    paragraph = element("p", {"dir": "auto"}, text[:SHOWN_CHARACTERS], rest)
    if not is_long(text):
        return element("div", {"class": "text"}, paragraph)
    opener = words["mistake.more"].format(count=count_text(min(len(text), SHOWN_CHARACTERS)))
    switch = element("details", None, element("summary", None, opener))
    return element("div", {"class": "text clamped"}, switch, paragraph)


def label_chips(labels: str | Sequence[str] | None, *, words: dict[str, str]) -> Markup:
    """Return one label or several, each in its own frame; a word for none."""
    listed = [labels] if isinstance(labels, str) else list(labels or ())
    if not listed:
        return element("span", {"class": "quiet"}, words["mistake.none"])
    return group(element("span", {"class": "chip"}, isolate(name)) for name in listed)


def _mistake(mistake: Mapping[str, Any], words: dict[str, str]) -> Markup:
    confidence, place = finite(mistake.get("confidence")), mistake.get("place")
    facts = definitions(
        [
            (words["mistake.gold"], label_chips(mistake.get("gold"), words=words)),
            (words["mistake.predicted"], label_chips(mistake.get("predicted"), words=words)),
            (words["mistake.confidence"], None if confidence is None else ratio_text(confidence)),
            (words["mistake.place"], element("code", None, isolate(place)) if place else None),
        ]
    )
    return element("li", None, text_block(str(mistake.get("text", "")), words=words), facts)


def mistakes_part(mistakes: Sequence[Mapping[str, Any]], *, words: dict[str, str]) -> Markup:
    """Return the mistakes in the order given, each with what was expected and what was said."""
    if not mistakes:
        return NOTHING
    lead = words["mistakes.lead"].format(count=count_text(len(mistakes)))
    items = [_mistake(mistake, words) for mistake in mistakes]
    return group(
        [element("p", {"class": "quiet"}, lead), element("ol", {"class": "mistakes"}, *items)]
    )


def _urgency(finding: Mapping[str, Any]) -> int:
    severity = finding.get("severity")
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def check_part(findings: Iterable[Mapping[str, Any]], *, words: dict[str, str]) -> Markup:
    """Return the findings of the pre-flight check, faults first."""
    items = []
    for finding in sorted(findings, key=_urgency):
        severity = str(finding.get("severity", "note"))
        kind = severity if severity in SEVERITIES else "note"
        badge = element("span", {"class": f"badge {kind}"}, named(words, "severity", severity))
        name = element("code", None, isolate(finding.get("name", "")))
        items.append(
            element("li", None, badge, name, element("p", None, finding.get("message", "")))
        )
    return element("ul", {"class": "findings"}, *items) if items else NOTHING


def notes_part(notes: Sequence[str], *, words: dict[str, str]) -> Markup:
    """Return the remarks a reader needs before he trusts a number."""
    if not notes:
        return NOTHING
    listed = [element("li", {"dir": "auto"}, note) for note in notes]
    return element(
        "aside", {"class": "notes", "aria-label": words["notes"]}, element("ul", None, *listed)
    )
