"""Label names that are two spellings of one."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator

from tunesmith.stages.check.context import Context, gold_names
from tunesmith.stages.check.findings import Finding
from tunesmith.stages.check.wording import show_count, show_some
from tunesmith.tasks.labels import sort_labels

_GAP = re.compile(r"[\s_\-]+")


def check_label_names(context: Context) -> Iterator[Finding]:
    """Yield labels that differ in case, width or gaps alone, and those with white space around."""
    counts: Counter[str] = sum(context.names.values(), Counter())
    spellings: defaultdict[str, list[str]] = defaultdict(list)
    for name in sort_labels(counts):
        spellings[fold_label(name)].append(name)
    twins = [
        sorted(names, key=lambda n: -counts[n]) for names in spellings.values() if len(names) > 1
    ]
    if twins:
        shown = [" = ".join(f"`{name}` ({counts[name]:,})" for name in names) for names in twins]
        rarer = {name for names in twins for name in names[1:]}
        yield Finding(
            "warning",
            "label_twins",
            f"Written in more than one way and so learned as different: "
            f"{show_count(len(twins), 'label')}, {show_some(shown)}. Write each one way.",
            _places(context, rarer),
            {"labels": len(twins), "rows": sum(counts[name] for name in rarer)},
        )
    padded = [name for name in sort_labels(counts) if name != name.strip()]
    if padded:
        yield Finding(
            "warning",
            "label_spaces",
            f"With white space at the beginning or end: {show_count(len(padded), 'label')}, "
            f"{show_some([f'{name!r} ({counts[name]:,})' for name in padded])}. Remove it.",
            _places(context, set(padded)),
            {"labels": len(padded), "rows": sum(counts[name] for name in padded)},
        )


def fold_label(name: str) -> str:
    """Return the name that all spellings of a label share.

    >>> fold_label("Card_Arrival ") == fold_label("card-arrival")
    True
    """
    return _GAP.sub(" ", unicodedata.normalize("NFKC", name).casefold()).strip()


def _places(context: Context, names: set[str]) -> tuple[str, ...]:
    return context.places(
        row
        for row, example in enumerate(context.rows)
        if not names.isdisjoint(gold_names(context.task, example))
    )
