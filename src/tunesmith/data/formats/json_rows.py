"""JSON rows: one object a line (JSON Lines), or one list of objects.

Only what JSON itself allows is read: no NaN, no Infinity, no lone surrogate, and nothing nested
deeper than 100 levels.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterator
from typing import Any

from tunesmith.core.errors import Problem
from tunesmith.data.formats.squad import articles_start, question_rows
from tunesmith.data.lines import Line
from tunesmith.data.rows import (
    MAX_ROW_BYTES,
    BadRow,
    RawRow,
    shell_path,
    shorten,
    show_line,
    too_long,
)

MAX_DEPTH = 100
MAX_DIGITS = 300
BLANK = " \t\r\n"

_BLANKS = re.compile(f"[{BLANK}]*")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def scan_json_lines(lines: Iterator[Line | BadRow], *, name: str) -> Iterator[RawRow | BadRow]:
    """Yield one row a line that is not blank."""
    for item in lines:
        if isinstance(item, BadRow):
            yield item
        elif text := item.text.strip(BLANK):
            try:
                values = _checked(_STRICT.decode(text), text)
            except (ValueError, RecursionError) as error:
                yield _bad(text, error, name=name, line=item.number)
            else:
                yield RawRow(values, item.number)


def scan_json_list(pieces: Iterator[str | BadRow], *, name: str) -> Iterator[RawRow | BadRow]:
    """Yield one row an element of the list; reading ends where its syntax breaks.

    In a file like SQuAD's the list is that of its articles, and yields one row a question.
    """
    window = _Window(pieces)
    first = window.next_character()
    articles = articles_start(window.text[window.at :]) if first == "{" else None
    if articles is not None:
        window.move(articles)
        first = "["
    if first != "[":
        if first or window.bad:
            yield window.bad or _not_a_list(name, window)
        return
    window.move(1)
    any_row = False
    while True:
        character = window.next_character()
        if character == "]" and not any_row:
            must = f"`{name}` must hold at least one row"
            yield BadRow(Problem(must, "an empty list", name), f"head -c 200 {shell_path(name)}")
        if character == "]":
            break
        any_row = True
        item, is_whole = _element(window, name)
        if articles is not None and isinstance(item, RawRow):
            yield from question_rows(item, name=name)
        else:
            yield item
        if not is_whole:
            return
        character = window.next_character()
        if character == ",":
            window.move(1)
        elif character != "]":
            yield window.bad or _broken(name, window, "a comma or `]` must follow each object")
            return
    window.move(1)
    if articles is not None:
        return  # what follows the articles, such as the version, is of no use to anybody
    if window.next_character() or window.bad:
        yield window.bad or _broken(name, window, "nothing must follow the list")


class _Window:
    """The part of a long text that is being parsed; it grows, moves on and counts lines."""

    def __init__(self, pieces: Iterator[str | BadRow]) -> None:
        self._pieces = pieces
        self.text = ""
        self.at = 0
        self.line = 1
        self.is_whole = False
        self.bad: BadRow | None = None

    def next_character(self) -> str:
        """Return the next character that is not blank, or an empty text at the end."""
        while True:
            self.move(_BLANKS.match(self.text, self.at).end() - self.at)  # type: ignore[union-attr]
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.grow():
                return ""

    def move(self, length: int) -> None:
        """Step over `length` characters."""
        self.line += self.text.count("\n", self.at, self.at + length)
        self.at += length

    def grow(self) -> bool:
        """At least double what is left to parse; False where the text has ended."""
        rest = self.text[self.at :]
        parts, added = [rest], 0
        while added <= len(rest) and not self.is_whole:
            piece = next(self._pieces, None)
            if piece is None or isinstance(piece, BadRow):
                self.bad = piece
                self.is_whole = True
            else:
                parts.append(piece)
                added += len(piece)
        self.text, self.at = "".join(parts), 0
        return added > 0


def _element(window: _Window, name: str) -> tuple[RawRow | BadRow, bool]:
    """Return the next element, and whether reading can go on behind it."""
    while True:
        start, line = window.at, window.line
        try:
            value, end = _STRICT.raw_decode(window.text, start)
        except RecursionError as error:
            return _bad(window.text[start:], error, name=name, line=line), False
        except json.JSONDecodeError as error:
            if window.is_whole or _is_certain(error, window.text):
                bad = window.bad or _bad(window.text[start:], error, name=name, line=line)
                return bad, False
        except ValueError as error:
            return _step_over(window, error, name)
        else:
            if end < len(window.text) or window.is_whole:
                text = window.text[start:end]
                window.move(end - start)
                if len(text) > MAX_ROW_BYTES:
                    return too_long(name, line), True
                try:
                    return RawRow(_checked(value, text), line), True
                except (ValueError, RecursionError) as error:
                    return _bad(text, error, name=name, line=line), True
        if len(window.text) - start > MAX_ROW_BYTES:
            return too_long(name, line), False
        window.grow()


def _step_over(window: _Window, error: ValueError, name: str) -> tuple[BadRow, bool]:
    """Report an element that is JSON but for a value we refuse, and find its end."""
    text, line = "", window.line
    while True:
        try:
            _, end = _LENIENT.raw_decode(window.text, window.at)
        except (ValueError, RecursionError):
            if window.is_whole or len(window.text) - window.at > MAX_ROW_BYTES:
                return _bad(text, error, name=name, line=line), False
            window.grow()
        else:
            window.move(end - window.at)
            return _bad(text, error, name=name, line=line), True


def _is_certain(error: json.JSONDecodeError, text: str) -> bool:
    """Tell a syntax error from an element that merely goes on in the next piece."""
    return (
        not error.msg.startswith("Unterminated string") and error.pos < len(text.rstrip(BLANK)) - 16
    )


def _checked(value: Any, text: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        kinds = {list: "a list", str: "a text", type(None): "null"}
        raise ValueError(kinds.get(type(value), "a number or a truth value"))
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise RecursionError
    if _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            code = f"\\u{ord(error.object[error.start]):04x}"
            raise ValueError(f"half of a character ({code} without its partner)") from error
    return value


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        inner = [item.values() if isinstance(item, dict) else item for item in level]
        level = [child for group in inner for child in group if isinstance(child, dict | list)]
    return depth


def _bad(text: str, error: Exception, *, name: str, line: int) -> BadRow:
    if isinstance(error, RecursionError):
        found = f"deeper nesting than {MAX_DEPTH} levels"
    elif isinstance(error, json.JSONDecodeError):
        found = f"`{shorten(text)}` ({error.msg})"
    else:
        found = str(error)
    return BadRow(
        Problem("a row must be one JSON object", found, f"{name}:{line}"), show_line(name, line)
    )


def _broken(name: str, window: _Window, must: str) -> BadRow:
    rest = window.text[window.at : window.at + 80]
    found = f"`{shorten(rest, limit=40)}`" if rest else "the end of the file"
    where = f"{name}:{window.line}"
    return BadRow(Problem(must, found, where), show_line(name, window.line))


def _not_a_list(name: str, window: _Window) -> BadRow:
    keys = re.findall(r'"([^"\\]+)"\s*:\s*\[', window.text[: 64 * 1024])
    key = keys[0] if keys else "data"
    must = f"`{name}` must hold a list of objects, or one object a line"
    found = f"`{shorten(window.text[window.at : window.at + 80], limit=40)}`"
    path = shell_path(name)
    rows = shlex.quote(f'.["{key}"][]')
    hint = f"jq -c {rows} {path} > {path}l"
    return BadRow(Problem(must, found, f"{name}:{window.line}"), hint)


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text}, which is not JSON")


def _read_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {shorten(text, limit=20)}, which is too large")
    return value


def _read_int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of {len(text):,} digits")
    return int(text)


_STRICT = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=_read_float, parse_int=_read_int
)
_LENIENT = json.JSONDecoder(parse_float=str, parse_int=str)
