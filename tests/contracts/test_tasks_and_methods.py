"""What holds of every task with every method. A new task or method is one row of these tables."""

from __future__ import annotations

import json
import shutil

import pytest

import tunesmith
from tunesmith.core.errors import SpecError
from tunesmith.core.methods import DELTAS, METHODS
from tunesmith.core.serving import ServiceLimits
from tunesmith.operations.exporting import EXPORTED
from tunesmith.operations.predict import PredictSpec, open_engine
from tunesmith.operations.serving import BundleAnswerer
from tunesmith.runtime.canary import canary_difference
from tunesmith.runtime.loading import load_engine
from tunesmith.session import Session
from tunesmith.stages.serve.canary import compare_canary
from tunesmith.stages.serve.requests import RequestSpec, demands_of, read_rows
from tunesmith.store.bundles import read_bundle
from tunesmith.tasks import TASKS


def _classification(number):
    word = "good" if number % 2 else "bad"
    return {"text": f"the card {number} is {word}", "label": word}


def _multilabel(number):
    labels = [name for name, word in (("G", "good"), ("B", "bad")) if (number >> (name == "B")) % 2]
    words = [{"G": "good", "B": "bad"}[name] for name in labels]
    return {"text": f"the order {number} is {' '.join(words)}", "labels": labels}


def _ner(number):
    text = f"my order {number} is a card"
    start = text.index("card")
    entities = [{"start": start, "end": start + 4, "type": "ITEM"}]
    return {"text": text, "entities": entities if number % 3 else []}


def _matching(number):
    first, second = ("good" if number % 2 else "bad"), ("good" if number % 3 else "bad")
    label = "both" if first == second == "good" else "other"
    return {"text_a": f"it {number} is {first}", "text_b": f"a {second} card", "label": label}


def _alike(number):
    pair = _matching(number)
    return {**pair, "score": 5.0 if pair.pop("label") == "both" else 0.0}


def _relation(number):
    words = ["my", "card", "is", "lost", "the", "order", "is", "late"]
    head, tail = (1, 5) if number % 2 else (5, 1)
    starts = [sum(len(word) + 1 for word in words[:index]) for index in range(len(words))]
    head, tail = (
        {"start": starts[index], "end": starts[index] + len(words[index])} for index in (head, tail)
    )
    text = " ".join(words) + f" {number}"
    return {
        "text": text,
        "head": head,
        "tail": tail,
        "label": "r(e1,e2)" if number % 2 else "Other",
    }


def _qa(number):
    color = ("good", "bad", "late")[number % 3]
    context = f"order {number} my card is {color} please refund it"
    answer = {"text": color, "start": context.index(color)}
    return {"context": context, "question": "where is the card?", "answers": [answer]}


def _choice(number):
    right = number % 3
    choices = ["late", "late", "late"]
    choices[right] = "refund"
    if number % 2:
        choices.append("lost")
    return {"context": f"order {number}", "question": "to?", "choices": choices, "answer": right}


ITEMS = [f"the {word} card {letter}" for letter in "abcdef" for word in ("good", "bad")]


def _recommendation(number):
    user, step = divmod(number, 5)
    item = (user + step) % len(ITEMS)
    return {"user": f"u{user}", "item": f"i{item}", "value": 1.0, "time": float(number)}


def _summarization(number):
    places = ("good", "bad", "late")
    first, second = places[number % 3], places[(number + 1) % 3]
    turns = [
        f"#A#: where is order {number}?",
        f"#B#: it is {first}.",
        f"#A#: please refund it {second}.",
    ]
    return {"document": "\n".join(turns), "summary": f"refund it {second} {number}"}


def _written_summary(number):
    word = ("good", "bad", "late")[number % 3]
    turns = [
        f"#A#: where is order {number}?",
        f"#B#: the card is {word}.",
        "#A#: please refund it.",
    ]
    return {"document": "\n".join(turns), "summary": f"refund it to the {word} card please"}


def _translation(number):
    word = ("good", "bad", "late")[number % 3]
    return {"source": f"card {number} is {word}", "target": f"it is the {word} order to refund"}


def _generation(number):
    word = ("good", "bad", "late")[number % 3]
    first = [("user", f"is it {number}"), ("assistant", "it is a card")] if number % 2 else []
    turns = [*first, ("user", f"{word}?")]
    messages = [{"role": role, "content": content} for role, content in turns]
    return {"messages": messages, "reply": f"the {word} order to refund"}


