"""The report's page: hostile text, missing parts, sizes, languages, and what its charts claim.

Long because the page is tested as a whole, through the tree a browser would read: one sample report
and one set of finders serve every part of it.
"""

from __future__ import annotations

import copy
import math
import re
import string
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.core.errors import SpecError
from tunesmith.stages.evaluate.page import render_page
from tunesmith.stages.evaluate.page_curve import MOST_POINTS
from tunesmith.stages.evaluate.page_findings import SHOWN_CHARACTERS
from tunesmith.stages.evaluate.page_tables import weakest_rows
from tunesmith.stages.evaluate.page_words import CAPTIONS, LANGUAGES

HOSTILE = [
    "<script>alert(1)</script>",
    "</style></title></svg><script>alert(1)</script>",
    "\" onmouseover='alert(1)' x=\"",
    "<img src=x onerror=alert(1)>",
    "]]><!--",
    "&lt;b&gt; {count} %s",
    "javascript:alert(1)",
    "\ud800 \x00 \x1b[31m \ufffe",
]
SECTIONS = {
    "classes": ("classes", "averages"),
    "tokens": ("tokens",),
    "confusion": ("confusion",),
    "calibration": ("calibration",),
    "limits": ("reliability",),
    "mistakes": ("mistakes",),
    "plan": ("plan",),
    "prompt": ("prompt",),
    "training": ("curve", "training", "rate_finder"),
    "check": ("check",),
}


def class_row(label: str, f1: float | None, support: int) -> dict[str, Any]:
    return {
        "label": label,
        "precision": f1,
        "recall": f1,
        "f1": f1,
        "support": support,
        "predicted": support,
    }


