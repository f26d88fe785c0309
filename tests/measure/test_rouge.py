"""ROUGE: examples of the paper, Chinese, bounds. A second way of counting is in `parity/`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.measure.intervals import bootstrap_intervals
from tunesmith.measure.rouge import (
    ngram_score,
    rouge_marks,
    rouge_statistics,
    rouge_tokens,
    subsequence_score,
)

texts = st.text(alphabet="ab c.我们很", max_size=14)
GUNMAN = "police killed the gunman"


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("...", []),
        ("The cat's 2nd_hat", ["the", "cat", "s", "2nd", "hat"]),
        ("naïve café", ["naïve", "café"]),
        ("我爱NLP2", ["我", "爱", "nlp2"]),
        ("カナ かな", ["カ", "ナ", "か", "な"]),
    ],
)
def test_tokens_are_words_or_characters_of_unspaced_scripts(text, tokens):
    assert rouge_tokens(text) == tokens


@pytest.mark.parametrize(
    ("predicted", "rouge_2", "rouge_l"),
    [("police kill the gunman", 1 / 3, 3 / 4), ("the gunman kill police", 1 / 3, 2 / 4)],
)
def test_example_of_the_paper_tells_order_apart_by_rouge_l(predicted, rouge_2, rouge_l):
    # Lin 2004, sec. 3.1: equal bigrams, different longest common subsequences.
    marks = rouge_marks([[GUNMAN]], [predicted])
    assert marks["rouge_2_f1"][0] == pytest.approx(rouge_2)
    assert marks["rouge_l_f1"][0] == pytest.approx(rouge_l)


def test_rouge_l_takes_one_of_two_equally_long_subsequences():
    # Lin 2004, sec. 3.1, S4: "the gunman" and "police killed" are not added up.
    assert subsequence_score(GUNMAN.split(), ["the", "gunman", "police", "killed"])[1] == 0.5


def test_a_repeated_word_counts_as_often_as_the_reference_has_it():
    precision, recall, f1 = ngram_score(["the", "cat"], ["the"] * 4, 1)
    assert (precision, recall, f1) == pytest.approx((1 / 4, 1 / 2, 2 / 6))


def test_chinese_is_scored_by_character():
    marks = rouge_marks([["今天天气很好。"]], ["今天的天气好"])
    assert marks["rouge_1_f1"][0] == pytest.approx(2 * 5 / 12)
    # 今天 and 天气 are in both; 天天, 气很, 很好 and 天的, 的天, 气好 are not.
    assert marks["rouge_2_f1"][0] == pytest.approx(2 * 2 / 10)
    assert marks["rouge_l_f1"][0] == pytest.approx(2 * 5 / 12)


def test_best_reference_is_chosen_for_each_variant_alone():
    marks = rouge_marks([["a b c d e f", "d c b a"]], ["a b c d"])
    assert marks["rouge_1_f1"][0] == 1.0
    assert marks["rouge_1_precision"][0] == marks["rouge_1_recall"][0] == 1.0
    assert marks["rouge_2_f1"][0] == pytest.approx(2 * 3 / 8)
    assert marks["rouge_2_recall"][0] == pytest.approx(3 / 5)


@given(texts, texts)
def test_scores_are_bounded_and_swap_with_their_sides(one, other):
    marks = rouge_marks([[one]], [other])
    swapped = rouge_marks([[other]], [one])
    for variant in ("rouge_1", "rouge_2", "rouge_l"):
        assert 0.0 <= marks[f"{variant}_f1"][0] <= 1.0
        assert marks[f"{variant}_f1"][0] == pytest.approx(swapped[f"{variant}_f1"][0])
        assert marks[f"{variant}_recall"][0] == pytest.approx(swapped[f"{variant}_precision"][0])
    assert marks["rouge_l_f1"][0] <= marks["rouge_1_f1"][0] + 1e-12


@given(texts)
def test_a_text_repeats_itself(text):
    marks = rouge_marks([[text]], [text])
    tokens = len(rouge_tokens(text))
    assert marks["rouge_1_f1"][0] == marks["rouge_l_f1"][0] == float(tokens > 0)
    assert marks["rouge_2_f1"][0] == float(tokens > 1)


def test_empty_summary_scores_zero():
    assert {float(values[0]) for values in rouge_marks([["a b"]], [""]).values()} == {0.0}


def test_statistics_are_means_with_intervals():
    references, predicted = [["a b"], ["c d"], ["e f"]] * 20, ["a b", "c x", "y z"] * 20
    statistics = rouge_statistics(references, predicted)
    assert statistics(np.ones(60))["rouge_1_f1"] == pytest.approx(0.5)
    low, high = bootstrap_intervals(statistics, 60)["rouge_1_f1"]
    assert 0.3 < low < 0.5 < high < 0.7
    assert set(rouge_statistics([], [])(np.ones(0)).values()) == {0.0}


def test_rows_without_reference_are_named():
    with pytest.raises(ValueError, match="row 1 has none"):
        rouge_marks([["a"], []], ["a", "b"])
    with pytest.raises(ValueError, match="equally many rows; got 1 and 2"):
        rouge_marks([["a"]], ["a", "b"])