ROWS = {
    "classification": _classification,
    "multilabel": _multilabel,
    "ner": _ner,
    "matching": _matching,
    "matching apart": _alike,
    "relation": _relation,
    "qa": _qa,
    "choice": _choice,
    "recommendation": _recommendation,
    "summarization": _summarization,
    "summarization written": _written_summary,
    "summarization causal": _written_summary,
    "translation": _translation,
    "translation causal": _translation,
    "generation": _generation,
    "generation causal": _generation,
    "classification asked": _classification,
    "multilabel asked": _multilabel,
    "matching asked": _matching,
    "matching alike asked": _alike,
    "relation asked": _relation,
    "choice asked": _choice,
}
ASKED = tuple(task for task in ROWS if task.endswith(" asked"))
"""Rows for models that are asked in words."""

NOT_PROBED = ("qa", "choice", "recommendation", "summarization", "translation", "generation")
MODELS = {
    "summarization written": "tiny_writer",
    "summarization causal": "tiny_decoder",
    "translation": "tiny_writer",
    "translation causal": "tiny_decoder",
    "generation": "tiny_writer",
    "generation causal": "tiny_decoder",
    "classification asked": "tiny_decoder",
    "multilabel asked": "tiny_writer",
    "matching asked": "tiny_masked",
    "matching alike asked": "tiny_decoder",
    "relation asked": "tiny_masked",
    "choice asked": "tiny_decoder",
}
"""The fixture of the model that is tuned, where it is not `tiny_model`: of what writes."""

EPOCHS = dict.fromkeys(MODELS, 24)
ONE_LABEL_A_ROW = ("classification", "matching", "relation")
PROMPTS = ("soft-prompt", "p-tuning")
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

READ = [task for task in ROWS if task.partition(" ")[0] in EXPORTED and task not in ASKED]
"""Tasks whose models are exported."""


def test_every_task_has_rows_here():
    assert {kind_of(task) for task in ROWS} == set(TASKS)


def kind_of(task):
    return task.partition(" ")[0]


class Fits(dict):
    """The results by (task, method), each pair fitted when it is first asked for."""

    def __init__(self, folders, fixture):
        self.folders, self.fixture = folders, fixture

    def __missing__(self, pair):
        task, method = pair
        folder = self.folders.mktemp(f"{task}-{method}")
        rows = [ROWS[task](number) for number in range(80)]
        data = folder / "rows.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        settings = {}
        if task == "recommendation":
            items = [{"item": f"i{at}", "text": text} for at, text in enumerate(ITEMS)]
            content = "".join(json.dumps(item) + "\n" for item in items)
            (folder / "items.jsonl").write_text(content, "utf-8")
            settings = {"items": str(folder / "items.jsonl"), "recommend": {"batch_events": 8}}
        if method in DELTAS and task in MODELS:  # what is hardly tuned writes without end
            settings = {"decoding": {"beams": 1, "max_new_tokens": 12}}
        self[pair] = tunesmith.fit(
            str(data),
            task=kind_of(task),
            method=method,
            model=str(self.fixture(MODELS.get(task, "tiny_model"))),
            training={
                "learning_rate": 2e-3,
                "epochs": 2 if method in DELTAS else EPOCHS.get(task, 12),
                "batch_tokens": 128,
                "evaluate_every": 20,
                "patience": 0,
            },
            out=str(folder / "run"),
            **settings,
        )
        return self[pair]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, request):
    """Fit each pair once, when a test asks for it."""
    return Fits(tmp_path_factory, request.getfixturevalue)


@pytest.mark.parametrize(("task", "method"), EVERY_PAIR)
def test_loaded_bundle_answers_as_the_tuned_model_did(fitted, task, method):
    bundle = fitted[task, method].bundle
    assert canary_difference(load_engine(bundle), bundle / "canary.jsonl") < 1e-4


@pytest.mark.parametrize(("task", "method"), EVERY_PAIR)
def test_served_bundle_answers_its_canary_rows_as_recorded(fitted, task, method):
    """As requests, that are read and judged as those of any client."""
    assert _served(fitted[task, method].bundle, engine="torch", precision="fp32") == ""


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
    given = [{role: row[role] for role in row if role not in gold} for row in _held(task)]
    is_text = len(given[0]) == 1
    texts = [_asked(row) for row in given]
    if is_text:
        texts += ["", "订单很好"]
    forward = tunesmith.predict(str(bundle), texts=texts, all_scores=True).predictions
    backward = tunesmith.predict(str(bundle), texts=texts[::-1], all_scores=True).predictions
    assert [{role: row[role] for role in given[0]} for row in forward[: len(given)]] == given
    _assert_alike(forward, backward[::-1])


