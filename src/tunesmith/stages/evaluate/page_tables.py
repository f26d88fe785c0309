"""The page's tables of counts and ratios: measures, classes, confusion, calibration."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tunesmith.stages.evaluate.charts import heat_map, ratio_bar, read_bin, reliability_diagram
from tunesmith.stages.evaluate.page_markup import NOTHING, Markup, element, group, isolate, scroller
from tunesmith.stages.evaluate.page_numbers import UNKNOWN, count_text, finite, ratio_text
from tunesmith.stages.evaluate.page_words import LOWER_IS_BETTER, counted, named

TALL_ROWS = 40
MOST_WEAKEST = 5
FEWEST_TO_COMPARE = 3
LARGEST_MATRIX = 30
ROOMY_MATRIX = 16
MOST_PAIRS = 20
# How opaque a matrix cell gets; `page_style` keeps the ink legible on it.
DEEPEST_CELL = 0.6


def table(
    caption: str, columns: Iterable[object], body: Iterable[Markup], foot: Iterable[Markup] = ()
) -> Markup:
    """Return a table; `columns` are its header cells' contents, `body` and `foot` whole rows."""
    heads = [element("th", {"scope": "col"}, column) for column in columns]
    feet = list(foot)
    return element(
        "table",
        None,
        element("caption", None, element("span", None, caption)),
        element("thead", None, element("tr", None, *heads)),
        element("tbody", None, *body),
        element("tfoot", None, *feet) if feet else None,
    )


def row(head: object, cells: Iterable[object], *, kind: str | None = None) -> Markup:
    """Return a row whose first cell names it."""
    rest = [element("td", None, cell) for cell in cells]
    return element("tr", {"class": kind}, element("th", {"scope": "row"}, head), *rest)


def interval_text(measure: Mapping[str, Any]) -> str:
    """Return `0.900–0.950`, or a dash where no interval is known."""
    if finite(measure.get("low")) is None or finite(measure.get("high")) is None:
        return UNKNOWN
    return f"{ratio_text(measure['low'])}–{ratio_text(measure['high'])}"


def measure_table(measures: Mapping[str, Mapping[str, Any]], *, words: dict[str, str]) -> Markup:
    """Return the measures by name, each with its unit, interval and count."""
    rows = []
    for name, measure in measures.items():
        unit = measure.get("unit", "ratio")
        remark = (
            element("small", None, words["lower_is_better"]) if name in LOWER_IS_BETTER else None
        )
        value = ratio_text(measure.get("value")) + ("" if unit == "ratio" else f" {unit}")
        cells = (value, interval_text(measure), count_text(measure.get("count")))
        rows.append(row(group([named(words, "measure", name), " ", remark]), cells))
    if not rows:
        return NOTHING
    columns = [words[f"column.{key}"] for key in ("measure", "value", "interval", "count")]
    listed = scroller(words["measures.other"], table(words["measures.other"], columns, rows))
    return element("div", {"class": "measures"}, listed)


