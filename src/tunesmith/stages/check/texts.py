"""Texts that are not what they should be: empty, or once read in the wrong encoding."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from tunesmith.data.rows import shorten
from tunesmith.stages.check.context import Context
from tunesmith.stages.check.findings import Finding
from tunesmith.stages.check.wording import show_part

BLANK_FAULT = 0.5
WARNING_SHARE = 0.001
BROKEN_RATIO = 4
"""A misread text has lost the odd byte here and there: at most one for so many whole characters."""

Damage = Literal["CP1252", "GB18030", "lost"]

_LOST = re.compile("\ufffd|锟斤|ï¿½")
# What UTF-8 bytes 80–BF look like when they are read as Windows-1252 or Latin-1.
_TAIL = "[\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
# First bytes of common characters only, and never what honest text may hold: `É®`, `CAFÉ™`,
# `AMANHÃ”`, `été…»`. Accents; signs; Cyrillic (two in a row); punctuation; kana and Han (two in a
# row); emoji.
_LATIN = re.compile(
    "Ã[\u0080-\u009f\u00a1-\u00ba\u00bc-\u00bf€‚ƒ„†‡ˆ‰Š‹ŒŽ˜™š›œžŸ]|Â[\u00a0-\u00bf]"
    f"|(?:[ÐÑ]{_TAIL}){{2}}|â[\u0080-\u0084€‚ƒ„]{_TAIL}|(?:[ã-é]{_TAIL}{{2}}){{2}}|ðŸ{_TAIL}{{2}}"
)
_HAN = re.compile("[\u4e00-\u9fff]")


def check_blank_texts(context: Context) -> Iterator[Finding]:
    """Yield rows in which the model has nothing to read."""
    rows = np.flatnonzero(context.is_blank)
    if not len(rows):
        return
    yield Finding(
        "fault" if len(rows) > BLANK_FAULT * len(context.rows) else "warning",
        "empty_texts",
        f"Nothing to read (empty, white space, or only characters the model drops): "
        f"{show_part(len(rows), len(context.rows), 'row')}. Fill them in or delete them.",
        context.places(rows),
        {"rows": len(rows), "of": len(context.rows)},
    )


def check_encodings(context: Context) -> Iterator[Finding]:
    """Yield texts that were decoded wrongly, with the repair where one is possible."""
    found: dict[Damage, list[int]] = {}
    foreign = 0
    for row, example in enumerate(context.rows):
        if example.inputs.text.isascii():
            continue
        foreign += 1
        if damage := find_damage(example.inputs.text):
            found.setdefault(damage, []).append(row)
    for damage, rows in found.items():
        yield _damaged(context, damage, rows, foreign)


def find_damage(text: str) -> Damage | None:
    """Return the encoding UTF-8 was taken for, or `lost` characters; None for honest text.

    >>> find_damage("cafÃ©"), find_damage("浣犲ソ锛屼笘鐣岋紝鎴戜滑璧板惂"), find_damage("CAFÉ®")
    ('CP1252', 'GB18030', None)
    """
    if _LOST.search(text):
        return "lost"
    if _LATIN.search(text):
        return "CP1252"
    return "GB18030" if _HAN.search(text) and _is_utf8_as_gb(text) else None


def _is_utf8_as_gb(text: str) -> bool:
    """Tell whether the text's GB18030 bytes are UTF-8 of Chinese; honest Chinese has no such."""
    meant = text.encode("gb18030", "ignore").decode("utf-8", "replace")
    han = len(_HAN.findall(meant))
    return han > 1 and meant.count("\ufffd") * BROKEN_RATIO <= han


def _damaged(context: Context, damage: Damage, rows: Sequence[int], foreign: int) -> Finding:
    total = len(context.rows)
    sample = shorten(_sample(context.rows[rows[0]].inputs.text, damage))
    part = show_part(len(rows), total, "row")
    if damage == "lost":
        name, message = (
            "lost_characters",
            (
                f"Characters lost in a wrong encoding, such as “{sample}”: {part}. "
                "They cannot be won back; export the data again as UTF-8 from where it came."
            ),
        )
    else:
        name = "misread_encoding"
        file = context.rows[rows[0]].place.file
        repair = (
            f"If the whole file is so: iconv -f UTF-8 -t {damage} {file} > {file}.utf8"
            if len(rows) > foreign / 2
            else "Correct these rows, or export them again as UTF-8."
        )
        message = f"UTF-8 that was read as {damage}, such as “{sample}”: {part}. {repair}"
    severity: Literal["warning", "note"] = (
        "warning" if len(rows) >= WARNING_SHARE * total else "note"
    )
    return Finding(
        severity,
        name,
        message,
        context.places(rows),
        {"rows": len(rows), "of": total, "as": damage},
    )


def _sample(text: str, damage: Damage) -> str:
    """Return the damaged stretch with some characters around it."""
    pattern = {"lost": _LOST, "CP1252": _LATIN, "GB18030": _HAN}[damage]
    found = pattern.search(text)
    start = max(0, (found.start() if found else 0) - 10)
    return text[start : start + 30]
