"""What the page's charts and words are made of, each by itself: axes, curves, numbers, colours."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.stages.evaluate import page_style
from tunesmith.stages.evaluate.charts import axis_over
from tunesmith.stages.evaluate.page_curve import smooth, thin
from tunesmith.stages.evaluate.page_numbers import (
    count_text,
    duration_text,
    moment_text,
    ratio_text,
)
from tunesmith.stages.evaluate.page_tables import DEEPEST_CELL


@given(
    st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=20),
    st.booleans(),
)
def test_axis_holds_its_values_between_round_ticks(values: list[float], snug: bool) -> None:
    axis = axis_over(values, snug=snug)

    slack = 1e-6 * (axis.high - axis.low)
    assert axis.low < axis.high
    assert all(axis.low - slack <= value <= axis.high + slack for value in values)
    assert list(axis.ticks) == sorted(set(axis.ticks))
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)
    assert len(axis.ticks) <= 7


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [([0.9, 0.9], 0.4, 1.0), ([0.0], 0.0, 0.5), ([2.1, 0.2], 0.0, 2.5), ([0.8, 0.93], 0.8, 0.95)],
)
def test_axis_ends_on_round_numbers(values: list[float], low: float, high: float) -> None:
    axis = axis_over(values)

    assert (axis.low, axis.high) == (low, high)


@given(st.lists(st.floats(-9, 9), max_size=300), st.integers(1, 40))
def test_thin_keeps_order_extremes_and_the_limit(values: list[float], half: int) -> None:
    points = [(float(step), value) for step, value in enumerate(values)]
    kept = thin(points, most=2 * half)

    assert len(kept) <= 2 * half
    assert kept == sorted(set(kept) & set(points))
    assert {max(values), min(values)} <= {value for _, value in kept} if values else kept == []


def test_smooth_keeps_a_constant_from_the_first_step() -> None:
    assert [value for _, value in smooth([(float(n), 3.0) for n in range(9)])] == pytest.approx(
        [3.0] * 9
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (ratio_text(0.93449), "0.934"),
        (ratio_text(-0.25), "−0.250"),
        (ratio_text(-0.0001), "0.000"),
        (ratio_text(math.nan), "–"),
        (ratio_text(None), "–"),
        (count_text(1234567), "1,234,567"),
        (duration_text(59.94), "59.9 s"),
        (duration_text(59.96), "1 min 00 s"),
        (duration_text(725), "12 min 05 s"),
        (duration_text(11220), "3 h 07 min"),
        (moment_text("2026-11-23T08:00:00+08:00"), "2026-11-23 00:00 UTC"),
        (moment_text("last week"), "last week"),
    ],
)
def test_numbers_are_written_alike(written: str, expected: str) -> None:
    assert written == expected


def palette(block: str) -> dict[str, tuple[float, ...]]:
    colours = {}
    for name, value in re.findall(r"--(\w+): ([^;]+);", block):
        code = value.removeprefix("#")
        parts = value.split() if " " in value else [int(code[i : i + 2], 16) for i in (0, 2, 4)]
        colours[name] = tuple(float(part) for part in parts)
    return colours


def luminance(colour: tuple[float, ...]) -> float:
    """Return the relative luminance of an sRGB colour. Source: WCAG 2.2, "relative luminance"."""
    shares = [part / 255 for part in colour]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("block", [page_style.LIGHT, page_style.DARK], ids=["light", "dark"])
def test_style_text_is_legible(block: str) -> None:
    colours = palette(block)
    grounds = [colours["ground"], colours["panel"]]
    cells = [
        tuple(
            DEEPEST_CELL * above + (1 - DEEPEST_CELL) * below
            for above, below in zip(colours[kind], colours["ground"], strict=True)
        )
        for kind in ("right", "wrong")
    ]

    worst = {
        name: min(contrast(colours[name], ground) for ground in grounds)
        for name in ("ink", "quiet", "first", "second", "alarm", "fault")
    }
    worst["cells"] = min(contrast(colours["ink"], cell) for cell in cells)
    assert {name: ratio for name, ratio in worst.items() if ratio < 4.5} == {}
