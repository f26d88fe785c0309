"""What makes two rows, or two sets of rows, the same."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np

from tunesmith.core.examples import Example, Span

DIGEST = np.dtype("S32")
"""What `stable_hash` returns, in an array: 32 bytes a row, which compare and sort as bytes do."""


def fingerprint_examples(examples: Iterable[Example]) -> str:
    """Return 64 hexadecimal digits that are equal for equal data, whatever its format or order.

    Ids, inputs and gold answers count (labels of one row and spans without regard to order); places
    and groups do not.
    """
    gathered = bytearray()
    for example in examples:
        gathered += _digest(example)
    digests = np.frombuffer(gathered, dtype=DIGEST)
    digests.sort()
    return hashlib.sha256(digests.tobytes()).hexdigest()


def text_key(example: Example) -> str:
    """Return the text by which rows count as equal: NFKC, case folded, white space made single."""
    return " ".join(unicodedata.normalize("NFKC", example.inputs.text).casefold().split())


def stable_hash(*parts: object) -> bytes:
    """Return 32 bytes that depend on `parts` alone, the same on every machine and in every run."""
    content = json.dumps(parts, ensure_ascii=False, default=str)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()


def _digest(example: Example) -> bytes:
    inputs = example.inputs
    rest = [getattr(inputs, part.name) for part in fields(inputs) if part.name != "text"]
    beside = rest[0] if len(rest) == 1 else rest or None
    return stable_hash(example.id, inputs.text, beside, _gold_content(example.gold))


def _gold_content(gold: Any) -> Any:
    if not isinstance(gold, tuple):
        return gold
    parts = [[x.start, x.end, x.type] if isinstance(x, Span) else x for x in gold]
    return sorted(parts)
