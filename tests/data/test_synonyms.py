"""Dictionaries of synonyms: our own lists, the user's file, and what is wrong with it."""

from __future__ import annotations

import pytest

from tunesmith.core.errors import DataError, NotFoundError
from tunesmith.data.synonyms import USUAL, WORD_LISTS, fold, read_synonyms, usual_synonyms
from tunesmith.measure.scripts import holds_han


def test_tabs_part_a_word_from_its_synonyms_and_equal_words_are_added_up(tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text(
        "# mine\nQuick\tfast\tquick\n\nquick\trapid\nat  once\tnow\n好吃\t美味\n", "utf-8"
    )
    known = read_synonyms(path)
    assert known.of("QUICK") == ("fast", "rapid")
    assert known.of("At once") == ("now",)
    assert known.of("好吃") == ("美味",)
    assert known.of("slow") == ()
    assert len(known) == 3


def test_json_lines_are_read_with_their_synonyms(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"word": "退款", "synonyms": ["退钱", "返款"]}\n', "utf-8")
    assert read_synonyms(path).of("退款") == ("退钱", "返款")


@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        ("a.tsv", "good\tfine\nquick fast\nslow\t\n\tfast\n", (2, 3, 4)),
        ("a.jsonl", '{"word": "a", "synonyms": ["b"]}\n{"word": "a"}\n[1]\n{oops\n', (2, 3, 4)),
        ("a.jsonl", '{"word": "a", "synonyms": []}\n{"word": 1, "synonyms": ["b"]}\n', (1, 2)),
        ("a.jsonl", '{"word": "a", "synonyms": ["b", 2]}\n', (1,)),
    ],
)
def test_broken_lines_are_all_named_with_file_and_line(tmp_path, name, content, lines):
    path = tmp_path / name
    path.write_text(content, "utf-8")
    with pytest.raises(DataError) as caught:
        read_synonyms(path)
    assert [problem.where for problem in caught.value.problems] == [
        f"{path}:{line}" for line in lines
    ]
    assert "a line of a dictionary must be" in caught.value.problems[0].must
    assert f"sed -n '{lines[0]}p'" in caught.value.hint


def test_dictionary_without_an_entry_or_of_another_encoding_is_refused(tmp_path):
    path = tmp_path / "none.tsv"
    path.write_text("# nothing\nfast\tFast\n", "utf-8")
    with pytest.raises(DataError, match="a word with a synonym"):
        read_synonyms(path)
    path.write_bytes("好吃\t美味\n".encode("gb18030"))
    with pytest.raises(DataError, match="GB18030"):
        read_synonyms(path)
    with pytest.raises(NotFoundError):
        read_synonyms(tmp_path / "missing.tsv")


def test_our_lists_have_hundreds_of_words_in_each_language():
    english, chinese = (read_synonyms(WORD_LISTS / name) for name in USUAL)
    assert min(len(english), len(chinese)) > 300
    assert not any(map(holds_han, english.entries))
    assert all(map(holds_han, chinese.entries))
    both = usual_synonyms()
    assert len(both) == len(english) + len(chinese)
    for word, synonyms in both.entries.items():
        assert word == fold(word)
        assert word not in map(fold, synonyms)
        assert len(set(synonyms)) == len(synonyms)
