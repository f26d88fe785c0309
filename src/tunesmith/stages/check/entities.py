"""Entities that cannot be learned as they are marked, by cause."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from tunesmith.core.examples import Span
from tunesmith.data.rows import shorten
from tunesmith.stages.check.context import Context
from tunesmith.stages.check.findings import Finding, Severity
from tunesmith.stages.check.round_trip import Cause
from tunesmith.stages.check.vocabulary import CHINESE, MULTILINGUAL_TAGGER
from tunesmith.stages.check.wording import show_part

FAULT_SHARE = 0.01
SHOWN_AROUND = 15

WHAT: dict[Cause, str] = {
    "entity_overlap": "Entities that overlap another one",
    "entity_inside_word": "Entities that begin or end inside a word",
    "entity_outside_words": "Entities that begin or end on white space",
    "entity_shared_token": "Words of different tags in one token",
    "entity_without_token": "Entities with a word that the vocabulary drops",
    "entity_truncated": "Entities beyond `model.max_length`",
}
ADVICE: dict[Cause, str] = {
    "entity_overlap": "Tags hold one entity a word: keep the one you need.",
    "entity_inside_word": "They are widened to whole words: move their borders, or give the row as "
    "`tokens` and `tags` with words of your own.",
    "entity_outside_words": "Trim them: `start` and `end` must touch a letter, digit or sign.",
    "entity_shared_token": "The model answers once a token: give the row as `tokens` and `tags` "
    "with this as one word.",
    "entity_without_token": "Remove such characters from the text.",
    "entity_truncated": "Read the whole text: --set model.long_text=windows",
}
ONE_TOKEN_A_CHARACTER = (
    "The model answers once a token: take a vocabulary with one token a character, such as "
    f"--model {CHINESE} or --model {MULTILINGUAL_TAGGER}"
)


def check_entities(context: Context) -> Iterator[Finding]:
    """Yield, one a cause, the rows whose entities do not come back from tokens as they were.

    Together they are a fault where they make up more than 1 % of the rows with entities.
    """
    losses = context.tokens.losses
    if not losses:
        return
    marked = sum(bool(example.gold) for example in context.rows)
    severity: Severity = "fault" if len(losses) > FAULT_SHARE * marked else "warning"
    for cause in get_args(Cause):
        hit = [loss for loss in losses if cause in loss.causes]
        if not hit:
            continue
        text, span = context.rows[hit[0].row].inputs.text, hit[0].causes[cause]
        yield Finding(
            severity,
            cause,
            f"{WHAT[cause]}: {show_part(len(hit), marked, 'row')} with entities, such as "
            f"{_show_span(text, span)}. {_advice(cause, text[span.start : span.end])}",
            context.places(loss.row for loss in hit),
            {"rows": len(hit), "rows_with_entities": marked, "rows_of_all_causes": len(losses)},
        )


def _advice(cause: Cause, sample: str) -> str:
    is_unspaced = sample.isalpha() and not sample.isascii()
    if cause == "entity_shared_token" and is_unspaced:
        return ONE_TOKEN_A_CHARACTER
    return ADVICE[cause]


def _show_span(text: str, span: Span) -> str:
    around = text[max(0, span.start - SHOWN_AROUND) : span.end + SHOWN_AROUND]
    return f"“{shorten(text[span.start : span.end])}” in “{shorten(around)}”"
