"""What counts as the same answer of an export, for each kind of answer."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.errors import GateError
from tunesmith.core.examples import ChoiceInput, PairInput, QuestionInput
from tunesmith.stages.export.parity import Pair, compare, require_parity
from tunesmith.tasks.choice import Choice
from tunesmith.tasks.matching import Matching
from tunesmith.tasks.qa import Qa

PAIR = PairInput("a card", "the card")
CHOICES = ChoiceInput("", "which?", ("late", "lost"))
QUESTION = QuestionInput("which?", "my card is lost")


def pair(task, item, ours, theirs) -> Pair:
    """Return the outputs of two engines for one input, with the answers that the task reads off."""
    scores = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    return Pair(scores, (task.answer(scores[0], item), task.answer(scores[1], item)))


def logit(share: float) -> list[float]:
    return [float(np.log(share / (1 - share)))]


@pytest.mark.parametrize(("moved", "agreement"), [(0.0, 1.0), (0.049, 1.0), (0.051, 0.0)])
def test_score_is_the_same_within_a_twentieth_of_its_scale(moved, agreement):
    task = Matching(scale=(0.0, 5.0), pairs="together")
    found = compare(task, [pair(task, PAIR, logit(0.5), logit(0.5 + moved))])
    assert (found.decisions, found.agreement) == (1, agreement)
    assert found.largest_difference == pytest.approx(moved)


def test_vectors_of_texts_read_apart_are_held_to_each_other_beside_their_score():
    """Both turned alike: the cosine stays, and a search among vectors kept would go wrong."""
    task = Matching(scale=(0.0, 1.0))
    found = compare(task, [pair(task, PAIR, [[1.0, 0.0], [0.0, 1.0]], [[0.8, 0.6], [-0.6, 0.8]])])
    assert found.agreement == 1.0
    assert found.largest_difference == pytest.approx(0.6, abs=1e-6)


def test_choice_is_compared_by_its_index_and_probabilities():
    task = Choice()
    pairs = [
        pair(task, CHOICES, [[0.0], [1.0]], [[0.0], [1.0 + 1e-5]]),
        pair(task, CHOICES, [[0.0], [1.0]], [[1.0], [0.0]]),
    ]
    near, far = (compare(task, [each]) for each in pairs)
    assert (near.agreement, far.agreement) == (1.0, 0.0)
    assert 0.0 < near.largest_difference < 1e-5
    assert far.largest_difference == pytest.approx(np.tanh(0.5))


def test_stretches_are_compared_where_both_engines_found_them():
    task = Qa(labels=("answered",))
    ours = [[-1, -1, 9.0], [3, 7, 4.0], [0, 2, 2.0], [11, 15, 1.0]]
    theirs = [[-1, -1, 0.0], [3, 7, 4.0], [0, 2, 2.0], [8, 10, 1.0]]
    found = compare(task, [pair(task, QUESTION, ours, theirs)])
    assert (found.agreement, found.largest_difference) == (1.0, 0.0)


def test_no_answer_counts_where_it_may_be_one():
    task = Qa(labels=("answered", "unanswerable"))
    ours, theirs = [[-1, -1, 9.0], [3, 7, 4.0]], [[-1, -1, 0.0], [3, 7, 4.0]]
    found = compare(task, [pair(task, QUESTION, ours, theirs)])
    assert found.agreement == 0.0
    assert found.largest_difference > 0.9


def test_stretches_without_one_in_common_are_as_far_as_can_be():
    task = Qa(labels=("answered",))
    ours, theirs = [[-1, -1, 0.0], [3, 7, 4.0]], [[-1, -1, 0.0], [0, 2, 4.0]]
    assert compare(task, [pair(task, QUESTION, ours, theirs)]).largest_difference == 1.0


def test_output_that_is_no_number_passes_no_gate():
    task = Matching(scale=(0.0, 5.0), pairs="together")
    broken = pair(task, PAIR, [0.0], [float("nan")])
    whole = pair(task, PAIR, [0.0], [0.0])
    for pairs in ([broken, whole], [whole, broken]):
        found = compare(task, pairs)
        for precision in ("fp32", "int8"):
            with pytest.raises(GateError):
                require_parity(found, precision=precision)
