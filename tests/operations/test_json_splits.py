"""A JSON file of lists is data for every verb: tuned on, evaluated on, answered, and ranked by."""

from __future__ import annotations

import json

import pytest

from tunesmith.core.errors import NotFoundError


@pytest.fixture(scope="module")
def work(new_work, tiny_model, tmp_path_factory):
    """Return a workspace with a file of splits and a probe tuned on it."""
    work = new_work(tmp_path_factory.mktemp("work"))
    rows = [[f"my order {n} is {'lost' if n % 2 else 'good'}", "ab"[n % 2]] for n in range(24)]
    lists = {"oos_val": [["x", "oos"]], "val": rows[:6], "train": rows[6:], "test": rows[:4]}
    work.data = work.folder / "data.json"
    work.data.write_text(json.dumps(lists, indent=1), "utf-8")
    work.fitted = work.do(
        "fit",
        data=str(work.data),
        task="classification",
        model=str(tiny_model),
        method={"name": "probe", "strengths": [1]},
        out=str(work.folder / "run"),
    )
    return work


def test_fit_learns_train_chooses_by_valid_and_reports_test(work):
    assert work.fitted.report["data"] | {"sha256": ""} == {
        **work.fitted.report["data"],
        "sha256": "",
        "rows": 4,
        "split": "test",
        "train_rows": 18,
    }


def test_check_reads_all_splits(work, tiny_model):
    settings = {"task": "classification", "model": str(tiny_model)}
    found = work.do("check", data=str(work.data), **settings)
    assert found.rows == {"train": 18, "valid": 6, "test": 4}
    keyed = work.do("check", data=f"{work.data}#train", **settings)
    assert sum(keyed.rows.values()) == 18


def test_evaluate_takes_the_test_list_or_the_one_that_is_named(work):
    bundle = str(work.folder / "run")
    whole = work.do("evaluate", bundle=bundle, data=str(work.data)).report["data"]
    named = work.do("evaluate", bundle=bundle, data=f"{work.data}#test").report["data"]
    assert whole["sha256"] == named["sha256"]
    assert whole["rows"] == 4


def test_predict_answers_the_list_that_is_named(work):
    out = work.folder / "answers.jsonl"
    work.do("predict", bundle=str(work.folder / "run"), data=f"{work.data}#oos_val", out=str(out))
    assert [json.loads(line)["text"] for line in out.read_text("utf-8").splitlines()] == ["x"]


def test_leaderboard_finds_what_was_measured_on_the_list(work):
    work.do("evaluate", bundle=str(work.folder / "run"), data=f"{work.data}#val")
    boards = work.runs("leaderboard", f"{work.data}#val")["boards"]
    assert [row["data"] for row in boards[0]["rows"]] == [f"{work.data}#val"]
    with pytest.raises(NotFoundError, match="must be a data argument"):
        work.runs("leaderboard", f"{work.folder}/other.json#val")