def full_report() -> dict[str, Any]:
    return {
        "format": 1,
        "title": "support",
        "created": "2026-11-23T08:00:00Z",
        "task": {"kind": "classification", "labels": ["bill", "refund", "login"]},
        "data": {"name": "examples/support", "split": "test", "rows": 1140, "sha256": "ab" * 32},
        "model": {
            "name": "minilm",
            "parameters": 22713216,
            "source": "package",
            "sha256": "cd" * 32,
        },
        "method": {"name": "full", "learning_rate": 5e-05, "layers": ["a", "b"]},
        "headline": ["accuracy", "macro_f1"],
        "measures": {
            "accuracy": {"value": 0.93, "unit": "ratio", "count": 1140, "low": 0.9, "high": 0.95},
            "macro_f1": {"value": 0.9, "unit": "ratio", "count": 1140, "low": None, "high": None},
            "ece": {"value": 0.031, "unit": "ratio", "count": 1140, "low": 0.02, "high": 0.04},
            "log_loss": {"value": 1.25, "unit": "nats", "count": 1140, "low": None, "high": None},
        },
        "classes": [
            class_row("bill", 0.95, 40),
            class_row("refund", 0.70, 60),
            class_row("login", 0.99, 1040),
        ],
        "averages": {"macro": {"precision": 0.9, "recall": 0.9, "f1": 0.9}},
        "tokens": [class_row("B-PER", 0.9, 10)],
        "confusion": {
            "labels": ["bill", "refund", "login"],
            "counts": [[38, 2, 0], [5, 55, 0], [0, 40, 1000]],
        },
        "calibration": {
            "bins": [
                {"low": 0.0, "high": 0.5, "confidence": None, "accuracy": None, "count": 0},
                {"low": 0.5, "high": 1.0, "confidence": 0.9, "accuracy": 0.8, "count": 1140},
            ]
        },
        "plan": {
            "rows": 800,
            "measure": "accuracy",
            "choice": "full",
            "reason": "expected 0.930 on all rows",
            "cells": {
                "probe": [{"rows": 100, "score": 0.7, "low": 0.65, "high": 0.75}],
                "full": [
                    {"rows": 100, "score": 0.6, "low": 0.5, "high": 0.7},
                    {"rows": 400, "score": 0.9, "low": 0.88, "high": 0.92},
                ],
            },
            "next_labels": {"rows": 100, "gain": 0.004, "low": 0.0, "high": 0.01},
            "doubled": {"rows": 800, "gain": 0.02, "low": 0.0, "high": 0.04},
            "crossings": [{"method": "probe", "rows": 5000}],
            "ladder": [
                {
                    **{"method": method, "rows": 400, "score": 0.9, "low": 0.88, "high": 0.92},
                    **{"expected": 0.93, "expected_low": 0.9, "expected_high": 0.95},
                    **{"seconds": 12.0, "latency_ms": latency, "memory_gb": None, "state": state},
                }
                for method, latency, state in (("full", 4.2, ""), ("probe", None, "dominated"))
            ],
        },
        "reliability": {
            "calibration": {
                "name": "temperature",
                "rows": 160,
                "basis": "folds",
                "before": {"log_loss": 0.41, "brier": 0.12, "ece": 0.09},
                "after": {"log_loss": 0.31, "brier": 0.11, "ece": 0.02},
            },
            "selective": {
                "aurc": 0.02,
                "rows": 1140,
                "curve": [
                    {"threshold": 0.9, "coverage": 0.5, "risk": 0.01},
                    {"threshold": 0.4, "coverage": 1.0, "risk": 0.07},
                ],
                "promise": {"wished": 0.95, "threshold": 0.61, "low": 0.951, "rows": 160},
            },
            "sets": {
                "method": "lac",
                "coverage": 0.9,
                "rows": 160,
                "band": [0.858, 0.936],
                "warnings": ["few rows"],
            },
            "outside": {
                "name": "energy",
                "threshold": -3.5,
                "inside_rows": 1140,
                "outside_rows": 90,
            },
        },
        "mistakes": [
            {
                "text": "where is my money",
                "gold": "refund",
                "predicted": ["bill", "login"],
                "confidence": 0.97,
                "place": "test.csv:7",
            }
        ],
        "curve": {
            "steps": [{"step": step, "loss": 2 / step} for step in range(1, 81)],
            "validations": [{"step": 40, "value": 0.93}, {"step": 80, "value": 0.92}],
            "measure": "accuracy",
            "best_step": 40,
        },
        "rate_finder": {
            "steps": [
                {"learning_rate": 10.0**-exponent, "loss": loss, "smoothed": loss}
                for exponent, loss in ((5, 2.0), (4, 1.8), (3, 1.0), (2, 0.9), (1, 40.0))
            ],
            "limit": 0.01,
            "suggestion": 0.001,
        },
        "prompt": {
            "by": "likelihood",
            "template": "Text: {text}\nLabel: {label}",
            "words": {"bill": ["bill", "invoice"], "refund": ["money back"]},
            "examples": 4,
            "calibration": "contextual",
            "shown": "Text: where is my money\nLabel: ___",
            "tried": [
                {
                    "round": number,
                    "rows": 32 * number,
                    "measure": "accuracy",
                    "value": value,
                    "low": 0.5,
                    "high": 0.9,
                    "log_probability": -1.5,
                    "seconds": 2.5,
                    "examples": 4,
                    "problem": "" if value else "no room",
                    "candidate": {
                        "template": "Text: {text}\nLabel: {label}",
                        "words": {"bill": ["bill"], "refund": ["refund"]},
                        "examples": 4,
                        "choice": "balanced",
                        "calibration": "none",
                        "seed": 0,
                    },
                }
                for number, value in ((1, 0.75), (2, None))
            ],
        },
        "check": [
            {"severity": "note", "name": "duplicates", "message": "3 twice"},
            {"severity": "fault", "name": "leak", "message": "2 in both"},
        ],
        "training": {
            "seconds": 41.2,
            "tokens": 123456,
            "tokens_per_second": 3000,
            "steps": 80,
            "best_step": 40,
            "seed": 0,
            "reasons": ["bf16: the CPU has it"],
        },
        "notes": ["measured on the validation split"],
    }


def report_with(**changes: Any) -> dict[str, Any]:
    return {**full_report(), **changes}


def parse(page: str) -> ElementTree.Element:
    """Return the page as a tree; raises where a tag is left open or an entity is broken."""
    return ElementTree.fromstring(page.removeprefix("<!doctype html>\n"))


def text_of(node: ElementTree.Element | None) -> str:
    assert node is not None
    return "".join(node.itertext())


def by_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [node for node in root.iter() if name in node.get("class", "").split()]


def section(root: ElementTree.Element, name: str) -> ElementTree.Element:
    return next(node for node in root.iter() if node.get("id") == name)


