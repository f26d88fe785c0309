"""Matching: labels and scores, texts read together and apart, marks by hand and by a search."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tunesmith.core.answers import LabelAnswer, ScoreAnswer
from tunesmith.core.errors import DataError, SpecError
from tunesmith.core.examples import Example, PairInput, Place
from tunesmith.tasks import make_task, task_from_json
from tunesmith.tasks.matching import Matching

PLACE = Place("pairs.tsv", 4)
PAIR = PairInput("a card", "the card")
LABELLED = Matching(labels=("no", "yes"))
SCORED = Matching(scale=(0.0, 5.0))
TOGETHER = Matching(scale=(0.0, 5.0), pairs="together")


def row(gold: str | float | None, *, second: str = "the card") -> Example:
    return Example("id", PairInput("a card", second), gold, PLACE)


def vectors(angle: float) -> np.ndarray:
    """Return two vectors of different lengths at an angle, in radians."""
    return np.array([[2.0, 0.0], [0.5 * math.cos(angle), 0.5 * math.sin(angle)]])


@pytest.mark.parametrize(
    ("fields", "gold"),
    [
        ({"label": "yes"}, "yes"),
        ({"label": 1}, "1"),
        ({"score": 3}, 3.0),
        ({"score": "3.5"}, 3.5),
        ({"score": -1e3, "label": "yes"}, -1000.0),
        ({"score": None, "label": "yes"}, "yes"),
        ({"score": "", "label": "yes"}, "yes"),
        ({"score": ""}, None),
        ({"label": None}, None),
        ({}, None),
    ],
)
def test_read_row_has_a_score_or_a_label_or_neither(read, fields, gold):
    example = read(Matching(), {"text_a": "a card", "text_b": "the card", **fields})
    assert example.inputs == PAIR
    assert example.gold == gold
    assert type(example.gold) is type(gold)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"text_b": None}, "column `text_b` must hold text; got null"),
        ({"text_a": ["x"]}, 'column `text_a` must hold text; got ["x"]'),
        ({"score": "high"}, "column `score` must hold a number; got high"),
        ({"score": True}, "column `score` must hold a number; got true"),
        ({"score": [1]}, "column `score` must hold a number; got [1]"),
        ({"score": math.nan}, "column `score` must hold a number; got NaN"),
        ({"score": "inf"}, "column `score` must hold a number; got inf"),
        ({"score": 10**400}, "column `score` must hold a number; got 1000"),
        ({"label": {}}, "column `label` must hold text; got {}"),
    ],
)
def test_read_bad_row_names_the_column_and_what_it_holds(faults, fields, line):
    assert line in faults(Matching(), {"text_a": "a", "text_b": "b", **fields})[0]


def test_read_missing_texts_are_both_named_with_a_guess(faults):
    lines = faults(Matching(), {"text_aa": "a", "other": "b"})
    assert len(lines) == 2
    assert "--column text_a=text_aa" in lines[0]
    assert "column `text_b` must be present" in lines[1]


def test_read_of_a_learned_task_takes_what_it_was_learned_from(read):
    both = {"text_a": "a", "text_b": "b", "score": 3, "label": "yes"}
    assert read(LABELLED, both).gold == "yes"
    assert read(SCORED, both).gold == 3.0
    for task, role in ((LABELLED, "label"), (SCORED, "score"), (Matching(), "score")):
        assert task.gold_role(both) == role
    only_label = {"text_a": "a", "text_b": "b", "label": "yes"}
    assert read(SCORED, only_label).gold is None
    assert SCORED.gold_role(only_label) == "score"
    assert Matching().gold_role(only_label) == "label"


def test_labels_and_scale_come_from_the_rows():
    assert Matching().with_labels_of([row("b"), row("a"), row(None)]).labels == ("a", "b")
    task = Matching().with_labels_of([row(1.5), row(4.0), row(None)])
    assert (task.labels, task.scale) == ((), (1.5, 4.0))
    assert Matching().with_labels_of([row(2.0), row(2.0)]).scale == (2.0, 3.0)


def test_labels_of_rows_with_scores_and_rows_with_labels_are_refused():
    with pytest.raises(DataError, match="all have a score, or all a label") as caught:
        Matching().with_labels_of([row(1.0), row("yes")])
    assert caught.value.hint


def test_labels_of_texts_read_apart_are_refused_with_what_would_do():
    with pytest.raises(SpecError, match=r"must have scores.*\(no, yes\)") as caught:
        Matching(pairs="apart").with_labels_of([row("yes"), row("no")])
    assert "--set model.pairs=together" in caught.value.hint


@pytest.mark.parametrize(
    ("pairs", "scale", "head", "outputs"),
    [
        ("auto", None, "classify", ("no", "yes")),
        ("auto", (0.0, 1.0), "embed", ()),
        ("together", (0.0, 1.0), "classify", ("score",)),
        ("apart", (0.0, 1.0), "embed", ()),
        ("together", None, "classify", ("no", "yes")),
    ],
)
def test_pairs_decide_the_head_and_its_outputs(pairs, scale, head, outputs):
    labels = ("no", "yes") if scale is None else ()
    task = Matching(labels=labels, scale=scale).with_pairs(pairs)
    assert (task.head, task.outputs()) == (head, outputs)
    assert task.selection == ("accuracy" if scale is None else "spearman")


@pytest.mark.parametrize("task", [LABELLED, SCORED, TOGETHER])
def test_task_through_json_is_the_same(task):
    assert task_from_json(json.loads(json.dumps(task.to_json()))) == task


@given(st.floats(-10, 10), st.floats(0.125, 10), st.floats(0, 1))
def test_score_read_together_is_the_share_of_the_scale_that_the_target_names(low, width, share):
    task = Matching(scale=(low, low + width), pairs="together")
    gold = low + share * width
    (target,) = task.target(row(gold))
    assert target == pytest.approx(share, abs=1e-6)
    clipped = min(max(target, 1e-9), 1 - 1e-9)
    logit = math.log(clipped / (1 - clipped))
    answer = task.answer(np.array([logit]), PAIR)
    assert answer.score == pytest.approx(gold, abs=1e-4)


def test_target_beyond_the_scale_is_its_end():
    assert SCORED.target(row(9.0)) == [1.0]
    assert SCORED.target(row(-9.0)) == [0.0]
    assert LABELLED.target(row("yes")) == 1


@given(st.floats(0, math.pi))
def test_answer_of_texts_read_apart_is_their_cosine_on_the_scale(angle):
    answer = SCORED.answer(vectors(angle), PAIR)
    assert answer.score == pytest.approx(5 * math.cos(angle), abs=1e-5)
    np.testing.assert_allclose(np.linalg.norm(answer.vectors, axis=1), 1.0, atol=1e-6)


def test_answer_of_a_text_without_a_vector_is_the_low_end():
    assert SCORED.answer(np.zeros((2, 3)), PAIR).score == 0.0


@given(st.floats(-0.5, 0.5), st.floats(0.25, 4.0))
def test_fitted_line_gives_back_scores_that_lie_on_one(intercept, slope):
    angles = np.linspace(0.1, 3.0, 7)
    answers = [SCORED.answer(vectors(angle), PAIR) for angle in angles]
    shares = np.clip(intercept + slope * np.cos(angles), 0.0, 1.0)
    inside = (shares > 0) & (shares < 1)
    if inside.sum() < 2:
        return
    kept = [answer for answer, is_inside in zip(answers, inside, strict=True) if is_inside]
    examples = [row(float(5 * share)) for share in shares[inside]]
    task = SCORED.fitted_line(examples, kept)
    assert task.line == pytest.approx((intercept, slope), abs=1e-3)
    for angle, example in zip(angles[inside], examples, strict=True):
        assert task.answer(vectors(angle), PAIR).score == pytest.approx(example.gold, abs=1e-2)
    assert task_from_json(json.loads(json.dumps(task.to_json()))) == task


@pytest.mark.parametrize("scores", [(5.0, 0.0), (2.0, 2.0)])
def test_fitted_line_stays_where_cosines_do_not_rise_with_the_scores(scores):
    answers = [SCORED.answer(vectors(angle), PAIR) for angle in (2.0, 1.0)]
    assert SCORED.fitted_line([row(score) for score in scores], answers) == SCORED
    same = [answers[0], answers[0]]
    assert SCORED.fitted_line([row(0.0), row(5.0)], same) == SCORED


def test_answer_by_label_is_that_of_a_classification():
    answer = LABELLED.answer(np.array([0.0, 2.0]), PAIR)
    assert isinstance(answer, LabelAnswer)
    assert answer.label == "yes"
    assert answer.to_json(all_scores=True)["scores"].keys() == {"no", "yes"}


def test_answer_by_score_is_written_as_one_number():
    answer = ScoreAnswer(1.23456789, np.zeros((2, 3)))
    assert answer.to_json() == answer.to_json(all_scores=True) == {"score": 1.234568}
    assert SCORED.show_answer(answer) == "1.23"


def test_mark_of_scores_equals_scipy_and_lists_the_worst_first():
    gold = [0.0, 1.0, 4.0, 5.0, 2.0]
    given_scores = [0.5, 3.0, 3.9, 1.0, 2.0]
    examples = [row(score) for score in gold]
    answers = [ScoreAnswer(score) for score in given_scores]
    marked = TOGETHER.mark(examples, answers)
    assert marked.headline == ("spearman", "pearson")
    assert marked.measures["spearman"].value == pytest.approx(
        stats.spearmanr(gold, given_scores).statistic
    )
    assert marked.measures["pearson"].value == pytest.approx(
        stats.pearsonr(gold, given_scores).statistic
    )
    assert marked.measures["mean_absolute_error"].value == pytest.approx(6.6 / 5)
    assert marked.wrong == (3, 1)
    assert TOGETHER.selection_score(examples, answers) == marked.measures["spearman"].value


def test_mark_of_texts_read_apart_searches_each_match_among_all_second_texts():
    """Twelve matches on twelve axes; one of them points at its neighbour's text instead."""
    axes = np.eye(12)
    examples = [row(5.0, second=f"text {number}") for number in range(12)] + [row(0.0)]
    answers = [ScoreAnswer(5.0, np.stack([axis, axis])) for axis in axes]
    lost = axes[4] + 0.1 * axes[3]
    answers[3] = ScoreAnswer(1.0, np.stack([lost / np.linalg.norm(lost), axes[3]]))
    answers.append(ScoreAnswer(0.0, np.stack([axes[0], -axes[0]])))
    marked = SCORED.mark(examples, answers)
    assert marked.measures["recall_at_1"].value == pytest.approx(11 / 12)
    assert marked.measures["mrr"].value == pytest.approx(11.5 / 12)
    assert marked.measures["recall_at_10"].value == 1.0
    assert marked.measures["mrr"].count == 12


