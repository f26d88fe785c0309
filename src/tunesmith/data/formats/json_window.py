"""A JSON text of any length, looked at through a window that grows and moves on.

What a value means is not known here: values are found, and stepped over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tunesmith.core.errors import Problem
from tunesmith.data.rows import BadRow, shorten, show_line

BLANK = " \t\r\n"
MAX_DEPTH = 100

_BLANKS = re.compile(f"[{BLANK}]*")
# Repeats are bounded because the engine remembers each; whoever matches goes on where it ended.
_BETWEEN_BRACKETS = re.compile(
    r'[^"\[\]{}]*(?:"[^"\\]*(?:\\.[^"\\]*){0,64}"[^"\[\]{}]*){0,64}', re.DOTALL
)
_WITHIN_TEXT = re.compile(r'[^"\\]*(?:\\.[^"\\]*){0,256}', re.DOTALL)
_PLAIN = re.compile(rf'[^"\[\]{{}},:{BLANK}]*')


class Window:
    """The part of a long text that is being parsed; it grows, moves on and counts lines.

    `bad` is what ended the text early; `is_lost` is set by whoever cannot read on from here.
    """

    def __init__(self, pieces: Iterator[str | BadRow]) -> None:
        """Stand before the first character of the pieces put together."""
        self._pieces = pieces
        self.text = ""
        self.at = 0
        self.line = 1
        self.is_whole = False
        self.is_lost = False
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


def skip_value(window: Window, *, name: str) -> BadRow | None:
    """Step over the value at which the window stands; return what is wrong with it, if anything.

    Brackets and texts are followed, no more. A value of any length needs no more memory.
    """
    is_plain = window.next_character() not in ('"', "[", "{")
    found = _skip_plain(window) if is_plain else _skip_nested(window)
    if not found:
        return None
    return window.bad or broken(window, "a value must be JSON", name=name, found=found)


def broken(window: Window, must: str, *, name: str, found: str = "") -> BadRow:
    """Return what is wrong where the window stands: `found`, or the characters that stand there."""
    rest = window.text[window.at : window.at + 80]
    shown = f"`{shorten(rest, limit=40)}`" if rest else "the end of the file"
    where = f"{name}:{window.line}"
    return BadRow(Problem(must, found or shown, where), show_line(name, window.line))


def _skip_plain(window: Window) -> str:
    """Step over a number or a word; return what stands in its place, if anything."""
    is_empty = True
    while True:
        length = _PLAIN.match(window.text, window.at).end() - window.at  # type: ignore[union-attr]
        window.move(length)
        is_empty = is_empty and not length
        if window.at < len(window.text) or not window.grow():
            break
    found = window.text[window.at : window.at + 1]
    return (f"`{found}`" if found else "the end of the file") if is_empty else ""


def _skip_nested(window: Window) -> str:
    """Step over a text, list or object; return what is wrong with it, if anything."""
    closing: list[str] = []
    is_text = False
    while True:
        pattern = _WITHIN_TEXT if is_text else _BETWEEN_BRACKETS
        if is_text or closing:
            window.move(pattern.match(window.text, window.at).end() - window.at)  # type: ignore[union-attr]
        following = window.text[window.at : window.at + 2]
        if following in ("", "\\"):  # the end, or half of an escape
            if not window.grow():
                return "the end of the file"
            continue
        character = following[0]
        if is_text and character == "\\":
            continue  # more escapes than the pattern takes at once
        if closing and not is_text and character in "]}" and character != closing[-1]:
            return f"`{character}` where `{closing[-1]}` is due"
        window.move(1)
        if character == '"':
            is_text = not is_text
        elif character in "[{":
            closing.append("]" if character == "[" else "}")
            if len(closing) > MAX_DEPTH:
                return f"deeper nesting than {MAX_DEPTH} levels"
        else:
            closing.pop()
        if not closing and not is_text:
            return ""
