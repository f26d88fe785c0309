"""Parquet files, with pyarrow and without."""

from __future__ import annotations

import sys

import pytest

from tunesmith.core.errors import MissingExtraError
from tunesmith.data.formats import read_rows
from tunesmith.data.rows import RawRow

pyarrow = pytest.importorskip("pyarrow")
parquet_files = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def parquet(tmp_path):
    def put(columns, *, names=None):
        table = pyarrow.table(columns, names=names) if names else pyarrow.table(columns)
        parquet_files.write_table(table, tmp_path / "a.parquet")
        return tmp_path / "a.parquet"

    return put


def test_parquet_yields_python_values_and_record_numbers(parquet):
    path = parquet({"tokens": [["a", "b"], ["c"]], "n": [1, None]})
    assert list(read_rows(path)) == [
        RawRow({"tokens": ["a", "b"], "n": 1}, 1),
        RawRow({"tokens": ["c"], "n": None}, 2),
    ]


def test_parquet_of_many_batches_is_read_whole(parquet):
    rows = list(read_rows(parquet({"n": list(range(5000))})))
    assert [row.values["n"] for row in rows] == list(range(5000))


def test_parquet_with_duplicate_columns_is_refused(parquet, refusal):
    path = parquet([pyarrow.array([1]), pyarrow.array([2])], names=["text", "text"])
    assert "`text` again" in str(refusal(path)[1])


def test_parquet_without_rows_is_refused(parquet, refusal):
    path = parquet({"n": pyarrow.array([], pyarrow.int64())})
    assert "must hold at least one row" in str(refusal(path)[1])


@pytest.mark.parametrize("content", [b"", b"PAR1 nonsense", b"text,label\n"])
def test_file_that_is_no_parquet_is_refused(write, refusal, content):
    assert "must be a whole Parquet file" in str(refusal(write("a.parquet", content))[1])


def test_parquet_without_pyarrow_names_the_extra(parquet, monkeypatch):
    path = parquet({"n": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError) as caught:
        list(read_rows(path))
    assert caught.value.hint == "pip install 'tunesmith[parquet]'"
