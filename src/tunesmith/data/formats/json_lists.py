"""JSON files that are one object of lists: which keys there are, and where each value stands.

The rows of such a list are read by `json_rows`, which of the lists are train, valid and test is
told by `data.folders`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from tunesmith.core.errors import Problem
from tunesmith.data.formats.json_window import Window, broken, skip_value
from tunesmith.data.formats.squad import articles_start
from tunesmith.data.lines import read_pieces
from tunesmith.data.rows import BadRow, shorten, show_line
from tunesmith.data.sources import open_stream

MAX_KEYS = 1_000
"""Lists of one file that are told of; others can still be read by their keys."""
SHOWN_KEYS = 12
LONGEST_KEY = 1_024
INDENT_CHARACTERS = 256

_KEY = re.compile(rf'"[^"\\]{{0,{LONGEST_KEY}}}(?:\\.[^"\\]{{0,{LONGEST_KEY}}}){{0,64}}"')
_ROWS = re.compile(r"\[\s*[\[{]")


class Member(NamedTuple):
    """A key of an object, the line it stands on, and whether its value is a list, or one of rows.

    A list of rows is one that begins with an object or a list.
    """

    key: str
    line: int
    is_list: bool
    holds_rows: bool


def walk_object(window: Window, *, name: str) -> Iterator[Member | BadRow]:
    """Yield each key of the object at which the window stands, the window then at its value.

    Whoever asks for the next has stepped over the value. What breaks the object is the last item.
    """
    window.move(1)
    if window.next_character() == "}":
        window.move(1)
        return
    while True:
        window.next_character()
        line, key = window.line, _read_key(window)
        if key is None:
            must = f"a key of at most {LONGEST_KEY:,} characters must stand here"
            yield window.bad or broken(window, must, name=name)
            return
        if window.next_character() != ":":
            yield window.bad or broken(window, "`:` must follow each key", name=name)
            return
        window.move(1)
        is_list = window.next_character() == "["
        yield Member(key, line, is_list, is_list and _holds_rows(window))
        following = window.next_character()
        if following not in (",", "}"):
            yield window.bad or broken(window, "a comma or `}` must follow each value", name=name)
            return
        window.move(1)
        if following == "}":
            return


def walk_lists(window: Window, *, name: str) -> Iterator[Member]:
    """Yield each key whose value is a list, up to where the object ends or breaks."""
    for member in walk_object(window, name=name):
        if isinstance(member, BadRow):
            return
        if member.is_list:
            yield member
        if skip_value(window, name=name):
            return


def find_lists(path: str | os.PathLike[str]) -> list[str]:
    """Return the keys that have lists in a JSON file that is an object, in order, up to a thousand.

    They are none in any other file, and in one like SQuAD's, whose list is of articles. Whether
    the file is whole is not asked: reading proper says that.
    """
    name = os.fspath(path)
    with open_stream(path) as stream:
        window = Window(read_pieces(stream, name=name))
        is_object = window.next_character() == "{"
        if not is_object or articles_start(window.text[window.at :]) is not None:
            return []
        lists = walk_lists(window, name=name)
        return [member.key for member, _ in zip(lists, range(MAX_KEYS), strict=False)]


def list_argument(name: str, key: str) -> str:
    """Return how a list of a file is named in a command; a stream such as `<stdin>` is `FILE`.

    >>> print(list_argument("data_full.json", "test"))
    'data_full.json#test'
    """
    return shlex.quote(f"{'FILE' if name.startswith('<') else name}#{key}")


def without_key(name: str, key: str, keys: Sequence[str]) -> BadRow:
    """Return what a file is told whose object lacks `key`; its lists are those of `keys`."""
    must = f"`{name}` must have a list under the key `{shorten(key)}`"
    near = get_close_matches(key, keys, n=1, cutoff=0.4) or keys[:1]
    hint = list_argument(name, near[0]) if near else ""
    return BadRow(Problem(must, told_keys(keys), name), hint)


def unusable(member: Member, *, name: str, is_repeated: bool) -> BadRow:
    """Return what a file is told whose value under a key cannot be read as rows."""
    place, key = f"{name}:{member.line}", shorten(member.key)
    if is_repeated:
        problem = Problem(f"the key `{key}` must stand once in `{name}`", "a second one", place)
    else:
        problem = Problem(f"`{name}#{key}` must be a list of rows", "another value", place)
    return BadRow(problem, show_line(name, member.line))


def told_keys(keys: Sequence[str]) -> str:
    """Return the keys of a file in words, the first twelve by name.

    >>> told_keys(["train", "test"])
    'lists under `train`, `test`'
    """
    if not keys:
        return "an object without a list"
    shown = ", ".join(f"`{shorten(key)}`" for key in keys[:SHOWN_KEYS])
    return f"lists under {shown}" + (", …" if len(keys) > SHOWN_KEYS else "")


def _read_key(window: Window) -> str | None:
    """Return the key at which the window stands and step over it; None where there is none."""
    while not (found := _KEY.match(window.text, window.at)):
        if len(window.text) - window.at > 2 * LONGEST_KEY or not window.grow():
            return None
    try:
        key = json.loads(found[0])
        key.encode()
    except ValueError:
        return None
    window.move(len(found[0]))
    return key


def _holds_rows(window: Window) -> bool:
    while len(window.text) - window.at < INDENT_CHARACTERS and window.grow():
        pass
    return _ROWS.match(window.text, window.at) is not None
