"""JSON rows: one object a line (JSON Lines), one list of objects, or one list of an object of them.

Only what JSON itself allows is read: no NaN, no Infinity, no lone surrogate, and nothing nested
deeper than 100 levels. Lists and objects that are stepped over are not looked into.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from tunesmith.core.errors import Problem
from tunesmith.data.formats.json_lists import (
    MAX_KEYS,
    list_argument,
    told_keys,
    unusable,
    walk_lists,
    walk_object,
    without_key,
)
from tunesmith.data.formats.json_window import BLANK, MAX_DEPTH, Window, broken, skip_value
from tunesmith.data.formats.pairs import PAIR_MUST, pair_row, row_line
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

MAX_DIGITS = 300
OBJECT_MUST = "a row must be one JSON object"

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
    window = Window(pieces)
    first = window.next_character()
    articles = articles_start(window.text[window.at :]) if first == "{" else None
    if articles is not None:
        window.move(articles)
        for item in _list_rows(window, name):
            if isinstance(item, RawRow):
                yield from question_rows(item, name=name)
            else:
                yield item
        return  # what follows the articles, such as the version, is of no use to anybody
    if first != "[":
        if first or window.bad:
            yield window.bad or _not_a_list(name, window)
        return
    yield from _list_rows(window, name)
    if not window.is_lost and (window.next_character() or window.bad):
        yield window.bad or broken(window, "nothing must follow the list", name=name)


def scan_json_member(
    pieces: Iterator[str | BadRow], *, name: str, key: str
) -> Iterator[RawRow | BadRow]:
    """Yield one row an element of the list that one object has under `key`.

    A row may be a list of two texts there (`pairs`). What else the object has is stepped over.
    """
    window = Window(pieces)
    if window.next_character() != "{":
        must = f"`{name}` must be one JSON object to have the key `{shorten(key)}`"
        yield window.bad or broken(window, must, name=name)
        return
    lists: list[str] = []
    is_found = False
    for member in walk_object(window, name=name):
        if isinstance(member, BadRow):
            yield member
            return
        if member.is_list and len(lists) < MAX_KEYS:
            lists.append(member.key)
        if member.key == key:
            if member.is_list and not is_found:
                is_found = True
                yield from _list_rows(window, name, key=key)
                if window.is_lost:
                    return
                continue
            yield unusable(member, name=name, is_repeated=is_found)
            is_found = True
        if bad := skip_value(window, name=name):
            yield bad
            return
    if not is_found:
        yield without_key(name, key, lists)
    elif window.next_character() or window.bad:
        yield window.bad or broken(window, "nothing must follow the object", name=name)


def _list_rows(window: Window, name: str, *, key: str | None = None) -> Iterator[RawRow | BadRow]:
    """Yield one row an element of the list at which the window stands, up to behind its end.

    The window is lost where the syntax breaks. Of a list under a key, pairs are rows too.
    """
    window.move(1)
    any_row = False
    while True:
        character = window.next_character()
        if character == "]" and not any_row:
            must = f"`{name if key is None else f'{name}#{key}'}` must hold at least one row"
            yield BadRow(Problem(must, "an empty list", name), f"head -c 200 {shell_path(name)}")
        if character == "]":
            break
        any_row = True
        yield _element(window, name, pairs=key is not None)
        if window.is_lost:
            return
        character = window.next_character()
        if character == ",":
            window.move(1)
        elif character != "]":
            window.is_lost = True
            must = "a comma or `]` must follow each object"
            yield window.bad or broken(window, must, name=name)
            return
    window.move(1)


def _element(window: Window, name: str, *, pairs: bool) -> RawRow | BadRow:
    """Return the next element; the window is lost where reading cannot go on behind it."""
    while True:
        start, line = window.at, window.line
        try:
            value, end = _STRICT.raw_decode(window.text, start)
        except RecursionError as error:
            window.is_lost = True
            return _bad(window.text[start:], error, name=name, line=line, pairs=pairs)
        except json.JSONDecodeError as error:
            if window.is_whole or _is_certain(error, window.text):
                window.is_lost = True
                text = window.text[start:]
                return window.bad or _bad(text, error, name=name, line=line, pairs=pairs)
        except ValueError as error:
            return _step_over(window, error, name, pairs=pairs)
        else:
            if end < len(window.text) or window.is_whole:
                text = window.text[start:end]
                window.move(end - start)
                return _row(value, text, name=name, line=line, pairs=pairs)
        if len(window.text) - start > MAX_ROW_BYTES:
            window.is_lost = True
            return too_long(name, line)
        window.grow()


def _row(value: Any, text: str, *, name: str, line: int, pairs: bool) -> RawRow | BadRow:
    """Return what an element holds as a row, or what is wrong with it."""
    if len(text) > MAX_ROW_BYTES:
        return too_long(name, line)
    try:
        if pairs and isinstance(value, list):
            return RawRow(_checked(pair_row(value), text), row_line(text, line))
        return RawRow(_checked(value, text), line)
    except (ValueError, RecursionError) as error:
        return _bad(text, error, name=name, line=line, pairs=pairs)


def _step_over(window: Window, error: ValueError, name: str, *, pairs: bool) -> BadRow:
    """Report an element that is JSON but for a value we refuse, and find its end."""
    bad = _bad("", error, name=name, line=window.line, pairs=pairs)
    while True:
        try:
            _, end = _LENIENT.raw_decode(window.text, window.at)
        except (ValueError, RecursionError):
            if window.is_whole or len(window.text) - window.at > MAX_ROW_BYTES:
                window.is_lost = True
                return bad
            window.grow()
        else:
            window.move(end - window.at)
            return bad


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


def _bad(text: str, error: Exception, *, name: str, line: int, pairs: bool = False) -> BadRow:
    if isinstance(error, RecursionError):
        found = f"deeper nesting than {MAX_DEPTH} levels"
    elif isinstance(error, json.JSONDecodeError):
        found = f"`{shorten(text)}` ({error.msg})"
    else:
        found = str(error)
    must = PAIR_MUST if pairs else OBJECT_MUST
    return BadRow(Problem(must, found, f"{name}:{line}"), show_line(name, line))


def _not_a_list(name: str, window: Window) -> BadRow:
    """Return what a file is told that holds something else, and how its rows may be named."""
    where = f"{name}:{window.line}"
    found = f"`{shorten(window.text[window.at : window.at + 80], limit=40)}`"
    lists: list[str] = []
    hint = f"head -c 200 {shell_path(name)}"
    if window.text[window.at] == "{":
        for member in walk_lists(window, name=name):
            if member.holds_rows and len(lists) < MAX_KEYS:
                lists.append(member.key)
        path = shell_path(name)
        hint = f"jq -c . {path} > {path}l"
        if lists and not window.next_character():
            hint, found = list_argument(name, lists[0]), told_keys(lists)
    must = f"`{name}` must hold a list of objects, or one object a line"
    return BadRow(Problem(must, found, where), hint)


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
