"""A question beyond half of a window is cut, and that is said."""

from __future__ import annotations

import json

import pytest

import tunesmith

SHORT = "where is the card?"
LONG = " ".join(["card"] * 80)


def findings(tmp_path, tiny_model, task, rows):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    result = tunesmith.check(str(path), task=task, model=str(tiny_model))
    return {finding["name"]: finding for finding in result.to_json()["findings"]}


def question(number, text):
    return {
        "context": f"order {number} is late",
        "question": text,
        "answers": [{"text": "late", "start": len(f"order {number} is ")}],
    }


def choice(number, reply):
    return {
        "context": f"order {number} is late",
        "question": SHORT,
        "choices": [reply, "good"],
        "answer": 0,
    }


@pytest.mark.parametrize(("text", "rows"), [(SHORT, 0), (LONG, 1)])
def test_question_beyond_half_of_a_window_is_a_warning(tmp_path, tiny_model, text, rows):
    every = [question(number, SHORT) for number in range(30)] + [question(99, text)]
    found = findings(tmp_path, tiny_model, "qa", every)
    assert ("long_questions" in found) == bool(rows)
    if rows:
        assert found["long_questions"]["severity"] == "warning"
        assert found["long_questions"]["figures"]["rows"] == rows


@pytest.mark.parametrize(("reply", "is_cut"), [("late", False), (LONG, True)])
def test_question_and_reply_count_together(tmp_path, tiny_model, reply, is_cut):
    every = [choice(number, "late") for number in range(30)] + [choice(99, reply)]
    assert ("long_questions" in findings(tmp_path, tiny_model, "choice", every)) == is_cut


def test_choices_have_windows_of_their_own_and_do_not_add_up(tmp_path, tiny_model):
    rows = [choice(number, "late " * 20) for number in range(30)]
    for row in rows:
        row["choices"] = [f"{row['choices'][0]} {number}" for number in range(6)]
    assert "windows" not in findings(tmp_path, tiny_model, "choice", rows)
