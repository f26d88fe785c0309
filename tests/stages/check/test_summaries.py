"""Summaries that are the document, or longer than it, and equal documents summarised twice."""

from __future__ import annotations

import pytest

DOCUMENT = "Order {} is late. The card came on Monday. We paid for it twice."
SUMMARY = "Order {} is late and was paid twice."


def rows(first: int, count: int, **changes: str) -> list[dict]:
    fields = {"document": DOCUMENT, "summary": SUMMARY} | changes
    return [
        {role: text.format(number) for role, text in fields.items()}
        for number in range(first, first + count)
    ]


def test_good_summaries_pass_without_a_word_on_labels(check):
    found = check("summarization", train=rows(0, 40), valid=rows(40, 10))
    assert found.grave() == set()


@pytest.mark.parametrize(("bad", "severity"), [(5, "warning"), (30, "fault")])
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("summary_is_document", {"summary": DOCUMENT.upper()}),
        ("summary_above_document", {"document": SUMMARY, "summary": DOCUMENT}),
    ],
)
def test_summary_that_leaves_nothing_out_is_found(check, bad, severity, name, changes):
    train = rows(0, 35 - bad) + rows(50, bad, **changes)
    finding = check("summarization", train=train, valid=rows(40, 10)).one(name)
    assert (finding.severity, finding.figures["rows"]) == (severity, bad)
    assert "--column summary=NAME" in finding.message


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("summary_is_document", {"summary": DOCUMENT.upper()}),
        ("summary_above_document", {"document": SUMMARY, "summary": DOCUMENT}),
    ],
)
def test_summaries_that_are_written_are_judged_alike_and_once(check, reading, name, changes):
    read = {"method": "full", "reading": reading(writing="seq2seq", stride=0)}
    train = [*rows(0, 5), *rows(50, 30, **changes)]
    found = check("summarization", train=train, valid=rows(40, 10), **read)
    assert found.grave() == {name}
    twice = [*rows(0, 40), *rows(0, 1, summary="Late, and paid twice.")]
    assert not check("summarization", train=twice, valid=rows(40, 10), **read).named("conflicts")


def test_rows_without_summary_are_a_fault(check):
    found = check("summarization", train=[*rows(0, 30), {"document": "x", "summary": ""}])
    assert found.one("rows_without_gold").severity == "fault"


def test_one_document_summarised_twice_is_no_contradiction(check):
    twice = [*rows(0, 40), *rows(0, 1, summary="Late, and paid twice.")]
    assert not check("summarization", train=twice, valid=rows(40, 10)).named("conflicts")
