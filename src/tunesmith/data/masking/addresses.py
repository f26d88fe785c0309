"""Addresses of machines on the internet."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from tunesmith.data.masking.numerals import LABEL_WINDOW, ends_with_word, label_before

LONGEST_V6 = 45
_DOTTED = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_COLONS = re.compile(r"[0-9A-Fa-f:.]+")
OTHERS = (
    *("version", "v", "ver", "release", "build", "firmware", "section", "chapter", "clause", "§"),
    *("article", "figure", "fig.", "table", "oid", "sec.", "paragraph", "driver", "patch"),
    *("版本", "版", "章", "节", "第", "固件", "条", "图", "表", "驱动", "款"),
)
"""What a number of four parts is called right before it that is no address."""

_OTHER_WORDS = re.compile(r"version|release|firmware|section|chapter|版本|固件|章节")
_OWN_WORDS = re.compile(r"\bip|host|server|address|地址|主机|服务器|网段")


def find_ips(folded: str) -> Iterator[tuple[int, int]]:
    """Yield the stretches of IPv4 addresses of four parts, and of IPv6 addresses.

    A port or the length of a prefix is left outside. A number of four parts that a word before
    calls a version or a section is none, unless one between calls it an address.
    Source: RFC 791 section 3.2; RFC 4291 section 2.2.
    """
    for found in _DOTTED.finditer(folded):
        start, end = found.span()
        parts = found[0].split(".") if end - start <= 15 else []
        if len(parts) == 4 and all(_is_part(part) for part in parts):
            around = folded[max(0, start - 1) : start] + folded[end : end + 1]
            if not any(_joins(sign) for sign in around) and not _is_other(folded, start):
                yield start, end
    for found in _COLONS.finditer(folded):
        if found[0].count(":", 0, LONGEST_V6) >= 2 and (place := _place_v6(found)):
            around = folded[max(0, place[0] - 1) : place[0]] + folded[place[1] : place[1] + 1]
            if not any(_joins(sign) for sign in around):
                yield place


def _is_part(part: str) -> bool:
    return len(part) <= 3 and int(part) <= 255 and (part == "0" or part[0] != "0")


def _joins(sign: str) -> bool:
    return sign in ("_", "-") or (sign.isascii() and sign.isalnum())


def _is_other(folded: str, start: int) -> bool:
    if ends_with_word(label_before(folded, start), OTHERS):
        return True
    window = folded[max(0, start - LABEL_WINDOW) : start].lower()
    others = [found.end() for found in _OTHER_WORDS.finditer(window)]
    return bool(others) and not _OWN_WORDS.search(window, others[-1])


def _place_v6(found: re.Match[str]) -> tuple[int, int] | None:
    """Return the stretch of an address in signs that may have a colon or dot too many around."""
    text, start = found[0], found.start()
    if text[0] == ":" and text[1] != ":":
        text, start = text[1:], start + 1
    text = text.rstrip(".") if len(text) <= LONGEST_V6 + 3 else ""
    if text.endswith(":") and not text.endswith("::"):
        text = text[:-1]
    if not any(sign.isdigit() for sign in text):
        return None  # `face::add` and other names of programs
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return None
    return start, start + len(text)
