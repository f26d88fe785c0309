"""Where rows come from: files and streams, encodings, compression, and what cannot be read."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import threading

import pytest

from tunesmith.core.errors import DataError, NotFoundError, SpecError
from tunesmith.data.encodings import guess_encoding
from tunesmith.data.formats import read_rows, scan_rows

CSV = "text,label\n很好，谢谢,好\ncafé,x\n"


def values(source, **options):
    return [row.values for row in read_rows(source, **options)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_file_in_a_marked_unicode_encoding_reads_the_same(write, encoding):
    mark = "\ufeff" if encoding.startswith("utf-16-") else ""
    rows = values(write("a.csv", (mark + CSV).encode(encoding)))
    assert rows == [{"text": "很好，谢谢", "label": "好"}, {"text": "café", "label": "x"}]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_json_list_in_a_marked_unicode_encoding_is_read(write, encoding):
    assert values(write("a.json", '[{"a": "好"}]'.encode(encoding))) == [{"a": "好"}]


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        ("text,label\ncafé au lait,x\n", "latin-1", "LATIN1"),
        ("text,label\ndéjà vu “quoted” – yes,x\n", "cp1252", "CP1252"),
        ("text,label\n送餐很快，味道也不错,好\n", "gb18030", "GB18030"),
        ("text,label\na,x\n", "utf-16-le", "UTF-16LE"),
        ("text,label\na,x\n", "utf-16-be", "UTF-16BE"),
        ("text,label\na,x\n", "utf-32", "UTF-32"),
    ],
)
def test_file_in_another_encoding_is_guessed_and_the_hint_converts_it(
    write, refusal, text, encoding, name
):
    path = write("my file.csv", text.encode(encoding))
    _, error = refusal(path)
    assert len(error.problems) == 1
    problem = error.problems[0]
    assert problem.where.startswith(f"{path}:")
    assert f"which look like {name}" in problem.found
    assert error.hint == f"iconv -f {name} -t UTF-8 '{path}' > '{path}'.utf8"
    if shutil.which("iconv"):
        subprocess.run(["sh", "-c", error.hint], check=True)
        assert len(values(path.with_name(path.name + ".utf8"))) == 1


def test_wrong_encoding_names_line_and_bytes(write, refusal):
    path = write("a.csv", "text,label\nplain,x\ncafé,y\n".encode("latin-1"))
    _, error = refusal(path)
    assert error.problems[0].where == f"{path}:3"
    assert error.problems[0].found.startswith("bytes e9 2c 79 0a")


def test_wrong_encoding_in_a_json_list_names_its_line(write, refusal):
    path = write("a.json", '[{"a": 1},\n{"a": "é"}]'.encode("latin-1"))
    _, error = refusal(path)
    assert error.problems[0].where == f"{path}:2"


def test_utf8_with_broken_bytes_reports_each_line_and_the_hint_drops_them(write, refusal):
    good = "很好很好,x\n".encode()
    path = write("a.csv", b"text,label\n" + good + b"\xe5\xbe,y\n" + good + b"\xff,z\n")
    rows, error = refusal(path)
    assert len(rows) == 2
    assert [problem.where for problem in error.problems] == [f"{path}:3", f"{path}:5"]
    assert error.hint.startswith("iconv -c -f UTF-8 -t UTF-8")


def test_guess_of_mostly_utf8_bytes_is_utf8():
    assert guess_encoding("很好很好".encode() + b"\xff") == "UTF-8"


@pytest.mark.parametrize(
    ("head", "what"),
    [(b"PK\x03\x04xyz\x00", "Excel workbook"), (b"BZh91AY", "bzip2"), (b"PAR1\x15\x00", "Parquet")],
)
def test_binary_file_under_a_text_name_is_named_for_what_it_is(write, refusal, head, what):
    _, error = refusal(write("a.csv", head + b"\x80\xff" * 50))
    assert what in error.problems[0].found


def test_gzip_is_undone_by_content_and_the_inner_ending_counts(write):
    path = write("a.csv.gz", gzip.compress(CSV.encode()))
    assert len(values(path)) == 2
    assert len(values(write("b.csv", path.read_bytes()))) == 2


@pytest.mark.skipif(not shutil.which("iconv"), reason="needs iconv")
def test_gzip_in_another_encoding_is_converted_by_the_hint(write, refusal):
    path = write("a.csv.gz", gzip.compress("text,label\ncafé,x\n".encode("latin-1")))
    _, error = refusal(path)
    subprocess.run(["sh", "-c", error.hint], check=True)
    assert values(path.with_name("a.csv.gz.utf8")) == [{"text": "café", "label": "x"}]


@pytest.mark.parametrize("name", ["a.csv.gz", "a.txt.gz", "a.json.gz"])
def test_gzip_cut_short_is_refused(write, refusal, name):
    data = gzip.compress(os.urandom(50_000).hex().encode())
    path = write(name, data[: len(data) // 2])
    _, error = refusal(path)
    assert "must be a whole gzip file" in str(error)
    assert error.hint == f"gzip -t {path}"


def test_missing_file_suggests_the_nearest_name(write):
    path = write("train.csv", CSV)
    with pytest.raises(NotFoundError) as caught:
        values(path.with_name("trian.csv"))
    assert caught.value.hint == str(path)


def test_missing_folder_suggests_the_nearest_folder(write, tmp_path):
    write("banking/train.csv", CSV)
    with pytest.raises(NotFoundError) as caught:
        values(tmp_path / "bankin" / "train.csv")
    assert caught.value.hint == str(tmp_path / "banking")


def test_missing_file_without_a_near_name_lists_the_folder(tmp_path):
    with pytest.raises(NotFoundError) as caught:
        values(tmp_path / "x.csv")
    assert caught.value.hint == f"ls {tmp_path}"


def test_folder_in_place_of_a_file_is_refused(tmp_path):
    with pytest.raises(SpecError, match="must be a file; got a folder"):
        values(tmp_path)


def test_unknown_kind_is_refused_with_the_nearest(write):
    with pytest.raises(SpecError) as caught:
        values(write("a.x", CSV), kind="jsonlines")
    assert caught.value.hint == "jsonl"


def test_unknown_ending_is_refused_with_a_copy_that_has_one(write):
    path = write("a.dat", CSV)
    with pytest.raises(SpecError) as caught:
        values(path)
    assert caught.value.hint == f"cp {path} {path}.csv"
    assert len(values(path, kind="csv")) == 2


def test_unknown_ending_on_json_is_known_by_content(write):
    assert values(write("a.dat", '{"a": 1}\n')) == [{"a": 1}]
    assert values(write("b.dat", '[\n{"a": 1}]')) == [{"a": 1}]


@pytest.mark.parametrize("wrap", [lambda text: io.BytesIO(text.encode()), io.StringIO])
def test_stream_is_sniffed_by_its_first_line_that_is_not_blank(wrap):
    assert values(wrap('\n  {"text": "a"}\n')) == [{"text": "a"}]
    assert values(wrap("one\ntwo\u2028three\r\n\nfour")) == [
        {"text": "one"},
        {"text": "two\u2028three"},
        {"text": ""},
        {"text": "four"},
    ]


@pytest.mark.parametrize("wrap", [lambda text: io.BytesIO(text.encode()), io.StringIO])
@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("csv", "text\na\n", {"text": "a"}),
        ("text", '{"text": "a"}', {"text": '{"text": "a"}'}),
        ("json", '[{"a": 1}]', {"a": 1}),
        ("conll", "a O\n", {"tokens": ["a"], "tags": ["O"], "group": None}),
    ],
)
def test_stream_of_a_given_kind_is_read_as_that(wrap, kind, text, expected):
    assert values(wrap(text), kind=kind) == [expected]


def test_stream_stays_open_for_its_owner():
    stream = io.BytesIO(b"a\n")
    assert len(values(stream)) == 1
    assert not stream.closed


def test_dash_reads_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\ufeff好\n".encode())))
    scan = scan_rows("-")
    assert scan.name == "<stdin>"
    assert [row.values for row in scan.items] == [{"text": "好"}]


def test_empty_stream_is_refused():
    with pytest.raises(DataError, match="got an empty file"):
        values(io.BytesIO())


def test_gzip_stream_is_undone():
    assert values(io.BytesIO(gzip.compress(b'{"a": 1}'))) == [{"a": 1}]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_named_pipe_is_read_once_as_a_stream(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=('{"a": 1}\n{"a": 2}\n',))
    writer.start()
    assert values(pipe) == [{"a": 1}, {"a": 2}]
    writer.join()
