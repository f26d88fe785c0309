"""Text without labels: paragraphs and rows from any file, and what is no text counted."""

from __future__ import annotations

import gzip
import json

import pytest

from tunesmith.core.errors import DataError, NotFoundError
from tunesmith.data import corpus
from tunesmith.data.corpus import CorpusLog, find_corpus_files, read_passages


def read(source, *, column="text"):
    log = CorpusLog()
    passages = list(read_passages(find_corpus_files(str(source), log), log, column=column))
    return passages, log


def texts(source, **how):
    return [passage.text for passage in read(source, **how)[0]]


def test_paragraphs_stand_between_blank_lines_and_keep_their_lines(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("One line\n  and one more\n\n \n\nAnother.\r\n", encoding="utf-8")
    passages, log = read(path)
    assert [each.text for each in passages] == ["One line\n  and one more", "Another."]
    assert {each.document for each in passages} == {0}
    assert not any(each.is_row for each in passages)
    assert log.unreadable == 0


def test_rows_of_every_format_are_documents_of_their_own(tmp_path):
    (tmp_path / "a.csv").write_text("label,text\n1,很好\n0,\n1,不好\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "three"}\n{"text": null}\n', encoding="utf-8")
    (tmp_path / "c.txt").write_text("four\n\nfive\n", encoding="utf-8")
    passages, _ = read(tmp_path)
    assert [each.text for each in passages] == ["很好", "不好", "three", "four", "five"]
    assert [each.document for each in passages] == [0, 1, 2, 3, 3]
    assert [each.is_row for each in passages] == [True, True, True, False, False]


def test_missing_column_is_an_error_that_names_the_likely_one(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("label,review\n1,good\n", encoding="utf-8")
    with pytest.raises(DataError) as failure:
        texts(path)
    assert failure.value.hint == "--column text=review"
    assert texts(path, column="review") == ["good"]


def test_folder_leaves_out_what_is_no_text_and_says_so(tmp_path):
    for name in ("b.txt", "a.txt", "README.md", "picture.png", ".hidden.txt"):
        (tmp_path / name).write_text(f"text of {name}\n", encoding="utf-8")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c.txt").write_text("text of c\n", encoding="utf-8")
    passages, log = read(tmp_path)
    assert [each.text for each in passages] == ["text of a.txt", "text of b.txt", "text of c"]
    assert sorted(name.rpartition("/")[2] for name in log.left_out) == ["README.md", "picture.png"]


def test_folder_without_text_is_not_found(tmp_path):
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    with pytest.raises(NotFoundError, match="must hold files of text"):
        find_corpus_files(str(tmp_path), CorpusLog())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_read_in_the_encodings_that_name_themselves(tmp_path, encoding):
    path = tmp_path / "book.txt"
    path.write_text("第一回\n\n宴桃园豪杰三结义\n", encoding=encoding)
    assert texts(path) == ["第一回", "宴桃园豪杰三结义"]


def test_compressed_text_is_unpacked_and_a_cut_one_counted(tmp_path):
    whole = gzip.compress(b"one\n\ntwo\n")
    (tmp_path / "whole.txt.gz").write_bytes(whole)
    assert texts(tmp_path / "whole.txt.gz") == ["one", "two"]
    (tmp_path / "cut.txt.gz").write_bytes(whole[:-6])
    assert read(tmp_path / "cut.txt.gz")[1].unreadable == 1


def test_line_longer_than_a_piece_is_cut_between_characters(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "LONGEST_PIECE_BYTES", 64)
    monkeypatch.setattr(corpus, "LONGEST_PASSAGE", 50)
    line = "".join(chr(0x4E00 + number % 900) for number in range(5_000)) + "é𠀀x" * 400
    path = tmp_path / "book.txt"
    path.write_text(line, encoding="utf-8")
    passages, log = read(path)
    assert "".join(each.text.replace("\n", "") for each in passages) == line
    assert max(len(each.text) for each in passages) < 150
    assert log.unreadable == 0


def test_broken_and_binary_lines_are_skipped_and_counted(tmp_path):
    path = tmp_path / "book.txt"
    good = [f"第{number}行" for number in range(300)]
    data = [line.encode() for line in good]
    data[100:100] = [b"\xff\xfe broken", b"nul \0 byte"]
    path.write_bytes(b"\n\n".join(data))
    passages, log = read(path)
    assert [each.text for each in passages] == good
    assert log.unreadable == 2
    log.refuse_beyond(0.01)
    with pytest.raises(DataError, match="at most 0%"):
        log.refuse_beyond(0.0)


def test_file_in_another_encoding_is_refused_with_the_command_that_repairs_it(tmp_path):
    path = tmp_path / "book.txt"
    path.write_bytes("话说天下大势，分久必合，合久必分。\n".encode("gb18030") * 50)
    passages, log = read(path)
    assert passages == []
    with pytest.raises(DataError) as failure:
        log.refuse_beyond(0.01)
    assert "iconv -f GB18030" in failure.value.hint
    assert "50 of 50" in str(failure.value.problems[0])
    assert len(failure.value.problems) == 1 + 3


@pytest.mark.parametrize("junk", [b"PK\x03\x04" + bytes(500), bytes(range(256)) * 20])
def test_binary_file_counts_by_its_size(tmp_path, junk):
    (tmp_path / "a.txt").write_text("good\n", encoding="utf-8")
    (tmp_path / "b.txt").write_bytes(junk)
    passages, log = read(tmp_path)
    assert [each.text for each in passages] == ["good"]
    assert log.unreadable == 1 + len(junk) // 100
    with pytest.raises(DataError, match="must be text"):
        log.refuse_beyond(0.5)
    log.refuse_beyond(1.0)


def test_row_whose_text_is_no_text_is_counted_with_its_place(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"text": "good"}, {"text": 7}, {"text": ["a"]}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{broken\n", "utf-8")
    passages, log = read(path)
    assert [each.text for each in passages] == ["good"]
    assert (log.unreadable, log.lines) == (3, 4)
    assert log.problems.kept[0].problem.where == f"{path}:2"
