"""How far to rely on answers: calibration, risk by coverage, label sets, and what is outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tunesmith.stages.evaluate.charts import Axis, axis_over, label, line, percent, tick_text
from tunesmith.stages.evaluate.page_curve import BOTTOM, HEIGHT, TOP, Plane, Point
from tunesmith.stages.evaluate.page_markup import NOTHING, Markup, element, group, picture
from tunesmith.stages.evaluate.page_numbers import count_text, finite, ratio_text
from tunesmith.stages.evaluate.page_tables import row, scroller, table
from tunesmith.stages.evaluate.page_words import named

WHOLE = Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0))


def limits_part(reliability: Mapping[str, Any], *, words: dict[str, str]) -> Markup:
    """Return what is known of how far answers hold; nothing where nothing is."""
    parts = [
        _calibration(reliability.get("calibration") or {}, words),
        _curve(reliability.get("selective") or {}, words),
    ]
    told = [element("li", {"dir": "auto"}, text) for text in _sentences(reliability, words)]
    if told:
        parts.append(element("ul", None, *told))
    return group([part for part in parts if part])


def _calibration(calibration: Mapping[str, Any], words: dict[str, str]) -> Markup:
    """Return the three scores before and after."""
    before, after = calibration.get("before") or {}, calibration.get("after") or {}
    if not before or not after:
        return NOTHING
    caption = words["limits.calibration"].format(
        name=named(words, "limits.name", str(calibration.get("name", ""))),
        basis=named(words, "limits.basis", str(calibration.get("basis", "rows"))),
        count=count_text(calibration.get("rows")),
    )
    body = [
        row(named(words, "measure", name), (ratio_text(before[name]), ratio_text(after.get(name))))
        for name in before
    ]
    columns = [words[f"column.{key}"] for key in ("measure", "before", "after")]
    return scroller(caption, table(caption, columns, body))


def _curve(selective: Mapping[str, Any], words: dict[str, str]) -> Markup:
    """Return risk over coverage; nothing without two points."""
    points = list(_points(selective))
    if len(points) < 2:
        return NOTHING
    plane = Plane(WHOLE, axis_over([0.0, *(risk for _, risk in points)]))
    told = words["limits.curve.drawn"].format(
        area=ratio_text(selective.get("aurc")), count=count_text(selective.get("rows"))
    )
    stretched = {"y": TOP, "width": "100%", "height": HEIGHT, "viewBox": f"0 0 1000 {HEIGHT}"}
    drawn = picture(
        "risk",
        *(
            line((0, plane.level(t)), ("100%", plane.level(t)), style="grid")
            for t in _levels(plane)
        ),
        *(
            label(tick_text(t), -8, plane.level(t), style="level loss-text", anchor="end")
            for t in _levels(plane)
        ),
        *(label(tick_text(t), percent(t), BOTTOM + 18) for t in WHOLE.ticks),
        element(
            "svg",
            {**stretched, "preserveAspectRatio": "none", "aria-hidden": "true"},
            plane.line(points, style="loss"),
        ),
        label(words["limits.risk"], -44, 10, style="loss-text", anchor="start"),
        label(words["limits.coverage"], "100%", BOTTOM + 34, anchor="end"),
        title=words["limits.curve"],
        description=told,
        attributes={"class": "curve", "height": BOTTOM + 40},
    )
    caption = element("figcaption", None, element("p", None, told))
    return element("figure", {"class": "wide"}, drawn, caption)


def _levels(plane: Plane) -> tuple[float, ...]:
    return plane.upward.ticks


def _points(selective: Mapping[str, Any]) -> Iterator[Point]:
    for point in selective.get("curve") or []:
        coverage, risk = finite(point.get("coverage")), finite(point.get("risk"))
        if coverage is not None and risk is not None and 0 <= coverage <= 1 and 0 <= risk <= 1:
            yield coverage, risk


def _sentences(reliability: Mapping[str, Any], words: dict[str, str]) -> Iterator[str]:
    """Yield what label sets, a wished precision and the score of strangeness rest on."""
    if promise := (reliability.get("selective") or {}).get("promise"):
        yield words["limits.promise"].format(
            wished=ratio_text(promise.get("wished")),
            threshold=ratio_text(promise.get("threshold")),
            low=ratio_text(promise.get("low")),
            count=count_text(promise.get("rows")),
        )
    if sets := reliability.get("sets"):
        low, high = sets.get("band") or (None, None)
        yield words["limits.sets"].format(
            method=str(sets.get("method", "")).upper(),
            coverage=ratio_text(sets.get("coverage")),
            low=ratio_text(low),
            high=ratio_text(high),
            count=count_text(sets.get("rows")),
        )
        yield from map(str, sets.get("warnings") or [])
    if outside := reliability.get("outside"):
        yield words["limits.outside"].format(
            name=named(words, "limits.score", str(outside.get("name", ""))),
            threshold=ratio_text(outside.get("threshold")),
            inside=count_text(outside.get("inside_rows")),
            outside=count_text(outside.get("outside_rows")),
        )
