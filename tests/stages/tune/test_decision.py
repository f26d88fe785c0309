"""The line between yes and no is drawn on the validation rows, inside the head's own bias."""

from __future__ import annotations

import json

import pytest

import tunesmith
from tunesmith.runtime.loading import load_engine


def _rows(count):
    for number in range(count):
        text = f"my order {number} is a card"
        start = text.index("card")
        yield {"text": text, "entities": [{"start": start, "end": start + 4, "type": "ITEM"}]}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in _rows(600)), "utf-8")
    return str(path)


def _fit(data, tiny_model, out, **training):
    return tunesmith.fit(
        data,
        task="ner",
        model=str(tiny_model),
        method={"name": "full", "head_start": "random"},
        training={"max_steps": 12, "batch_tokens": 256, "learning_rate": 1e-3, **training},
        out=str(out),
    )


def test_tagger_that_is_too_cautious_is_shifted_and_gains(data, tiny_model, tmp_path):
    plain = _fit(data, tiny_model, tmp_path / "plain", tune_decision=False)
    tuned = _fit(data, tiny_model, tmp_path / "tuned")
    reasons = [r for r in tuned.report["training"]["reasons"] if r.startswith("decision")]
    assert tuned.measures["strict_f1"].value >= plain.measures["strict_f1"].value
    before, after = (load_engine(r.bundle).model.linear.bias.tolist() for r in (plain, tuned))
    assert before[1:] == after[1:]
    assert (before[0] != after[0]) == bool(reasons)


def test_single_label_head_is_left_alone(tiny_rows, tiny_model, tmp_path):
    settings = {
        "task": "classification",
        "model": str(tiny_model),
        "split": {"valid": 0.9},
    }
    biases = []
    for tune in (True, False):
        result = tunesmith.fit(
            str(tiny_rows),
            **settings,
            training={"max_steps": 3, "tune_decision": tune},
            out=str(tmp_path / str(tune)),
        )
        biases.append(load_engine(result.bundle).model.linear.bias.tolist())
    assert biases[0] == biases[1]
