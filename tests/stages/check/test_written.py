"""Targets that are the source, columns that look swapped, and sources beyond the window."""

from __future__ import annotations

import pytest

ENGLISH = "The train to place {} leaves at noon and we wait for it."
GERMAN = "Der Zug nach Ort {} fährt um zwölf und wir warten auf ihn."


def rows(first: int, count: int, source: str = ENGLISH, target: str = GERMAN) -> list[dict]:
    return [
        {"source": source.format(number), "target": target.format(number)}
        for number in range(first, first + count)
    ]


@pytest.fixture
def written(reading):
    return reading(writing="seq2seq", stride=0)


def test_good_translations_pass_without_a_word_on_labels(check, written):
    found = check("translation", train=rows(0, 40), valid=rows(40, 10), reading=written)
    assert found.grave() == set()
    assert not found.named("classes")


@pytest.mark.parametrize(("bad", "severity"), [(5, "warning"), (30, "fault")])
def test_target_that_is_the_source_is_found(check, written, bad, severity):
    copies = rows(50, bad, target=ENGLISH.upper())
    train = rows(0, 35 - bad) + copies
    found = check("translation", train=train, valid=rows(90, 10), reading=written)
    finding = found.one("target_is_source")
    assert (finding.severity, finding.figures["rows"]) == (severity, bad)
    assert "--column target=NAME" in finding.message


def test_held_rows_whose_columns_are_swapped_are_found(check, written):
    held = rows(40, 10, source=GERMAN, target=ENGLISH)
    found = check("translation", train=rows(0, 40), valid=held, reading=written)
    assert found.one("columns_swapped").figures["rows"] == 10


def test_rows_without_target_are_a_fault(check, written):
    found = check("translation", train=[*rows(0, 30), {"source": "x"}], reading=written)
    assert found.one("rows_without_gold").severity == "fault"


def test_one_source_with_two_targets_is_no_contradiction(check, written):
    twice = [*rows(0, 40), *rows(0, 1, target="Der Zug {} fährt mittags.")]
    found = check("translation", train=twice, valid=rows(40, 10), reading=written)
    assert not found.named("conflicts")


@pytest.mark.parametrize(
    ("long_text", "name", "said"),
    [
        ("windows", "windows", "in stretches, each with a text of its own"),
        ("truncate", "truncation", "are never read"),
    ],
)
@pytest.mark.parametrize("side", ["source", "target"])
def test_text_beyond_the_window_is_said(check, reading, side, long_text, name, said):
    train = [*rows(0, 40), *rows(50, 1, **{side: "one two {0} " * 40})]
    cut = reading(writing="seq2seq", stride=0, max_length=60, long_text=long_text)
    finding = check("translation", train=train, valid=rows(60, 10), reading=cut).one(name)
    assert finding.figures["long_rows"] == 1
    assert said in finding.message


def test_what_is_written_behind_a_source_takes_room_in_its_window(check, reading):
    whole = {"writing": "causal", "stride": 0, "room_to_write": 8}
    for max_length, expected in ((60, 0), (30, 1)):
        cut = reading(max_length=max_length, **whole)
        found = check("translation", train=rows(0, 40), valid=rows(60, 10), reading=cut)
        assert len(found.named("windows")) == expected
