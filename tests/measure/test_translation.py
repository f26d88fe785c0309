"""Translations: the choice of tokenizer, resampling, edges. sacreBLEU itself is in `parity/`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.measure.intervals import bootstrap_intervals
from tunesmith.measure.translation import translation_counts, translation_statistics

sentences = st.lists(st.sampled_from(["a", "dog", "runs", "fast", "."]), max_size=7).map(" ".join)
rows_of_texts = st.lists(
    st.tuples(st.lists(sentences, min_size=1, max_size=2), sentences), max_size=6
)


def scores(references, predicted, **settings):
    """Return the plain values of all rows."""
    counts = translation_counts(references, predicted, **settings)
    return translation_statistics(counts)(np.ones(len(predicted), dtype=np.int64))


def test_bleu_by_hand():
    # Of 6, 5, 4, 3 n-grams 5, 3, 1, 0 match; the last is smoothed to half of one; no brevity.
    counts = translation_counts([["the cat sat on the mat"]], ["the cat is on the mat"])
    assert counts.bleu.tolist() == [[6, 6, 5, 3, 1, 0, 6, 5, 4, 3]]
    expected = 100 * (5 / 6 * 3 / 5 * 1 / 4 * (1 / 2) / 3) ** (1 / 4)
    assert translation_statistics(counts)(np.ones(1))["bleu"] == pytest.approx(expected)


def test_chrf_by_hand():
    # ab c against abd: of 3, 2, 1 n-grams 2, 1, 0 match in both; orders 4 to 6 do not occur.
    counts = translation_counts([["abd"]], ["ab c"])
    assert counts.chrf[0].tolist() == [[3, 3, 2], [2, 2, 1], [1, 1, 0], *[[0, 0, 0]] * 3]
    expected = 100 * (2 / 3 + 1 / 2 + 0) / 3
    assert translation_statistics(counts)(np.ones(1))["chrf"] == pytest.approx(expected)


def test_short_translations_pay_for_brevity():
    long = ["one two three four five six seven eight"]
    assert scores([long], ["one two three four five"])["bleu"] == pytest.approx(
        100 * np.exp(1 - 8 / 5)
    )


@pytest.mark.parametrize(
    ("reference", "tokenizer"),
    [
        ("一只狗在草地上跑。", "zh"),
        ("他用 PyTorch 训练模型", "zh"),
        ("Ein Hund läuft.", "13a"),
        ("Chairman Mao (毛) spoke at length in the capital.", "13a"),
        ("", "13a"),
    ],
)
def test_tokenizer_is_chosen_by_the_references(reference, tokenizer):
    counts = translation_counts([[reference]], ["anything"])
    assert f"tok:{tokenizer}|" in counts.bleu_signature


def test_tokenizer_can_be_given():
    counts = translation_counts([["一只狗"]], ["一只猫"], tokenize="char")
    assert "tok:char|" in counts.bleu_signature
    with pytest.raises(ValueError, match="tokenize must be one of .*13a.*; got 'latin'"):
        translation_counts([["a"]], ["a"], tokenize="latin")


def test_signatures_say_how_many_references_there_are():
    one = translation_counts([["a"], ["b"]], ["a", "b"])
    two = translation_counts([["a", "b"], ["b", "c"]], ["a", "b"])
    several = translation_counts([["a", "b"], ["b"]], ["a", "b"])
    assert [counts.bleu_signature.split("|")[0] for counts in (one, two, several)] == [
        "nrefs:1",
        "nrefs:2",
        "nrefs:var",
    ]
    assert two.chrf_signature.startswith("nrefs:2|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")


@given(rows_of_texts, st.data())
def test_weights_equal_repeated_rows(rows, data):
    references, predicted = [row[0] for row in rows], [row[1] for row in rows]
    weights = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows))),
        dtype=np.int64,
    )
    again = [row for row, times in zip(rows, weights, strict=True) for _ in range(times)]
    weighted = translation_statistics(translation_counts(references, predicted))(weights)
    assert weighted == pytest.approx(scores([row[0] for row in again], [row[1] for row in again]))
    assert all(0.0 <= value <= 100.0 + 1e-9 for value in weighted.values())


def test_interval_holds_the_score():
    references = [["a dog runs fast ."], ["the cat sleeps ."], ["two men talk ."]] * 20
    predicted = ["a dog runs fast .", "the cat sleeps here .", "women are silent ."] * 20
    counts = translation_counts(references, predicted)
    statistics = translation_statistics(counts)
    low, high = bootstrap_intervals(statistics, 60, replicates=200)["bleu"]
    assert low < statistics(np.ones(60))["bleu"] < high


def test_nothing_to_translate_and_nothing_translated_are_zero():
    assert scores([], []) == {"bleu": 0.0, "chrf": 0.0}
    assert scores([["a dog"]], [""]) == {"bleu": 0.0, "chrf": 0.0}
    assert scores([[""]], ["a dog"]) == {"bleu": 0.0, "chrf": 0.0}


def test_rows_without_reference_are_named():
    with pytest.raises(ValueError, match="row 1 has none"):
        translation_counts([["a"], []], ["a", "b"])
    with pytest.raises(ValueError, match="equally many rows; got 1 and 2"):
        translation_counts([["a"]], ["a", "b"])
