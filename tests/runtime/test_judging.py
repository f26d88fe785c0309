"""What is said beside an answer: sets, abstaining, and what cannot be asked."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tunesmith.core.answers import ChoiceAnswer, EntitiesAnswer, LabelAnswer
from tunesmith.core.errors import SpecError
from tunesmith.core.examples import Example, Place, TextInput
from tunesmith.core.reliability import Demands
from tunesmith.measure.conformal import label_scores
from tunesmith.runtime.judging import Judge, make_judge, make_sets, split_strangers, warn_of_few
from tunesmith.runtime.outside import Outside
from tunesmith.runtime.reliability import HeldOut, Reliability
from tunesmith.tasks import TASKS
from tunesmith.tasks.classification import Classification

TASK = Classification(labels=("a", "b", "坏"))


def held_out(rows=99, *, right=0.7):
    """Return rows whose right label has probability `right`, the two others half the rest each."""
    rest = (1 - right) / 2
    ratios = np.tile([right, rest, rest], (rows, 1))
    gold = np.zeros(rows, dtype=np.int64)
    scores = [label_scores(ratios, name)[:, 0] for name in ("lac", "aps", "raps")]
    return HeldOut(np.full(rows, right), np.ones(rows), gold, *scores)


def reply(*ratios):
    scores = dict(zip(TASK.labels, ratios, strict=True))
    best = max(scores, key=scores.get)
    return LabelAnswer(best, scores[best], scores)


def judge(**wishes):
    return make_judge(Demands(**wishes), TASK, Reliability(held=held_out()))


def test_set_holds_the_labels_as_likely_as_the_right_ones_were():
    sure = judge(coverage=0.9)
    assert sure.fields(reply(0.1, 0.2, 0.7)) == {"label_set": ["坏"]}
    assert sure.fields(reply(0.3, 0.3, 0.4)) == {"label_set": ["坏"]}
    even = make_sets(held_out(right=0.3), 0.9, classes=3, each_class=False)
    assert even.quantile.tolist() == pytest.approx([0.7] * 3)
    told = Judge(even).fields(reply(0.32, 0.35, 0.33))
    assert told == {"label_set": ["b", "坏", "a"]}


def test_classes_without_rows_stand_in_every_set_and_are_counted():
    sets = make_sets(held_out(), 0.9, classes=3, each_class=True)
    assert sets.quantile[0] == pytest.approx(0.3)
    assert np.isinf(sets.quantile[1:]).all()
    assert sets.warnings[0].startswith("2 of 3 labels have fewer than the 9 validation rows")
    assert Judge(sets).fields(reply(0.1, 0.8, 0.1))["label_set"] == ["b", "坏"]


def test_confidence_below_the_least_is_marked_with_its_reason():
    strict = judge(abstain_below=0.5)
    assert strict.fields(reply(0.2, 0.3, 0.5)) == {"abstained": False}
    told = strict.fields(reply(0.3, 0.3, 0.4))
    assert told == {"abstained": True, "reason": "confidence 0.400 is below 0.500"}
    assert strict.fields(ChoiceAnswer(0, "x", 0.9, (0.9, 0.1))) == {"abstained": False}
    assert strict.fields(EntitiesAnswer((), ())) == {}


def test_nothing_asked_adds_nothing():
    assert judge().fields(reply(0.1, 0.2, 0.7)) == {}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (5, "needs 9 validation rows at least; there are 5, so every set holds all labels"),
        (60, "60 validation rows leave the coverage"),
    ],
)
def test_warning_names_what_is_missing(rows, said):
    (warning,) = warn_of_few(rows, 0.9)
    assert said in warning


def test_enough_rows_need_no_warning():
    assert warn_of_few(1000, 0.9) == ()


def test_promise_needs_rows_that_can_give_it():
    found = judge(abstain_at=0.9)
    assert found.promise.is_reached
    assert found.least == pytest.approx(0.7)
    with pytest.raises(SpecError, match="for 0.999 no threshold can. The best is 0.9"):
        judge(abstain_at=0.999)


@pytest.mark.parametrize("kind", ["multilabel", "ner", "qa", "translation"])
def test_tasks_without_labels_of_one_row_are_refused(kind):
    for wish in ({"coverage": 0.9}, {"abstain_below": 0.5}):
        with pytest.raises(SpecError, match=kind):
            make_judge(Demands(**wish), TASKS[kind](), Reliability())


def test_strangers_are_known_by_their_label_alone():
    golds = ["a", "away", "b"]
    rows = [Example(gold, TextInput(gold), gold, Place("rows", 1)) for gold in golds]
    known = Reliability(outside=Outside("energy", 0.0, "away"))
    inside, strangers = split_strangers(rows, known)
    assert [row.gold for row in inside] == ["a", "b"]
    assert [row.gold for row in strangers] == ["away"]
    assert split_strangers(rows, Reliability()) == (rows, ())
    assert split_strangers(rows, Reliability(outside=Outside("energy", 0.0))) == (rows, ())


def test_score_of_a_vector_is_none_without_one():
    known = Outside("energy", -1.0)
    assert known.score(np.zeros(2)) == pytest.approx(-math.log(2))
    from tunesmith.measure.outside import fit_distances

    far = Outside("mahalanobis", 1.0, None, fit_distances(np.eye(3), [0, 0, 1], classes=2))
    assert far.score(np.zeros(2)) is None
    assert far.score(np.zeros(2), np.ones(3)) > 0
    again = Outside.from_json(far.to_json(), far.to_arrays())
    assert again.score(np.zeros(2), np.ones(3)) == pytest.approx(
        far.score(np.zeros(2), np.ones(3)), rel=1e-4
    )
