"""Places that cannot be written to: taken, locked, under a file."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.usefixtures("rows")


def test_fit_into_a_finished_run_refuses_and_changes_nothing(run_folder, refuse, fit_words):
    words = (*fit_words[:-1], str(run_folder.name))
    refuse(
        *("fit", "rows.csv", *words),
        status=2,
        says=("`--out` must be a new or empty folder; `run` exists",),
        hint="--out run-2, or --overwrite to replace it",
    )


def test_fit_into_an_unfinished_run_offers_to_resume(run_folder, here, refuse, fit_words):
    (run_folder / "bundle").rename(here / "aside")
    refuse(
        *("fit", "rows.csv", *fit_words[:-1], "run"),
        status=2,
        says=("`run` exists",),
        hint="or go on with: tunesmith fit run/config.lock.yaml --resume",
    )


@pytest.mark.parametrize("more", [(), ("--overwrite",)])
def test_fit_never_replaces_a_folder_that_is_no_run(here, write, refuse, fit_words, more):
    write("mine/precious.txt", "years of work")
    typed = refuse("fit", "rows.csv", *fit_words[:-1], "mine", *more, status=2, says=("`mine`",))
    assert typed.hint == "--out mine-2"
    assert (here / "mine/precious.txt").read_text("utf-8") == "years of work"


def test_fit_with_overwrite_replaces_a_run_as_a_whole(run_folder, type_in, fit_words):
    (run_folder / "checkpoint-999").mkdir()
    typed = type_in("fit", "rows.csv", *fit_words[:-1], "run", "--overwrite")
    assert typed.status == 0, typed.err
    assert not (run_folder / "checkpoint-999").exists()
    assert type_in("predict", "run", "my order").status == 0


def test_fit_with_overwrite_and_bad_rows_keeps_the_old_run(run_folder, write, refuse, fit_words):
    assert run_folder.is_dir()
    write("bad.csv", "text,label\nonly,one\n")
    words = ("fit", "bad.csv", *fit_words[:-1], "run", "--overwrite")
    refuse(*words, status=4, says=("rows to spare",))


def test_fit_that_fails_before_its_first_checkpoint_leaves_no_folder(refuse, fit_words):
    settings = ("training.learning_rate=1e38", "training.evaluate_every=1000")
    more = ("method.head_start=random", "training.batch_tokens=64")
    words = [word for setting in (*settings, *more) for word in ("--set", setting)]
    refuse("fit", "rows.csv", *fit_words, *words, status=6, says=("the loss must stay finite",))


@pytest.mark.parametrize("verb", ["fit", "evaluate", "predict"])
def test_out_that_is_a_file_or_lies_below_one_is_refused(bundle, refuse, fit_words, verb):
    words = {
        "fit": ("fit", "rows.csv", *fit_words[:-2]),
        "evaluate": ("evaluate", bundle.name, "rows.csv"),
        "predict": ("predict", bundle.name, "--data", "rows.csv"),
    }[verb]
    refuse(*words, "--out", "rows.csv", status=2, says=("rows.csv`",))
    refuse(*words, "--out", "rows.csv/deep/x.jsonl", status=2, says=("rows.csv`",), hint="--out ")


@pytest.mark.parametrize("verb", ["fit", "evaluate", "predict"])
def test_out_that_may_not_be_written_is_a_lack_of_resources(
    bundle, locked_folder, refuse, fit_words, verb
):
    words = {
        "fit": ("fit", "rows.csv", *fit_words[:-2]),
        "evaluate": ("evaluate", bundle.name, "rows.csv"),
        "predict": ("predict", bundle.name, "--data", "rows.csv"),
    }[verb]
    out = f"{locked_folder.name}/x.jsonl"
    refuse(*words, "--out", out, status=6, says=("locked/x.jsonl", "must be writable; got"))


def test_out_with_a_name_too_long_for_the_disk_is_refused(bundle, refuse, fit_words):
    name = "x" * 300
    refuse("fit", "rows.csv", *fit_words[:-1], name, status=2, says=("name too long",))
    for words in (("evaluate", bundle.name, "rows.csv"), ("predict", bundle.name, "my order")):
        refuse(*words, "--out", f"{name}.jsonl", status=2, says=("name too long",))


def test_evaluate_into_a_folder_with_files_refuses_then_replaces_only_its_own(
    bundle, write, refuse, type_in, here
):
    write("report/notes.txt", "mine")
    words = ("evaluate", bundle.name, "rows.csv", "--out", "report")
    refuse(*words, status=2, says=("`report` exists",), hint="--out report-2, or --overwrite")
    assert type_in(*words, "--overwrite").status == 0
    names = {path.name for path in (here / "report").iterdir()}
    assert names == {
        *("notes.txt", "report.json", "report.html", "bad_cases.jsonl", "confusion.csv")
    }


def test_evaluate_on_bad_rows_leaves_no_folder(bundle, write, refuse):
    write("bad.csv", "text,intent\nhello,good\n")
    words = ("evaluate", bundle.name, "bad.csv", "--out", "report")
    refuse(*words, status=4, says=("column `label` must be present",), hint="label=intent")


def test_predict_keeps_an_existing_file_unless_told(bundle, write, refuse, type_in, here):
    write("answers.jsonl", "mine\n")
    words = ("predict", bundle.name, "--data", "rows.csv", "--out", "answers.jsonl")
    refuse(*words, status=2, says=("answers.jsonl` must not exist yet",), hint="--overwrite")
    assert type_in(*words, "--overwrite").status == 0
    answers = (here / "answers.jsonl").read_text("utf-8").splitlines()
    assert len(answers) == 60
    assert "label" in json.loads(answers[0])


def test_predict_that_fails_on_the_way_keeps_the_existing_file(bundle, write, refuse):
    write("answers.jsonl", "mine\n")
    write("rows.jsonl", '{"text": "fine"}\n' * 2000 + "nonsense\n")
    words = ("predict", bundle.name, "--data", "rows.jsonl", "--out", "answers.jsonl")
    refuse(*words, "--overwrite", status=4, says=("(rows.jsonl:2001)",))


def test_predict_into_its_own_input_is_refused(bundle, refuse):
    words = ("predict", bundle.name, "--data", "rows.csv", "--out", "rows.csv", "--overwrite")
    refuse(*words, status=2, says=("the output must be another file than the input",))


def test_predict_into_a_missing_folder_gives_the_command_that_makes_it(bundle, refuse, here):
    words = ("predict", bundle.name, "--data", "rows.csv", "--out", "new/answers.jsonl")
    refuse(*words, status=3, says=("must exist; got no such folder",), hint=f"mkdir -p {here}/new")
