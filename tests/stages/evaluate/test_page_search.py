"""The page's part on a search: what was chosen, how far to believe it, trials, charts."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tunesmith.stages.evaluate.page_search import search_part
from tunesmith.stages.evaluate.page_words import captions

HOSTILE = "<script>alert(1)</script>"


def trial(number, rate, score, *, state="complete", problem="", schedule="linear"):
    return {
        "number": number,
        "state": state,
        "score": score,
        "seconds": 12.3,
        "own": number == 0,
        "problem": problem,
        "values": {"training.learning_rate": rate, "training.schedule": schedule},
    }


@pytest.fixture
def search():
    return {
        "measure": "accuracy",
        "winner": 2,
        "ranges": {
            "training.learning_rate": {"low": 2e-5, "high": 4e-4, "whole": False, "log": True},
            "training.schedule": {"choices": ["linear", "cosine"]},
        },
        "importance": {"training.learning_rate": 0.81, "training.schedule": 0.19},
        "trials": [
            trial(0, 1e-2, 0.81, schedule="auto"),
            trial(1, 3e-5, 0.70, state="pruned"),
            trial(2, 2e-4, 0.875, schedule="cosine"),
            trial(3, 4e-4, None, state="failed", problem=f"not finite {HOSTILE}"),
        ],
    }


def parsed(search, language="en"):
    return ElementTree.fromstring(
        f"<div>{search_part({'search': search}, captions(language))}</div>"
    )


def text(node):
    return "".join(node.itertext())


def test_choice_is_told_with_what_the_recipe_itself_reached(search):
    told = text(parsed(search))
    assert "Chosen: trial 3 of 4, Accuracy 0.875 on the validation rows" in told
    assert "the recipe's own values reached 0.810" in told
    assert "expect less on new data" in told
    search["winner"] = 0
    assert "none of the 4 trials was better" in text(parsed(search))


def test_every_trial_is_a_row_with_values_score_and_state(search):
    table = parsed(search).find(".//table")
    rows = [[text(cell) for cell in row] for row in table.findall("tbody/tr")]
    assert rows[0] == ["1", "0.01", "auto", "0.810", "12.3 s", "recipe's own, complete"]
    assert rows[1] == ["2", "3e-05", "linear", "0.700", "12.3 s", "broken off"]
    assert rows[2] == ["3", "0.0002", "cosine", "0.875", "12.3 s", "chosen"]
    assert rows[3][3:5] == ["–", "12.3 s"]
    assert rows[3][5] == f"failed, not finite {HOSTILE}"


def test_chart_of_a_setting_has_a_dot_a_score_in_its_place(search):
    rate, schedule = parsed(search).findall(".//svg[@role='img']")
    dots = [(dot.get("class"), float(dot.get("cx").rstrip("%"))) for dot in rate.iter("circle")]
    assert [style for style, _ in dots] == ["tried", "tried broken", "tried won"]
    own, pruned, won = (place for _, place in dots)
    assert own == 100  # outside the range, which the axis is widened for
    assert pruned < won < own
    ticks = [text(mark) for mark in rate.iter("text")]
    assert "0.0001" in ticks
    assert "0.01" in ticks
    placed = [float(dot.get("cx").rstrip("%")) for dot in schedule.iter("circle")]
    assert placed == [25, 75]  # `auto` of the recipe's own is no choice of this list
    heights = [float(dot.get("cy")) for dot in rate.iter("circle")]
    assert heights[2] < heights[0] < heights[1]


def test_importance_stands_beside_its_setting_where_it_is_known(search):
    assert "training.learning_rate · explains 81 % of the differences" in text(parsed(search))
    search["importance"] = None
    assert "explains" not in text(parsed(search))


def test_chinese_page_has_no_english_caption(search):
    told = text(parsed(search, "zh-CN"))
    assert "选择：4 次尝试中的第 3 次" in told
    assert "解释了 81 % 的差异" in told
    assert "Chosen" not in told
    assert "broken off" not in told


def test_without_trials_there_is_no_part(search):
    words = captions("en")
    assert search_part({}, words) == ""
    assert search_part({"search": None}, words) == ""
    assert search_part({"search": {**search, "trials": []}}, words) == ""


def test_settings_without_two_scores_have_no_chart(search):
    search["trials"] = search["trials"][:1]
    search["winner"] = 0
    page = parsed(search)
    assert not page.findall(".//svg")
    assert page.find(".//table") is not None
