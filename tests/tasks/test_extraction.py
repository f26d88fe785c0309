"""Extraction: what is seen of sentences, how they are chosen, and the best that could be."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.examples import SentencesInput
from tunesmith.tasks.extraction import (
    CENTROID_WEIGHTS,
    FEATURES,
    best_sentences,
    rank_sentences,
    sentence_features,
)
from tunesmith.tasks.sentences import split_sentences

TALK = "#A#: Where is my card 12?\n#B#: It is lost. We are so very sorry about it.\n#A#: No."


def document(text: str) -> SentencesInput:
    return SentencesInput(text, split_sentences(text))


def features(text: str) -> dict[str, list[float]]:
    item = document(text)
    seen = np.arange(3.0 * len(item.sentences)).reshape(-1, 3)
    table = sentence_features(item, seen)
    assert table.shape == (len(item.sentences), len(FEATURES))
    return dict(zip(FEATURES, table.T.tolist(), strict=True))


def test_features_of_a_dialogue_by_hand():
    found = features(TALK)
    assert found["log_words"] == pytest.approx(np.log1p([5, 3, 7, 1]).tolist())
    assert found["is_short"] == [0, 1, 0, 1]
    assert found["line_1"] == [0, 1, 1, 0]
    assert found["begins_line"] == [1, 1, 0, 1]
    assert found["in_last_lines"] == [0, 1, 1, 1]
    assert found["asks"] == [1, 0, 0, 0]
    assert found["has_number"] == [1, 0, 0, 0]
    assert found["likeness_to_all"] == [1, 4, 7, 10]
    assert found["likeness_to_first"] == [2, 5, 8, 11]
    assert found["repeated_words"] == pytest.approx([0.1, 0.2, 0.1, 0.0])


def test_number_in_the_name_of_a_speaker_is_none():
    assert features("#Person1#: Yes.\n#Person2#: No.")["has_number"] == [0, 0]


def test_features_of_an_empty_document_are_finite():
    assert np.isfinite(list(features("").values())).all()
    assert len(CENTROID_WEIGHTS) == len(FEATURES)


def test_ranking_takes_the_most_salient_and_of_equals_the_first():
    item = document("One. Two. Three. Four.")
    salience = np.array([0.1, 0.9, 0.5, 0.9])
    assert rank_sentences(item, salience, most=3, redundancy=0.0) == [1, 3, 2]
    assert rank_sentences(item, salience, most=9, redundancy=0.0) == [1, 3, 2, 0]


def test_ranking_passes_over_what_is_said_already():
    item = document("The card is lost. The card is lost! A new one comes.")
    salience = np.array([0.9, 0.8, 0.7])
    assert rank_sentences(item, salience, most=2, redundancy=0.0) == [0, 1]
    assert rank_sentences(item, salience, most=2, redundancy=0.3) == [0, 2]


def test_ranking_repeats_chinese_characters_too():
    item = document("卡丢了。卡丢了！新卡明天到。")
    assert rank_sentences(item, np.array([0.9, 0.8, 0.7]), most=2, redundancy=0.5) == [0, 2]


def test_best_sentences_are_those_that_the_reference_repeats():
    item = document("It rains. Ann lost her card. She is sad. The bank sends a new card.")
    assert best_sentences(item, ["Ann lost her card, the bank sends a new one."]) == [1, 3]
    assert best_sentences(item, ["xyz"]) == []


def test_best_sentences_stop_where_another_one_would_not_help():
    item = document("A b c. D e f. G h i.")
    assert best_sentences(item, ["a b c"]) == [0]
