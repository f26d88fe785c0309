"""Reading one role out of one row, with problems that guess the user's mistake."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from tunesmith.core.errors import Problem
from tunesmith.core.examples import Place, Span

Row = Mapping[str, Any]
LIST_SEPARATORS = ("|", ";", ",")


class Reader:
    """Reads the roles of one row through the column mapping and gathers what is wrong with it.

    A role that is missing or of the wrong kind is added to `problems` and read as None.
    """

    def __init__(self, row: Row, *, columns: Mapping[str, str], place: Place) -> None:
        """Bind a row to the mapping role → column name and to the place problems will name."""
        self.row = row
        self.columns = columns
        self.place = place
        self.problems: list[Problem] = []

    def has(self, role: str) -> bool:
        """Tell whether the row has a value for `role`."""
        return self.row.get(self._column(role)) is not None

    def has_value(self, role: str) -> bool:
        """Tell whether that value is more than an empty cell."""
        return self.has(role) and self.row[self._column(role)] != ""

    def text(self, role: str) -> str | None:
        """Return the role as text; numbers are written out, anything else is a problem."""
        column = self._column(role)
        if column not in self.row:
            self.add_missing(role)
            return None
        value = self.row[column]
        text = as_text(value)
        if text is None:
            self.add(f"column `{column}` must hold text", value)
        return text

    def number(self, role: str) -> float | None:
        """Return the role as a finite number; a text that writes one is read as it."""
        column = self._column(role)
        if column not in self.row:
            self.add_missing(role)
            return None
        value = self.row[column]
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            found = float(value) if not isinstance(value, bool) else math.nan
            if math.isfinite(found):
                return found
        self.add(f"column `{column}` must hold a number", value)
        return None

    def items(self, role: str) -> list[Any] | None:
        """Return the role as a list; a string is read as JSON, or split at `|`, `;` or `,`."""
        column = self._column(role)
        if column not in self.row:
            self.add_missing(role)
            return None
        value = self.row[column]
        if isinstance(value, str):
            value = _split_list(value)
        if hasattr(value, "tolist"):
            value = value.tolist()
        if not isinstance(value, list | tuple):
            self.add(f"column `{column}` must hold a list", value)
            return None
        return list(value)

    def identity(self, *content: object) -> tuple[str, str | None]:
        """Return the row's id (its `id` column, else one made from `content`) and its group."""
        given = self.text("id") if self.has("id") else None
        group = self.text("group") if self.has("group") else None
        return given or row_id(*content), group

    def add(self, must: str, found: object) -> None:
        """Add one problem at this row's place; `found` is shown shortened."""
        shown = (
            found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, default=str)
        )
        shown = shown if len(shown) <= 80 else shown[:77] + "…"
        self.problems.append(Problem(must, shown or "an empty value", str(self.place)))

    def _column(self, role: str) -> str:
        return self.columns.get(role, role)

    def add_missing(self, role: str) -> None:
        """Add the problem that a role's column is not there, with a guess at what it is called."""
        column = self._column(role)
        names = [str(name) for name in self.row]
        near = get_close_matches(column, names, n=1, cutoff=0.5)
        guess = f"--column {role}={near[0] if near else 'NAME'}"
        found = f"columns {', '.join(names)}; map another one with `{guess}`"
        self.problems.append(Problem(f"column `{column}` must be present", found, str(self.place)))


def read_stretch(reader: Reader, role: str, *, text: str | None) -> Span | None:
    """Return the stretch of `text` that a role gives as `{start, end}`, with its `type` if any.

    Offsets that are not whole numbers, or outside the text, are problems of the reader, as is an
    empty stretch.
    """
    column = reader.columns.get(role, role)
    if column not in reader.row:
        reader.add_missing(role)
        return None
    value = reader.row[column]
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    given = value if isinstance(value, Mapping) else {}
    start, end = given.get("start"), given.get("end")
    if type(start) is not int or type(end) is not int:
        reader.add(f"column `{column}` must hold whole numbers `start` and `end`", value)
        return None
    if text is not None and not 0 <= start < end <= len(text):
        reader.add(f"`{column}` must lie inside the text (0–{len(text)})", f"{start}–{end}")
        return None
    return Span(start, end, as_text(given.get("type")) or "")


def as_text(value: object) -> str | None:
    """Return a text as it is, and a number as it is written: a label may have been read as one.

    Anything else, and what is no number (NaN, infinity), gives None.

    >>> as_text(3.0), as_text(3.5), as_text(True)
    ('3', '3.5', None)
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() else str(value)
    return str(value)


def row_id(*parts: object) -> str:
    """Return 16 hexadecimal digits made from the content.

    They are the same on every machine and in every run.
    """
    content = json.dumps(parts, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()[:16]


def _split_list(value: str) -> Any:
    stripped = value.strip()
    if not stripped:
        return []
    if stripped.startswith("["):
        try:
            return json.loads(stripped)
        except ValueError:
            return value
    for separator in LIST_SEPARATORS:
        if separator in stripped:
            return [part.strip() for part in stripped.split(separator) if part.strip()]
    return [stripped]
