"""CSV and TSV: what is read, and what each broken file is told."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tunesmith.data.formats import read_rows


def values(source, **options):
    return [row.values for row in read_rows(source, **options)]


def test_csv_with_quoted_newline_keeps_it_and_names_the_first_line(write):
    path = write("a.csv", 'text,label\r\n"one\r\ntwo",x\r\nthree,y\r\n')
    rows = list(read_rows(path))
    assert [row.values["text"] for row in rows] == ["one\r\ntwo", "three"]
    assert [row.line for row in rows] == [2, 4]


def test_csv_with_unicode_separators_keeps_them_in_the_field(write):
    text = "a\u2028b\x85c\x0bd\x1ce\u00a0f"
    assert values(write("a.csv", f"text,label\n{text},x\n")) == [{"text": text, "label": "x"}]


def test_csv_with_blank_lines_skips_them(write):
    assert len(values(write("a.csv", "\n\ntext,label\n\na,x\n\nb,y\n\n"))) == 2


def test_csv_with_semicolons_or_tabs_in_its_header_is_parted_there(write):
    assert values(write("a.csv", "text;label\na, b;x\n")) == [{"text": "a, b", "label": "x"}]
    assert values(write("b.csv", "text\tlabel\na, b\tx\n")) == [{"text": "a, b", "label": "x"}]


def test_csv_with_an_index_column_names_it_by_number(write):
    assert values(write("a.csv", ",text\n0,a\n")) == [{"column_1": "0", "text": "a"}]


def test_csv_with_a_quote_inside_a_field_reads_it_as_text(write):
    assert values(write("a.csv", 'text,label\n5" screen,x\n')) == [
        {"text": '5" screen', "label": "x"}
    ]


def test_tsv_is_parted_at_tabs_only(write):
    assert values(write("a.tsv", "text\tlabel\na, b\tx\n")) == [{"text": "a, b", "label": "x"}]


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_csv_without_content_is_refused_as_empty(write, refusal, content):
    _, error = refusal(write("a.csv", content))
    assert "must hold at least one row; got an empty file" in str(error)


def test_csv_with_a_header_only_is_refused(write, refusal):
    _, error = refusal(write("a.csv", "text,label\n"))
    assert "got a header only" in str(error)


def test_csv_without_header_is_refused_with_a_command_that_adds_one(write, refusal):
    path = write("my data.csv", "1,很快\n0,很慢\n")
    _, error = refusal(path)
    assert "the first line must be a header of column names; got `1,很快`" in str(error)
    subprocess.run(["sh", "-c", error.hint], check=True)
    repaired = path.with_name(path.name + ".utf8")
    assert values(repaired) == [{"label": "1", "text": "很快"}, {"label": "0", "text": "很慢"}]


def test_csv_header_counted_from_zero_is_accepted(write):
    assert values(write("a.csv", ",0,1\n0,good,pos\n"))[0] == {
        "column_1": "0",
        "0": "good",
        "1": "pos",
    }


def test_csv_with_duplicate_names_reports_each_of_them(write, refusal):
    _, error = refusal(write("a.csv", "text,label,text,label,label\na,b,c,d,e\n"))
    assert [problem.found for problem in error.problems] == ["`label` 3 times", "`text` 2 times"]


def test_csv_rows_of_wrong_width_are_all_reported_and_the_rest_is_read(write, refusal):
    path = write("a.csv", "text,label\na,x\nb\nc, d,y\ne,z\n")
    rows, error = refusal(path)
    assert [row["text"] for row in rows] == ["a", "e"]
    assert [problem.where for problem in error.problems] == [f"{path}:3", f"{path}:4"]
    assert [problem.found[0] for problem in error.problems] == ["1", "3"]
    assert "must be quoted" in error.problems[1].found
    assert error.hint == f"sed -n '3p' {path}"


def test_csv_with_an_unclosed_quote_names_its_line_and_reads_on(write, refusal):
    path = write("a.csv", 'text,label\na,x\n"b,y\nc,z\nd,w\n')
    rows, error = refusal(path)
    assert [row["text"] for row in rows] == ["a", "c", "d"]
    assert len(error.problems) == 1
    assert error.problems[0].where == f"{path}:3"
    assert '`"b,y`, whose quote stays open' in error.problems[0].found


def test_csv_with_a_quote_closed_by_a_later_row_loses_one_row_only(write, refusal):
    path = write("a.csv", 'text,label\n"a,x\nb,y\n"c, d",z\ne,w\n')
    rows, error = refusal(path)
    assert [row["text"] for row in rows] == ["b", "c, d", "e"]
    assert [problem.where for problem in error.problems] == [f"{path}:2"]


def test_csv_with_a_broken_header_quote_is_refused(write, refusal):
    rows, error = refusal(write("a.csv", '"text,label\na,b\n'))
    assert rows == []
    assert "a quote that opens must be closed" in str(error)


def test_csv_with_lone_carriage_returns_is_told_how_to_mend_them(write, refusal):
    path = write("a.csv", "text,label\ra,x\rb,y\r")
    _, error = refusal(path)
    assert "a lone carriage return" in str(error)
    subprocess.run(["sh", "-c", error.hint], check=True)
    assert len(values(path.with_name("a.csv.utf8"))) == 2


def test_csv_with_nul_bytes_reports_every_such_line(write, refusal):
    path = write("a.csv", b"text,label\na\0,x\nb,y\nc\0,z\n")
    rows, error = refusal(path)
    assert [row["text"] for row in rows] == ["b"]
    assert [problem.where for problem in error.problems] == [f"{path}:2", f"{path}:4"]


def test_csv_with_many_bad_rows_keeps_a_thousand_and_counts_the_rest(write, refusal):
    _, error = refusal(write("a.csv", "text,label\n" + "a\n" * 2500))
    assert len(error.problems) == 1001
    assert error.problems[-1].found == "1,500 more bad rows"


def test_csv_record_above_the_limit_costs_one_row(write, refusal, monkeypatch):
    monkeypatch.setattr("tunesmith.data.formats.delimited.MAX_ROW_BYTES", 1000)
    path = write("a.csv", 'text,label\na,x\n"open,y\n' + "b,z\n" * 2000)
    rows, error = refusal(path)
    assert len(rows) == 2001
    assert [problem.where for problem in error.problems] == [f"{path}:3"]


def test_csv_where_every_line_leaves_a_quote_open_is_given_up(write, refusal, monkeypatch):
    monkeypatch.setattr("tunesmith.data.formats.delimited.REREAD_LINES", 500)
    rows, error = refusal(write("a.csv", "text,label\n" + 'x",",z\n' * 400))
    assert rows == []
    assert len(error.problems) == 3
    assert "reading stopped" in error.problems[-1].found


@pytest.mark.skipif(not shutil.which("sed"), reason="needs sed")
def test_csv_hint_for_a_broken_row_shows_that_row(write, refusal):
    path = write("it's.csv", "text,label\na,x\nbroken\n")
    _, error = refusal(path)
    shown = subprocess.run(["sh", "-c", error.hint], check=True, capture_output=True, text=True)
    assert shown.stdout == "broken\n"
