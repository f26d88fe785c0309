"""What holds of every task with every method. A new task or method is one row of these tables."""

from __future__ import annotations

import json

import pytest

import tunesmith
from tunesmith.core.errors import SpecError
from tunesmith.core.methods import DELTAS, METHODS
from tunesmith.runtime.canary import canary_difference
from tunesmith.runtime.loading import load_engine
from tunesmith.tasks import TASKS

from .answers import assert_alike, served_difference
from .task_rows import ASKED, MODELS, PROMPTS, ROWS, as_asked, held_rows, kind_of, write_rows

NOT_PROBED = ("qa", "choice", "recommendation", "summarization", "translation", "generation")
ONE_LABEL_A_ROW = ("classification", "matching", "relation")
EVERY_PAIR = [
    (task, method)
    for task in ROWS
    for method in METHODS
    if (task in ASKED) == (method == "few-shot")
    if (task == "summarization") == (method == "extractive")
    if not (method == "probe" and task.partition(" ")[0] in NOT_PROBED)
    if not (method in DELTAS and task == "recommendation")
    if not (method == "zero-shot" and task != "classification")
    if not (method == "contrastive" and task not in ONE_LABEL_A_ROW)
    if not (method == "bitfit" and MODELS.get(task) == "tiny_decoder")  # it has no biases
    if not (method in PROMPTS and task.startswith("generation"))
]


def test_every_task_has_rows_here():
    assert {kind_of(task) for task in ROWS} == set(TASKS)


@pytest.mark.parametrize(("task", "method"), EVERY_PAIR)
def test_loaded_bundle_answers_as_the_tuned_model_did(fitted, task, method):
    bundle = fitted[task, method].bundle
    assert canary_difference(load_engine(bundle), bundle / "canary.jsonl") < 1e-4


@pytest.mark.parametrize(("task", "method"), EVERY_PAIR)
def test_served_bundle_answers_its_canary_rows_as_recorded(fitted, task, method):
    """As requests, that are read and judged as those of any client."""
    assert served_difference(fitted[task, method].bundle, engine="torch", precision="fp32") == ""


@pytest.mark.parametrize("task", [task for task, method in EVERY_PAIR if method == "full"])
def test_full_tuning_lowers_the_loss_and_learns_an_easy_task(fitted, task):
    result = fitted[task, "full"]
    losses = [step["loss"] for step in result.report["curve"]["steps"]]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    headline = result.report["headline"][0]
    measure = result.measures[headline]
    whole = 100 if measure.unit == "of 100" else 1
    assert measure.value > whole * (0.7 if headline == "spearman" else 0.8)


@pytest.mark.parametrize(("task", "method"), EVERY_PAIR)
def test_bundle_holds_what_the_design_lists(fitted, task, method):
    bundle = fitted[task, method].bundle
    names = {path.name for path in bundle.iterdir()}
    assert {
        *("bundle.json", "model", "report.json", "report.html"),
        *("bad_cases.jsonl", "canary.jsonl", "README.md"),
    } <= names
    manifest = json.loads((bundle / "bundle.json").read_text("utf-8"))
    assert manifest["task"]["kind"] == kind_of(task)
    assert manifest["method"]["name"] == method
    config = json.loads((bundle / "model" / "config.json").read_text("utf-8"))
    outputs = load_engine(bundle).task.outputs()
    assert [config["id2label"][str(index)] for index in range(len(outputs))] == list(outputs)


@pytest.mark.parametrize(("task", "method"), EVERY_PAIR)
def test_evaluating_the_same_rows_again_gives_the_same_measures(fitted, task, method, tmp_path):
    result = fitted[task, method]
    rows = "".join(json.dumps(ROWS[task](number)) + "\n" for number in range(80, 110))
    data = tmp_path / "test.jsonl"
    data.write_text(rows, "utf-8")
    first, second = (tunesmith.evaluate(str(result.bundle), str(data)) for _ in range(2))
    assert first.report["measures"] == second.report["measures"]
    assert first.report["data"]["rows"] == 30


@pytest.mark.parametrize(("task", "method"), EVERY_PAIR)
def test_answers_do_not_depend_on_the_order_of_the_rows(fitted, task, method):
    bundle = fitted[task, method].bundle
    kind = load_engine(bundle).task
    gold = {*kind.gold_roles, "score"}
    given = [{role: row[role] for role in row if role not in gold} for row in held_rows(task)]
    is_text = len(given[0]) == 1
    texts = [as_asked(row) for row in given]
    if is_text:
        texts += ["", "订单很好"]
    forward = tunesmith.predict(str(bundle), texts=texts, all_scores=True).predictions
    backward = tunesmith.predict(str(bundle), texts=texts[::-1], all_scores=True).predictions
    assert [{role: row[role] for role in given[0]} for row in forward[: len(given)]] == given
    assert_alike(forward, backward[::-1])


@pytest.mark.parametrize(
    ("task", "method", "said"),
    [
        ("classification", "extractive", "extractive"),
        ("ner", "zero-shot", "the names of labels"),
        ("summarization", "zero-shot", "the names of labels"),
        ("summarization", "full", "a model that writes the summaries; `minilm` is an encoder"),
        ("summarization", "probe", "makes no summary"),
        ("translation", "extractive", "extractive"),
        ("translation", "probe", "a probe .* writes no text"),
        ("generation", "probe", "a probe .* writes no text"),
    ],
)
def test_method_that_cannot_tune_a_task_is_refused_before_rows_are_read(
    task, method, said, tmp_path
):
    with pytest.raises(SpecError, match=said):
        tunesmith.fit("nowhere.jsonl", task=task, method=method, out=str(tmp_path / "run"))


@pytest.mark.parametrize(
    ("task", "method", "said"),
    [
        ("generation causal", "soft-prompt", "a conversation is written by a template"),
        ("translation causal", "bitfit", "must find something to train"),
        ("recommendation", "lora", "trains two towers above a backbone"),
    ],
)
def test_delta_that_has_no_place_is_refused(request, tmp_path, task, method, said):
    data, settings = write_rows(tmp_path, task, 60)
    model = str(request.getfixturevalue(MODELS.get(task, "tiny_model")))
    with pytest.raises(SpecError, match=said):
        tunesmith.fit(
            str(data),
            task=kind_of(task),
            method=method,
            model=model,
            out=str(tmp_path / "run"),
            **settings,
        )


def test_a_probe_of_a_task_without_vectors_is_refused(tiny_model, tmp_path):
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(ROWS["qa"](number)) + "\n" for number in range(60)), "utf-8")
    with pytest.raises(SpecError, match="one vector"):
        tunesmith.fit(
            str(data), task="qa", method="probe", model=str(tiny_model), out=str(tmp_path / "run")
        )
