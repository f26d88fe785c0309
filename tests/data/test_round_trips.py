"""What is written is read back the same, for any Unicode."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.data.formats import read_rows
from tunesmith.data.writing import open_writer

odd = st.sampled_from([*'",;\t\r\n|#', "\r\n", "\u2028", "\x85", "\x0b", "\x1c", "\ufeff", '""'])
letters = st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")
texts = st.lists(odd | letters, max_size=12).map("".join)
rows = st.lists(st.fixed_dictionaries({"text": texts, "label": texts}), min_size=1, max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def written_and_read(name, rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        with open_writer(path) as writer:
            for row in rows:
                writer.write(row)
        return [row.values for row in read_rows(path)]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
@given(rows)
@settings(max_examples=100, deadline=None)
def test_texts_written_and_read_are_the_same(name, rows):
    assert written_and_read(name, rows) == rows


@given(st.lists(st.fixed_dictionaries({"text": texts}), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_one_column_of_texts_survives_a_csv(rows):
    assert written_and_read("a.csv", rows) == rows


@given(st.lists(st.dictionaries(texts, values, max_size=4), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_values_written_and_read_as_json_lines_are_the_same(rows):
    assert written_and_read("a.jsonl", rows) == rows


tokens = st.text(letters.filter(lambda char: char not in " \t\r\n"), min_size=1, max_size=6).filter(
    lambda token: token != "-DOCSTART-" and not token.startswith("\ufeff")
)


@given(st.lists(st.lists(st.tuples(tokens, st.sampled_from(["O", "B-X"])), min_size=1), min_size=1))
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("separator", ["\t", " "])
def test_conll_sentences_are_read_back_token_for_token(separator, sentences):
    blocks = ["".join(f"{t}{separator}{tag}\n" for t, tag in s) for s in sentences]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.conll"
        path.write_text("\n".join(blocks), encoding="utf-8", newline="")
        read = [
            list(zip(row.values["tokens"], row.values["tags"], strict=True))
            for row in read_rows(path)
        ]
    assert read == sentences
