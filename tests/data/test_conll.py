"""CoNLL files: sentences, odd tokens, documents, comments and what is refused."""

from __future__ import annotations

import pytest

from tunesmith.data.formats import read_rows


def rows_of(source, **options):
    return list(read_rows(source, **options))


@pytest.mark.parametrize("name", ["a.conll", "a.bio", "a.bmes", "a.iob2", "a.txt", "a.annotated"])
def test_conll_by_ending_or_content_yields_a_row_a_sentence(write, name):
    rows = rows_of(write(name, "I\tO\nRex\tB-PER\n\n\nHi\tO\n"))
    assert [row.values for row in rows] == [
        {"tokens": ["I", "Rex"], "tags": ["O", "B-PER"], "group": None},
        {"tokens": ["Hi"], "tags": ["O"], "group": None},
    ]
    assert [row.line for row in rows] == [1, 5]


def test_conll_with_an_unknown_ending_is_known_by_its_content(write):
    assert len(rows_of(write("train.data", "吴 B-NAME\n重 M-NAME\n阳 E-NAME\n， O\n"))) == 1


def test_text_that_is_no_conll_is_read_line_by_line(write):
    rows = rows_of(write("a.txt", "I saw Rex\n\nHe said O\n"))
    assert [row.values["text"] for row in rows] == ["I saw Rex", "", "He said O"]


def test_conll_tokens_keep_odd_characters(write):
    tokens = ["a\u00a0b", "\u2028", "x\x85y", "\u3000", "\x0b", "e\u0301"]
    content = "".join(f"{token}\tO\n" for token in tokens)
    assert rows_of(write("a.conll", content))[0].values["tokens"] == tokens
    spaced = content.replace("\t", " ")
    assert rows_of(write("b.conll", spaced))[0].values["tokens"] == tokens


def test_conll_lines_with_a_lone_tab_part_sentences(write):
    rows = rows_of(write("a.conll", "a\tO\n\t\nb\tO\r\n \r\nc\tO"))
    assert [row.values["tokens"] for row in rows] == [["a"], ["b"], ["c"]]


def test_conll_with_four_columns_takes_the_first_and_the_last(write):
    row = rows_of(write("a.conll", "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n"))[0]
    assert row.values["tokens"] == ["EU", "rejects"]
    assert row.values["tags"] == ["B-ORG", "O"]


def test_conll_document_lines_name_the_group(write):
    content = "-DOCSTART- -X- -X- O\n\na O\n\nb O\n-DOCSTART- story-7 O\nc O\n-DOCSTART-\n\nd O\n"
    rows = rows_of(write("train.conll", content))
    assert [row.values["group"] for row in rows] == ["train#1", "train#1", "story-7", "train#3"]


def test_conll_comments_are_skipped_and_hash_tokens_kept(write):
    content = (
        "# newdoc id = d1\n# sent_id = 1\n# text = I am O\n#\tO\nwin\tO\n\n"
        "# id 7 domain=en\n#yolo\tB-X\n#\tO\n"
    )
    rows = rows_of(write("a.conll", content))
    assert [row.values["tokens"] for row in rows] == [["#", "win"], ["#yolo", "#"]]
    assert {row.values["group"] for row in rows} == {"d1"}


def test_conll_parted_by_spaces_tells_hash_tokens_from_comments(write):
    rows = rows_of(write("a.conll", "# id 12\n# O\nwin O\n\n# B-X\n#yolo O\n# O\n"))
    assert [row.values["tokens"] for row in rows] == [["#", "win"], ["#", "#yolo", "#"]]


def test_conll_bad_lines_are_all_reported_and_cost_their_sentence_only(write, refusal):
    path = write("a.conll", "a\tO\n\nb\tO\nlonely\n\tO\n\nc\tO\n\nNew York B-LOC\n")
    rows, error = refusal(path)
    assert [row["tokens"] for row in rows] == [["a"], ["c"]]
    assert [problem.where.split(":")[-1] for problem in error.problems] == ["4", "5", "9"]
    assert "each line must hold a token and its tag" in str(error)


def test_conll_with_one_column_has_no_tags(write):
    assert rows_of(write("a.conll", "a\nb\n\nc\n"))[0].values == {
        "tokens": ["a", "b"],
        "group": None,
    }


@pytest.mark.parametrize("content", ["", "\n\t\n", "-DOCSTART- O\n\n"])
def test_conll_without_a_sentence_is_refused(write, refusal, content):
    _, error = refusal(write("a.conll", content))
    assert "must hold at least one row" in str(error)