def section_names(root: ElementTree.Element) -> set[str]:
    return {node.get("id", "") for node in root.iter() if node.tag in {"section", "footer"}}


def rows_of(table: ElementTree.Element) -> list[list[str]]:
    return [[text_of(cell) for cell in row] for row in table.iter("tr")]


def poisoned(part: Any, payload: str) -> Any:
    """Return a report part with the payload behind every string, keys of open mappings included."""
    if isinstance(part, str):
        return part + payload
    if isinstance(part, list):
        return [poisoned(item, payload) for item in part]
    if isinstance(part, dict):
        return {key: poisoned(value, payload) for key, value in part.items()}
    return part


class Tags(HTMLParser):
    """What a browser's reader sees: the tags, and every attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that must be closed."""
        self.seen.add(tag)
        self.attributes += attrs
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that closes itself."""
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Hold the tag against the innermost open one."""
        assert self.open.pop() == tag


def read_tags(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == []
    return tags


@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
def test_page_hostile_strings_stay_text(payload: str) -> None:
    calm = full_report()
    hostile = poisoned(calm, payload)
    hostile["method"][payload] = payload
    hostile["measures"][payload] = calm["measures"]["accuracy"]
    hostile["averages"][payload] = calm["averages"]["macro"]
    hostile["headline"] = [payload]

    page = render_page(hostile)

    parse(page.encode().decode())
    tags = read_tags(page)
    assert tags.seen <= read_tags(render_page(calm)).seen
    assert {name for name, _ in tags.attributes if name.startswith("on")} == set()
    assert all(value.startswith("#") for name, value in tags.attributes if name == "href" and value)


@given(st.text(min_size=1, max_size=80))
@settings(max_examples=60, deadline=None)
def test_page_any_text_comes_back_as_it_was(text: str) -> None:
    mistake = {"text": text, "gold": text, "predicted": [], "confidence": None, "place": None}
    root = parse(render_page({"mistakes": [mistake]}))

    illegal = r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    expected = re.sub(illegal, "\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
    assert text_of(by_class(root, "text")[0].find("p")) == expected
    assert text_of(by_class(root, "chip")[0]) == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_names_no_address(language: str) -> None:
    page = render_page(full_report(), language=language)

    for sign in ("://", "src=", "url(", "@import", "<link", "<script"):
        assert sign not in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_ids_are_unique_and_references_resolve(language: str) -> None:
    root = parse(render_page(full_report(), language=language))

    ids = [node.get("id") for node in root.iter() if node.get("id")]
    links = [node.get("href", "")[1:] for node in root.iter("a")]
    labels = [name for node in root.iter() for name in node.get("aria-labelledby", "").split()]
    assert len(links) == len(SECTIONS) + 2
    assert len(ids) == len(set(ids))
    assert set(links) | set(labels) <= set(ids)


def outer_pictures(node: ElementTree.Element) -> Iterator[ElementTree.Element]:
    for child in node:
        if child.tag == "svg":
            yield child
        else:
            yield from outer_pictures(child)


def test_page_pictures_speak_or_are_decoration() -> None:
    pictures = list(outer_pictures(parse(render_page(full_report()))))

    speaking = [picture for picture in pictures if picture.get("role") == "img"]
    assert len(speaking) == 7
    assert all(text_of(picture.find("title")) for picture in speaking)
    assert all(text_of(picture.find("desc")) for picture in speaking)
    silent = [picture for picture in pictures if picture not in speaking]
    assert {picture.get("aria-hidden") for picture in silent} == {"true"}


def test_page_tables_have_captions_and_scoped_headers() -> None:
    tables = list(parse(render_page(full_report())).iter("table"))

    assert len(tables) == 8
    for table in tables:
        assert text_of(table.find("caption"))
        scopes = [
            [cell.get("scope") for cell in row if cell.tag == "th"] for row in table.iter("tr")
        ]
        assert set(scopes[0]) == {"col"}
        assert all(scope == ["row"] for scope in scopes[1:])


@pytest.mark.parametrize("name", SECTIONS)
@pytest.mark.parametrize("absence", ["null", "missing", "empty"])
def test_page_absent_part_leaves_no_trace(name: str, absence: str) -> None:
    report = full_report()
    for key in SECTIONS[name]:
        empty = type(report[key])()
        report.update({key: None if absence == "null" else empty})
        if absence == "missing":
            del report[key]

    root = parse(render_page(report))

    assert section_names(root) == {*SECTIONS, "result", "provenance"} - {name}
    assert f"#{name}" not in {link.get("href") for link in root.iter("a")}


@pytest.mark.parametrize(
    "change",
    [
        {"confusion": {"labels": [], "counts": []}},
        {"calibration": {"bins": []}},
        {
            "calibration": {
                "bins": [{"low": 0, "high": 1, "confidence": 0, "accuracy": 0, "count": 0}]
            }
        },
        {
            "curve": {"steps": [], "validations": [], "best_step": None},
            "training": {"reasons": []},
            "rate_finder": {"steps": [], "limit": None, "suggestion": None},
        },
    ],
    ids=["confusion", "bins", "empty-bins", "curve"],
)
def test_page_part_without_rows_leaves_no_trace(change: dict[str, Any]) -> None:
    assert next(iter(change)).replace("curve", "training") not in section_names(
        parse(render_page(report_with(**change)))
    )


def test_prompt_shows_what_is_asked_and_every_trial() -> None:
    part = section(parse(render_page(full_report())), "prompt")

    told = text_of(part)
    assert "bill: bill | invoice; refund: money back" in told
    assert "where is my money\nLabel: ___" in told
    (table,) = part.iter("table")
    rows = rows_of(table)
    assert len(rows) == 3
    assert rows[1][:5] == ["1", "32", "0.750", "0.500–0.900", "−1.500"]
    assert rows[2][2] == "–"
    assert "no room" in rows[2][-1]


def test_page_of_empty_report_is_a_heading_alone() -> None:
    root = parse(render_page({}))

    assert text_of(root.find("body")) == "Tunesmith reportUntitled model"
    assert root.get("lang") == "en"


def test_page_does_not_change_the_report() -> None:
    report = full_report()
    before = copy.deepcopy(report)

    render_page(report)

    assert report == before


def test_page_in_chinese_has_no_english_captions() -> None:
    root = parse(render_page(full_report(), language="zh-CN"))

    english = {en for en, zh in CAPTIONS.values() if en != zh}
    captions = [text_of(node) for tag in ("h2", "h3", "th", "dt", "a") for node in root.iter(tag)]
    assert root.get("lang") == "zh-CN"
    assert "混淆情况" in captions
    assert english.isdisjoint(captions)


def test_captions_are_translated_but_for_symbols() -> None:
    assert {en for en, zh in CAPTIONS.values() if en == zh} == {
        *("BLEU", "chrF", "F1"),
        *("n", "n = {count}"),
    }


def test_page_in_unknown_language_is_refused() -> None:
    with pytest.raises(SpecError, match=r"`en`, `zh-CN`; got `fr`"):
        render_page(full_report(), language="fr")


def test_captions_take_the_same_places_in_every_language() -> None:
    def places(text: str) -> set[str | None]:
        return {field for _, field, _, _ in string.Formatter().parse(text)} - {None}

    assert {key for key, (en, zh) in CAPTIONS.items() if places(en) != places(zh)} == set()


def test_headline_shows_value_interval_and_count() -> None:
    figures = by_class(parse(render_page(full_report())), "figure")

    told = [re.sub(r"\s+", " ", text_of(figure)) for figure in figures]
    assert "Accuracy0.930" in told[0]
    assert "95% interval 0.900 to 0.950n = 1,140" in told[0]
    assert "no interval computed" in told[1]


def test_headline_interval_is_drawn_to_scale() -> None:
    first, second = by_class(parse(render_page(full_report())), "interval")

    (band,) = by_class(first, "band")
    (value,) = [line for line in first.iter("line")]
    assert (band.get("x"), band.get("width"), value.get("x1")) == ("90.00%", "5.00%", "93.00%")
    assert by_class(second, "band") == []


def test_headline_name_without_measure_is_left_out() -> None:
    root = parse(render_page(report_with(headline=["macro_f1", "unheard_of"])))

    assert [text_of(figure.find("h3")) for figure in by_class(root, "figure")] == ["Macro F1"]
    others = rows_of(section(root, "result"))
    assert others[-1] == ["Log loss lower is better", "1.250 nats", "–", "1,140"]
    assert [row[0] for row in others[1:]][0] == "Accuracy "


def test_headline_outside_the_scale_is_not_drawn() -> None:
    measures = {"log_loss": {"value": 0.5, "unit": "nats", "count": 9, "low": 0.4, "high": 0.6}}
    root = parse(render_page({"headline": ["log_loss"], "measures": measures}))

    assert "0.500 nats" in text_of(by_class(root, "figure")[0])
    assert by_class(root, "interval") == []


def test_classes_stand_by_support_with_the_weakest_marked() -> None:
    classes = section(parse(render_page(full_report())), "classes")

    rows = rows_of(classes)
    assert [row[0] for row in rows[1:]] == ["login", "refund weakest", "bill", "Macro average"]
    assert rows[1][1:] == ["0.990", "0.990", "0.990", "1,040", "1,040"]
    assert rows[-1][-2:] == ["1,140", "1,140"]
    (lead,) = by_class(classes, "weakest")
    assert text_of(lead).replace("\u00a0", " ") == "Weakest by F1:refund 0.700, n = 60"


def test_weakest_ignores_unsupported_and_unmarked_classes() -> None:
    rows = [class_row(str(index), 0.5 + index / 100, 5) for index in range(40)]
    rows += [class_row("unsupported", 0.0, 0), class_row("unmarked", None, 5)]

    assert [row["label"] for row in weakest_rows(rows)] == ["0", "1", "2", "3"]


@pytest.mark.parametrize("f1", [[0.4, 0.9], [0.7, 0.7, 0.7]], ids=["two", "equal"])
def test_weakest_needs_three_unequal_classes(f1: list[float]) -> None:
    assert weakest_rows([class_row("x", value, 5) for value in f1]) == []


def test_confusion_shows_counts_and_totals() -> None:
    confusion = section(parse(render_page(full_report())), "confusion")

    assert rows_of(confusion)[1:] == [
        ["bill", "38", "2", "", "40"],
        ["refund", "5", "55", "", "60"],
        ["login", "", "40", "1,000", "1,040"],
    ]
    assert [text_of(cell) for cell in by_class(confusion, "right")] == ["38", "55", "1,000"]
    assert "n = 1,140" in text_of(confusion).replace("\u00a0", " ")


def ring(size: int) -> dict[str, Any]:
    """Return a confusion where each of `size` labels is taken for the next, label 7 most often."""
    counts = [[0] * size for _ in range(size)]
    for index in range(size):
        counts[index][index] = 30
        counts[index][(index + 1) % size] = 20 if index == 7 else 3
    return {"labels": [f"label {index}" for index in range(size)], "counts": counts}


@pytest.mark.parametrize(("size", "whole"), [(2, True), (30, True), (31, False), (150, False)])
def test_confusion_of_many_labels_becomes_pairs_and_a_map(size: int, whole: bool) -> None:
    confusion = ring(size) if size > 7 else {"labels": ["a", "b"], "counts": [[3, 1], [0, 4]]}
    part = section(parse(render_page({"confusion": confusion})), "confusion")

    assert bool(by_class(part, "matrix")) is whole
    assert bool(by_class(part, "heat")) is not whole
    assert len(rows_of(part)) == 1 + (size if whole else 20)


def test_confusion_of_150_labels_names_the_worst_pair_first() -> None:
    page = render_page({"confusion": ring(150)})
    part = section(parse(page), "confusion")

    assert rows_of(part)[1] == ["label 7", "→ label 8", "20", "50", "0.400"]
    drawn = "".join(path.get("d", "") for path in part.iter("path"))
    assert drawn.count("M") == 300
    # Shares 30/33, 3/33, 30/50 and 20/50 of the row; the square root of each in sixths, upward.
    shades = [(path.get("class"), path.get("opacity")) for path in part.iter("path")]
    assert shades == [("right", "0.83"), ("right", "1.00"), ("wrong", "0.33"), ("wrong", "0.67")]
    assert len(page.encode()) < 60_000


def test_confusion_of_200_full_labels_stays_small() -> None:
    counts = [[1 + (row * column) % 9 for column in range(200)] for row in range(200)]
    page = render_page({"confusion": {"labels": [str(n) for n in range(200)], "counts": counts}})

    assert len(page.encode()) < 1_000_000


def test_confusion_of_many_labels_without_errors_says_so() -> None:
    counts = [[9 if row == column else 0 for column in range(40)] for row in range(40)]
    part = section(
        parse(render_page({"confusion": {"labels": ["x"] * 40, "counts": counts}})), "confusion"
    )

    assert "No label was taken for another." in text_of(part)
    assert list(part.iter("table")) == []


def test_calibration_draws_filled_bins_at_their_accuracy() -> None:
    part = section(parse(render_page(full_report())), "calibration")

    (drawn,) = by_class(part, "bin")
    (dot,) = by_class(part, "dot")
    # The square is 300 pixels wide and high, its lower left corner at (40, 322).
    assert (float(drawn.get("height", 0)), float(drawn.get("y", 0))) == (240, 82)
    assert (float(dot.get("cx", 0)), float(dot.get("cy", 0))) == (310, 82)
    (gap,) = by_class(part, "gap")
    assert [float(gap.get(key, 0)) for key in ("x1", "y1", "x2", "y2")] == [310, 82, 310, 52]
    assert rows_of(part)[1:] == [
        ["0.00–0.50", "–", "–", "–", "0"],
        ["0.50–1.00", "0.900", "0.800", "−0.100", "1,140"],
    ]


def test_mistake_shows_one_label_or_several() -> None:
    part = section(parse(render_page(full_report())), "mistakes")

    assert [text_of(chip) for chip in by_class(part, "chip")] == ["refund", "bill", "login"]
    assert "confidence0.970fromtest.csv:7" in text_of(part)


@pytest.mark.parametrize(
    ("text", "clamped"),
    [("短" * 20, False), ("短" * 200, True), ("a" * 100, False), ("a\nb\nc\nd", True)],
)
def test_mistake_long_text_is_clamped(text: str, clamped: bool) -> None:
    mistake = {"text": text, "gold": "a", "predicted": "b"}
    part = section(parse(render_page({"mistakes": [mistake]})), "mistakes")

    assert bool(list(part.iter("details"))) is clamped
    assert text in text_of(part)


def test_mistake_endless_text_is_cut_and_says_so() -> None:
    mistake = {"text": "y" * (SHOWN_CHARACTERS + 1234), "gold": "a", "predicted": "b"}
    part = section(parse(render_page({"mistakes": [mistake]})), "mistakes")

    assert text_of(part).count("y") == SHOWN_CHARACTERS
    assert "… 1,234 more characters, not shown" in text_of(part)


def written(**fields: Any) -> ElementTree.Element:
    mistake = {"text": "A long talk.", "gold": ["One.", "Two."], "predicted": "Three.", **fields}
    return section(
        parse(render_page({"task": {"kind": "summarization"}, "mistakes": [mistake]})), "mistakes"
    )


def test_written_answer_stands_beside_its_text_and_references() -> None:
    part = written(place="rows.jsonl:3")

    assert [text_of(title) for title in part.iter("h3")] == ["Text", "Reference", "Answer"]
    shown = [text_of(block) for block in by_class(part, "text")]
    assert shown == ["A long talk.", "One.", "Two.", "Three."]
    assert "rows.jsonl:3" in text_of(part)
    assert not by_class(part, "chip")


def test_written_answer_that_is_empty_is_called_none() -> None:
    assert text_of(written(predicted="")).endswith("none")


@pytest.mark.parametrize("payload", HOSTILE)
def test_written_answer_hostile_text_is_only_text(payload: str) -> None:
    page = render_page(
        {
            "task": {"kind": "summarization"},
            "mistakes": [{"text": payload, "gold": [payload], "predicted": payload}],
        }
    )

    parse(page.encode().decode())
    assert read_tags(page).seen <= read_tags(render_page(full_report())).seen
    assert "<script" not in page


def test_check_puts_faults_first() -> None:
    part = section(parse(render_page(full_report())), "check")

    assert [text_of(item) for item in part.iter("li")] == [
        "faultleak2 in both",
        "noteduplicates3 twice",
    ]


def long_curve(steps: int) -> dict[str, Any]:
    return {
        "steps": [
            {"step": step, "loss": 1 + math.sin(step) / 9 + 50 * (step == 54_321)}
            for step in range(1, steps + 1)
        ],
        "validations": [{"step": step, "value": 0.5} for step in range(10, steps, 10)],
        "measure": "accuracy",
        "best_step": 500,
    }


def test_curve_of_100k_steps_is_thinned_and_keeps_its_spike() -> None:
    page = render_page(report_with(curve=long_curve(100_000), rate_finder=None))
    lines = list(section(parse(page), "training").iter("polyline"))

    assert len(page.encode()) < 100_000
    assert [line.get("class") for line in lines] == ["raw", "loss", "check"]
    points = [line.get("points", "").split() for line in lines]
    assert all(0 < len(line) <= MOST_POINTS for line in points)
    # The spike to a loss of 51 on an axis to 60 stands at 200 · (1 − 51/60) = 30 of 200 pixels.
    assert min(float(point.split(",")[1]) for point in points[0]) == pytest.approx(30, abs=0.5)


def test_curve_counts_what_is_not_finite() -> None:
    steps = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": math.nan}, {"step": 3, "loss": None}]
    part = section(parse(render_page({"curve": {"steps": steps}})), "training")

    assert "3 training steps, 0 validations. Not drawn, because not a finite number: 2." in text_of(
        part
    )
    assert len(by_class(part, "loss-dot")) == 1


def test_curve_marks_the_best_step_with_its_value() -> None:
    part = section(parse(render_page(full_report())), "training")

    assert [text_of(mark) for mark in by_class(part, "best-text")] == [
        "best 0.930, step 40",
        "taken 0.001",
    ]


def test_rates_stand_by_decades_and_a_divergence_flattens_nothing() -> None:
    root = parse(render_page({"rate_finder": full_report()["rate_finder"]}))
    part = section(root, "training")

    line = next(line for line in part.iter("polyline") if line.get("class") == "loss")
    places = [tuple(map(float, point.split(","))) for point in line.get("points", "").split()]
    assert [x for x, _ in places] == [0, 250, 500, 750, 1000]
    # The lowest loss of 0.9 and the first of 2.0 lie well apart although the last is 40.
    assert places[3][1] - places[0][1] > 50
    assert places[4][1] < 0


@pytest.mark.parametrize("steps", [[], [{"learning_rate": 1e-5, "loss": 1.0, "smoothed": 1.0}]])
def test_sweep_of_fewer_than_two_steps_is_not_drawn(steps: list[dict[str, Any]]) -> None:
    assert "training" not in section_names(parse(render_page({"rate_finder": {"steps": steps}})))


def test_sweep_without_a_suggestion_marks_none() -> None:
    finder = {**full_report()["rate_finder"], "suggestion": None}
    part = section(parse(render_page({"rate_finder": finder})), "training")

    assert by_class(part, "best-text") == []


@pytest.mark.parametrize("seed", [0, 2026])
def test_training_facts_count_all_but_the_seed(seed: int) -> None:
    report = full_report()
    report["training"]["seed"] = seed
    facts = by_class(parse(render_page(report)), "facts")[0]

    pairs = {text_of(term[0]): text_of(term[1]) for term in facts.iter("div") if len(term) == 2}
    assert pairs["Seed"] == str(seed)
    assert pairs["Tokens"] == "123,456"
    assert pairs["Time"] == "41.2 s"


def test_provenance_names_model_method_and_hashes() -> None:
    told = text_of(section(parse(render_page(full_report())), "provenance"))

    for fact in (
        "22,713,216",
        "ab" * 32,
        "cd" * 32,
        "learning_rate5e-05",
        '["a", "b"]',
        "test split",
    ):
        assert fact in told


def test_limits_tell_calibration_promises_and_what_is_outside():
    part = section(parse(render_page(full_report())), "limits")
    (listed,) = part.iter("table")
    rows = rows_of(listed)
    assert rows[1] == ["Log loss", "0.410", "0.310"]
    assert rows[-1] == ["Expected calibration error", "0.090", "0.020"]
    told = text_of(part)
    for words in ("each validation row judged", "AURC) 0.020", "from a confidence of 0.610"):
        assert words in told
    assert "between 0.858 and 0.936" in told
    assert "few rows" in told
    assert "energy above −3.500" in told
    assert len([node for node in part.iter() if node.tag == "polyline"]) == 1


def test_limits_of_an_older_report_leave_no_trace():
    report = full_report()
    del report["reliability"]
    assert "limits" not in section_names(parse(render_page(report)))
    assert "校准（温度缩放）" in render_page(full_report(), language="zh-CN")
