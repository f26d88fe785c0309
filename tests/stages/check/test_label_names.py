"""Spellings of one label."""

import pytest

from tunesmith.stages.check.label_names import fold_label


@pytest.mark.parametrize("twin", ["Refund", "REFUND", "ｒｅｆｕｎｄ", "refund ", "-refund"])
def test_another_spelling_is_a_warning_that_names_both(check, clean, twin):
    rows = [(f"Please pay back order {row}", twin) for row in range(6)]
    finding = check(train=clean("train") + rows).one("label_twins")
    assert finding.severity == "warning"
    assert f"`refund` (60) = `{twin}` (6)" in finding.message
    assert finding.places[0] == "train.csv:110"


def test_gaps_are_alike_but_words_are_not():
    assert fold_label("card_arrival") == fold_label("Card  arrival") == fold_label("card-arrival")
    assert fold_label("cardarrival") != fold_label("card arrival")
    assert fold_label("order 1") != fold_label("order 2")


def test_white_space_around_a_label_is_a_warning(check, clean):
    rows = [(f"Where can I park car {row}?", "parking ") for row in range(6)]
    found = check(train=clean("train") + rows)
    assert "'parking ' (6)" in found.one("label_spaces").message
    assert not found.named("label_twins")


def test_entity_types_are_compared_too(check):
    rows = [
        {"tokens": ["Paris", str(row)], "tags": [f"B-{'LOC' if row % 2 else 'Loc'}", "O"]}
        for row in range(12)
    ]
    assert check("ner", train=rows).one("label_twins").figures["labels"] == 1
