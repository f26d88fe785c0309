"""What rows ask, and what vectors of known worth are estimated to tell."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.errors import DataError
from tunesmith.core.examples import Example, PairInput, Place, Span, TextInput, WordsInput
from tunesmith.stages.zoo.estimates import draw_halves, estimate
from tunesmith.stages.zoo.questions import ask
from tunesmith.tasks import make_task

PLACE = Place("rows.jsonl", 1)


def labelled(count: int, classes: int = 3) -> list[Example]:
    return [
        Example(str(n), TextInput(f"text {n}"), "abc"[n % classes], PLACE) for n in range(count)
    ]


def question_of(examples, kind="classification"):
    task = make_task(kind, columns={}, pairs="auto").with_labels_of(examples)
    return ask(examples, task, seed=0)


def test_labels_become_columns_of_classes():
    question = question_of(labelled(6))
    assert question.labels.tolist() == [0, 1, 2] * 2
    assert question.targets.sum(axis=0).tolist() == [2, 2, 2]


def test_one_class_is_refused_and_named():
    with pytest.raises(DataError, match=r"at least two different answers.*\(a\)"):
        question_of(labelled(6, classes=1))


def test_words_of_entities_and_some_others_are_asked_about():
    text = "Ada met Bob in York today again and again and again"
    words, at = [], 0
    for word in text.split():
        words.append((at, at + len(word)))
        at += len(word) + 1
    gold = (Span(0, 3, "PER"), Span(8, 11, "PER"), Span(15, 19, "LOC"))
    rows = [Example(str(n), WordsInput(text, tuple(words)), gold, PLACE) for n in range(4)]
    question = question_of(rows, "ner")
    counts = np.bincount(question.labels)
    assert counts.tolist() == [24, 4, 8]
    inside = question.labels > 0
    assert sorted(set(question.words[inside].tolist())) == [0, 2, 4]
    right = np.eye(3)[question.labels]
    everything = np.ones(len(right), dtype=bool)
    assert question.agreement(right, everything) == 1.0
    nothing = np.eye(3)[np.zeros(len(right), dtype=int)]
    assert question.agreement(nothing, everything) == 0.0


def test_scores_are_kept_and_cut_into_fifths():
    rows = [Example(str(n), PairInput("a", f"b {n}"), float(n), PLACE) for n in range(10)]
    question = question_of(rows, "matching")
    assert question.has_scores
    assert question.targets[:, 0] == pytest.approx(np.arange(10) / 9)
    assert np.bincount(question.labels).tolist() == [2] * 5
    falling = -question.targets
    assert question.agreement(falling, np.ones(10, dtype=bool)) == 0.0


def test_better_vectors_have_the_better_score_in_every_estimate():
    examples = labelled(150)
    question, halves = question_of(examples), draw_halves(150, seed=0)
    random = np.random.default_rng(0)
    noise = random.normal(size=(150, 12))
    known = np.hstack([noise, 2.0 * question.targets + 0.3 * random.normal(size=(150, 3))])
    good, bad = (estimate(vectors, question, halves) for vectors in (known, noise))
    assert set(good.shares) == {"logme", "h_score", "neighbours", "probe"}
    assert all(good.shares[name] > bad.shares[name] + 0.2 for name in good.shares)
    assert good.score == pytest.approx(np.mean(list(good.shares.values())))
    assert good.on_halves.shape == (len(halves), 4)
    assert abs(good.scores_on_halves.mean() - good.score) < 0.1
    again = estimate(known, question, draw_halves(150, seed=0))
    assert (again.shares, again.logme) == (good.shares, good.logme)


def test_cosines_of_pairs_are_an_estimate_of_their_own():
    rows = [Example(str(n), PairInput("a", f"b {n}"), float(n % 7), PLACE) for n in range(60)]
    question, halves = question_of(rows, "matching"), draw_halves(60, seed=0)
    vectors = np.random.default_rng(0).normal(size=(60, 4))
    found = estimate(vectors, question, halves, cosines=question.targets[:, 0])
    assert found.shares["cosine"] == pytest.approx(1.0)


def test_halves_are_halves_and_the_same_for_the_same_seed():
    halves = draw_halves(11, seed=3)
    assert set(halves.sum(axis=1).tolist()) == {5}
    assert (halves == draw_halves(11, seed=3)).all()
    assert (halves != draw_halves(11, seed=4)).any()
