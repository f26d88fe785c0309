"""The line between yes and no is drawn on the validation rows, inside the head's own bias."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tunesmith
from tunesmith.core.examples import Example, Place, Span, WordsInput
from tunesmith.runtime.loading import load_engine
from tunesmith.stages.tune.decision import weigh_transitions
from tunesmith.stages.tune.rows import Rows
from tunesmith.tasks import task_from_json
from tunesmith.tasks.ner import Ner


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
    reasons = [r for r in tuned.report["training"]["reasons"] if r.startswith("decision: logits")]
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


def _tagged(spans):
    text = "a b c d e f g h"
    words = tuple((at, at + 1) for at in range(0, len(text), 2))
    gold = tuple(Span(words[first][0], words[last][1], "X") for first, last in spans)
    return Example("1", WordsInput(text, words), gold, Place("rows", 1))


TASK = Ner(labels=("X",))
TRAIN = [_tagged([(1, 2)]), _tagged([(0, 1), (5, 6)])] * 30
"""Entities of two words, always."""


def _unsure(example, at):
    """Return logits that are right, but nearly blind for the word `at`."""
    logits = 4.0 * np.eye(3)[TASK.target(example)]
    logits[at] = [0.3, 0.0, 0.2]
    return logits


def test_transitions_are_kept_where_they_mend_sequences():
    valid = [_tagged([(2, 3)])] * 4
    rows = Rows(valid, None, None, None, 0)
    scores = [_unsure(example, 3) for example in valid]
    task, reason = weigh_transitions(TASK, TRAIN, rows, scores)
    assert reason.startswith("decision: which tag follows which counts")
    assert "(0.000 to 1.000)" in reason
    assert task_from_json(json.loads(json.dumps(task.to_json()))) == task
    found = task.answer(scores[0], valid[0].inputs).entities
    assert [(entity.start, entity.end) for entity in found] == [(4, 7)]


def test_transitions_are_left_out_where_words_suffice():
    valid = [_tagged([(2, 3)])] * 4
    scores = [4.0 * np.eye(3)[TASK.target(example)] for example in valid]
    rows = Rows(valid, None, None, None, 0)
    assert weigh_transitions(TASK, TRAIN, rows, scores) == (TASK, None)
