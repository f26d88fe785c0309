"""Large files pass through in bounded memory."""

from __future__ import annotations

import io
import time
import tracemalloc

import pytest

from tunesmith.data.examples import stream_examples
from tunesmith.data.formats import read_rows
from tunesmith.data.writing import open_writer
from tunesmith.tasks import make_task

PEAK_BYTES = 2 * 2**20
LONG = "text " * 40


@pytest.fixture
def peak():
    """Return a function that gives the most memory that was allocated since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "parts", "count"),
    [
        ("a.csv", ("text,label\n", "a line of text,x\n", ""), 200_000),
        ("a.jsonl", ("", f'{{"text": "{LONG}"}}\n', ""), 20_000),
        ("a.json", ("[", f'{{"text": "{LONG}"}},', '{"text": "z"}]'), 20_000),
        ("a.json#b", ('{"x": [', f'["{LONG}", "y"],', '["z", "y"]], "b": [["a", "b"]]}'), 20_000),
        ("a.json#x", ('{"x": [', f'["{LONG}", "y"],', '["z", "y"]], "b": [["a", "b"]]}'), 20_000),
        ("a.json#b", ('{"x": "', f"{LONG}\\n", '", "b": [["a", "b"]]}'), 20_000),
        ("a.conll", ("", f"{LONG}\tO\n" * 5 + "\n", ""), 4_000),
    ],
)
def test_file_larger_than_the_bound_is_read_in_bounded_memory(write, peak, name, parts, count):
    head, row, tail = parts
    file, mark, key = name.partition("#")
    path = write(file, head + row * (count - bool(tail)) + tail)
    assert path.stat().st_size > PEAK_BYTES
    tracemalloc.reset_peak()
    assert sum(1 for _ in read_rows(f"{path}{mark}{key}")) == (1 if key == "b" else count)
    assert peak() < PEAK_BYTES


def test_stream_to_writer_runs_in_bounded_memory(tmp_path, peak):
    class Endless(io.RawIOBase):
        """Lines made up as they are read."""

        left = 4_000

        def readable(self):
            return True

        def readinto(self, buffer):
            if not self.left:
                return 0
            self.left -= 1
            line = b"x" * 999 + b"\n"
            buffer[: len(line)] = line
            return len(line)

    task = make_task("classification")
    with open_writer(tmp_path / "out.csv") as writer:
        for example in stream_examples(Endless(), task, require_gold=False):
            writer.write({"id": example.id, "text": example.inputs.text})
    assert writer.count == 4_000
    assert peak() < PEAK_BYTES


def test_csv_of_open_quotes_is_refused_without_reading_it_over_and_over(write, refusal):
    begun = time.process_time()
    path = write("a.csv", "text,label\n" + '"a,x\n' * 20_000 + "y\n" * 20_000)
    _, error = refusal(path)
    assert len(error.problems) == 1001
    assert time.process_time() - begun < 20
