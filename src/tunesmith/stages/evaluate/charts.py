"""The page's bars, maps and diagrams as inline SVG, and what every chart is made of.

Colours come from the page's style by class name. The curve over steps is in `page_curve`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.stages.evaluate.page_markup import NOTHING, Markup, element, group, picture
from tunesmith.stages.evaluate.page_numbers import count_text, finite

SHADES = 6

# Values closer than this, relatively or at all, are drawn as equal: floats cannot part them.
EQUAL, TINY = 1e-9, 1e-30


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear scale; `ticks` are round values inside `low..high`, and `low` is below `high`."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Return where `value` stands, 0 at `low` and 1 at `high`."""
        return (value - self.low) / (self.high - self.low)


def round_step(extent: float, *, most: int) -> float:
    """Return the least of 1, 2, 2.5, 5 times a power of ten that fits at most `most` times."""
    rough = extent / most
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * size for size in (1, 2, 2.5, 5, 10) if power * size >= rough * (1 - 1e-9))


def axis_over(values: Sequence[float], *, most: int = 5, snug: bool = False) -> Axis:
    """Return an axis that holds all values, `most` steps at most.

    It starts at 0 where the values come near it, and ends on round numbers unless it is `snug`.
    Equal values stand inside a range of their own size; one within 0..1 does not leave that.
    """
    low, high = min(values), max(values)
    if high - low <= max(EQUAL * max(abs(low), abs(high)), TINY):
        margin = abs(low) / 2 or 0.5
        floor, ceiling = (0.0, 1.0) if 0 <= low <= 1 and not snug else (-math.inf, math.inf)
        low, high = max(low - margin, floor), min(high + margin, ceiling)
    if 0 < low < 0.3 * high:
        low = 0.0
    step = round_step(high - low, most=most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [float(f"{index * step:.12g}") for index in range(first, last + 1)]
    if snug:
        return Axis(low, high, tuple(tick for tick in ticks if low <= tick <= high))
    return Axis(ticks[0], ticks[-1], tuple(ticks))


def tick_text(value: float) -> str:
    """Return a tick in few characters: `0.25`, `40`, `2.5k`, `20k`, `1.5M`."""
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{suffix}".replace("-", "−")
    return f"{value:g}".replace("-", "−")


def percent(ratio: float) -> str:
    """Return a share of the chart's width."""
    return f"{100 * ratio:.2f}%"


def line(start: tuple[object, object], end: tuple[object, object], *, style: str) -> Markup:
    """Return a straight line between two (x, y) places."""
    (x1, y1), (x2, y2) = start, end
    return element("line", {"class": style, "x1": x1, "y1": y1, "x2": x2, "y2": y2})


def box(style: str, *, x: object = 0, y: object = 0, width: object, height: object) -> Markup:
    """Return a filled rectangle."""
    placed = {"class": style, "x": x, "y": y, "width": width, "height": height}
    return element("rect", placed)


def label(text: str, x: object, y: object, *, style: str = "", anchor: str = "middle") -> Markup:
    """Return a short text whose `anchor` (start, middle, end) stands at x, y."""
    return element("text", {"class": style or None, "x": x, "y": y, "text-anchor": anchor}, text)


def ratio_bar(value: object) -> Markup:
    """Return a bar for a ratio that is written beside it; nothing for what is outside 0..1."""
    ratio = finite(value)
    if ratio is None or not 0 <= ratio <= 1:
        return NOTHING
    filled = box("filled", width=percent(ratio), height="100%")
    return element("svg", {"class": "bar", "aria-hidden": "true"}, filled)


def interval_bar(
    measure: Mapping[str, Any], *, name: str, title: str, words: dict[str, str]
) -> Markup:
    """Return the scale 0..1 with a measure and its interval; nothing for what lies outside it."""
    value, low, high = (finite(measure.get(field)) for field in ("value", "low", "high"))
    if value is None or not 0 <= value <= 1 or measure.get("unit", "ratio") != "ratio":
        return NOTHING
    band = NOTHING
    if low is not None and high is not None and low <= high:
        left, right = max(low, 0.0), min(high, 1.0)
        band = box("band", x=percent(left), y=3, width=percent(right - left), height=10)
    return picture(
        name,
        box("track", y=6, width="100%", height=4),
        band,
        line((percent(value), 0), (percent(value), 16), style="value"),
        label("0", 0, 29, anchor="start"),
        label("0.5", "50%", 29),
        label("1", "100%", 29, anchor="end"),
        title=title,
        description=words["interval.drawn"],
        attributes={"class": "interval", "width": "100%", "height": 32},
    )


def shade(share: float) -> int:
    """Return how deep a share of 0..1 is drawn, 1 to `SHADES`; its root keeps small ones apart."""
    return max(1, min(SHADES, math.ceil(math.sqrt(share) * SHADES)))


def heat_map(counts: Sequence[Sequence[int]], *, title: str, description: str) -> Markup:
    """Return a (labels, labels) matrix of counts as squares, shaded by their share of the row."""
    size = len(counts)
    runs: dict[tuple[str, int], list[str]] = {}
    for index, row in enumerate(counts):
        total = sum(row)
        for column, count in enumerate(row):
            if count > 0:
                kind = "right" if column == index else "wrong"
                runs.setdefault((kind, shade(count / total)), []).append(f"M{column} {index}.5h1")
    drawn = [
        element("path", {"class": kind, "opacity": f"{depth / SHADES:.2f}", "d": "".join(squares)})
        for (kind, depth), squares in sorted(runs.items())
    ]
    return picture(
        "heat-map",
        box("ground", width=size, height=size),
        *drawn,
        title=title,
        description=description,
        attributes={"class": "heat", "viewBox": f"0 0 {size} {size}"},
    )


@dataclass(frozen=True, slots=True)
class Bin:
    """The answers whose confidence lies in `low..high`: at least one, with their means."""

    low: float
    high: float
    confidence: float
    accuracy: float
    count: int


def read_bin(entry: Mapping[str, Any]) -> Bin | None:
    """Return a bin of the report, or None where it holds no answers or its means are not finite."""
    confidence, accuracy = finite(entry.get("confidence")), finite(entry.get("accuracy"))
    count = entry.get("count") or 0
    if confidence is None or accuracy is None or count <= 0:
        return None
    return Bin(float(entry["low"]), float(entry["high"]), confidence, accuracy, int(count))


# Of the reliability diagram, in pixels: the square's left and top edge, its side, the strip below.
LEFT, TOP, SIDE, STRIP = 40, 22, 300, 40
BOTTOM = TOP + SIDE
FOOT = BOTTOM + STRIP + 24


def _across(ratio: float) -> float:
    return round(LEFT + SIDE * ratio, 1)


def _upward(ratio: float) -> float:
    return round(BOTTOM - SIDE * ratio, 1)


def _bin_marks(entry: Bin, *, most: int) -> tuple[Markup, Markup]:
    """Return what lies below the line of agreement, and what lies above it."""
    x, y, middle = _across(entry.low) + 1, _upward(entry.accuracy), _across(entry.confidence)
    width = round(max(SIDE * (entry.high - entry.low) - 2, 1), 1)
    share = entry.count / most
    bars = [
        box("bin", x=x, y=y, width=width, height=round(BOTTOM - y, 1)),
        box("tally", x=x, y=BOTTOM + 6, width=width, height=round(max(STRIP * share, 1), 1)),
    ]
    radius = round(3 + 3 * math.sqrt(share), 1)
    dots = [
        line((middle, y), (middle, _upward(entry.confidence)), style="gap"),
        element("circle", {"class": "dot", "cx": middle, "cy": y, "r": radius}),
    ]
    return group(bars), group(dots)


def reliability_diagram(bins: Sequence[Mapping[str, Any]], *, words: dict[str, str]) -> Markup:
    """Return accuracy against confidence, with a strip of counts; empty bins stay blank.

    Without any answer there is no diagram.
    """
    filled = [entry for entry in map(read_bin, bins) if entry is not None]
    if not filled:
        return NOTHING
    most, total = max(entry.count for entry in filled), sum(entry.count for entry in filled)
    marks = [_bin_marks(entry, most=most) for entry in filled]
    ticks = [0, 0.25, 0.5, 0.75, 1]
    right = LEFT + SIDE
    return picture(
        "reliability",
        *(line((LEFT, _upward(tick)), (right, _upward(tick)), style="grid") for tick in ticks),
        *(
            label(tick_text(tick), LEFT - 6, _upward(tick), anchor="end", style="level")
            for tick in ticks
        ),
        *(label(tick_text(tick), _across(tick), FOOT) for tick in ticks),
        *(bars for bars, _ in marks),
        line((LEFT, BOTTOM), (right, TOP), style="agreement"),
        *(dots for _, dots in marks),
        label(words["column.accuracy"], 0, 12, anchor="start"),
        label(words["column.confidence"], right, FOOT + 18, anchor="end"),
        label("n", LEFT - 6, BOTTOM + 30, anchor="end"),
        title=words["calibration"],
        description=words["calibration.drawn"].format(count=count_text(total)),
        attributes={"class": "reliability", "viewBox": f"0 0 {right + 12} {FOOT + 24}"},
    )
