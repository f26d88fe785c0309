"""JSON Lines and lists of objects: what is read, and what hostile or broken files are told."""

from __future__ import annotations

import json

import pytest

from tunesmith.data.formats import read_rows


def values(source, **options):
    return [row.values for row in read_rows(source, **options)]


def test_json_lines_with_blank_lines_keep_their_numbers(write):
    rows = list(read_rows(write("a.jsonl", '\n{"text": "a"}\n\n{"text": "b"}')))
    assert [(row.values["text"], row.line) for row in rows] == [("a", 2), ("b", 4)]


def test_json_line_with_a_raw_line_separator_is_one_row(write):
    assert values(write("a.ndjson", '{"text": "a\u2028b\x85c"}\n')) == [{"text": "a\u2028b\x85c"}]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("{'text': 1}", "Expecting property name"),
        ('{"text": "a"', "Expecting ','"),
        ('{"text": "a"} {"text": "b"}', "Extra data"),
        ("[1, 2]", "a list"),
        ('"text"', "a text"),
        ("12", "a number"),
        ("null", "null"),
        ('{"a": NaN}', "NaN, which is not JSON"),
        ('{"a": -Infinity}', "-Infinity, which is not JSON"),
        ('{"a": 1e999}', "1e999, which is too large"),
        ('{"a": ' + "9" * 5000 + "}", "a number of 5,000 digits"),
        ("[" * 100_000, "deeper nesting than 100 levels"),
        ('{"a":' * 100_000, "deeper nesting than 100 levels"),
        ('{"a": ' + "[" * 150 + "]" * 150 + "}", "deeper nesting than 100 levels"),
        (r'{"a": "\ud83d"}', r"\ud83d without its partner"),
    ],
)
def test_json_line_that_is_no_object_is_reported_by_number(write, refusal, line, found):
    path = write("a.jsonl", f'{{"text": "a"}}\n{line}\n{{"text": "b"}}\n')
    rows, error = refusal(path)
    assert [row["text"] for row in rows] == ["a", "b"]
    assert len(error.problems) == 1
    assert error.problems[0].where == f"{path}:2"
    assert found in error.problems[0].found
    assert len(error.problems[0].found) < 150


def test_json_line_with_a_whole_pair_of_surrogates_is_read(write):
    assert values(write("a.jsonl", r'{"text": "\ud83d\ude00"}')) == [{"text": "😀"}]


def test_json_line_with_many_brackets_side_by_side_is_not_deep(write):
    row = {"tags": [[1]] * 500}
    assert values(write("a.jsonl", json.dumps(row))) == [row]


def test_json_line_above_the_limit_is_refused_and_the_next_is_read(write, refusal, monkeypatch):
    monkeypatch.setattr("tunesmith.data.lines.MAX_ROW_BYTES", 100)
    path = write("a.jsonl", '{"text": "' + "a" * 1000 + '"}\n{"text": "b"}\n')
    rows, error = refusal(path)
    assert rows == [{"text": "b"}]
    assert error.problems[0].where == f"{path}:1"


def test_json_list_is_read_with_the_line_of_each_object(write):
    path = write("a.json", '[\n  {"text": "a"},\n  {"text":\n "b"} , {"text": "c"}\n]\n')
    rows = list(read_rows(path))
    assert [(row.values["text"], row.line) for row in rows] == [("a", 2), ("b", 3), ("c", 4)]


@pytest.mark.parametrize("piece_bytes", [1, 2, 7, 64])
def test_json_list_cut_anywhere_reads_the_same(write, monkeypatch, piece_bytes):
    monkeypatch.setattr("tunesmith.data.lines.PIECE_BYTES", piece_bytes)
    rows = [{"text": f'很好 {n} \\ " ]}}', "n": n * 1.5, "deep": [{"a": [n]}]} for n in range(20)]
    path = write("a.json", json.dumps(rows, ensure_ascii=False, indent=piece_bytes % 3 or None))
    assert values(path) == rows


def test_json_list_with_bad_elements_reports_them_and_reads_on(write, refusal):
    path = write("a.json", '[{"a": 1},\n 5,\n {"a": NaN},\n {"a": 2}]')
    rows, error = refusal(path)
    assert rows == [{"a": 1}, {"a": 2}]
    assert [problem.where for problem in error.problems] == [f"{path}:2", f"{path}:3"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("[]", "an empty list"),
        ("", "an empty file"),
        ('[{"a": 1}', "the end of the file"),
        ('[{"a": 1} {"a": 2}]', '`{"a": 2}]`'),
        ('[{"a": 1}] x', "`x`"),
        ('[{"a": 1},', "Expecting value"),
        ('[{"a": "never closed', "Unterminated string"),
        ('{\n"data": [{"a": 1}]}', "data"),
        ("[" * 100_000, "deeper nesting"),
    ],
)
def test_json_list_that_is_broken_is_refused(write, refusal, content, found):
    _, error = refusal(write("a.json", content))
    assert found in error.problems[-1].found


def test_json_object_around_the_rows_is_told_how_its_list_is_named(write, refusal):
    path = write("a.json", '{\n"version": "1", "rows": [{"a": 1}]}')
    _, error = refusal(path)
    assert error.hint == f"'{path}#rows'"


def test_json_list_with_a_huge_object_stops_at_the_limit(write, refusal, monkeypatch):
    monkeypatch.setattr("tunesmith.data.formats.json_rows.MAX_ROW_BYTES", 1000)
    monkeypatch.setattr("tunesmith.data.lines.PIECE_BYTES", 100)
    rows, error = refusal(write("a.json", '[{"a": 1}, {"a": "' + "b" * 100_000))
    assert rows == [{"a": 1}]
    assert "must be at most" in str(error)


def test_json_ending_on_a_file_of_json_lines_is_read_as_such(write):
    assert values(write("a.json", '{"a": 1}\n{"a": 2}\n')) == [{"a": 1}, {"a": 2}]
