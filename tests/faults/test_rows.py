"""Rows that cannot be used: what must hold, what was found, in which line, and what to type."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest

NER = ("--task", "ner", "--out", "out", "--set", "training.epochs=1", "--model")


def people(count: int = 12) -> list[dict]:
    return [
        {
            "text": f"order {number} is late",
            "entities": [{"start": 0, "end": 5, "type": "THING"}],
        }
        for number in range(count)
    ]


def jsonl(rows: list) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_fit_with_a_missing_column_names_the_column_to_map(rows, write, refuse, fit_words, type_in):
    write("intents.csv", "\n".join(["text,intent", *rows[1:]]))
    typed = refuse(
        *("fit", "intents.csv", *fit_words),
        status=4,
        says=(
            "column `label` must be present; got columns text, intent in all 60 rows",
            "(intents.csv)",
        ),
    )
    assert typed.hint == "--column label=intent"
    repaired = type_in("fit", "intents.csv", *fit_words, *shlex.split(typed.hint))
    assert repaired.status == 0, repaired.err


@pytest.mark.parametrize(
    ("content", "says", "hint"),
    [
        ("", ("must hold at least one row; got an empty file", "(bad.csv)"), "ls -l bad.csv"),
        ("\n \n\n", ("must hold at least one row",), ""),
        (
            "text,label\n",
            ("at least one row below its header; got a header only",),
            "wc -l bad.csv",
        ),
        (
            'text,label\nfine,good\n"never closed,bad\nfine,good\n',
            ("a quote that opens must be closed", '`"never closed,bad`', "(bad.csv:3)"),
            "sed -n '3p' bad.csv",
        ),
        (
            'text,label\nfine,good\n"he said "no" loudly",bad\n',
            ("a closing quote must be followed by the next field", "(bad.csv:3)"),
            "sed -n '3p' bad.csv",
        ),
        (
            "text,label\nfine,good\na, b and c,bad\n",
            ("must have 2 fields, as the header has; got 3", "must be quoted", "(bad.csv:3)"),
            "sed -n '3p' bad.csv",
        ),
    ],
    ids=["empty", "blank lines", "header only", "open quote", "inner quote", "bare comma"],
)
def test_fit_on_a_broken_csv_names_line_and_remedy(write, refuse, fit_words, content, says, hint):
    write("bad.csv", content)
    refuse("fit", "bad.csv", *fit_words, status=4, says=says, hint=hint)


def test_fit_on_latin_1_gives_the_command_that_repairs_the_file(
    rows, write, refuse, fit_words, type_in, here
):
    write("old.csv", "\n".join(rows).replace("broken", "brisée").encode("latin-1"))
    typed = refuse(
        *("fit", "old.csv", *fit_words),
        status=4,
        says=("`old.csv` must be UTF-8; got bytes e9 65", "look like LATIN1", "(old.csv:3)"),
        hint="iconv -f LATIN1 -t UTF-8 old.csv > old.csv.utf8",
    )
    subprocess.run(typed.hint, shell=True, check=True, cwd=here)
    assert type_in("fit", "old.csv.utf8", *fit_words).status == 0


def test_fit_on_a_file_with_a_byte_order_mark_works(rows, write, type_in, fit_words, here):
    write("marked.csv", b"\xef\xbb\xbf" + "\n".join(rows).encode())
    typed = type_in("fit", "marked.csv", *fit_words, "--json")
    assert typed.status == 0, typed.err
    assert json.loads(typed.out)["bundle"] == "out/bundle"
    assert (here / "out/bundle/bundle.json").is_file()


def test_fit_on_jsonl_with_one_bad_line_names_its_number(write, refuse, fit_words):
    good = [json.dumps({"text": f"text {n}", "label": "ab"[n % 2]}) for n in range(20)]
    good[6] = '{"text": "cut off", "lab'
    write("rows.jsonl", "\n".join(good) + "\n")
    refuse(
        *("fit", "rows.jsonl", *fit_words),
        status=4,
        says=("a row must be one JSON object", '`{"text": "cut off", "lab`', "(rows.jsonl:7)"),
        hint="sed -n '7p' rows.jsonl",
    )


def test_fit_on_many_bad_lines_names_all_of_them_at_once(write, refuse, fit_words):
    lines = [json.dumps({"text": f"text {n}", "label": "ab"[n % 2]}) for n in range(20)]
    lines[3], lines[8] = "nonsense", "[1, 2]"
    lines[11] = json.dumps({"text": ["a", "list"], "label": "a"})
    write("rows.jsonl", "\n".join(lines) + "\n")
    refuse(
        *("fit", "rows.jsonl", *fit_words),
        status=4,
        says=(
            "(rows.jsonl:4)",
            "(rows.jsonl:9)",
            "column `text` must hold text",
            "(rows.jsonl:12)",
        ),
    )


@pytest.mark.usefixtures("rows")
def test_fit_with_a_label_only_in_test_names_label_and_line(write, refuse, fit_words, type_in):
    write("test.csv", "text,label\nmy order is good,good\nwhere is my card,unheard\n")
    typed = refuse(
        *("fit", "rows.csv", "--test", "test.csv", *fit_words),
        status=4,
        says=("Only in test, never in train", "`unheard` (1)", "(test.csv:3)"),
        hint="tunesmith check rows.csv --task classification --model",
    )
    shown = type_in(*shlex.split(typed.hint)[1:])
    assert shown.status == 4, shown.err
    assert "unheard" in shown.out


def test_fit_with_a_single_class_says_there_is_nothing_to_learn(rows, write, refuse, fit_words):
    write("same.csv", "\n".join(rows).replace(",bad", ",good"))
    refuse(
        *("fit", "same.csv", *fit_words),
        status=4,
        says=("rows have the label `good`, so there is nothing to tell apart",),
        hint="tunesmith check same.csv",
    )


def test_fit_on_a_conll_tag_outside_bio_names_tag_and_word(write, refuse, tiny_model):
    sentence = "my O\norder B-THING\nis O\nlate O\n\n"
    write("rows.conll", sentence * 3 + sentence.replace("B-THING", "X-THING") + sentence * 8)
    refuse(
        *("fit", "rows.conll", *NER, tiny_model),
        status=4,
        says=(
            "each tag must be `O` or a prefix of BIO, BIOES, BMES or BILOU and a type",
            "`X-THING` for `order`, token 2",
            "(rows.conll:16)",
        ),
        hint="sed -n '16p' rows.conll",
    )


def test_fit_on_a_jsonl_tag_outside_bio_names_the_line(write, refuse, tiny_model):
    rows = [{"tokens": ["my", "order"], "tags": ["O", "B-THING"]} for _ in range(9)]
    rows[4] = {"tokens": ["my", "order"], "tags": ["O", "THING"]}
    rows[7] = {"tokens": ["my", "order"], "tags": ["O"]}
    write("rows.jsonl", jsonl(rows))
    refuse(
        *("fit", "rows.jsonl", *NER, tiny_model),
        status=4,
        says=(
            "`THING` for `order`, token 2 of the row (rows.jsonl:5)",
            "`tags` must be as many as `tokens` (2); got 1 (rows.jsonl:8)",
        ),
        hint="sed -n '5p' rows.jsonl",
    )


def test_fit_on_bad_spans_names_every_one_of_them(write, refuse, tiny_model):
    rows = people()
    rows[2]["entities"].append({"start": 3, "end": 7, "type": "ID"})
    rows[4]["entities"] = [{"start": 6, "end": 900, "type": "ID"}]
    rows[5]["entities"] = [{"start": -1, "end": 3, "type": "ID"}]
    rows[6]["entities"] = [{"start": 3, "end": 3, "type": "ID"}]
    rows[7]["entities"] = [{"start": "0", "end": 3, "type": "ID"}]
    write("rows.jsonl", jsonl(rows))
    refuse(
        *("fit", "rows.jsonl", *NER, tiny_model),
        status=4,
        says=(
            "entities must not overlap; got THING 0–5 and ID 3–7 (rows.jsonl:3)",
            "an entity must lie inside the text (0–15); got ID 6–900 (rows.jsonl:5)",
            "got ID -1–3 (rows.jsonl:6)",
            "got ID 3–3 (rows.jsonl:7)",
            "whole numbers `start`, `end` and a text `type`",
            "(rows.jsonl:8)",
        ),
        hint="sed -n '3p' rows.jsonl",
    )


@pytest.mark.usefixtures("rows")
def test_fit_on_a_missing_file_names_the_nearest_one(refuse, fit_words):
    refuse(
        *("fit", "row.csv", *fit_words),
        status=3,
        says=("file `row.csv` must exist; got no such file",),
        hint="rows.csv",
    )


def test_error_as_json_carries_the_same_problems(write, type_in, fit_words):
    write("bad.jsonl", "nonsense\n")
    typed = type_in("fit", "bad.jsonl", *fit_words, "--json")
    error = json.loads(typed.out)
    assert typed.status == 4
    assert error["error"] == "data"
    assert error["problems"][0]["where"] == "bad.jsonl:1"
    assert error["hint"] == "sed -n '1p' bad.jsonl"


def test_debug_shows_the_traceback_and_keeps_the_status(write, type_in, fit_words):
    write("bad.jsonl", "nonsense\n")
    typed = type_in("fit", "bad.jsonl", *fit_words, "--debug")
    assert typed.status == 4
    assert "Traceback" in typed.err


def test_a_row_of_100_000_characters_is_read_in_windows_within_bounded_memory(
    rows, write, bundle, processes, type_in, fit_words
):
    words = "my order is good and the card is late "
    long_row = words * (100_000 // len(words) + 1)
    write("long.csv", "\n".join([*rows, f"{long_row},good"]) + "\n")
    settings = ("--set", "training.epochs=1", "--set", "training.batch_tokens=4096")
    fitted = type_in("fit", "long.csv", *fit_words, *settings)
    assert fitted.status == 0, fitted.err

    write("short.jsonl", jsonl([{"text": words}]))
    write("long.jsonl", jsonl([{"text": long_row}] * 2))
    short = processes("predict", bundle, "--data", "short.jsonl")
    assert short.wait().status == 0
    long = processes("predict", bundle, "--data", "long.jsonl")
    typed = long.wait()
    assert typed.status == 0, typed.err
    assert len(typed.out.splitlines()) == 2
    assert long.peak_bytes - short.peak_bytes < 150 * 2**20
