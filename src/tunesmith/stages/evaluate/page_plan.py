"""What a plan found: the ladder of methods as a table, and their learning curves as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.stages.evaluate.charts import Axis, axis_over, label, line, percent, tick_text
from tunesmith.stages.evaluate.page_curve import BOTTOM, HEIGHT, TOP, Plane, Point, level_marks
from tunesmith.stages.evaluate.page_markup import (
    NOTHING,
    Markup,
    element,
    group,
    isolate,
    picture,
    scroller,
)
from tunesmith.stages.evaluate.page_numbers import count_text, duration_text, finite, ratio_text

LINES = 6
"""How many methods are told apart by colour and dashes."""

Words = dict[str, str]


def plan_part(plan: Mapping[str, Any], *, words: Words) -> Markup:
    """Return the choice and its reason, the curves, and the ladder; nothing without a ladder."""
    ladder = plan.get("ladder") or []
    if not ladder:
        return NOTHING
    return group([_told(plan, words), _figure(plan, words), _table(plan, words)])


def _told(plan: Mapping[str, Any], words: Words) -> Markup:
    sentences = [
        element(
            "p",
            None,
            element("strong", None, words["plan.choice"].format(method=plan.get("choice"))),
            " ",
            element("span", {"dir": "auto"}, plan.get("reason") or ""),
        )
    ]
    for name in ("next_labels", "doubled"):
        worth = plan.get(name) or {}
        if worth:
            told = words["plan.worth"].format(
                rows=count_text(worth.get("rows")),
                gain=points_text(worth.get("gain")),
                low=points_text(worth.get("low")),
                high=points_text(worth.get("high")),
            )
            sentences.append(element("p", None, told))
    sentences += [
        element(
            "p",
            None,
            words["plan.crossing"].format(
                method=crossing.get("method"), rows=count_text(crossing.get("rows"))
            ),
        )
        for crossing in plan.get("crossings") or []
    ]
    return element("div", {"class": "notes"}, *sentences)


def points_text(value: object) -> str:
    """Return a difference of ratios in points, with its sign.

    >>> points_text(0.0234)
    '+2.3'
    """
    number = finite(value)
    return "–" if number is None else f"{100 * number:+.1f}".replace("-", "−")


def _figure(plan: Mapping[str, Any], words: Words) -> Markup:
    lines = {
        name: [
            (math.log2(cell["rows"]), cell["score"], cell["low"], cell["high"]) for cell in cells
        ]
        for name, cells in (plan.get("cells") or {}).items()
        if cells
    }
    expected = {step["method"]: step["expected"] for step in plan["ladder"]}
    ends = math.log2(max(plan.get("rows") or 1, 1))
    xs = [x for points in lines.values() for x, *_ in points] + [ends]
    ys = [y for points in lines.values() for _, *three in points for y in three]
    plane = Plane(_doublings(xs), axis_over([*ys, *expected.values()]))
    drawn, dots, keys = [], [], []
    for number, (name, points) in enumerate(lines.items()):
        style = f"plan-{number % LINES}"
        measured = [(x, y) for x, y, _, _ in points]
        drawn.append(plane.line(measured, style=style))
        if name in expected and ends > measured[-1][0]:
            hoped: list[Point] = [measured[-1], (ends, expected[name])]
            drawn.append(plane.line(hoped, style=f"{style} hoped"))
        dots.append(plane.dots(measured, style=style))
        dots += [_whisker(plane, x, low, high, style) for x, _, low, high in points]
        keys.append(element("span", {"class": f"key {style}-key"}, name))
    stretched = {"y": TOP, "width": "100%", "height": HEIGHT, "viewBox": f"0 0 1000 {HEIGHT}"}
    unscaled = {"preserveAspectRatio": "none", "overflow": "visible", "aria-hidden": "true"}
    curve = picture(
        "plan",
        *_marks(plane, str(plan.get("measure") or "")),
        element("svg", {**stretched, **unscaled}, *drawn),
        *dots,
        label(words["plan.rows"], "100%", BOTTOM + 34, anchor="end"),
        title=words["plan"],
        description=words["plan.drawn"],
        attributes={"class": "curve", "height": BOTTOM + 40},
    )
    caption = element("figcaption", None, *keys, element("p", None, words["plan.drawn"]))
    return element("figure", {"class": "wide"}, curve, caption)


def _doublings(xs: Sequence[float]) -> Axis:
    """Return an axis over powers of two, a tick each time the rows double from the least."""
    low, high = min(xs), max(max(xs), min(xs) + 1.0)
    steps = math.floor(high - low + 1e-9)
    return Axis(low, high, tuple(low + step for step in range(steps + 1)))


def _whisker(plane: Plane, x: float, low: float, high: float, style: str) -> Markup:
    across = percent(plane.across.place(x))
    low, high = (min(max(y, plane.upward.low), plane.upward.high) for y in (low, high))
    ends = (across, plane.level(low)), (across, plane.level(high))
    return line(*ends, style=f"{style} whisker")


def _marks(plane: Plane, measure: str) -> list[Markup]:
    rows = [
        label(tick_text(round(2.0**tick)), percent(plane.across.place(tick)), BOTTOM + 18)
        for tick in plane.across.ticks
    ]
    return [*rows, level_marks(plane), label(measure, -44, 10, anchor="start")]


def _table(plan: Mapping[str, Any], words: Words) -> Markup:
    names = ("method", "learned", "score", "expected", "seconds", "latency", "memory", "state")
    titles = [element("th", {"scope": "col"}, words[f"plan.{name}"]) for name in names]
    head = element("tr", None, *titles)
    rows = [_row(step, plan, words) for step in plan["ladder"]]
    table = element(
        "table",
        None,
        element("caption", None, words["plan.ladder"]),
        element("thead", None, head),
        element("tbody", None, *rows),
    )
    return scroller(words["plan.ladder"], table)


def _row(step: Mapping[str, Any], plan: Mapping[str, Any], words: Words) -> Markup:
    is_choice = step["method"] == plan.get("choice")
    name = isolate(step["method"])
    interval = (
        f"{ratio_text(step['score'])} [{ratio_text(step['low'])}, {ratio_text(step['high'])}]"
    )
    expected = (
        f"{ratio_text(step['expected'])} "
        f"[{ratio_text(step['expected_low'])}, {ratio_text(step['expected_high'])}]"
    )
    latency, memory = finite(step.get("latency_ms")), finite(step.get("memory_gb"))
    cells = (
        count_text(step["rows"]),
        interval,
        expected,
        duration_text(step["seconds"]),
        "–" if latency is None else f"{latency:.1f} ms",
        "–" if memory is None else f"{memory:.2f} GB",
        words["plan.chosen"] if is_choice else step.get("state") or "",
    )
    return element(
        "tr",
        None,
        element("th", {"scope": "row"}, element("strong", None, name) if is_choice else name),
        *(element("td", None, cell) for cell in cells),
    )
