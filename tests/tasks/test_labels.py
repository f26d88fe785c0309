"""Label names in a text reply, in order, and the probabilities over them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.special import softmax as reference_softmax

from tunesmith.tasks.labels import find_label, sigmoid, softmax, sort_labels

NAMES = st.text(st.sampled_from("abAB0129_ 我"), min_size=1, max_size=6)
LOGITS = st.lists(st.floats(-500, 500), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("labels", "ordered"),
    [
        (["10", "9", "2", "1"], ("1", "2", "9", "10")),
        (["v10.2", "v9.10", "v9.9"], ("v9.9", "v9.10", "v10.2")),
        (["b", "a", "B"], ("B", "a", "b")),
        (["x2", "x", "x10"], ("x", "x2", "x10")),
        (["退款", "物流"], ("物流", "退款")),
        (["01", "1", "001"], ("001", "01", "1")),
        ([], ()),
    ],
)
def test_sort_labels_counts_digits_as_numbers(labels, ordered):
    assert sort_labels(labels) == ordered


@given(st.sets(NAMES), st.randoms())
def test_sort_labels_order_does_not_depend_on_how_they_came(labels, random):
    shuffled = sorted(labels)
    random.shuffle(shuffled)
    assert sort_labels(shuffled) == sort_labels(labels)
    assert set(sort_labels(labels)) == labels


@given(LOGITS)
def test_softmax_equals_the_reference_and_sums_to_one(logits):
    ours = softmax(np.array(logits, dtype=np.float32))
    np.testing.assert_allclose(
        ours, reference_softmax(np.float32(logits).astype(float)), atol=1e-12
    )
    assert ours.sum() == pytest.approx(1.0)
    assert ours.dtype == np.float64


@given(LOGITS)
def test_sigmoid_equals_the_reference(logits):
    np.testing.assert_allclose(sigmoid(np.array(logits)), expit(np.array(logits)), atol=1e-12)


def test_softmax_and_sigmoid_of_huge_logits_stay_finite():
    assert softmax(np.array([[1e30, -1e30]])).tolist() == [[1.0, 0.0]]
    assert sigmoid(np.array([1e30, -1e30])).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("reply", "labels", "found"),
    [
        ("positive", ["negative", "positive"], "positive"),
        ("  Positive.\n", ["negative", "positive"], "positive"),
        ("It is POSITIVE, not negative.", ["negative", "positive"], "positive"),
        ("Label: card_lost", ["card", "card_lost"], "card_lost"),
        ("card lost", ["card", "card_lost"], "card"),
        ("12", ["1", "2", "12"], "12"),
        ("The answer is 12.", ["1", "2"], None),
        ("unknown", ["no", "know"], None),
        ("start", ["art"], None),
        ("I can tell; art.", ["art"], "art"),
        ("是正面的。", ["负面", "正面"], "正面"),
        ("C++!", ["C", "C++"], "C++"),
        ("STRASSE", ["straße"], "straße"),
        ("", ["a"], None),
        ("neither", ["a", "b"], None),
        ("a", [], None),
    ],
)
def test_find_label_takes_the_first_label_named_in_whole_words(reply, labels, found):
    assert find_label(reply, labels) == found


@given(st.sets(NAMES.filter(lambda name: name.strip() == name and name), min_size=1))
def test_find_label_finds_every_label_said_alone(names):
    folded = {name.casefold(): name for name in names}
    for name in folded.values():
        assert find_label(name, list(folded.values())) == name
