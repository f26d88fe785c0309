"""Text for a terminal: what came from a row, a file's name or a reply is shown and never obeyed."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def visible(text: str) -> str:
    r"""Return text with its control characters, but tabs and line ends, written out.

    >>> visible("\x1b[31mred\x1b[0m")
    '\\x1b[31mred\\x1b[0m'
    """
    return _CONTROL.sub(lambda match: repr(match[0])[1:-1], text)
