"""Two bundles held against each other, as a page: the difference, and the curves of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.stages.evaluate.charts import axis_over, label, line, percent, tick_text
from tunesmith.stages.evaluate.page import page_head
from tunesmith.stages.evaluate.page_curve import (
    BOTTOM,
    HEIGHT,
    TOP,
    Plane,
    Point,
    points_of,
    smooth,
    thin,
)
from tunesmith.stages.evaluate.page_markup import (
    NOTHING,
    Markup,
    definitions,
    element,
    group,
    isolate,
    picture,
)
from tunesmith.stages.evaluate.page_numbers import count_text, ratio_text
from tunesmith.stages.evaluate.page_plan import points_text
from tunesmith.stages.evaluate.page_words import LANGUAGES, captions, named

SIDES = ("a", "b")

CAPTIONS: dict[str, tuple[str, str]] = {
    "compare.kind": ("Tunesmith comparison", "Tunesmith 对比"),
    "compare.title": ("{a} and {b}", "{a} 与 {b}"),
    "compare.better": ("B is better than A", "B 优于 A"),
    "compare.worse": ("B is worse than A", "B 不如 A"),
    "compare.equal": ("A and B are not told apart", "A 与 B 未见差别"),
    "compare.told": (
        "{gain} points of {measure}, 95% interval {low} to {high}; p = {p}",
        "{measure}相差 {gain} 个百分点，95% 区间 {low} 至 {high}；p = {p}",
    ),
    "compare.how": (
        "{rows} rows of {data}, the same for both; {replicates} resamples, seed {seed}. {source}.",
        "{data} 的 {rows} 行，两者相同；重抽样 {replicates} 次，随机种子 {seed}。方法：{source}。",
    ),
    "compare.sides": ("What was compared", "对比对象"),
    "compare.side": ("Side", "一方"),
    "compare.name": ("Bundle", "模型包"),
    "compare.model": ("Model", "模型"),
    "compare.method": ("Method", "方法"),
    "compare.fingerprint": ("Fingerprint", "指纹"),
    "compare.loss": ("Training loss", "训练损失"),
    "compare.validation": ("Validation: {measure}", "验证：{measure}"),
    "compare.curves": ("Curves", "曲线"),
    "compare.drawn": (
        "Both over their optimiser steps; the loss is an exponential mean.",
        "横轴为各自的优化步数；损失为指数滑动平均。",
    ),
    "compare.result": ("Difference", "差异"),
}
"""What the page says beside the captions of reports: English, Chinese."""

Words = dict[str, str]


def render_comparison(comparison: Mapping[str, Any], *, language: str = "en") -> str:
    """Return a comparison, with the reports' `curves` by side, as one self-contained HTML page.

    Text of reports and names is escaped. Raises `SpecError` for a language that has no captions.
    """
    words = captions(language)
    column = LANGUAGES.index(language)
    words |= {key: texts[column] for key, texts in CAPTIONS.items()}
    title = words["compare.title"].format(**{side: comparison[side]["name"] for side in SIDES})
    head = page_head(title, words["compare.kind"])
    body = element(
        "body",
        None,
        element(
            "header",
            None,
            element("p", {"class": "kind"}, words["compare.kind"]),
            element("h1", {"dir": "auto"}, title),
        ),
        element(
            "main",
            None,
            _section("result", _result(comparison, words), words),
            _section("sides", _sides(comparison, words), words),
            _section("curves", _curves(comparison, words), words),
        ),
    )
    return f"<!doctype html>\n{element('html', {'lang': language}, head, body)}\n"


def _section(name: str, body: Markup, words: Words) -> Markup:
    if not body:
        return NOTHING
    heading = element("h2", {"id": f"{name}-heading"}, words[f"compare.{name}"])
    return element("section", {"id": name, "aria-labelledby": f"{name}-heading"}, heading, body)


def _result(comparison: Mapping[str, Any], words: Words) -> Markup:
    low, high = comparison["low"], comparison["high"]
    verdict = "better" if low > 0 else "worse" if high < 0 else "equal"
    told = words["compare.told"].format(
        gain=points_text(comparison["difference"]),
        measure=named(words, "measure", comparison["measure"]),
        low=points_text(low),
        high=points_text(high),
        p=ratio_text(comparison["p_value"]),
    )
    how = words["compare.how"].format(
        rows=count_text(comparison["rows"]),
        data=comparison["data"],
        replicates=count_text(comparison["replicates"]),
        seed=comparison["seed"],
        source=comparison["source"],
    )
    notes = [element("p", {"dir": "auto"}, note) for note in comparison["notes"]]
    strong = element("p", None, element("strong", None, words[f"compare.{verdict}"]))
    quiet = element("p", {"class": "quiet", "dir": "auto"}, how)
    return element("div", {"class": "notes"}, strong, element("p", None, told), quiet, *notes)


def _sides(comparison: Mapping[str, Any], words: Words) -> Markup:
    measure = named(words, "measure", comparison["measure"])
    blocks = []
    for side in SIDES:
        own = comparison[side]
        listed = definitions(
            [
                (words["compare.name"], isolate(own["name"])),
                (measure, ratio_text(own["value"])),
                (words["compare.model"], isolate(own["model"])),
                (words["compare.method"], own["method"]),
                (words["compare.fingerprint"], element("code", None, own["fingerprint"])),
            ]
        )
        blocks.append(element("div", None, element("h3", None, side.upper()), listed))
    return element("div", {"class": "provenance"}, *blocks)


def _curves(comparison: Mapping[str, Any], words: Words) -> Markup:
    """Return a chart of the losses of both and one of their validations, where there are any."""
    curves = {side: comparison["curves"].get(side) or {} for side in SIDES}
    names = {side: f"{side.upper()}: {comparison[side]['name']}" for side in SIDES}
    losses = {side: smooth(points_of(own.get("steps"), "loss")) for side, own in curves.items()}
    checks = {side: points_of(own.get("validations"), "value") for side, own in curves.items()}
    measure = next((own["measure"] for own in curves.values() if own.get("measure")), "")
    caption = words["compare.validation"].format(measure=named(words, "measure", measure))
    figures = [
        _overlay("losses", losses, names=names, caption=words["compare.loss"], words=words),
        _overlay("validations", checks, names=names, caption=caption, words=words),
    ]
    return group(figures) if any(figures) else NOTHING


def _overlay(
    name: str,
    lines: Mapping[str, Sequence[Point]],
    *,
    names: Mapping[str, str],
    caption: str,
    words: Words,
) -> Markup:
    """Return the lines of both sides on one pair of axes; nothing without a point."""
    drawn = {side: points for side, points in lines.items() if points}
    if not drawn:
        return NOTHING
    every = [point for points in drawn.values() for point in points]
    plane = Plane(axis_over([x for x, _ in every], snug=True), axis_over([y for _, y in every]))
    styles = {side: f"plan-{SIDES.index(side)}" for side in drawn}
    levels = [
        group(
            [
                line((0, plane.level(tick)), ("100%", plane.level(tick)), style="grid"),
                label(tick_text(tick), -8, plane.level(tick), style="level", anchor="end"),
            ]
        )
        for tick in plane.upward.ticks
    ]
    steps = [
        label(tick_text(tick), percent(plane.across.place(tick)), BOTTOM + 18)
        for tick in plane.across.ticks
    ]
    stretched = {"y": TOP, "width": "100%", "height": HEIGHT, "viewBox": f"0 0 1000 {HEIGHT}"}
    unscaled = {"preserveAspectRatio": "none", "overflow": "visible", "aria-hidden": "true"}
    curve = picture(
        name,
        *steps,
        *levels,
        element(
            "svg",
            {**stretched, **unscaled},
            *(plane.line(thin(points), style=styles[side]) for side, points in drawn.items()),
        ),
        *(
            plane.dots(points, style=styles[side])
            for side, points in drawn.items()
            if len(points) == 1
        ),
        label(words["curve.step"], "100%", BOTTOM + 34, anchor="end"),
        title=caption,
        description=words["compare.drawn"],
        attributes={"class": "curve", "height": BOTTOM + 40},
    )
    keys = [
        element("span", {"class": f"key {styles[side]}-key", "dir": "auto"}, names[side])
        for side in drawn
    ]
    told = element("figcaption", None, *keys, element("p", None, words["compare.drawn"]))
    return element("figure", {"class": "wide"}, element("h3", None, caption), curve, told)
