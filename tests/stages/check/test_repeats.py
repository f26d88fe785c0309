"""Duplicates, leaks and contradictions."""

import pytest


def test_repeats_in_a_split_are_noted_and_many_are_a_warning(check, clean):
    rows = clean("train")
    few = check(train=rows + rows[:2]).one("duplicates")
    assert (few.severity, few.figures["repeats"]) == ("note", 2)
    assert few.places == ("train.csv:2", "train.csv:110", "train.csv:3", "train.csv:111")
    many = check(train=rows + rows[:20]).one("duplicates")
    assert (many.severity, many.figures["repeats"]) == ("warning", 20)
    assert not check().named("duplicates")


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda text: f"  {text.replace(' ', '   ')}\n",
        lambda text: text.replace(".", "．"),
    ],
)
def test_case_width_and_white_space_make_no_difference(check, clean, change):
    text, label = clean("train")[0]
    finding = check(test=[*clean("test"), (change(text), label)]).one("leak")
    assert finding.places == ("test.csv:38", "train.csv:2")


def test_leaks_count_the_held_out_rows(check, clean):
    rows = clean("train")
    finding = check(test=clean("test") + rows[:3]).one("leak")
    assert finding.severity == "warning"
    assert finding.figures == {"split": "test", "known": "train", "rows": 39, "leaked": 3}
    assert "3 of 39 test rows" in finding.message


def test_each_pair_of_splits_is_told_apart(check, clean):
    found = check(valid=clean("valid") + clean("train")[:1] + clean("test")[:2])
    pairs = {
        (f.figures["split"], f.figures["known"]): f.figures["leaked"] for f in found.named("leak")
    }
    assert pairs == {("valid", "train"): 1, ("test", "valid"): 2}


def test_contradictions_in_train_show_both_answers(check, clean):
    (text, label), *_ = rows = clean("train")
    found = check(train=[*rows, (text, label), (text.upper(), "repair")])
    finding = found.one("conflicts")
    assert finding.severity == "warning"
    assert finding.figures == {"split": "train", "texts": 1, "rows": 3}
    assert finding.places == ("train.csv:2", "train.csv:111", "train.csv:110")
    assert f"`{label}` in train.csv:2 and `repair` in train.csv:111" in finding.message
    assert not found.named("conflicts_across_splits")


def test_contradictions_between_splits_need_no_agreeing_train_row(check, clean):
    (text, label), *_ = rows = clean("train")
    found = check(train=[*rows, (text, "repair")], test=[*clean("test"), (text, label)])
    assert not found.named("conflicts_across_splits")
    assert check(test=[*clean("test"), (text, "repair")]).one("conflicts_across_splits")


def test_labels_in_another_order_agree(check):
    rows = [("one text", ["a", "b"]), ("one text", ["b", "a"]), ("another", ["a"])]
    assert not check("multilabel", train=rows).named("conflicts")
    rows.append(("one text", ["a"]))
    assert check("multilabel", train=rows).one("conflicts").figures["rows"] == 3


def test_entities_are_compared_without_white_space(check):
    def row(text, name):
        start = text.index(name)
        return (text, [{"start": start, "end": start + len(name), "type": "LOC"}])

    rows = [row("We saw London and  Paris", "Paris"), row("We  saw London and Paris", "Paris")]
    assert not check("ner", train=rows).named("conflicts")
    rows.append(row("We saw London and Paris", "London"))
    finding = check("ner", train=rows).one("conflicts")
    assert "`Paris (LOC)` in train.csv:2 and `London (LOC)` in train.csv:4" in finding.message


def test_empty_texts_are_not_called_duplicates(check, clean):
    found = check(train=[*clean("train"), ("", "repair"), (" ", "refund")])
    assert not found.named("duplicates")
    assert not found.named("conflicts")
