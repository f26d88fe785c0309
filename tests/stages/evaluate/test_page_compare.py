"""The page of a comparison: both languages, both curves, hostile names."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from tunesmith.core.errors import SpecError
from tunesmith.stages.evaluate.page_compare import CAPTIONS, render_comparison

HOSTILE = '<script>alert("1")</script>'


def curve(values: list[float]) -> dict[str, Any]:
    return {
        "steps": [{"step": step, "loss": value} for step, value in enumerate(values, start=1)],
        "validations": [{"step": 2, "value": values[-1]}, {"step": 4, "value": values[0]}],
        "measure": "accuracy",
    }


def comparison(**changes: Any) -> dict[str, Any]:
    side = {"name": "x", "model": "minilm", "method": "full", "fingerprint": "f" * 64, "value": 0.9}
    return {
        "a": side,
        "b": {**side, "name": "y", "value": 0.913},
        "measure": "accuracy",
        "difference": 0.013,
        "low": 0.004,
        "high": 0.022,
        "p_value": 0.004,
        "rows": 1000,
        "replicates": 1000,
        "seed": 0,
        "data": "test.csv",
        "source": "Koehn 2004",
        "notes": ["A note."],
        "curves": {"a": curve([1.0, 0.5, 0.4]), "b": curve([0.9, 0.3, 0.2])},
        **changes,
    }


def body(page: str) -> ElementTree.Element:
    """Return the page as XML, which it also is; what is escaped badly does not parse."""
    return ElementTree.fromstring(page.removeprefix("<!doctype html>\n"))


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (0.004, 0.022, ("B is better than A", "B 优于 A")),
        (-0.02, -0.001, ("B is worse than A", "B 不如 A")),
        (-0.02, 0.02, ("A and B are not told apart", "A 与 B 未见差别")),
    ],
)
def test_page_tells_the_verdict_in_both_languages(low, high, told):
    for language, words in zip(("en", "zh-CN"), told, strict=True):
        page = render_comparison(comparison(low=low, high=high), language=language)
        assert words in page
        assert f'lang="{language}"' in page
        assert "+1.3" in page


def test_curves_of_both_are_drawn_on_one_pair_of_axes():
    pictures = [
        own for own in body(render_comparison(comparison())).iter("svg") if own.get("role") == "img"
    ]
    assert len(pictures) == 2
    for own in pictures:
        assert [line.get("class") for line in own.iter("polyline")] == ["plan-0", "plan-1"]


def test_page_without_curves_has_no_chart_and_one_curve_has_one_line():
    assert "<polyline" not in render_comparison(comparison(curves={"a": None, "b": None}))
    page = render_comparison(comparison(curves={"a": None, "b": curve([0.5, 0.4])}))
    assert page.count("<polyline") == 2
    assert "plan-1" in page.partition("<polyline")[2]


def test_hostile_names_are_shown_as_text():
    side = {**comparison()["a"], "name": HOSTILE, "model": HOSTILE}
    page = render_comparison(comparison(a=side, data=HOSTILE, notes=[HOSTILE]))
    assert HOSTILE not in page
    assert body(page) is not None


def test_language_without_captions_is_refused_and_every_caption_has_both():
    with pytest.raises(SpecError, match="must be one of"):
        render_comparison(comparison(), language="fr")
    assert all(english and chinese for english, chinese in CAPTIONS.values())
    assert len(CAPTIONS) > 15
