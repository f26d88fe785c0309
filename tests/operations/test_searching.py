"""The search for a prompt: halving, growing samples, the same by the seed and after a kill."""

from __future__ import annotations

import json

import pytest

import tunesmith
from tunesmith.core.errors import DataError, SpecError
from tunesmith.operations.prompt import PromptSpec
from tunesmith.operations.searching import make_candidates, part_rows
from tunesmith.runtime.canary import canary_difference
from tunesmith.runtime.loading import load_engine
from tunesmith.tasks.classification import Classification

SMALL = {
    "templates": ["{text} = {label}"],
    "examples": [0, 2],
    "draws": 1,
    "choices": "balanced",
    "calibrations": ["none", "contextual"],
    "candidates": 6,
    "first_rows": 8,
}


@pytest.fixture
def search(tmp_path, tiny_rows, tiny_decoder):
    def run(folder="run", **settings):
        own = {**SMALL, "model": str(tiny_decoder), "out": tmp_path / folder, **settings}
        return tunesmith.prompt(tiny_rows, task="classification", **own)

    return run


def lines(result):
    return [json.loads(line) for line in result.transcript.read_text("utf-8").splitlines()]


def plain(trials):
    return [{**trial, "seconds": 0} for trial in trials]


def test_search_halves_the_prompts_and_doubles_the_rows(search):
    result = search()
    trials = lines(result)
    rounds = [[t["rows"] for t in trials if t["round"] == number] for number in (1, 2, 3)]
    assert rounds == [[8] * 6, [16] * 3, [27] * 2]
    best = max(
        (t for t in trials if t["round"] == 1), key=lambda t: (t["value"], t["log_probability"])
    )
    assert best["id"] in {t["id"] for t in trials if t["round"] == 2}
    assert all(t["count"] == t["rows"] and t["low"] <= t["value"] <= t["high"] for t in trials)
    kept = json.loads((result.bundle / "bundle.json").read_text("utf-8"))
    last = [t for t in trials if t["round"] == 3]
    winner = max(last, key=lambda t: (t["value"], t["log_probability"]))["candidate"]
    assert kept["template"]["template"] == winner["template"] == result.template
    assert result.report["prompt"]["tried"] == trials
    assert canary_difference(load_engine(result.bundle), result.bundle / "canary.jsonl") < 1e-4
    assert "transcript" in (result.bundle / "report.html").read_text("utf-8").casefold()


def test_same_seed_finds_the_same_and_a_killed_search_goes_on(search, tmp_path):
    whole = plain(lines(search()))
    cut = tmp_path / "cut"
    again = search("cut")
    assert plain(lines(again)) == whole
    raw = again.transcript.read_bytes().splitlines(keepends=True)
    for child in sorted(again.bundle.rglob("*"), reverse=True):
        child.rmdir() if child.is_dir() else child.unlink()
    again.bundle.rmdir()
    again.transcript.write_bytes(b"".join(raw[:4]) + raw[4][:20])
    resumed = search("cut", resume=True)
    assert plain(lines(resumed)) == whole
    assert resumed.transcript.read_bytes().startswith(b"".join(raw[:4]))
    assert cut.is_dir()


def test_budget_of_time_ends_the_search_with_the_best_so_far(search):
    result = search(budget_minutes=1e-9)
    assert len(lines(result)) == 1
    assert "ended in round 1" in result.reason


def test_validation_rows_choose_nothing(search, tmp_path):
    found = []
    for name, labels in (("right", "good,bad"), ("wrong", "bad,good")):
        valid = tmp_path / f"{name}.csv"
        own = zip(("so good", "so bad"), labels.split(","), strict=True)
        valid.write_text("text,label\n" + "".join(f"{t},{y}\n" for t, y in own), "utf-8")
        found.append(search(name, valid=str(valid), candidates=3))
    assert plain(lines(found[0])) == plain(lines(found[1]))
    assert found[0].measures["accuracy"].value == 1 - found[1].measures["accuracy"].value


def test_rows_for_examples_and_rows_that_measure_are_apart():
    rows = list(range(30))
    pool, scored = part_rows(rows, seed=3)
    assert sorted([*pool, *scored]) == rows
    assert len(pool) == 15
    with pytest.raises(DataError, match="must have 8 training rows"):
        part_rows(rows[:5], seed=0)


def test_prompts_are_drawn_from_all_beginning_with_the_plainest():
    spec = PromptSpec(data="x", task="classification", words={"a": "x|y"}, candidates=5)
    task = Classification(("a", "b"))
    every = make_candidates(spec.model_copy(update={"candidates": 10_000}), task, "en")
    assert len({candidate.identity for candidate in every}) == len(every) > 100
    words = {tuple(candidate.words["a"]) for candidate in every}
    assert words == {("x", "y"), ("x",), ("y",), ("a",)}
    some = make_candidates(spec, task, "en")
    assert len(some) == 5
    assert some[0] == every[0]
    assert [c.identity for c in some] == [c.identity for c in make_candidates(spec, task, "en")]
    other = make_candidates(spec.model_copy(update={"seed": 1}), task, "en")
    assert [c.identity for c in other] != [c.identity for c in some]


def test_nearest_examples_can_be_searched_among_others(search):
    result = search(examples=2, choices=["nearest"], calibrations="none", own_only=True)
    assert result.tried == 1
    assert (result.bundle / "examples.safetensors").is_file()


def test_broken_line_of_a_transcript_is_refused(search):
    result = search()
    for child in sorted(result.bundle.rglob("*"), reverse=True):
        child.rmdir() if child.is_dir() else child.unlink()
    result.bundle.rmdir()
    result.transcript.write_text('{"id": 3}\n', "utf-8")
    with pytest.raises(DataError, match="a line of the transcript must hold a trial"):
        search(resume=True)


def test_problems_of_all_templates_are_told_at_once(search):
    with pytest.raises(SpecError) as caught:
        search(templates=["{text}", "{label}", "{text_b} {text} {label}"])
    assert len(caught.value.problems) == 3


def test_task_that_cannot_be_asked_is_refused(tmp_path, tiny_decoder):
    with pytest.raises(SpecError, match="ner has other answers"):
        tunesmith.prompt("nowhere", task="ner", model=str(tiny_decoder), out=tmp_path / "x")


def test_model_that_guesses_no_words_is_refused(search, tiny_model):
    with pytest.raises(SpecError, match="must be a model that guesses words"):
        search(model=str(tiny_model))
