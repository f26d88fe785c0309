"""Standard input that is closed, and standard output that nobody reads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CHOICE = "torch fp32: the bundle holds no export\n"
"""What predict says of its engine, and all it should say where its reader left."""


@pytest.fixture
def many_rows(write) -> str:
    write("many.jsonl", '{"text": "my order is good"}\n' * 2000)
    return "many.jsonl"


@pytest.fixture
def first_line_of(here, processes):
    """Return a function that runs words and reads one line of their output, as `| head -1` does."""

    def run(*words: object):
        os.mkfifo(here / "pipe")
        process = processes(*words, stdout=str(here / "pipe"))
        with (here / "pipe").open() as pipe:
            line = pipe.readline()
        return line, process.wait()

    return run


def test_predict_into_head_is_no_error(bundle, many_rows, first_line_of):
    line, typed = first_line_of("predict", bundle, "--data", many_rows)
    assert '"label"' in line
    assert (typed.status, typed.err) == (0, CHOICE)


def test_predict_of_few_rows_into_a_reader_that_left_is_no_error(bundle, rows, here, processes):
    assert rows
    os.mkfifo(here / "pipe")
    process = processes("predict", bundle, "--data", "rows.csv", stdout=str(here / "pipe"))
    (here / "pipe").open().close()
    typed = process.wait()
    assert (typed.status, typed.err) == (0, CHOICE)


def test_table_into_a_reader_that_left_is_no_error(bundle, here, processes):
    os.mkfifo(here / "pipe")
    texts = ["my order is good"] * 50
    process = processes("predict", bundle, *texts, stdout=str(here / "pipe"))
    (here / "pipe").open().close()
    typed = process.wait()
    assert (typed.status, typed.err) == (0, CHOICE)


def test_answers_onto_a_full_disk_are_an_error(bundle, many_rows, processes):
    for words in (("--data", many_rows), ("my order",), ("my order", "--json")):
        typed = processes("predict", bundle, *words, stdout="/dev/full").wait()
        assert typed.status == 6, typed
        assert "the disk must have room; got: [Errno 28]" in typed.err
        assert typed.hint == "df -h"


def test_predict_with_closed_input_asks_for_rows(bundle, processes):
    typed = processes("predict", bundle, stdin=None).wait()
    assert typed.status == 2
    assert "predict needs texts, `--data FILE`, or rows on standard input; got none" in typed.err
    assert typed.hint == 'tunesmith predict BUNDLE "some text"'


def test_predict_with_empty_input_says_there_are_no_rows(bundle, processes):
    typed = processes("predict", bundle).wait()
    assert typed.status == 4
    assert "`<stdin>` must hold at least one row" in typed.err


def test_predict_of_a_bad_line_on_input_names_its_number(bundle, type_in):
    typed = type_in("predict", bundle, stdin='{"text": "fine"}\n{"text": \n')
    assert typed.status == 4
    assert "(<stdin>:2)" in typed.err


def test_command_line_with_closed_streams_works_end_to_end(bundle, here):
    command = f"exec {sys.executable} -m tunesmith predict {bundle} 'my order is good' <&- 2>&-"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, cwd=here, env=environment
    )
    assert done.returncode == 0
    assert "my order is good" in done.stdout


@pytest.mark.usefixtures("rows")
def test_fit_whose_progress_nobody_reads_still_writes_its_bundle(here, processes, fit_words):
    os.mkfifo(here / "pipe")
    process = processes("fit", "rows.csv", *fit_words, stderr=str(here / "pipe"))
    with (here / "pipe").open() as pipe:
        assert "reading rows.csv" in pipe.readline()
    typed = process.wait()
    assert typed.status == 0, typed
    assert (here / "out/bundle/bundle.json").is_file()


@pytest.mark.usefixtures("rows")
def test_fit_whose_progress_finds_a_full_disk_still_writes_its_bundle(here, processes, fit_words):
    typed = processes("fit", "rows.csv", *fit_words, stderr="/dev/full").wait()
    assert typed.status == 0, typed
    assert (here / "out/bundle/bundle.json").is_file()
