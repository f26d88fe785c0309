"""Rows, answers and lengths."""

from dataclasses import replace

import pytest

from tunesmith.data.splits import Splits
from tunesmith.stages.check import check_splits
from tunesmith.tasks import make_task

WORDS = "one two three four five six seven eight nine ten"


def test_size_counts_the_rows_and_their_tokens(check):
    size = check().one("size")
    assert size.severity == "note"
    assert (size.figures["train"], size.figures["valid"], size.figures["test"]) == (108, 36, 36)
    assert 8 <= size.figures["median_tokens"] <= size.figures["max_tokens"] <= 14


def test_no_row_at_all_is_a_fault(check):
    found = check(train=[], valid=[], test=[])
    assert [(f.severity, f.name) for f in found.all] == [("fault", "no_rows")]


def test_no_train_row_is_a_fault(check):
    assert check(train=[]).one("no_train_rows").severity == "fault"


@pytest.mark.parametrize("kind", ["classification", "multilabel", "ner"])
def test_train_rows_without_any_answer_are_a_fault(check, kind):
    rows = [{"text": f"text number {row}"} for row in range(12)]
    finding = check(kind, train=rows, valid=rows[:1]).one("no_gold")
    assert finding.severity == "fault"
    assert "--column" in finding.message
    assert finding.places[0] == "train.csv:2"


def test_single_rows_without_an_answer_are_named(check, clean):
    finding = check(test=[*clean("test"), {"text": "No answer here."}]).one("rows_without_gold")
    assert finding.severity == "fault"
    assert finding.places == ("test.csv:38",)


def test_absent_test_rows_are_no_warning(check):
    assert check(test=[]).grave() == set()


def test_a_length_beyond_the_model_is_a_fault(check, reading):
    finding = check(reading=reading(max_length=1024)).one("max_length_above_context")
    assert finding.severity == "fault"
    assert "--set model.max_length=512" in finding.message
    assert not check(reading=reading(max_length=512)).named("max_length_above_context")


@pytest.mark.parametrize("kind", ["classification", "ner"])
def test_an_overlap_as_large_as_the_window_is_a_fault(check, reading, kind):
    rows = [("London is large", [] if kind == "ner" else "a")]
    if kind == "ner":
        rows[0][1].append({"start": 0, "end": 6, "type": "LOC"})
    found = check(kind, train=rows, reading=reading(max_length=32, stride=30))
    assert found.one("stride_above_window").severity == "fault"
    assert not check(reading=reading(max_length=32, stride=29)).named("stride_above_window")


def test_a_cut_is_counted_in_rows_and_tokens(check, clean, reading):
    rows = [*clean("train"), (f"{WORDS} " * 5, "repair")]
    cut = reading(max_length=32, long_text="truncate")
    finding = check(train=rows, reading=cut).one("truncation")
    assert finding.severity == "warning"
    assert finding.figures["long_rows"] == 1
    assert finding.figures["lost_tokens"] == 50 - (32 - 2)
    assert finding.places == ("train.csv:110",)
    assert "--set model.long_text=windows" in finding.message
    assert "--set model.max_length=64" in finding.message


def test_losing_most_tokens_is_a_fault(check, reading):
    rows = [(f"{WORDS} " * 12 + str(row), "ab"[row % 2]) for row in range(20)]
    cut = reading(max_length=32, long_text="truncate")
    finding = check(train=rows, valid=[], test=[], reading=cut).one("truncation")
    assert finding.severity == "fault"
    assert finding.figures["lost_share"] > 0.5


def test_windows_are_noted_where_rows_need_several(check, clean, reading):
    rows = [*clean("train"), (f"{WORDS} " * 5, "repair")]
    finding = check(train=rows, reading=reading(max_length=32, stride=8)).one("windows")
    assert (finding.severity, finding.figures["long_rows"]) == ("note", 1)
    assert not check(train=rows).named("windows")


def test_a_text_of_exactly_the_window_is_not_cut(check, reading):
    rows = [(f"{WORDS} {WORDS} {WORDS}", "a"), (f"{WORDS} {WORDS}", "b")]
    cut = reading(max_length=32, long_text="truncate")
    assert not check(train=rows, valid=[], test=[], reading=cut).named("truncation")
    rows[0] = (rows[0][0] + " one", "a")
    assert check(train=rows, valid=[], test=[], reading=cut).one("truncation")


def test_very_long_rows_are_noted(check, clean):
    finding = check(train=[*clean("train"), ("ab " * 7000, "repair")]).one("long_texts")
    assert (finding.severity, finding.figures["longest_characters"]) == ("note", 21_000)
    assert not check().named("long_texts")


def test_a_shorter_context_is_told_by_the_card(backbone, reading):
    small = replace(backbone, card=replace(backbone.card, context=64))
    task = make_task("classification")
    findings = check_splits(Splits(()), task, small, reading(max_length=128))
    assert "max_length_above_context" in {finding.name for finding in findings}
