"""What a search over settings tried: every trial as a table, and its scores by each setting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.stages.evaluate.charts import Axis, axis_over, label, percent
from tunesmith.stages.evaluate.page_curve import BOTTOM, Plane, level_marks
from tunesmith.stages.evaluate.page_markup import (
    NOTHING,
    Markup,
    element,
    group,
    isolate,
    picture,
    scroller,
)
from tunesmith.stages.evaluate.page_numbers import (
    UNKNOWN,
    count_text,
    duration_text,
    finite,
    ratio_text,
)
from tunesmith.stages.evaluate.page_tables import TALL_ROWS, row, table
from tunesmith.stages.evaluate.page_words import named

Words = dict[str, str]

FINE_DECADES = 2.0
"""A logarithmic axis up to this many decades long has ticks at 2 and 5 too."""


def search_part(report: Mapping[str, Any], words: Words) -> Markup:
    """Return what was chosen, how far to believe it, a chart a setting and the trials."""
    search = report.get("search") or {}
    if not search.get("trials"):
        return NOTHING
    charts = [_figure(search, path, words) for path in search["ranges"]]
    drawn = [chart for chart in charts if chart]
    figures = element("div", {"class": "scatters"}, *drawn) if drawn else NOTHING
    told = ["legend", *(["ascribed"] if search.get("importance") else [])] if drawn else []
    text = " ".join(words[f"search.{name}"] for name in told)
    legend = element("p", {"class": "quiet"}, text) if drawn else NOTHING
    return group([_told(search, words), figures, legend, _table(search, words)])


def _told(search: Mapping[str, Any], words: Words) -> Markup:
    trials = {trial["number"]: trial for trial in search["trials"]}
    best = trials.get(search.get("winner"))
    sentences = [element("p", None, words["search.note"])]
    if best is not None:
        own = next((trial for trial in search["trials"] if trial["own"]), None)
        told = words["search.chosen.own" if best["own"] else "search.chosen"].format(
            number=count_text(best["number"] + 1),
            trials=count_text(len(trials)),
            measure=named(words, "measure", str(search.get("measure") or "")),
            score=ratio_text(best["score"]),
            own=ratio_text(None if own is None else own["score"]),
        )
        sentences.insert(0, element("p", None, element("strong", None, told)))
        if search.get("repeat"):
            words_to_type = element("code", None, search["repeat"])
            sentences.append(element("p", None, words["search.repeat"], " ", words_to_type))
    return element("div", {"class": "notes"}, *sentences)


def _figure(search: Mapping[str, Any], path: str, words: Words) -> Markup:
    """Return the scores of all trials over the values of one setting; nothing without two."""
    range_ = search["ranges"][path]
    placed = [
        (trial, (x, y))
        for trial in search["trials"]
        if (y := finite(trial["score"])) is not None
        and (x := _place(range_, trial["values"].get(path))) is not None
    ]
    if len(placed) < 2:
        return NOTHING
    across, ticks = _axis(range_, [x for _, (x, _) in placed])
    plane = Plane(across, axis_over([y for _, (_, y) in placed]))
    described = words["search.scatter"].format(setting=path)
    chart = picture(
        f"search-{path.replace('.', '-')}",
        *(label(text, percent(across.place(tick)), BOTTOM + 18) for tick, text in ticks),
        level_marks(plane),
        *(
            plane.dots([point], style=_style(trial, winner=search.get("winner")))
            for trial, point in placed
        ),
        label(named(words, "measure", str(search.get("measure") or "")), -44, 10, anchor="start"),
        title=path,
        description=described,
        attributes={"class": "curve", "height": BOTTOM + 28},
    )
    share = finite((search.get("importance") or {}).get(path))
    told = None
    if share is not None:
        told = words["search.importance"].format(share=f"{100 * share:.0f} %")
    caption = element("figcaption", None, element("strong", None, path), " · " if told else None)
    return element("figure", None, chart, caption if told is None else group([caption, told]))


def _place(range_: Mapping[str, Any], value: Any) -> float | None:
    """Return where a value stands on its axis; None where it is none of the range's kind."""
    if "choices" in range_:
        return float(range_["choices"].index(value)) if value in range_["choices"] else None
    number = finite(value)
    if number is None or not range_["log"]:
        return number
    return math.log10(number) if number > 0 else None


def _axis(range_: Mapping[str, Any], xs: Sequence[float]) -> tuple[Axis, list[tuple[float, str]]]:
    """Return an axis over a range and what was tried outside it, and what its ticks are called."""
    if "choices" in range_:
        places = [float(at) for at in range(len(range_["choices"]))]
        axis = Axis(-0.5, len(places) - 0.5, tuple(places))
        return axis, [
            (at, str(choice)) for at, choice in zip(places, range_["choices"], strict=True)
        ]
    ends = [_place(range_, range_[end]) for end in ("low", "high")]
    known = [*xs, *(end for end in ends if end is not None)]
    if not range_["log"]:
        axis = axis_over(known, snug=True)
        return axis, [(tick, f"{tick:g}") for tick in axis.ticks]
    low, high = min(known), max(known)
    steps = (1, 2, 5) if high - low <= FINE_DECADES else (1,)
    values = [
        step * 10.0**power
        for power in range(math.floor(low), math.ceil(high) + 1)
        for step in steps
    ]
    ticks = [(math.log10(value), f"{value:g}") for value in values]
    inside = [(at, text) for at, text in ticks if low - 1e-9 <= at <= high + 1e-9]
    return Axis(low, high, tuple(at for at, _ in inside)), inside


def _style(trial: Mapping[str, Any], *, winner: Any) -> str:
    if trial["number"] == winner:
        return "tried won"
    return "tried" if trial["state"] == "complete" else "tried broken"


def _table(search: Mapping[str, Any], words: Words) -> Markup:
    paths = list(search["ranges"])
    columns = [
        words["search.trial"],
        *paths,
        *(words[f"search.{name}"] for name in ("score", "seconds", "state")),
    ]
    body = [_row(trial, paths, search.get("winner"), words) for trial in search["trials"]]
    caption = words["search.tried"]
    return scroller(caption, table(caption, columns, body), tall=len(body) > TALL_ROWS)


def _row(trial: Mapping[str, Any], paths: Sequence[str], winner: Any, words: Words) -> Markup:
    is_best = trial["number"] == winner
    remarks = [
        *([words["search.won"]] if is_best else []),
        *([words["search.own"]] if trial["own"] else []),
        *([] if is_best else [named(words, "state", trial["state"])]),
        *([trial["problem"]] if trial["problem"] else []),
    ]
    number = count_text(trial["number"] + 1)
    cells = (
        *(isolate(_value_text(trial["values"].get(path))) for path in paths),
        ratio_text(trial["score"]),
        duration_text(trial["seconds"]) or UNKNOWN,
        isolate(", ".join(remarks)),
    )
    return row(element("strong", None, number) if is_best else number, cells)


def _value_text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
