"""The report of one model: the same facts as JSON and as a page, with tables beside them.

The tables are the mistakes (bad_cases.jsonl) and the confusions (confusion.csv).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tunesmith.stages.evaluate.marking import Marked, list_mistakes, list_rows
from tunesmith.stages.evaluate.page import render_page

FORMAT_VERSION = 1
SHOWN_MISTAKES = 50
SHOWN_BEST = 10


@dataclass(frozen=True, slots=True)
class Background:
    """What a report tells besides the marks: the data, the model, and how it came to be."""

    title: str
    data: Mapping[str, Any]
    model: Mapping[str, Any]
    method: Mapping[str, Any]
    curve: Mapping[str, Any] | None = None
    training: Mapping[str, Any] | None = None
    rate_finder: Mapping[str, Any] | None = None
    plan: Mapping[str, Any] | None = None
    search: Mapping[str, Any] | None = None
    check: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    notes: Sequence[str] = field(default_factory=tuple)
    reliability: Mapping[str, Any] | None = None
    prompt: Mapping[str, Any] | None = None


def make_report(marked: Marked, background: Background) -> dict[str, Any]:
    """Return the report as JSON-ready fields; `report.json` holds exactly these."""
    marks = marked.marks
    confusion = None
    if marks.confusion is not None:
        counts = marks.confusion.astype(int).tolist()
        confusion = {"labels": list(marks.confusion_labels), "counts": counts}
    return {
        "format": FORMAT_VERSION,
        "title": background.title,
        "created": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "task": {"kind": marked.task.kind, "labels": list(marked.task.labels)},
        "data": dict(background.data),
        "model": dict(background.model),
        "method": dict(background.method),
        "headline": list(marks.headline),
        "measures": {name: measure.to_json() for name, measure in marks.measures.items()},
        "classes": [score.to_json() for score in marks.classes],
        "averages": marks.averages,
        "tokens": [score.to_json() for score in marks.tokens] or None,
        "confusion": confusion,
        "calibration": {"bins": [bin_.to_json() for bin_ in marks.bins]} if marks.bins else None,
        "reliability": background.reliability,
        "mistakes": list_mistakes(marked, most=SHOWN_MISTAKES),
        "best": list_rows(marked, marks.right[:SHOWN_BEST]) or None,
        "curve": background.curve,
        "training": background.training,
        "rate_finder": background.rate_finder,
        "plan": background.plan,
        "search": background.search,
        "prompt": background.prompt,
        "check": list(background.check) or None,
        "notes": [*background.notes, *marks.notes],
    }


def write_report(
    folder: Path, report: Mapping[str, Any], marked: Marked, *, language: str = "en"
) -> None:
    """Write report.json, report.html and bad_cases.jsonl, and confusion.csv where it applies.

    Only tasks with one answer a row have confusions.
    """
    (folder / "report.json").write_text(
        json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    (folder / "report.html").write_text(render_page(report, language=language), encoding="utf-8")
    with (folder / "bad_cases.jsonl").open("w", encoding="utf-8") as stream:
        for mistake in list_mistakes(marked):
            stream.write(json.dumps(mistake, ensure_ascii=False) + "\n")
    if report["confusion"]:
        (folder / "confusion.csv").write_text(
            _confusion_table(report["confusion"]), encoding="utf-8"
        )


def _confusion_table(confusion: Mapping[str, Any]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["gold \\ predicted", *confusion["labels"]])
    for label, counts in zip(confusion["labels"], confusion["counts"], strict=True):
        writer.writerow([label, *counts])
    return buffer.getvalue()
