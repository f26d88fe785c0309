"""`check` ends with the status of unusable rows where it found a fault, and prints its table."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import tunesmith
from tunesmith.interfaces.cli import app


@pytest.fixture
def one_class(tmp_path):
    path = tmp_path / "one_class.csv"
    path.write_text("text,label\n" + "".join(f"order {n},same\n" for n in range(20)), "utf-8")
    return str(path)


def test_rows_with_a_fault_end_with_4_and_are_shown(one_class, tiny_model):
    words = ["check", one_class, "--task", "classification", "--model", str(tiny_model)]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 4
    assert "fault" in shown.stdout
    as_json = CliRunner().invoke(app, [*words, "--json"])
    assert as_json.exit_code == 4
    assert json.loads(as_json.stdout)["usable"] is False


def test_usable_rows_end_with_0(tiny_rows, tiny_model):
    words = ["check", str(tiny_rows), "--task", "classification", "--model", str(tiny_model)]
    assert CliRunner().invoke(app, words).exit_code == 0


def test_python_gets_the_findings_and_no_exception(one_class, tiny_model):
    result = tunesmith.check(one_class, task="classification", model=str(tiny_model))
    assert not result.is_usable
    assert result.exit_status == 4
