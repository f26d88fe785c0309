"""Label names and the probabilities over them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tunesmith.measure.probabilities import sigmoid as sigmoid
from tunesmith.measure.probabilities import softmax as softmax
from tunesmith.tasks.words import split_words

_JOINTS = re.compile(r"[_\-./\s]+|(?<=[a-z])(?=[A-Z])")


def sort_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the labels in natural order: digits count as numbers, so `2` stands before `10`."""
    return tuple(sorted(labels, key=lambda label: (_natural_key(label), label)))


def spoken_label(label: str) -> str:
    """Return the words that a label's name is made of; "" where it is made of none.

    >>> spoken_label("card_lost"), spoken_label("playMusic"), spoken_label("--")
    ('card lost', 'play Music', '')
    """
    return " ".join(_JOINTS.split(label)).strip()


def find_label(reply: str, labels: Sequence[str]) -> str | None:
    """Return the label that a text reply names earliest (the longest where two start together).

    A label must stand in whole words: `1` is not named by `12`.

    >>> find_label("The answer is 12.", ["1", "2", "12"])
    '12'
    """
    folded = reply.casefold()
    borders = split_words(folded)
    starts, ends = {start for start, _ in borders}, {end for _, end in borders}
    found = [
        (match.start(), -len(label), label)
        for label in labels
        for match in re.finditer(f"(?={re.escape(label.casefold())})", folded)
        if match.start() in starts and match.start() + len(label.casefold()) in ends
    ]
    return min(found)[2] if found else None


def first_number(reply: str) -> float | None:
    """Return the first number that a text reply names, or None.

    >>> first_number("I would say 3.5 of 5.")
    3.5
    """
    found = re.search(r"[-+]?\d+(?:\.\d+)?", reply)
    return float(found[0]) if found else None


def _natural_key(label: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", label)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
