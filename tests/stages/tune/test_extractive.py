"""The extractive method: what it learns, what it chooses, long documents, and what is saved."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tunesmith
from tunesmith.runtime.engine import score
from tunesmith.runtime.loading import load_engine

THINGS = ("card", "order", "refund")


def row(number: int) -> dict[str, str]:
    """Return a talk whose third line, the one about the refund, is its summary."""
    turns = [
        f"#A#: hi it is me {number}.",
        "#B#: i am to the a is it.",
        f"#A#: please refund my {THINGS[number % 3]} {number}.",
        "#B#: to the a is it.",
    ]
    return {"document": "\n".join(turns), "summary": f"A please refund my {THINGS[number % 3]}"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("talks")
    for split, numbers in (("train", range(60)), ("valid", range(60, 80)), ("test", range(80, 90))):
        lines = "".join(json.dumps(row(number)) + "\n" for number in numbers)
        (folder / f"{split}.jsonl").write_text(lines, "utf-8")
    return folder


@pytest.fixture(scope="module")
def fit(data, tiny_model, tmp_path_factory):
    def run(**method):
        return tunesmith.fit(
            str(data),
            task="summarization",
            method={"name": "extractive", **method},
            model=str(tiny_model),
            out=str(tmp_path_factory.mktemp("run") / "run"),
        )

    return run


@pytest.fixture(scope="module")
def learned(fit):
    return fit()


def test_learned_scorer_finds_the_sentence_and_the_number_and_beats_the_lead(learned):
    assert learned.measures["rouge_1"].value > 0.8
    assert learned.measures["rouge_1_over_lead"].low > 0.2
    task = load_engine(learned.bundle).task
    assert task.most == 1
    assert any("learned, 1 sentences" in reason for reason in learned.report["training"]["reasons"])


def test_scorer_that_is_asked_for_is_taken_and_the_sentences_too(fit):
    result = fit(scorer="centroid", sentences=2)
    engine = load_engine(result.bundle)
    assert engine.task.most == 2
    assert not engine.model.linear.weight.any()
    assert all(len(case["predicted"].split("\n")) <= 2 for case in result.report["mistakes"])


def test_few_learning_rows_are_enough_to_run(fit):
    assert fit(learning_rows=4, scorer="learned").measures["rouge_1"].count == 10


def test_backbone_is_as_it_was(learned, tiny_model):
    from safetensors.torch import load_file

    kept = load_file(learned.bundle / "model" / "model.safetensors")
    source = load_file(tiny_model / "model.safetensors")
    assert len(kept) > 10
    assert all(np.array_equal(kept[name], source[name]) for name in kept)


def test_prediction_gives_the_summary_and_where_it_stands(learned):
    document = row(91)["document"]
    (answer,) = tunesmith.predict(
        str(learned.bundle), texts=[document], all_scores=True
    ).predictions
    assert answer["document"] == document
    assert answer["written"] == "#A#: please refund my order 91."
    (place,) = answer["sentences"]
    assert document[place["start"] : place["end"]] == answer["written"]


def test_long_sentences_and_long_documents_are_read_whole(learned):
    engine = load_engine(learned.bundle)
    endless = engine.task.inputs_of("my card is good " * 200 + "and lost. it is late.")
    many = engine.task.inputs_of("my card is late.\n" * 3000)
    scores = score(engine, [endless, many])
    assert [row.shape for row in scores] == [(2, 3), (3000, 3)]
    assert all(np.isfinite(row).all() for row in scores)
    np.testing.assert_allclose(scores[1][:, 1], 1.0, atol=1e-5)
    assert engine.task.answer(scores[1], many).text == "my card is late."


def test_damaged_layer_is_refused_by_name(learned, tmp_path):
    import shutil

    from tunesmith.core.errors import DataError
    from tunesmith.model.heads import load_head

    folder = tmp_path / "model"
    shutil.copytree(learned.bundle / "model", folder)
    (folder / "salience.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match="salience.safetensors"):
        load_head("extract", folder, pooling="mean", reading=load_engine(learned.bundle).reading)
