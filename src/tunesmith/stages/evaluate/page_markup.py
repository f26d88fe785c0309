"""HTML made by construction: whatever is not `Markup` already is escaped. Knows no report."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping

VOID_TAGS = frozenset({"meta", "wbr"})

# All but the characters XML 1.0 allows. Lone surrogates and control characters can stand in JSON,
# but cannot be written as UTF-8 or are shown differently by every browser.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Markup(str):
    """Text that is HTML already; only this module's functions make it out of foreign text."""

    __slots__ = ()


NOTHING = Markup("")


def escape(text: object) -> Markup:
    """Return `text` for use between tags or in an attribute; unprintable ones become U+FFFD."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(_UNPRINTABLE.sub("\ufffd", str(text)), quote=True))


def group(parts: Iterable[object]) -> Markup:
    """Return the parts one after another, escaped where they are not `Markup`; None is left out."""
    return Markup("".join(escape(part) for part in parts if part is not None))


def element(tag: str, attributes: Mapping[str, object] | None = None, *children: object) -> Markup:
    """Return one element, always closed, so that the page is well-formed as HTML and as XML.

    Attributes that are None are left out. Children follow the rule of `group`.
    """
    written = "".join(
        f' {name}="{escape(value)}"'
        for name, value in (attributes or {}).items()
        if value is not None
    )
    if tag in VOID_TAGS:
        return Markup(f"<{tag}{written}/>")
    return Markup(f"<{tag}{written}>{group(children)}</{tag}>")


def picture(
    name: str,
    *children: object,
    title: str,
    description: str,
    attributes: Mapping[str, object],
) -> Markup:
    """Return an inline SVG that speaks its title and description; `name` is unique in the page."""
    return element(
        "svg",
        {"role": "img", "aria-labelledby": f"{name}-title {name}-description", **attributes},
        element("title", {"id": f"{name}-title"}, title),
        element("desc", {"id": f"{name}-description"}, description),
        *children,
    )


def isolate(text: object) -> Markup:
    """Return a name whose writing direction cannot disturb its surroundings.

    A name without spaces may break after its underscores and slashes.
    """
    breakable = re.sub("([_/])(?=.)", r"\1<wbr/>", escape(text))
    return element("bdi", None, Markup(breakable))


def scroller(label: str, *children: object, tall: bool = False) -> Markup:
    """Return a region the keyboard can scroll: sideways when narrow, downwards too when `tall`."""
    kind = "scroller tall" if tall else "scroller"
    return element(
        "div", {"class": kind, "role": "region", "aria-label": label, "tabindex": "0"}, *children
    )


def definitions(pairs: Iterable[tuple[str, object]]) -> Markup:
    """Return term and description pairs as a list; pairs without a description are left out."""
    rows = [
        element("div", None, element("dt", None, term), element("dd", None, described))
        for term, described in pairs
        if described not in (None, "")
    ]
    return element("dl", None, *rows) if rows else NOTHING