@pytest.mark.parametrize("task", READ)
def test_export_answers_as_its_model_did_whatever_shares_the_batch(fitted, task, tmp_path):
    bundle = tmp_path / "bundle"
    shutil.copytree(fitted[task, "full"].bundle, bundle)
    for precision in ("fp32", "int8"):
        parity = tunesmith.export(bundle, precision=precision).parity
        assert parity["score"]["rows"] == parity["rows"] >= 8
        assert _served(bundle, engine="onnx", precision=precision) == ""
    gold = {*load_engine(bundle).task.gold_roles, "score"}
    rows = [{role: row[role] for role in row if role not in gold} for row in _held(task)]
    texts = [_asked(row) for row in rows]

    def answers(order, **how):
        result = tunesmith.predict(bundle, texts=order, all_scores=True, cache=0, **how)
        return result.engine, result.predictions

    plain, exact = answers(texts, engine="torch"), answers(texts, precision="fp32")
    assert (plain[0], exact[0]) == ("torch fp32", "onnx fp32")
    _assert_alike(exact[1], plain[1])
    engine, together = answers(texts)
    assert engine == "onnx int8"
    _assert_alike(together, answers(texts[::-1])[1][::-1])
    _assert_alike(together[:3], [answers([text])[1][0] for text in texts[:3]])


@pytest.mark.parametrize("task", ["summarization", "recommendation", "translation"])
def test_export_of_what_is_written_or_ranked_is_refused(fitted, task):
    method = "extractive" if task == "summarization" else "full"
    with pytest.raises(SpecError, match=f"read and not written or ranked .* for {task}"):
        tunesmith.export(fitted[task, method].bundle)


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
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(ROWS[task](number)) + "\n" for number in range(60)), "utf-8")
    settings = {}
    if task == "recommendation":
        items = [{"item": f"i{at}", "text": text} for at, text in enumerate(ITEMS)]
        content = "".join(json.dumps(item) + "\n" for item in items)
        (tmp_path / "items.jsonl").write_text(content, "utf-8")
        settings = {"items": str(tmp_path / "items.jsonl")}
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
    data.write_text("".join(json.dumps(_qa(number)) + "\n" for number in range(60)), "utf-8")
    with pytest.raises(SpecError, match="one vector"):
        tunesmith.fit(
            str(data), task="qa", method="probe", model=str(tiny_model), out=str(tmp_path / "run")
        )


def _asked(row):
    only = next(iter(row.values()))
    return only if len(row) == 1 and isinstance(only, str) else json.dumps(row)


def _held(task):
    return [ROWS[task](number) for number in range(100, 112)]


def _assert_alike(ours, theirs):
    """Hold predictions to others: all is the same, but numbers within 1e-4."""
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert _is_near(one[name], other[name]), (name, one[name], other[name])


def _is_near(ours, theirs):
    if isinstance(ours, float):
        return ours == pytest.approx(theirs, abs=1e-4)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(_is_near(ours[n], theirs[n]) for n in ours)
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(_is_near, ours, theirs))
    return ours == theirs


def _served(bundle, *, engine, precision):
    """Return what differs between a service's answers to canary rows and those on record."""
    bundle = read_bundle(bundle)
    spec = PredictSpec(bundle=str(bundle.path), column={}, engine=engine, precision=precision)
    with open_engine(spec, Session(device="cpu"), bundle) as (opened, name):
        answerer = BundleAnswerer(opened, name, bundle, cache=0)
        assert answerer.is_shareable
        canary = answerer.facts()["canary"]
        rows = tuple(row["row"] for row in canary)
        request = RequestSpec(rows=rows, all_scores=True)
        asked = read_rows(request, bundle.task, limits=ServiceLimits())
        order = {"id": 0, "rows": asked.rows, "demands": demands_of(request)}
        (reply,) = answerer.answer([order])
    assert canary
    assert asked.tokens >= 2 * len(rows)
    canary, answers = json.loads(json.dumps(canary)), json.loads(json.dumps(reply.answers))
    return compare_canary(canary, answers, is_exact=precision == "fp32")
