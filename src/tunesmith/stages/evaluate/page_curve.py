"""The learning curve: training loss and validation values over steps, as inline SVG.

It has no view box, so that its words stay legible at any width: heights are pixels, horizontal
places are percentages, and only the lines stretch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeAlias

from tunesmith.stages.evaluate.charts import Axis, axis_over, label, line, percent, tick_text
from tunesmith.stages.evaluate.page_markup import NOTHING, Markup, element, group, picture
from tunesmith.stages.evaluate.page_numbers import count_text, finite, ratio_text

MOST_POINTS = 400
MOST_DOTS = 60

TOP, HEIGHT = 38, 200
BOTTOM = TOP + HEIGHT

Point: TypeAlias = tuple[float, float]


def points_of(rows: Iterable[Mapping[str, Any]] | None, field: str) -> list[Point]:
    """Return (step, field) in the order of steps, without the points that are not finite."""
    pairs = ((finite(row.get("step")), finite(row.get(field))) for row in rows or ())
    return sorted((x, y) for x, y in pairs if x is not None and y is not None)


def smoothing_span(count: int) -> int:
    """Return over about how many of `count` steps the loss is averaged: a 25th, at least 5."""
    return max(5, count // 25)


def smooth(points: Sequence[Point]) -> list[Point]:
    """Return the exponential moving mean of the values, without a bias to the start."""
    keep = 1 - 2 / (smoothing_span(len(points)) + 1)
    mean, weight, smoothed = 0.0, 0.0, []
    for x, y in points:
        mean, weight = keep * mean + (1 - keep) * y, keep * weight + (1 - keep)
        smoothed.append((x, mean / weight))
    return smoothed


def thin(points: Sequence[Point], *, most: int = MOST_POINTS) -> list[Point]:
    """Return at most `most` points: the lowest and highest of each stretch, so no spike is lost."""
    if len(points) <= most:
        return list(points)
    stretches = most // 2
    bounds = [index * len(points) // stretches for index in range(stretches + 1)]
    kept: list[Point] = []
    for first, last in zip(bounds, bounds[1:], strict=False):
        stretch = points[first:last]
        kept += sorted({min(stretch, key=itemgetter(1)), max(stretch, key=itemgetter(1))})
    return kept


@dataclass(frozen=True, slots=True)
class Plane:
    """Two axes; their values become percentages across and pixels upward."""

    across: Axis
    upward: Axis

    def line(self, points: Sequence[Point], *, style: str) -> Markup:
        """Return a line in a box of 1000 by `HEIGHT`, which the chart stretches to its width."""
        drawn = " ".join(
            f"{1000 * self.across.place(x):.1f},{HEIGHT * (1 - self.upward.place(y)):.1f}"
            for x, y in points
        )
        shape = {"class": style, "points": drawn, "vector-effect": "non-scaling-stroke"}
        return element("polyline", shape)

    def dots(self, points: Sequence[Point], *, style: str) -> Markup:
        """Return a dot a point."""
        return group(
            element(
                "circle",
                {
                    "class": style,
                    "cx": percent(self.across.place(x)),
                    "cy": self.level(y),
                    "r": 3,
                },
            )
            for x, y in points
        )

    def level(self, value: float) -> float:
        """Return the pixels from the chart's top to `value`."""
        return round(TOP + HEIGHT * (1 - self.upward.place(value)), 1)


def level_marks(plane: Plane, *, style: str = "level") -> Markup:
    """Return a line across the chart at each tick of its height, with the value before it."""
    return group(
        group(
            [
                line((0, plane.level(tick)), ("100%", plane.level(tick)), style="grid"),
                label(tick_text(tick), -8, plane.level(tick), style=style, anchor="end"),
            ]
        )
        for tick in plane.upward.ticks
    )


def _left_marks(plane: Plane, words: dict[str, str]) -> Markup:
    name = label(words["curve.loss"], -44, 10, style="loss-text", anchor="start")
    return group([level_marks(plane, style="level loss-text"), name])


def _right_marks(plane: Plane, measure: str) -> Markup:
    marks = [
        label(tick_text(tick), 8, plane.level(tick), style="level check-text", anchor="start")
        for tick in plane.upward.ticks
    ]
    # A nested picture moves the origin to the right edge, from where pixels can be counted.
    edge = {"x": "100%", "overflow": "visible", "aria-hidden": "true"}
    name = label(measure, 44, 10, style="check-text", anchor="end")
    return element("svg", edge, *marks, name)


def _best_mark(best: float, value: float | None, across: Axis, words: dict[str, str]) -> Markup:
    place = across.place(best)
    key = "curve.best" if value is None else "curve.best.value"
    text = words[key].format(step=count_text(best), value=ratio_text(value))
    anchor, shift = ("start", 5) if place < 0.5 else ("end", -5)
    edge = {"x": percent(place), "overflow": "visible", "aria-hidden": "true"}
    return element(
        "svg",
        edge,
        line((0, TOP - 14), (0, BOTTOM), style="best"),
        label(text, shift, TOP - 8, anchor=anchor, style="best-text"),
    )


def learning_curve(curve: Mapping[str, Any], *, words: dict[str, str], measure: str) -> Markup:
    """Return the training loss (left axis) and the validation values (right axis) over steps.

    The loss is drawn twice: every step, faint, and its exponential mean. Points that are not finite
    are left out, and without any point there is no chart.
    """
    losses = points_of(curve.get("steps"), "loss")
    checks = points_of(curve.get("validations"), "value")
    if not losses and not checks:
        return NOTHING
    across = axis_over([x for x, _ in (*losses, *checks)], snug=True)
    lines, marks = [], []
    if losses:
        plane = Plane(across, axis_over([y for _, y in losses]))
        lines.append(plane.line(thin(losses), style="raw"))
        lines.append(plane.line(thin(smooth(losses)), style="loss"))
        marks.append(_left_marks(plane, words))
        marks.append(plane.dots(losses if len(losses) == 1 else [], style="loss-dot"))
    if checks:
        plane = Plane(across, axis_over([y for _, y in checks]))
        lines.append(plane.line(thin(checks), style="check"))
        marks.append(_right_marks(plane, measure))
        marks.append(plane.dots(checks if len(checks) <= MOST_DOTS else [], style="check-dot"))
    best = finite(curve.get("best_step"))
    if best is not None and across.low <= best <= across.high:
        marks.append(_best_mark(best, dict(checks).get(best), across, words))
    stretched = {"y": TOP, "width": "100%", "height": HEIGHT, "viewBox": f"0 0 1000 {HEIGHT}"}
    unscaled = {"preserveAspectRatio": "none", "overflow": "visible", "aria-hidden": "true"}
    return picture(
        "curve",
        *(
            label(tick_text(tick), percent(across.place(tick)), BOTTOM + 18)
            for tick in across.ticks
        ),
        *marks[:1],
        element("svg", {**stretched, **unscaled}, *lines),
        *marks[1:],
        label(words["curve.step"], "100%", BOTTOM + 34, anchor="end"),
        title=words["training"],
        description=words["curve.drawn"].format(
            steps=count_text(len(losses)), validations=count_text(len(checks))
        ),
        attributes={"class": "curve", "height": BOTTOM + 40},
    )
