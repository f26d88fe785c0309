"""Rows of several parts that cannot be used, and requests their bundles cannot meet."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import tunesmith
from tunesmith.session import Session
from tunesmith.store.workspace import Workspace

MORE = ("--set", "training.max_steps=2", "--set", "training.threads=1", "--out", "out", "--model")
TEXT = "my order is late"


def matching(number: int) -> dict:
    word = "good" if number % 2 else "bad"
    return {"text_a": f"it is {word}", "text_b": f"card {number}", "label": word}


def scored(number: int) -> dict:
    pair = matching(number)
    return {"score": 1.0 if pair.pop("label") == "good" else 0.0, **pair}


def relation(number: int) -> dict:
    head, tail = {"start": 0, "end": 2}, {"start": 3, "end": 8}
    return {"text": f"{TEXT} {number}", "head": head, "tail": tail, "label": "ab"[number % 2]}


def qa(number: int) -> dict:
    answer = {"text": "order", "start": 3}
    return {"context": f"{TEXT} {number}", "question": "what?", "answers": [answer]}


def choice(number: int) -> dict:
    choices = ["late", "lost", "good"][: 2 + number % 2]
    return {"question": f"is it {number}", "choices": choices, "answer": number % 2}


ROWS: dict[str, Callable[[int], dict]] = {
    "matching": matching,
    "relation": relation,
    "qa": qa,
    "choice": choice,
}
TASKS = pytest.mark.parametrize("task", list(ROWS))


def jsonl(rows: list[dict]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="session")
def bundles(tiny_model, tmp_path_factory) -> dict[str, Path]:
    """Return a bundle of each task. Never change them."""
    made = {}
    for task, row in {**ROWS, "scores": scored}.items():
        folder = tmp_path_factory.mktemp(f"parts-{task}")
        (folder / "rows.jsonl").write_text(jsonl([row(n) for n in range(40)]), "utf-8")
        made[task] = tunesmith.fit(
            str(folder / "rows.jsonl"),
            task="matching" if task == "scores" else task,
            model=str(tiny_model),
            training={"max_steps": 2, "threads": 1},
            out=str(folder / "run"),
            session=Session(workspace=Workspace(folder / "home")),
        ).bundle
    return made


@pytest.fixture
def put(bundles, here) -> Callable[[str], Path]:
    """Return a function that copies the bundle of a task to `bundle` here."""
    return lambda task: Path(shutil.copytree(bundles[task], here / "bundle"))


FAULTS = [
    ("qa", {"answers": [{"text": "card", "start": 3}]}, "it stands nowhere in the context"),
    ("qa", {"answers": [{"text": "order", "start": 4}]}, "`order` at 4, where there is `rder `"),
    ("qa", {"answers": [{"text": "order", "start": -15}]}, "`order` at -15"),
    ("qa", {"answers": "order, card"}, "must stand in the context exactly once"),
    ("qa", {"question": None}, "column `question` must hold text; got null"),
    ("relation", {"head": {"start": 0, "end": 99}}, "`head` must lie inside the text"),
    ("relation", {"tail": {"start": 8, "end": 3}}, "`tail` must lie inside the text"),
    ("relation", {"tail": "order"}, "column `tail` must hold whole numbers `start` and `end`"),
    ("choice", {"answer": 2, "choices": ["a", "b"]}, "the index of a choice (0–1) or its text"),
    ("choice", {"answer": "late, perhaps"}, "or its text; got late, perhaps"),
    ("choice", {"answer": "9" * 5000}, "the index of a choice"),
    ("choice", {"choices": ["alone"]}, "must hold a list of two texts or more"),
    ("matching", {"score": "high", "label": None}, "column `score` must hold a number; got high"),
    ("matching", {"score": True, "text_a": []}, "column `text_a` must hold text; got []"),
    ("matching", {"text_b": 3.5, "text_a": None}, "column `text_a` must hold text; got null"),
]


@pytest.mark.parametrize(("task", "change", "says"), FAULTS)
def test_fit_on_a_bad_row_names_line_and_fault(write, refuse, tiny_model, task, change, says):
    rows = [ROWS[task](number) for number in range(12)]
    rows[6] |= change
    write("rows.jsonl", jsonl(rows))
    refuse(
        *("fit", "rows.jsonl", "--task", task, *MORE, tiny_model),
        status=4,
        says=(says, "(rows.jsonl:7)"),
        hint="sed -n '7p' rows.jsonl",
    )


@pytest.mark.parametrize(
    ("task", "role", "name"),
    [
        ("matching", "text_b", "text_c"),
        ("relation", "tail", "tails"),
        ("qa", "question", "questions"),
        ("choice", "choices", "choice"),
        ("choice", "answer", "answers"),
        ("qa", "answers", "answer"),
    ],
)
def test_fit_without_a_column_names_it_once_and_guesses(
    write, refuse, tiny_model, task, role, name
):
    rows = [ROWS[task](number) for number in range(12)]
    for row in rows:
        row[name] = row.pop(role)
    write("rows.jsonl", jsonl(rows))
    typed = refuse(
        *("fit", "rows.jsonl", "--task", task, *MORE, tiny_model),
        status=4,
        says=(f"column `{role}` must be present", "in all 12 rows"),
        hint=f"--column {role}={name}",
    )
    assert typed.err.count("must be present") == 1


def test_fit_on_scores_and_labels_mixed_is_refused(write, refuse, tiny_model):
    rows = [(scored if number % 3 else matching)(number) for number in range(24)]
    write("rows.jsonl", jsonl(rows))
    refuse(
        *("fit", "rows.jsonl", "--task", "matching", *MORE, tiny_model),
        status=4,
        says=("rows must all have a score, or all a label",),
    )


def test_fit_on_labels_with_texts_read_apart_is_refused(write, refuse, tiny_model):
    write("rows.jsonl", jsonl([matching(number) for number in range(24)]))
    refuse(
        *("fit", "rows.jsonl", "--task", "matching", "--set", "model.pairs=apart"),
        *(*MORE, tiny_model),
        status=2,
        says=("texts read apart must have scores", "bad, good"),
        hint="--set model.pairs=together",
    )


@pytest.mark.parametrize("task", ["qa", "choice"])
def test_fit_with_class_weights_where_there_are_no_classes_is_refused(
    write, type_in, tiny_model, task
):
    write("rows.jsonl", jsonl([ROWS[task](number) for number in range(24)]))
    weights = ("--set", "training.class_weights=balanced")
    typed = type_in("fit", "rows.jsonl", "--task", task, *weights, *MORE, tiny_model)
    assert typed.status == 2, typed.err
    assert "has no labels to smooth or to weigh" in typed.err


@TASKS
def test_predict_with_a_text_that_is_no_object_shows_a_row(put, refuse, type_in, task):
    put(task)
    for text in ("my order", "[1, 2]", "{"):
        typed = refuse(
            *("predict", "bundle", text),
            status=4,
            says=(f"a text for {task} must be a JSON object with",),
            hint="tunesmith predict BUNDLE '{",
        )
    row = typed.hint.partition("'")[2].rpartition("'")[0]
    assert type_in("predict", "bundle", row).status == 0


@TASKS
def test_predict_with_an_object_that_lacks_a_role_names_it(put, refuse, task):
    put(task)
    row = ROWS[task](1)
    lacking = "text_b" if task == "matching" else {"choice": "choices", "qa": "question"}.get(task)
    del row[lacking or "tail"]
    refuse(
        *("predict", "bundle", json.dumps(row)),
        status=4,
        says=(f"column `{lacking or 'tail'}` must be present",),
    )


@TASKS
def test_predict_on_lines_that_are_no_rows_is_refused_with_the_line(put, type_in, write, task):
    put(task)
    write("rows.jsonl", jsonl([ROWS[task](0)]) + '{"other": 1}\n')
    typed = type_in("predict", "bundle", "--data", "rows.jsonl")
    assert typed.status == 4, typed
    assert "must be present" in typed.err
    assert "rows.jsonl:2" in typed.err
    assert len(typed.out.splitlines()) <= 1


@TASKS
def test_predict_on_rows_without_gold_answers_them_all(put, type_in, write, task):
    put(task)
    gold = {"label", "answers", "answer"}
    rows = [ROWS[task](number) for number in range(5)]
    bare = [{role: value for role, value in row.items() if role not in gold} for row in rows]
    write("rows.jsonl", jsonl(bare))
    typed = type_in("predict", "bundle", "--data", "rows.jsonl")
    assert typed.status == 0, typed.err
    lines = [json.loads(line) for line in typed.out.splitlines()]
    assert [
        {role: line[role] for role in row} for line, row in zip(lines, bare, strict=True)
    ] == bare


def test_predict_on_a_csv_with_empty_gold_cells_answers_them(put, type_in, write):
    put("scores")
    write("rows.csv", "text_a,text_b,score\na card,the card,\nit,is,\n")
    typed = type_in("predict", "bundle", "--data", "rows.csv")
    assert typed.status == 0, typed.err
    assert len(typed.out.splitlines()) == 2


@pytest.mark.parametrize(
    ("task", "row", "role"), [("matching", scored, "label"), ("scores", matching, "score")]
)
def test_evaluate_on_scores_with_a_bundle_of_labels_names_the_column(
    put, refuse, write, task, row, role
):
    put(task)
    write("rows.jsonl", jsonl([row(number) for number in range(5)]))
    refuse(
        *("evaluate", "bundle", "rows.jsonl"),
        status=4,
        says=(f"column `{role}` must be present", "in all 5 rows"),
    )


@TASKS
def test_empty_texts_and_odd_characters_are_answered(put, type_in, task):
    put(task)
    odd = "\u0000 \u200b👩‍💻 \ud7ff"
    rows = {
        "matching": [{"text_a": "", "text_b": ""}, {"text_a": odd, "text_b": "x" * 3000}],
        "relation": [
            {"text": " ", "head": {"start": 0, "end": 1}, "tail": {"start": 0, "end": 1}},
            {"text": odd * 90, "head": {"start": 0, "end": 300}, "tail": {"start": 5, "end": 6}},
        ],
        "qa": [{"context": "", "question": ""}, {"context": odd * 90, "question": "is " * 400}],
        "choice": [
            {"question": "", "choices": ["", ""]},
            {"question": odd * 90, "choices": ["x " * 400, ""], "context": "a " * 400},
        ],
    }[task]
    typed = type_in("predict", "bundle", *map(json.dumps, rows), "--json")
    assert typed.status == 0, typed.err
    assert len(json.loads(typed.out)["predictions"]) == 2
