"""Summaries that a model writes: what is tuned, what the bundle keeps, and what is refused."""

from __future__ import annotations

import json

import pytest
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

import tunesmith
from tunesmith.core.errors import DataError, SpecError
from tunesmith.runtime.loading import load_engine
from tunesmith.tasks.summarization import WrittenSummarization

WORDS = ("good", "bad", "late")


def row(number: int, **changes) -> dict:
    word = WORDS[number % 3]
    document = f"#A#: where is order {number}?\n#B#: the card is {word}.\n#A#: please refund it."
    return {"document": document, "summary": f"refund it, the card is {word}", **changes}


def write(path, rows):
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), "utf-8")
    return str(path)


@pytest.fixture(scope="module")
def fit(tiny_writer, tmp_path_factory):
    def run(rows, **settings):
        folder = tmp_path_factory.mktemp("summaries")
        asked = {"training": {"max_steps": 30, "batch_tokens": 256, "learning_rate": 3e-3}}
        data = write(folder / "rows.jsonl", rows)
        asked |= {"model": str(tiny_writer), "decoding": {"beams": 2}, **settings}
        return tunesmith.fit(data, task="summarization", out=str(folder / "run"), **asked)

    return run


@pytest.fixture(scope="module")
def fitted(fit):
    return fit([row(number) for number in range(60)], method="full")


def test_bundle_says_that_its_summaries_are_written(fitted):
    kept = json.loads((fitted.bundle / "bundle.json").read_text("utf-8"))
    assert (kept["task"]["kind"], kept["task"]["head"]) == ("summarization", "generate")
    assert kept["decoding"]["beams"] == 2
    assert isinstance(load_engine(fitted.bundle).task, WrittenSummarization)
    page = (fitted.bundle / "report.html").read_text("utf-8")
    assert page.count('<ol class="written">') == 1
    card = (fitted.bundle / "README.md").read_text("utf-8")
    assert "pipeline_tag: summarization" in card
    assert {"rouge_1", "lead_rouge_1", "rouge_1_over_lead"} <= set(fitted.measures)


def test_plain_transformers_writes_the_same(fitted):
    texts = [row(number)["document"] for number in range(60, 66)]
    ours = tunesmith.predict(str(fitted.bundle), texts=texts, all_scores=True).predictions
    assert all(one.keys() == {"document", "written", "score"} for one in ours)
    model = AutoModelForSeq2SeqLM.from_pretrained(fitted.bundle / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(fitted.bundle / "model")
    for text, found in zip(texts, ours, strict=True):
        read = tokenizer(text, return_tensors="pt")
        ids = model.generate(input_ids=read["input_ids"], attention_mask=read["attention_mask"])[0]
        assert tokenizer.decode(ids, skip_special_tokens=True).strip() == found["written"]


def test_evaluation_of_swapped_columns_says_how_to_turn_them(fitted, tmp_path):
    data = write(tmp_path / "test.jsonl", [row(number) for number in range(60, 70)])
    columns = {"document": "summary", "summary": "document"}
    report = tunesmith.evaluate(str(fitted.bundle), data, column=columns).report
    (note,) = [note for note in report["notes"] if "swapped" in note]
    assert "--column document=document --column summary=summary" in note


def test_document_beyond_the_window_is_written_of_in_stretches(fitted):
    long = row(1)["document"] * 20
    own, whole = tunesmith.predict(str(fitted.bundle), texts=[row(1)["document"], long]).predictions
    assert len(whole["written"].split()) > len(own["written"].split())


@pytest.mark.parametrize("summary", ["", "  ", None, ["fine", ""]])
def test_empty_summary_is_refused_with_its_place(fit, summary):
    rows = [row(number) for number in range(40)] + [row(41, summary=summary)]
    with pytest.raises(DataError, match="column `summary` must hold") as caught:
        fit(rows)
    assert "rows.jsonl:41" in str(caught.value)


def test_encoder_is_refused_with_the_method_that_needs_no_generator(fit, tiny_model):
    with pytest.raises(SpecError, match="is an encoder") as caught:
        fit([row(number) for number in range(40)], model=str(tiny_model))
    assert "--method extractive" in caught.value.hint


@pytest.mark.parametrize(("model", "is_written"), [("tiny_model", False), ("tiny_writer", True)])
def test_check_reads_rows_as_the_model_would(request, tmp_path, model, is_written):
    own = [row(number) for number in range(40)]
    long = row(41, document="where is my order? " * 60)
    data = write(tmp_path / "rows.jsonl", [*own, long])
    folder = str(request.getfixturevalue(model))
    found = tunesmith.check(data, task="summarization", model=folder).findings
    assert any("in stretches" in one["message"] for one in found) == is_written


@pytest.mark.parametrize("method", ["extractive", "full"])
def test_nothing_is_learned_beside_summaries(fit, tiny_rows, method):
    other = {"data": str(tiny_rows)}
    with pytest.raises(SpecError, match="leaves it as it is|is more than one"):
        fit([row(number) for number in range(40)], method=method, joint=other)
