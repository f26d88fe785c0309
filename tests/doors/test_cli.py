"""The command line: what stands on which stream, settings files, exit statuses, help."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunesmith.core.errors import DataError
from tunesmith.core.spec import build_spec, is_positional, parts_of
from tunesmith.operations import OPERATIONS

from .conftest import run_cli

REQUIRED = {
    "action": "list",
    "data": "rows.csv",
    "bundle": "runs/x",
    "corpus": "text.txt",
    "task": "ner",
    "bundles": "runs/b",
    "log": "audit.jsonl",
    "out": "masked.csv",
}
VERBS = pytest.mark.parametrize("verb", sorted(OPERATIONS))


def required_words(verb: str) -> list[str]:
    fields = OPERATIONS[verb].spec.model_fields
    words = []
    for name, field in fields.items():
        if field.is_required():
            words += [REQUIRED[name]] if is_positional(field) else [f"--{name}", REQUIRED[name]]
    return words


def printed_spec(*words: str) -> dict[str, Any]:
    result = run_cli(*words, "--print-spec")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    return yaml.safe_load(result.stdout)


@VERBS
def test_printed_spec_is_complete_and_fed_back_is_the_same(verb, tmp_path):
    spec = OPERATIONS[verb].spec
    shown = printed_spec(verb, *required_words(verb))
    assert set(shown) == set(spec.model_fields)
    if not shown:
        return
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump(shown), encoding="utf-8")
    if any(is_positional(field) for field in spec.model_fields.values()):
        assert printed_spec(verb, str(path)) == shown
    assert build_spec(spec, shown).model_dump(mode="json") == shown


def test_printed_spec_as_json_is_the_same_spec():
    result = run_cli("fit", "d.csv", "--task", "ner", "--print-spec", "--json")
    assert json.loads(result.stdout) == printed_spec("fit", "d.csv", "--task", "ner")


@pytest.mark.parametrize(
    ("words", "path", "value"),
    [
        (["--set", "training.epochs=3"], "training.epochs", 3),
        (["--set", "training.learning_rate=5e-5"], "training.learning_rate", 5e-5),
        (["--set", "training.max_steps=null"], "training.max_steps", None),
        (["--set", "split.test=0.2"], "split.test", 0.2),
        (["--method", "probe", "--set", "method.strengths=[1, 2]"], "method.strengths", [1, 2]),
        (["--set", "method.head_start=random"], "method.head_start", "random"),
        (["--method", "full", "--set", "method.head_start=random"], "method.name", "full"),
        (["--set", "method=probe"], "method.name", "probe"),
        (["--model", "my/folder", "--set", "model.max_length=64"], "model.name", "my/folder"),
        (["--model", "my/folder", "--set", "model.max_length=64"], "model.max_length", 64),
        (["--seed", "7"], "seed", 7),
        (["--set", "seed=7", "--set", "seed=8"], "seed", 8),
        (["--column", "text=b", "--column", "label=k"], "column", {"text": "b", "label": "k"}),
        (["--set", "column.text=body"], "column", {"text": "body"}),
        (["--overwrite"], "overwrite", True),
        ([], "overwrite", False),
    ],
)  # fmt: skip
def test_flag_or_set_reaches_its_setting(words, path, value):
    held: Any = printed_spec("fit", "d.csv", "--task", "classification", *words)
    for key in path.split("."):
        held = held[key]
    assert held == value


def test_flags_win_over_the_settings_file_and_set_over_flags(tmp_path):
    path = tmp_path / "tune.yaml"
    path.write_text("data: d.csv\ntask: ner\nseed: 1\nmodel: {name: a, max_length: 64}\n")
    assert printed_spec("fit", str(path))["seed"] == 1
    assert printed_spec("fit", str(path), "--seed", "2")["seed"] == 2
    assert printed_spec("fit", str(path), "--seed", "2", "--set", "seed=3")["seed"] == 3
    model = printed_spec("fit", str(path), "--model", "b")["model"]
    assert (model["name"], model["max_length"]) == ("b", 64)


def test_settings_file_with_a_fault_is_named_with_it(tmp_path):
    path = tmp_path / "tune.yaml"
    path.write_text("data: d.csv\ntask: ner\nsede: 1\n")
    result = run_cli("fit", str(path))
    assert result.exit_code == 2
    assert "did you mean `seed`?" in result.stderr
    assert "tune.yaml" in result.stderr


@pytest.mark.parametrize("text", ["epochs", "=3", ""])
def test_set_written_otherwise_is_refused_with_an_example(text):
    result = run_cli("fit", "d.csv", "--task", "ner", "--set", text)
    assert result.exit_code == 2
    assert "`--set` must be written PATH=VALUE" in result.stderr


@pytest.mark.parametrize("recipe", ["probe", "full"])
def test_lock_of_a_run_repeats_it(recipe, tmp_path, tiny_model, tiny_rows):
    words = ["--task", "classification", "--model", str(tiny_model), "--method", recipe]
    steps = ["--set", "training.max_steps=2", "--set", "split.test=0.2", "--seed", "5"]
    first = run_cli("fit", str(tiny_rows), *words, *steps, "--out", f"{tmp_path}/a", "--json")
    lock = f"{tmp_path}/a/config.lock.yaml"
    again = run_cli("fit", lock, "--out", f"{tmp_path}/b", "--json")
    assert (first.exit_code, again.exit_code) == (0, 0), again.stderr
    one, two = json.loads(first.stdout), json.loads(again.stdout)
    assert one["measures"] == two["measures"]
    assert one["split"] == two["split"] == "test"
    weights = [Path(tmp_path, run, "bundle/model/model.safetensors") for run in "ab"]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    refused = run_cli("fit", lock)
    assert refused.exit_code == 2
    assert "--overwrite" in refused.stderr


def test_evaluate_json_has_the_measures_of_labels(fitted, tiny_rows):
    result = run_cli("evaluate", str(fitted), str(tiny_rows), "--json")
    measures = json.loads(result.stdout)["measures"]
    assert {"accuracy", "macro_f1"} <= set(measures)
    for measure in measures.values():
        assert set(measure) == {"value", "unit", "count", "low", "high"}
    accuracy = measures["accuracy"]
    assert accuracy["unit"] == "ratio"
    assert accuracy["count"] == 60
    assert 0 <= accuracy["low"] <= accuracy["value"] <= accuracy["high"] <= 1


def test_evaluate_json_has_the_measures_of_entities(tagged, entity_rows):
    result = run_cli("evaluate", str(tagged / "bundle"), str(entity_rows), "--json")
    measures = json.loads(result.stdout)["measures"]
    assert {"strict_f1", "strict_precision", "strict_recall"} <= set(measures)
    assert measures["strict_f1"]["count"] == 40
    assert set(measures["strict_f1"]) == {"value", "unit", "count", "low", "high"}


def test_words_and_progress_go_to_standard_error_only(tiny_model, tiny_rows, tmp_path):
    words = ["fit", str(tiny_rows), "--task", "classification", "--model", str(tiny_model)]
    more = ["--set", "training.max_steps=2", "--out", f"{tmp_path}/run"]
    result = run_cli(*words, *more, "--json")
    assert result.stdout.count("\n") == 1
    assert "evaluating on" in result.stderr
    assert "validation accuracy" in result.stderr


def test_results_without_json_are_words_on_standard_output(fitted, tiny_rows):
    result = run_cli("evaluate", str(fitted), str(tiny_rows))
    assert result.exit_code == 0
    assert "accuracy" in result.stdout
    assert "n=60" in result.stdout


def test_predict_streams_the_rows_of_a_file_as_json_lines(fitted, tiny_rows):
    result = run_cli("predict", str(fitted), "--data", str(tiny_rows))
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(rows) == 60
    assert set(rows[0]) == {"text", "label", "confidence"}


def test_predict_streams_standard_input_as_json_lines(fitted):
    result = run_cli("predict", str(fitted), standard_input="it is good\nit is bad\n")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["text"] for row in rows] == ["it is good", "it is bad"]


def test_predict_json_holds_the_rows_in_one_document(fitted):
    result = run_cli("predict", str(fitted), "--json", standard_input="it is good\nit is bad\n")
    fields = json.loads(result.stdout)
    assert (fields["rows"], len(fields["predictions"]), fields["out"]) == (2, 2, None)


def test_predict_texts_are_words_or_on_request_json_lines(fitted):
    assert not run_cli("predict", str(fitted), "good").stdout.startswith("{")
    line = run_cli("predict", str(fitted), "good", "--out", "-").stdout
    assert json.loads(line)["text"] == "good"


def test_predict_text_that_names_a_file_is_answered_and_said_to_be(fitted, tiny_rows):
    name = f"{tiny_rows}#test"
    result = run_cli("predict", str(fitted), name, "good", "--out", "-")
    assert len(result.stdout.splitlines()) == 2
    note = f"`{name}` is answered as a text; its rows: --data '{name}'"
    assert result.stderr.replace("\n", "").count(note) == 1


def test_predict_json_and_stream_on_one_output_are_refused(fitted, tiny_rows):
    result = run_cli("predict", str(fitted), "--data", str(tiny_rows), "--out", "-", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"] == "spec"


@pytest.mark.parametrize(
    "words",
    [
        ["nosuchverb", "--json"],
        ["fit", "--json"],
        ["fit", "d.csv", "--lerning-rate", "3", "--json"],
        ["fit", "d.csv", "--task", "ner", "--json", "--seed"],
        ["fit", "d.csv", "more", "--task", "ner", "--json"],
        ["runs", "--limit", "many", "--json"],
    ],
)
def test_words_that_cannot_be_parsed_are_an_error_as_json_too(words):
    result = run_cli(*words)
    assert result.exit_code == 2
    fields = json.loads(result.stdout)
    assert fields["error"] == "spec"
    assert fields["problems"]
    assert result.stderr.startswith("Error: ")
    plain = run_cli(*[word for word in words if word != "--json"])
    assert (plain.exit_code, plain.stdout) == (2, "")


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (DataError("rows"), 4, "data"),
        (ValueError("deep below"), 8, "foreign"),
        (MemoryError(), 6, "resource"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_failure_below_leaves_with_its_status_and_no_traceback(monkeypatch, failure, status, code):
    def fail(spec: Any, session: Any) -> None:
        del spec, session
        raise failure

    monkeypatch.setitem(OPERATIONS, "env", dataclasses.replace(OPERATIONS["env"], run=fail))
    result = run_cli("env", "--json")
    assert result.exit_code == status
    assert json.loads(result.stdout)["error"] == code
    assert "Traceback" not in result.stderr
    assert "Traceback" in run_cli("env", "--debug").stderr


def test_error_that_quotes_hostile_text_is_never_obeyed_by_the_terminal():
    result = run_cli("fit", "d.csv", "--task", "ner", "--set", "split.\x1b[31mtest=0.1")
    assert result.exit_code == 2
    assert "\x1b" not in result.stderr


@VERBS
def test_help_names_every_flag_with_its_sentence(verb):
    result = run_cli(verb, "--help")
    assert result.exit_code == 0
    words = " ".join(result.stdout.split())
    fields = OPERATIONS[verb].spec.model_fields
    for name, field in fields.items():
        members = parts_of(field.annotation)
        if members and not any("name" in member.model_fields for member in members):
            continue
        shown = name.upper() if is_positional(field) else f"--{name.replace('_', '-')}"
        assert shown in result.stdout
        assert " ".join(field.description.split())[:30] in words
    for common in ("--json", "--set", "--print-spec", "--debug"):
        assert common in result.stdout


def test_help_lists_every_verb_with_its_summary():
    result = run_cli("--help")
    for operation in OPERATIONS.values():
        assert f"  {operation.name} " in result.stdout
        assert operation.summary[:40] in result.stdout


@pytest.mark.parametrize(
    ("words", "status"), [(["runs", "--json"], 0), (["fit"], 2), (["runs", "zzzz"], 3)]
)
def test_python_m_tunesmith_is_the_command_line(words, status):
    command = [sys.executable, "-m", "tunesmith", *words]
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert made.returncode == status
    if status:
        assert made.stdout == ""
        assert made.stderr.startswith("Error: ")
    else:
        assert json.loads(made.stdout) == {"runs": []}
        assert made.stderr == ""
