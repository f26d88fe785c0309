"""Tasks that answer with probabilities learn what these are worth; the others learn nothing."""

from __future__ import annotations

import json

import pytest

import tunesmith
from tunesmith.runtime.loading import load_engine
from tunesmith.session import Session


def matching(number):
    first, second = ("good" if number % 2 else "bad"), ("good" if number % 3 else "bad")
    label = "both" if first == second == "good" else "other"
    return {"text_a": f"it {number} is {first}", "text_b": f"a {second} card", "label": label}


def alike(number):
    pair = matching(number)
    return {**pair, "score": 5.0 if pair.pop("label") == "both" else 0.0}


def relation(number):
    text = f"my card is lost the order is late {number}"
    stretches = [{"start": 3, "end": 7}, {"start": 20, "end": 25}]
    head, tail = stretches if number % 2 else stretches[::-1]
    return {
        "text": text,
        "head": head,
        "tail": tail,
        "label": "r(e1,e2)" if number % 2 else "Other",
    }


def choice(number):
    choices = ["late", "late", "late"]
    choices[number % 3] = "refund"
    row = {"context": f"order {number}", "question": "to?", "answer": number % 3}
    return {**row, "choices": [*choices, "lost"] if number % 2 else choices}


def tagged(number):
    text = f"my order {number} is a card"
    start = text.index("card")
    return {"text": text, "entities": [{"start": start, "end": start + 4, "type": "ITEM"}]}


TASKS = {
    "matching": (matching, "probe"),
    "relation": (relation, "probe"),
    "choice": (choice, "full"),
    "matching apart": (alike, "probe"),
    "ner": (tagged, "probe"),
}
KNOWING = ("matching", "relation", "choice")


@pytest.fixture(scope="module", params=TASKS)
def tuned(request, tiny_model, tmp_path_factory):
    """Tune each task for a moment, with 60 validation rows or so."""
    make, method = TASKS[request.param]
    folder = tmp_path_factory.mktemp("task")
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(make(number)) + "\n" for number in range(130)), "utf-8")
    result = tunesmith.fit(
        str(data),
        task=request.param.partition(" ")[0],
        method=method,
        model=str(tiny_model),
        split={"valid": 0.5},
        training={"max_steps": 3},
        reliability={"calibration": "temperature"},
        out=str(folder / "run"),
        session=Session(device="cpu"),
    )
    return request.param, result, [make(number) for number in range(200, 260)]


def test_calibration_is_learned_where_there_are_probabilities(tuned):
    task, result, _ = tuned
    reliability = load_engine(result.bundle).reliability
    known = result.report["reliability"]
    if task not in KNOWING:
        assert known is None
        assert (reliability.calibrator, reliability.held, reliability.outside) == (None, None, None)
        return
    assert len(reliability.calibrator.temperatures) == 1
    assert known["calibration"]["rows"] == len(reliability.held.confidence) >= 50
    assert (reliability.held.gold is None) == (task == "choice")
    assert (reliability.outside is None) == (task == "choice")


def test_rows_are_measured_and_answers_judged(tuned, tmp_path):
    task, result, rows = tuned
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    found = tunesmith.evaluate(str(result.bundle), str(data))
    assert ("aurc" in found.measures) == (task in KNOWING)
    assert ("label_set_size" in found.measures) == (task in ("matching", "relation"))
    if task not in KNOWING:
        return
    wish = {"abstain_below": 0.9} if task == "choice" else {"coverage": 0.8, "outside": True}
    told = tunesmith.predict(str(result.bundle), data=str(data), **wish).predictions
    names = {"abstained"} if task == "choice" else {"label_set", "outside", "outside_score"}
    assert len(told) == 60
    assert all(names <= prediction.keys() for prediction in told)
