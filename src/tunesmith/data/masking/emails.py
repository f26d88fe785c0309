"""Addresses of electronic mail."""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST_LOCAL = 64
LONGEST_DOMAIN = 253
_LOCAL = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.!#$%&'*+-/=?^_`{|}~"
)
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_OPENING = "'`*{|=/?&#!"
FILES = frozenset(
    ("png", "jpg", "jpeg", "gif", "svg", "webp", "bmp", "ico", "css", "scss", "less", "html", "htm")
    + ("json", "xml", "yml", "yaml", "txt", "csv", "pdf", "exe", "dll", "tar", "gz", "jsx", "tsx")
)
"""Endings of files, which are no domains: `logo@2x.png`."""


def find_emails(folded: str) -> Iterator[tuple[int, int]]:
    """Yield the stretches of mail addresses: a local part of plain signs, `@`, a domain with a dot.

    Quoted local parts, addresses of IP numbers, and parts in other scripts are not looked for. One
    look at each `@`, of at most 64 characters to the left.
    Source: RFC 5321 section 4.1.2 (lengths: 4.5.3.1); RFC 5322 section 3.2.3 (`dot-atom`).
    """
    at = folded.find("@")
    while at >= 0:
        domain = _DOMAIN.match(folded, at + 1)
        if domain is None:
            at = folded.find("@", at + 1)
            continue
        start = at
        while start and at - start <= LONGEST_LOCAL and folded[start - 1] in _LOCAL:
            start -= 1
        local = folded[start:at]
        start = at - len(local.rpartition("..")[2].lstrip(_OPENING + "."))
        end = _domain_end(domain)
        if end and 0 < at - start <= LONGEST_LOCAL and folded[at - 1] != ".":
            yield start, end
        at = folded.find("@", domain.end())


def _domain_end(domain: re.Match[str]) -> int:
    """Return where a domain ends, or 0 where it is none."""
    labels = domain[0][: LONGEST_DOMAIN + 1].split(".")
    while labels and not labels[-1].strip("-"):
        labels.pop()
    end = domain.start() + len(".".join(labels))
    top = labels[-1] if labels else ""
    is_top = len(top) > 1 and (top.isalpha() or top.startswith("xn--"))
    if len(labels) < 2 or not is_top or top.lower() in FILES or end > domain.end():
        return 0
    is_right = all(len(x) < 64 and x[:1] != "-" and x[-1:] != "-" for x in labels)
    return end if is_right and len(domain[0]) <= LONGEST_DOMAIN else 0
