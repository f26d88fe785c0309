"""Recommendations: events and questions, times and values, marks by hand, replies."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from tunesmith.core.answers import RankedAnswer
from tunesmith.core.errors import DataError
from tunesmith.core.examples import Example, HistoryInput, Place
from tunesmith.tasks import task_from_json
from tunesmith.tasks.catalogue import Catalogue
from tunesmith.tasks.recommendation import Recommendation, require_catalogue

PLACE = Place("rows.jsonl", 7)
ITEMS = ("a", "b", "c", "d", "e")
CATALOGUE = Catalogue(
    ITEMS,
    ("Apple", "Bread", "Cheese", "Dates", ""),
    np.array([3, 2, 2, 1, 0]),
    {"ann": np.array([0, 1], dtype=np.int32)},
    {"ann": np.array([3], dtype=np.int32)},
)
TASK = Recommendation().with_catalogue(CATALOGUE)


def ranked(*items: str, scores: tuple[float, ...] | None = None) -> RankedAnswer:
    given = scores or tuple(float(len(items) - at) for at in range(len(items)))
    return RankedAnswer(items, given, ("",) * len(items), "history")


def asked(gold: str, *items: str) -> Example:
    return Example("id", HistoryInput("bo", items), gold, PLACE)


def test_event_has_its_item_as_gold(read):
    example = read(TASK, {"user": 17, "item": "a", "value": "3.5", "time": "964982703"})
    assert example.inputs == HistoryInput("17", None, (), 964982703.0, 3.5)
    assert example.gold == "a"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (1, 1.0),
        ("1.5", 1.5),
        ("1970-01-02", 86400.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1970-01-01 00:01:00", 60.0),
    ],
)
def test_times_are_seconds_or_iso_moments(read, given, seconds):
    example = read(TASK, {"user": "u", "item": "a", "time": given})
    assert example.inputs.time == seconds


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"user": "u", "item": "a", "time": "yesterday"}, "ISO 8601"),
        ({"user": "u", "item": "a", "time": "nan"}, "number"),
        ({"user": "u", "item": "a", "value": "good"}, "number"),
        ({"user": "", "item": "a"}, "must hold a value"),
        ({"item": "a"}, "`user` must be present"),
        ({"history": [["a"]]}, "ids of items"),
        ({"history": 3}, "must hold a list"),
    ],
)
def test_bad_rows_say_what_must_hold(faults, row, named):
    assert named in faults(TASK, row)[0]


def test_question_by_history_needs_no_user(read):
    assert read(TASK, {"history": ["a", 2]}).inputs == HistoryInput("", ("a", "2"))
    assert TASK.inputs_of(json.dumps({"user": "ann"})) == HistoryInput("ann")
    assert TASK.inputs_of("ann") == HistoryInput("ann")
    with pytest.raises(DataError, match="JSON object"):
        TASK.inputs_of('{"user": ann}')


def test_inputs_as_fields_are_read_back(read):
    inputs = HistoryInput("bo", ("a",), ("d",), 5.0, 2.0)
    assert read(TASK, TASK.input_fields(inputs)).inputs == inputs
    assert read(TASK, TASK.input_fields(HistoryInput("bo", ()))).inputs.items == ()


def test_liked_is_a_line_through_the_values():
    task = Recommendation(liked=3.5)
    values = (None, 3.0, 3.5, 4.0)
    likes = [task.is_liked(HistoryInput("u", value=value)) for value in values]
    assert likes == [True, False, True, True]
    assert TASK.is_liked(HistoryInput("u", value=-1.0))


def test_answer_names_the_items_and_what_they_rest_on():
    scores = np.array([[2.0, 0.9], [4.0, 0.1]])
    known = TASK.answer(scores, HistoryInput("ann"))
    assert (known.items, known.texts, known.basis) == (("c", "e"), ("Cheese", ""), "history")
    strange = TASK.answer(scores, HistoryInput("", ("x", "y")))
    assert strange.to_json() == {
        "items": ["c", "e"],
        "texts": ["Cheese", ""],
        "scores": [0.9, 0.1],
        "basis": "popular",
        "unknown": ["x", "y"],
    }
    assert TASK.answer(scores, HistoryInput("zoe")).basis == "popular"


def test_marks_by_hand():
    examples = [asked("b", "a"), asked("c", "a"), asked("e", "a")]
    answers = [ranked("b", "c", "d", "e"), ranked("b", "c"), ranked("b", "c")]
    marks = TASK.mark(examples, answers)
    values = {name: measure.value for name, measure in marks.measures.items()}
    assert values["ndcg_at_10"] == pytest.approx((1 + 1 / math.log2(3) + 0) / 3)
    assert values["recall_at_1"] == pytest.approx(1 / 3)
    assert values["recall_at_10"] == pytest.approx(2 / 3)
    assert values["mrr"] == pytest.approx((1 + 1 / 2) / 3)
    # of b, c, d, e the first two tie at rank 1.5; e, without an event, is the last
    popular = (2 / math.log2(2.5) + 1 / math.log2(5)) / 3
    assert values["popularity_ndcg_at_10"] == pytest.approx(popular)
    assert values["coverage_at_10"] == pytest.approx(4 / 5)
    assert values["cold_recall_at_10"] == 0.0
    assert marks.measures["cold_recall_at_10"].count == 1
    assert marks.wrong == (2,)
    assert TASK.selection_score(examples, answers) == pytest.approx(values["ndcg_at_10"])
    assert TASK.selection_score([], []) == 0.0


def test_ties_do_not_pay():
    example = asked("b", "a")
    level = ranked("b", "c", "d", "e", scores=(1.0, 1.0, 0.5, 0.1))
    assert TASK.selection_score([example], [level]) == pytest.approx(1 / math.log2(3))
    all_alike = ranked("b", "c", "d", scores=(1.0, 1.0, 1.0))
    assert TASK.selection_score([example], [all_alike]) == 0.0


def test_no_item_in_ten_and_no_rank_at_all_earn_alike():
    marks = TASK.mark([asked("b")], [ranked("c")])
    assert marks.measures["mrr"].value == pytest.approx(0.0, abs=1e-9)
    assert marks.measures["ndcg_at_10"].value == 0.0


def test_task_through_json_leaves_the_catalogue_to_its_own_file():
    back = task_from_json(json.loads(json.dumps(TASK.to_json())))
    assert back == TASK
    assert back.catalogue.items == ()
    assert back.with_attachments(TASK.attachments()).catalogue.items == ITEMS
    assert back.with_attachments({}) == back
    with pytest.raises(DataError, match="there are none"):
        require_catalogue(back)


def test_replies_are_heard_by_id_or_text():
    answer = TASK.hear("1. Cheese\n- e\nsomething else\nCheese", HistoryInput("ann"))
    assert answer.items == ("c", "e")
    assert TASK.hear("", HistoryInput("ann")).items == ()


def test_people_read_texts():
    example = asked("b", "a", "e")
    assert TASK.show_inputs(example.inputs) == "bo (2)\nApple\ne"
    assert TASK.show_gold(example) == "Bread"
    assert TASK.show_gold(asked("unheard")) == "unheard"
    answer = TASK.answer(np.array([[2.0, 0.9], [4.0, 0.1]]), example.inputs)
    assert TASK.show_answer(answer) == ["Cheese", "e"]
    assert "- Apple" in TASK.ask(example.inputs)
