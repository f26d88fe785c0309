"""SQuAD's JSON: articles of paragraphs of questions, as one row a question.

Versions 1.1 and 2.0 and what is written like them (CMRC 2018, XQuAD). Where the list of articles
begins is seen here; reading it is the affair of `json_rows`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tunesmith.core.errors import Problem
from tunesmith.data.rows import BadRow, RawRow, show_line

BEGINNING_CHARACTERS = 1024

_BEGINNING = re.compile(r'\s*\{\s*(?:"version"\s*:\s*"[^"]*"\s*,\s*)?"data"\s*:\s*(?=\[)')


def articles_start(text: str) -> int | None:
    """Return where the list of articles begins in the first characters of a file, or None.

    >>> articles_start('{"version": "1.1", "data": [{"title": "Oil", "paragraphs": []}]}')
    27
    """
    beginning = text[:BEGINNING_CHARACTERS]
    found = _BEGINNING.match(beginning) if '"paragraphs"' in beginning else None
    return found.end() if found else None


def question_rows(article: RawRow, *, name: str) -> Iterator[RawRow | BadRow]:
    """Yield one row a question of an article, with `context`, `question`, `answers`, `id`, `group`.

    Rows of an article are one group. All have the line that the article begins on: a SQuAD file is
    often a single line.
    """
    paragraphs = article.values.get("paragraphs")
    if not isinstance(paragraphs, list):
        yield _bad(name, article.line, "an article must have a list of `paragraphs`")
        return
    for paragraph in paragraphs:
        questions = paragraph.get("qas") if isinstance(paragraph, dict) else None
        if not isinstance(questions, list) or not all(isinstance(q, dict) for q in questions):
            yield _bad(name, article.line, "a paragraph must have a `context` and a list of `qas`")
            continue
        for question in questions:
            yield RawRow(_row(article.values, paragraph, question), article.line)


def _row(article: dict[str, Any], paragraph: dict[str, Any], question: dict[str, Any]) -> Any:
    row = {"context": paragraph.get("context"), "question": question.get("question")}
    if "answers" in question:
        row["answers"] = question["answers"]
    for role, value in (("id", question.get("id")), ("group", article.get("title"))):
        if value is not None:
            row[role] = value
    return row


def _bad(name: str, line: int, must: str) -> BadRow:
    return BadRow(Problem(must, "another shape", f"{name}:{line}"), show_line(name, line))
