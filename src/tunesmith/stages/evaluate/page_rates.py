"""The sweep of the learning-rate finder: loss over rate, on a logarithmic axis, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.stages.evaluate.charts import Axis, axis_over, label, line, percent, tick_text
from tunesmith.stages.evaluate.page_curve import BOTTOM, HEIGHT, TOP, Plane, Point, level_marks
from tunesmith.stages.evaluate.page_markup import NOTHING, Markup, element, picture
from tunesmith.stages.evaluate.page_numbers import count_text, finite

CEILING = 1.5
"""The axis ends at this many times the first smoothed loss: a divergence would flatten the rest."""


def rate_figure(finder: Mapping[str, Any], *, words: dict[str, str]) -> Markup:
    """Return the curve with its keys and the rate that was taken; nothing without two points."""
    losses, smoothed = (_points(finder, field) for field in ("loss", "smoothed"))
    if len(losses) < 2 or not smoothed:
        return NOTHING
    top = max(CEILING * smoothed[0][1], min(y for _, y in losses))
    plane = Plane(
        _decades([x for x, _ in losses]), axis_over([y for _, y in losses if y <= top] or [top])
    )
    drawn = words["rates.drawn"].format(steps=count_text(len(losses)))
    stretched = {"y": TOP, "width": "100%", "height": HEIGHT, "viewBox": f"0 0 1000 {HEIGHT}"}
    curve = picture(
        "rates",
        *_marks(plane, words),
        element(
            "svg",
            {**stretched, "preserveAspectRatio": "none", "aria-hidden": "true"},
            plane.line(losses, style="raw"),
            plane.line(smoothed, style="loss"),
        ),
        _taken(finder, plane, words),
        label(words["rates.rate"], "100%", BOTTOM + 34, anchor="end"),
        title=words["rates"],
        description=drawn,
        attributes={"class": "curve", "height": BOTTOM + 40},
    )
    keys = (
        element("span", {"class": "key raw-key"}, words["rates.raw"]),
        element("span", {"class": "key loss-key"}, words["rates.smooth"]),
    )
    caption = element("figcaption", None, *keys, element("p", None, drawn))
    return element("figure", {"class": "wide"}, curve, caption)


def _points(finder: Mapping[str, Any], field: str) -> list[Point]:
    """Return (log10 of the rate, field) of each step whose numbers are finite."""
    pairs = (
        (finite(step.get("learning_rate")), finite(step.get(field)))
        for step in finder.get("steps") or []
    )
    return [(math.log10(x), y) for x, y in pairs if x is not None and y is not None and x > 0]


def _decades(exponents: Sequence[float]) -> Axis:
    low, high = min(exponents), max(exponents)
    high = max(high, low + 1e-6)
    ticks = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    return Axis(low, high, tuple(float(tick) for tick in ticks))


def _marks(plane: Plane, words: dict[str, str]) -> list[Markup]:
    decades = [
        label(tick_text(10.0**tick), percent(plane.across.place(tick)), BOTTOM + 18)
        for tick in plane.across.ticks
    ]
    loss = label(words["curve.loss"], -44, 10, style="loss-text", anchor="start")
    return [*decades, level_marks(plane, style="level loss-text"), loss]


def _taken(finder: Mapping[str, Any], plane: Plane, words: dict[str, str]) -> Markup:
    """Return a line at the suggestion, with the rate beside it."""
    rate = finite(finder.get("suggestion"))
    if rate is None or rate <= 0 or not plane.across.low <= math.log10(rate) <= plane.across.high:
        return NOTHING
    place = plane.across.place(math.log10(rate))
    anchor, shift = ("start", 5) if place < 0.5 else ("end", -5)
    text = words["rates.suggestion"].format(rate=f"{rate:g}")
    return element(
        "svg",
        {"x": percent(place), "overflow": "visible", "aria-hidden": "true"},
        line((0, TOP - 14), (0, BOTTOM), style="best"),
        label(text, shift, TOP - 8, anchor=anchor, style="best-text"),
    )