def test_mark_of_texts_read_apart_counts_an_equal_second_text_as_the_same_one():
    axes = np.eye(10)
    examples = [row(5.0, second=f"text {number // 2}") for number in range(20)]
    answers = [ScoreAnswer(5.0, np.stack([axes[n // 2], axes[n // 2]])) for n in range(20)]
    assert SCORED.mark(examples, answers).measures["recall_at_1"].value == 1.0


def test_mark_of_few_matches_measures_no_search():
    answer = ScoreAnswer(5.0, np.eye(2))
    assert "mrr" not in SCORED.mark([row(5.0)] * 9, [answer] * 9).measures
    assert "mrr" in SCORED.mark([row(5.0)] * 10, [answer] * 10).measures


def test_mark_of_labels_is_that_of_a_classification():
    answers = [LabelAnswer("yes", 0.9, {}), LabelAnswer("no", 0.6, {})]
    marked = LABELLED.mark([row("yes"), row("yes")], answers)
    assert marked.measures["accuracy"].value == 0.5
    assert marked.confusion.tolist() == [[0, 0], [1, 1]]


def test_strata_are_labels_or_fifths_of_the_scale():
    assert LABELLED.strata(row("yes")) == ("yes",)
    assert [SCORED.strata(row(score)) for score in (0.0, 2.6, 5.0)] == [
        ("fifth 0",),
        ("fifth 2",),
        ("fifth 4",),
    ]
    assert Matching().strata(row(1.0)) == SCORED.strata(row(None)) == ()


def test_ask_shows_both_texts_and_what_may_be_said():
    assert "A: a card\nB: the card" in LABELLED.ask(PAIR)
    assert "- no\n- yes" in LABELLED.ask(PAIR)
    assert "from 0 to 5" in SCORED.ask(PAIR)


@pytest.mark.parametrize(
    ("reply", "score"), [("4.5", 4.5), ("I say 3 of 5", 3.0), ("-1", -1.0), ("none", 0.0), ("", 0)]
)
def test_hear_takes_the_first_number_or_the_low_end(reply, score):
    assert SCORED.hear(reply, PAIR).score == score


def test_hear_takes_the_label_that_is_named():
    assert LABELLED.hear("yes, surely", PAIR).label == "yes"
    assert LABELLED.hear("perhaps", PAIR).label == ""


def test_inputs_and_gold_as_fields_are_read_back(read):
    for task, gold in ((LABELLED, "yes"), (SCORED, 2.5)):
        fields = {**task.input_fields(PAIR), **task.gold_fields(gold)}
        example = read(task, fields)
        assert (example.inputs, example.gold) == (PAIR, gold)


def test_inputs_of_a_json_object_follow_the_roles_whatever_the_columns():
    task = LABELLED.with_columns({"text_a": "premise"})
    assert task.inputs_of('{"text_a": "a card", "text_b": "the card"}') == PAIR


@pytest.mark.parametrize("text", ["a card", "[1]", '"x"', "{", "[" * 100_000, "", "3"])
def test_inputs_of_a_text_that_is_no_object_are_refused_with_a_row_to_fill_in(text):
    with pytest.raises(DataError, match="must be a JSON object with text_a, text_b") as caught:
        LABELLED.inputs_of(text)
    assert '{"text_a": "…", "text_b": "…"}' in caught.value.hint


def test_inputs_of_an_object_that_lacks_a_text_name_it():
    with pytest.raises(DataError, match="column `text_b` must be present"):
        LABELLED.inputs_of('{"text_a": "a"}')


def test_make_task_takes_how_pairs_are_read():
    assert make_task("matching", pairs="apart").head == "embed"
    assert make_task("classification", pairs="apart") == make_task("classification")
