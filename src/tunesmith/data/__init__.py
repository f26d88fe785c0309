"""Any format into examples, splits and samples, and rows out again; no model."""

from tunesmith.data.examples import read_examples, stream_examples
from tunesmith.data.fingerprints import fingerprint_examples
from tunesmith.data.formats import read_rows
from tunesmith.data.rows import RawRow
from tunesmith.data.splits import Splits, load_splits, sample_examples, split_examples
from tunesmith.data.writing import RowWriter, open_writer

__all__ = [
    "RawRow",
    "RowWriter",
    "Splits",
    "fingerprint_examples",
    "load_splits",
    "open_writer",
    "read_examples",
    "read_rows",
    "sample_examples",
    "split_examples",
    "stream_examples",
]
