"""Whole rows masked: every text in them, and the offsets that point into those texts.

A stretch that would be cut through by a placeholder is a problem of its row; nothing is guessed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tunesmith.core.errors import Problem
from tunesmith.core.examples import Span
from tunesmith.core.masking import Patterned
from tunesmith.data.masking.finding import find_personal
from tunesmith.data.masking.replacing import (
    Masked,
    Placeholders,
    replace_spans,
    without_placeholders,
)
from tunesmith.tasks.words import join_words

Path = tuple[str | int, ...]
"""Where a text stands in a row: `("messages", 0, "content")`."""

TOKENS = "tokens"
_TEXT_OF = {"entities": "text", "head": "text", "tail": "text", "answers": "context"}
"""The role whose text the offsets of another role count in."""

_UNREAD = frozenset((*_TEXT_OF, "tags", TOKENS))
_STARTS = ("start", "answer_start")


@dataclass(slots=True)
class MaskedRow:
    """A row with placeholders, what was replaced by kind, and its texts as they were masked.

    `tokens` are those before, `words` where each stands now and stood before. `problems` are the
    stretches that were cut through; then the row must not be used.
    """

    row: dict[str, Any]
    counts: Counter[str] = field(default_factory=Counter)
    texts: dict[Path, Masked] = field(default_factory=dict)
    tokens: tuple[str, ...] = ()
    words: list[tuple[tuple[int, int], tuple[int, int]]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def original(self, role: str, start: int, end: int) -> tuple[int, int]:
        """Return the stretch of a role's own text that now stands at `start` to `end`."""
        if role == "text" and self.tokens:
            return self._original_words(start, end)
        masked = self.texts.get((role,))
        return masked.original(start, end) if masked else (start, end)

    def _original_words(self, start: int, end: int) -> tuple[int, int]:
        if not self.words:
            now = join_words(self.row[TOKENS])[1]
            self.words = list(zip(now, join_words(self.tokens)[1], strict=True))
        inside = [before for now, before in self.words if now[0] < end and start < now[1]]
        return (inside[0][0], inside[-1][1]) if inside else (start, end)


def row_texts(
    row: Mapping[str, Any], *, only: Iterable[str] | None = None, columns: Mapping[str, str]
) -> dict[Path, str]:
    """Return the texts of a row that are to be masked, by where they stand.

    `only` names columns, none takes all; `columns` maps roles to columns. Numbers are texts too:
    a telephone may be written as one. The words of `tokens` are one text.
    """
    unread = {columns.get(role, role) for role in _UNREAD}
    wanted = row if only is None else [name for name in only if name in row]
    found: dict[Path, str] = {}
    for name in wanted:
        if name not in unread:
            _gather(row[name], (name,), found)
    tokens = columns.get(TOKENS, TOKENS)
    if tokens in wanted and (words := _words(row[tokens])):
        found[(tokens,)] = join_words(words)[0]
    return found


def _gather(value: Any, path: Path, found: dict[Path, str]) -> None:
    if isinstance(value, str):
        found[path] = value
    elif isinstance(value, int) and not isinstance(value, bool):
        found[path] = str(value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _gather(inner, (*path, key), found)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            _gather(inner, (*path, number), found)


def _words(value: Any) -> list[str]:
    value = _from_json(value)
    is_right = isinstance(value, list | tuple) and all(isinstance(word, str) for word in value)
    return list(value) if is_right else []


def _from_json(value: Any) -> Any:
    """Return a list or object that a cell of a CSV file holds as JSON, else the value."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def mask_row(
    row: Mapping[str, Any],
    texts: Mapping[Path, str],
    *,
    kinds: Sequence[Patterned],
    names: Mapping[Path, Sequence[Span]],
    columns: Mapping[str, str],
    numbered: bool = False,
) -> MaskedRow:
    """Return a row with placeholders in its `texts`, and its offsets moved with them."""
    placeholders = Placeholders(numbered=numbered)
    masked = MaskedRow(dict(row))
    tokens = columns.get(TOKENS, TOKENS)
    for path, text in texts.items():
        named = without_placeholders(text, names.get(path, ()))
        spans = find_personal(text, kinds, names=named)
        if not spans:
            continue
        masked.counts.update(span.type for span in spans)
        if path == (tokens,):
            _mask_words(masked, _words(row[tokens]), spans, placeholders, column=tokens)
        else:
            masked.texts[path] = replace_spans(text, spans, placeholders)
            masked.row = _put(masked.row, path, masked.texts[path].text)
    for role, owner in _TEXT_OF.items():
        column = columns.get(role, role)
        if column in row and (done := masked.texts.get((columns.get(owner, owner),))):
            value = _from_json(row[column])
            masked.row[column] = _move(value, done, column, masked.problems)
    return masked


def _mask_words(
    masked: MaskedRow,
    words: list[str],
    spans: list[Span],
    placeholders: Placeholders,
    *,
    column: str,
) -> None:
    """Put the placeholder in the place of each word that a span touches: tags stay as many."""
    text, places = join_words(words)
    new = list(words)
    for span in spans:
        name = placeholders.name(span.type, text[span.start : span.end])
        for number, (start, end) in enumerate(places):
            if start < span.end and span.start < end:
                new[number] = name
    masked.tokens = tuple(words)
    masked.row[column] = new


def _put(value: Any, path: Path, text: str) -> Any:
    """Return a value with a text put at a path; what it was made of is left as it is."""
    if not path:
        return text
    if isinstance(value, Mapping):
        return {**value, path[0]: _put(value[path[0]], path[1:], text)}
    items = list(value)
    items[int(path[0])] = _put(items[int(path[0])], path[1:], text)
    return items


def _move(value: Any, masked: Masked, column: str, problems: list[Problem]) -> Any:
    """Return what points into a text with its offsets moved."""
    if isinstance(value, Mapping) and isinstance(value.get("text"), list):
        problems.append(
            Problem(
                f"`{column}` beside a masked text must be a list of objects with `start`",
                "lists within one object",
            )
        )
        return value
    if isinstance(value, Mapping):
        return _moved(value, masked, column, problems)
    if isinstance(value, list | tuple):
        return [
            _moved(item, masked, column, problems) if isinstance(item, Mapping) else item
            for item in value
        ]
    return value


def _moved(
    item: Mapping[str, Any], masked: Masked, column: str, problems: list[Problem]
) -> dict[str, Any]:
    name = next((name for name in _STARTS if type(item.get(name)) is int), "")
    text = item.get("text")
    if not name or item[name] < 0:
        return dict(item)
    start = item[name]
    end = item["end"] if type(item.get("end")) is int else start + len(str(text or ""))
    place = masked.moved(start, end)
    if place is None:
        problems.append(
            Problem(
                f"a stretch of `{column}` must lie beside what is masked, or hold it whole",
                f"{start}–{end}, cut through by {_cutting(masked, start, end)}",
            )
        )
        return dict(item)
    new = {**item, name: place[0]}
    if "end" in item:
        new["end"] = place[1]
    if isinstance(text, str):
        new["text"] = masked.text[place[0] : place[1]]
    return new


def _cutting(masked: Masked, start: int, end: int) -> str:
    return ", ".join(
        f"`{span.type}` {span.start}–{span.end}"
        for span in masked.spans
        if span.start < end and start < span.end
    )
