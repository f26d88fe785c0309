"""How well personal data of each patterned kind are found: precision and recall on our own set.

    python benchmarks/masking.py             # a JSON line a kind and part
    python benchmarks/masking.py --table     # the table of docs/security.md

`masked_rows/` holds the set, which we wrote: sentences in English and Chinese, in which a stretch
between ⟦ and ⟧ is what the kind of the row means, and none is a row that only looks like it. The
numbers were drawn; they are given by nobody to anybody, but check as real ones do. Patterns were
written and mended while looking at `development.tsv`; `held_out.tsv` has other sentences, and was
measured afterwards. A stretch counts as found where kind, start and end are right. Whatever is
found in any row counts against its kind, also in rows that were written for another.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from record import tell

from tunesmith.core.examples import Span
from tunesmith.core.masking import PATTERNED
from tunesmith.data.masking import find_personal
from tunesmith.measure.intervals import wilson_interval

FOLDER = Path(__file__).parent / "masked_rows"
PARTS = ("development", "held_out")
OPEN, CLOSE = "⟦", "⟧"


@dataclass(frozen=True, slots=True)
class MarkedRow:
    """A text without its marks, the kind that it was written for, and the marked stretches."""

    text: str
    kind: str
    spans: frozenset[Span]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one kind: rows of it with and without a mark, and counted stretches."""

    kind: str
    marked_rows: int
    plain_rows: int
    hits: int
    missed: int
    wrongly: int

    @property
    def precision(self) -> float:
        """Share of what was found that was marked."""
        return self.hits / (self.hits + self.wrongly) if self.hits else 0.0

    @property
    def recall(self) -> float:
        """Share of what was marked that was found."""
        return self.hits / (self.hits + self.missed) if self.hits else 0.0


def read_part(part: str) -> list[MarkedRow]:
    """Return the rows of a part of the set."""
    with (FOLDER / f"{part}.tsv").open(encoding="utf-8", newline="") as stream:
        reader = csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(reader)
        return [_unmark(kind, text) for kind, text in reader]


def _unmark(kind: str, text: str) -> MarkedRow:
    spans, plain = [], ""
    for number, piece in enumerate(text.replace(CLOSE, OPEN).split(OPEN)):
        if number % 2:
            spans.append(Span(len(plain), len(plain) + len(piece), kind))
        plain += piece
    return MarkedRow(plain, kind, frozenset(spans))


def measure(rows: list[MarkedRow]) -> Iterator[Outcome]:
    """Yield what became of each kind."""
    hits: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    wrongly: Counter[str] = Counter()
    for row in rows:
        found = set(find_personal(row.text))
        hits.update(span.type for span in found & row.spans)
        missed.update(span.type for span in row.spans - found)
        wrongly.update(span.type for span in found - row.spans)
    for kind in PATTERNED:
        own = [row for row in rows if row.kind == kind]
        marked = sum(bool(row.spans) for row in own)
        yield Outcome(kind, marked, len(own) - marked, hits[kind], missed[kind], wrongly[kind])


def table() -> str:
    """Return the outcomes as a Markdown table: both parts, the held-out one last."""
    shown = {part: {o.kind: o for o in measure(read_part(part))} for part in PARTS}
    lines = [
        "| kind | rows with, without | development: precision, recall | held out: the same |",
        "|---|---:|---:|---:|",
    ]
    for kind in PATTERNED:
        first, last = (shown[part][kind] for part in PARTS)
        marked, plain = first.marked_rows + last.marked_rows, first.plain_rows + last.plain_rows
        figures = " | ".join(f"{o.precision:.3f}, {o.recall:.3f}" for o in (first, last))
        lines.append(f"| `{kind}` | {marked}, {plain} | {figures} |")
    return "\n".join(lines)


def main() -> None:
    """Print the figures."""
    if "--table" in sys.argv:
        print(table())
        return
    for part in PARTS:
        for outcome in measure(read_part(part)):
            for name, count in (
                ("precision", outcome.hits + outcome.wrongly),
                ("recall", outcome.hits + outcome.missed),
            ):
                low, high = wilson_interval(outcome.hits, count)
                tell(
                    "masking",
                    part=part,
                    kind=outcome.kind,
                    measure=name,
                    value=round(getattr(outcome, name), 4),
                    unit="ratio",
                    n=count,
                    low=round(low, 4),
                    high=round(high, 4),
                )


if __name__ == "__main__":
    main()