def weakest_rows(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the tenth of the supported classes with the lowest F1, lowest first: one to five.

    Of equal F1 the larger class comes first. Fewer than three, or equal ones, have no weakest.
    """
    known = [
        entry for entry in rows if entry.get("support") and finite(entry.get("f1")) is not None
    ]
    if len(known) < FEWEST_TO_COMPARE or len({entry["f1"] for entry in known}) == 1:
        return []
    known.sort(key=lambda entry: (entry["f1"], -entry["support"]))
    return known[: max(1, min(len(known) // 10, MOST_WEAKEST))]


def _score_cells(scores: Mapping[str, Any]) -> list[object]:
    f1 = scores.get("f1")
    drawn = element(
        "span", {"class": "scored"}, ratio_bar(f1), element("span", None, ratio_text(f1))
    )
    return [drawn, ratio_text(scores.get("precision")), ratio_text(scores.get("recall"))]


def _class_row(entry: Mapping[str, Any], *, weak: bool, words: dict[str, str]) -> Markup:
    mark = element("span", {"class": "badge"}, words["weakest"]) if weak else None
    counts = (count_text(entry.get("support")), count_text(entry.get("predicted")))
    head = group([isolate(entry.get("label", "")), " " if mark else None, mark])
    return row(head, (*_score_cells(entry), *counts), kind="weak" if weak else None)


def class_table(
    rows: Sequence[Mapping[str, Any]],
    *,
    averages: Mapping[str, Mapping[str, Any]],
    caption: str,
    words: dict[str, str],
) -> Markup:
    """Return precision, recall and F1 by label, the most frequent first, and their averages."""
    if not rows and not averages:
        return NOTHING
    weakest = weakest_rows(rows)
    ordered = sorted(rows, key=lambda entry: -(finite(entry.get("support")) or 0))
    body = [
        _class_row(entry, weak=any(entry is weak for weak in weakest), words=words)
        for entry in ordered
    ]
    totals = [
        count_text(sum(finite(entry.get(field)) or 0 for entry in rows)) if rows else UNKNOWN
        for field in ("support", "predicted")
    ]
    foot = [
        row(named(words, "average", name), (*_score_cells(scores), *totals))
        for name, scores in averages.items()
    ]
    columns = [
        words[f"column.{key}"]
        for key in ("label", "f1", "precision", "recall", "support", "predicted")
    ]
    return scroller(caption, table(caption, columns, body, foot), tall=len(body) > TALL_ROWS)


def weakest_line(rows: Sequence[Mapping[str, Any]], *, words: dict[str, str]) -> Markup:
    """Return one sentence that names the weakest classes, which a long table spreads out."""
    items: list[object] = []
    for entry in weakest_rows(rows):
        numbers = words["weakest.item"].format(
            f1=ratio_text(entry["f1"]), count=count_text(entry["support"])
        )
        items.append(
            group([isolate(entry["label"]), " ", element("span", {"class": "quiet"}, numbers)])
        )
    if not items:
        return NOTHING
    listed = [element("li", None, item) for item in items]
    lead = element("span", None, words["weakest.lead"])
    return element("div", {"class": "weakest"}, lead, element("ul", None, *listed))


def _column_head(name: str) -> Markup:
    direction = "turned" if name.isascii() else "upright"
    return element("bdi", {"class": direction, "title": name}, name)


def _confusion_cell(count: int, *, share: float, right: bool) -> Markup:
    if not count:
        return element("td", None)
    kind = "right" if right else "wrong"
    return element(
        "td",
        {"class": kind, "style": f"--depth:{DEEPEST_CELL * math.sqrt(share):.3f}"},
        count_text(count),
    )


def _confusion_row(name: str, counts: Sequence[int], *, index: int) -> Markup:
    total = sum(counts)
    cells = [
        _confusion_cell(count, share=count / max(total, 1), right=column == index)
        for column, count in enumerate(counts)
    ]
    head = element("th", {"scope": "row"}, element("bdi", {"title": name}, name))
    return element("tr", None, head, *cells, element("td", {"class": "total"}, count_text(total)))


def _confusion_matrix(
    labels: Sequence[str], counts: Sequence[Sequence[int]], words: dict[str, str]
) -> Markup:
    caption = words["confusion.caption"].format(count=count_text(sum(map(sum, counts))))
    columns = [
        words["confusion.corner"],
        *(_column_head(name) for name in labels),
        words["column.count"],
    ]
    body = [
        _confusion_row(name, line, index=index)
        for index, (name, line) in enumerate(zip(labels, counts, strict=True))
    ]
    matrix = table(caption, columns, body)
    kind = "matrix dense" if len(labels) > ROOMY_MATRIX else "matrix"
    return element("div", {"class": kind}, scroller(words["confusion"], matrix))


def confused_pairs(counts: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """Return (gold, predicted, count) of the wrong cells of a matrix, the most frequent first."""
    pairs = [
        (gold, guess, count)
        for gold, line in enumerate(counts)
        for guess, count in enumerate(line)
        if count > 0 and gold != guess
    ]
    return sorted(pairs, key=lambda pair: -pair[2])


def _pair_table(
    labels: Sequence[str], counts: Sequence[Sequence[int]], words: dict[str, str]
) -> Markup:
    pairs, total = confused_pairs(counts), count_text(sum(map(sum, counts)))
    if not pairs:
        return element("p", None, words["confusion.none"].format(count=total))
    shown = pairs[:MOST_PAIRS]
    caption = words["confusion.pairs"].format(
        shown=len(shown), pairs=count_text(len(pairs)), count=total
    )
    body = [
        row(
            isolate(labels[gold]),
            (
                group(["→ ", isolate(labels[guess])]),
                count_text(count),
                count_text(sum(counts[gold])),
                ratio_text(count / sum(counts[gold])),
            ),
        )
        for gold, guess, count in shown
    ]
    keys = ("gold", "guess", "count", "gold_count", "share")
    pair_table = table(caption, [words[f"column.{key}"] for key in keys], body)
    return element("div", {"class": "pairs"}, scroller(words["confusion"], pair_table))


def confusion_part(confusion: Mapping[str, Any], *, words: dict[str, str]) -> Markup:
    """Return the confusion of a (labels, labels) matrix of counts, gold in rows.

    Up to 30 labels the whole matrix; above, the most confused pairs and an unlabelled map.
    """
    labels, counts = confusion["labels"], confusion["counts"]
    if not labels:
        return NOTHING
    if len(labels) <= LARGEST_MATRIX:
        return _confusion_matrix(labels, counts, words)
    title = words["confusion.map"].format(labels=counted(words, "labels", len(labels)))
    description = words["confusion.map.drawn"].format(count=count_text(sum(map(sum, counts))))
    drawn = heat_map(counts, title=title, description=description)
    told = element("figcaption", None, element("strong", None, title), " ", description)
    figure = element("figure", None, drawn, told)
    return element("div", {"class": "beside confused"}, _pair_table(labels, counts, words), figure)


def _bin_row(entry: Mapping[str, Any]) -> Markup:
    head, count = f"{entry['low']:.2f}–{entry['high']:.2f}", count_text(entry.get("count"))
    filled = read_bin(entry)
    if filled is None:
        return row(head, (UNKNOWN, UNKNOWN, UNKNOWN, count))
    gap = filled.accuracy - filled.confidence
    signed = ("+" if round(gap, 3) > 0 else "") + ratio_text(gap)
    return row(head, (ratio_text(filled.confidence), ratio_text(filled.accuracy), signed, count))


def calibration_part(calibration: Mapping[str, Any], *, words: dict[str, str]) -> Markup:
    """Return the reliability diagram beside its bins."""
    bins = calibration.get("bins") or []
    drawn = reliability_diagram(bins, words=words)
    if not drawn:
        return NOTHING
    total = count_text(sum(entry.get("count", 0) for entry in bins))
    told = element("figcaption", None, words["calibration.drawn"].format(count=total))
    columns = [words[f"column.{key}"] for key in ("bin", "confidence", "accuracy", "gap", "count")]
    caption = words["calibration.caption"]
    listed = scroller(caption, table(caption, columns, [_bin_row(entry) for entry in bins]))
    return element("div", {"class": "beside"}, element("figure", None, drawn, told), listed)
