"""What is written by a bundle: its scores, its settings, and how probable references are."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

import tunesmith
from tunesmith.core.answers import TextAnswer
from tunesmith.core.errors import DataError, SpecError
from tunesmith.core.examples import Example, Place, TextInput, WritingInput
from tunesmith.core.recipe import DecodingRecipe
from tunesmith.model.encoding import encode_windows
from tunesmith.model.windows import FlatWindows, pack_windows
from tunesmith.runtime.canary import canary_difference, make_canary
from tunesmith.runtime.engine import answer
from tunesmith.runtime.loading import load_engine, with_decoding
from tunesmith.runtime.writing import mean_log_probability

WORDS = ("good", "bad", "late")
HELD = range(48, 60)
TEXTS = [f"order {number} is {WORDS[number % 3]}" for number in range(7)]


def row(number: int) -> dict[str, str]:
    word = WORDS[number % 3]
    return {"source": f"order {number} is {word}", "target": f"the {word} card, to refund"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    for split, numbers in (("train", range(48)), ("valid", HELD), ("test", range(60, 72))):
        lines = "".join(json.dumps(row(number)) + "\n" for number in numbers)
        (folder / f"{split}.jsonl").write_text(lines, "utf-8")
    return folder


@pytest.fixture(scope="module")
def fit(data, tiny_writer, tmp_path_factory):
    def run(**settings):
        training = {"learning_rate": 3e-3, "epochs": 4, "batch_tokens": 128, "patience": 0}
        return tunesmith.fit(
            str(data),
            task="translation",
            **{"model": str(tiny_writer), "training": training, **settings},
            out=str(tmp_path_factory.mktemp("run") / "run"),
        )

    return run


@pytest.fixture(scope="module")
def fitted(fit):
    return fit(decoding={"beams": 3})


@pytest.fixture(scope="module")
def engine(fitted):
    return load_engine(fitted.bundle)


def written(bundle, **settings):
    found = tunesmith.predict(str(bundle), texts=TEXTS, **settings).predictions
    return [one["written"] for one in found]


def test_bundle_keeps_how_it_writes_and_both_doors_may_change_it(fitted, engine, data):
    assert (engine.decoding.beams, engine.decoding.no_repeat_ngram) == (3, 0)
    target = len(engine.tokenizer(row(0)["target"])["input_ids"])
    assert engine.decoding.max_new_tokens == int(1.5 * target)
    short = written(fitted.bundle, decoding={"max_new_tokens": 3})
    assert short != written(fitted.bundle)
    assert all(len(engine.tokenizer.tokenize(text)) <= 2 for text in short)
    test = str(data / "test.jsonl")
    own, cut = (
        tunesmith.evaluate(str(fitted.bundle), test, **settings).measures["bleu"].value
        for settings in ({}, {"decoding": {"max_new_tokens": 3}})
    )
    assert own == fitted.measures["bleu"].value
    assert cut < own


def test_settings_that_are_not_given_stay_as_they_were_tuned(engine):
    changed = with_decoding(engine, DecodingRecipe(no_repeat_ngram=2)).decoding
    assert changed == engine.decoding.model_copy(update={"no_repeat_ngram": 2})
    assert with_decoding(engine, DecodingRecipe()) is engine


def test_score_is_the_mean_log_probability_of_the_written_tokens(fitted, engine):
    plain = AutoModelForSeq2SeqLM.from_pretrained(fitted.bundle / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(fitted.bundle / "model")
    for text, found in zip(TEXTS, answer(engine, map(TextInput, TEXTS)), strict=True):
        read = tokenizer(text, return_tensors="pt")
        ids = plain.generate(input_ids=read["input_ids"], attention_mask=read["attention_mask"])[0]
        assert tokenizer.decode(ids, skip_special_tokens=True).strip() == found.text
        with torch.no_grad():
            logits = plain(input_ids=read["input_ids"], decoder_input_ids=ids[None, :-1]).logits[0]
        values = logits.log_softmax(dim=1).gather(1, ids[1:, None])[:, 0]
        assert found.score == pytest.approx(float(values.mean()), abs=1e-4)


def test_log_probability_that_chooses_a_checkpoint_is_that_of_the_references(fitted, engine):
    plain = AutoModelForSeq2SeqLM.from_pretrained(fitted.bundle / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(fitted.bundle / "model")
    start, values = torch.tensor([[plain.config.decoder_start_token_id]]), []
    for number in HELD:
        read, taught = (
            tokenizer(text, return_tensors="pt")["input_ids"]
            for text in (row(number)["source"], row(number)["target"])
        )
        shifted = torch.cat([start, taught[:, :-1]], dim=1)
        with torch.no_grad():
            logits = plain(input_ids=read, decoder_input_ids=shifted).logits[0].log_softmax(dim=1)
        values += logits.gather(1, taught[0][:, None])[:, 0].tolist()
    inputs = [WritingInput(row(number)["source"], row(number)["target"]) for number in HELD]
    windows = list(encode_windows(engine.tokenizer, inputs, engine.reading))
    packed = FlatWindows(pack_windows(windows, token_type=np.dtype(np.uint16)))
    assert mean_log_probability(engine, packed) == pytest.approx(np.mean(values), abs=1e-4)


def test_long_source_is_answered_stretch_by_stretch(engine):
    words = "order 1 is late " * 40
    (long,) = answer(engine, [TextInput(words)])
    (first,) = answer(engine, [TextInput(words[: len(words) // 2])])
    assert isinstance(long, TextAnswer)
    assert len(long.text.split()) > len(first.text.split())


@pytest.mark.parametrize("blank", ["", " \n\t ", "\u3000"])
def test_nothing_is_written_from_a_text_without_a_word(engine, blank):
    alone, (first, between, last) = (
        list(answer(engine, map(TextInput, texts)))
        for texts in ([blank], [TEXTS[0], blank, TEXTS[1]])
    )
    assert alone == [between] == [TextAnswer("", 0.0)]
    assert [first.text, last.text] == [
        found.text for found in answer(engine, map(TextInput, TEXTS[:2]))
    ]


def test_canary_may_hold_a_text_without_a_word(engine, tmp_path):
    inputs = [TextInput(""), TextInput(TEXTS[0])]
    rows = [Example(str(at), item, None, Place("x", at)) for at, item in enumerate(inputs)]
    path = tmp_path / "canary.jsonl"
    path.write_text(make_canary(engine, rows), "utf-8")
    assert canary_difference(engine, path) < 1e-4


def test_file_whose_targets_are_empty_is_answered_and_not_marked(fitted, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("source,target\norder 1 is bad,\n,\n", "utf-8")
    own, blank = tunesmith.predict(str(fitted.bundle), data=str(path)).predictions
    assert own["written"]
    assert blank == {"source": "", "written": ""}
    with pytest.raises(DataError, match=r"column `target` must hold a value"):
        tunesmith.evaluate(str(fitted.bundle), str(path))


def test_canary_sees_another_model_and_other_words(fitted, engine):
    path = fitted.bundle / "canary.jsonl"
    assert canary_difference(engine, path) < 1e-4
    short = with_decoding(engine, DecodingRecipe(max_new_tokens=2))
    assert canary_difference(short, path) == float("inf")
    changed = load_engine(fitted.bundle)
    with torch.no_grad():
        changed.model.whole.final_logits_bias[0, 0] += 3.0
    assert canary_difference(changed, path) > 1e-4


def test_report_shows_source_references_and_answer_side_by_side(fitted):
    page = (fitted.bundle / "report.html").read_text("utf-8")
    assert page.count('<ol class="written">') == 1
    assert "BLEU as sacreBLEU counts it: nrefs:1|case:mixed|" in page
    (row_, *_) = fitted.report["mistakes"] or fitted.report["best"]
    for text in (row_["text"], row_["predicted"], *row_["gold"]):
        assert text in page


def test_settings_of_writing_are_refused_where_nothing_is_written(tiny_model, tiny_rows, tmp_path):
    with pytest.raises(SpecError, match="`decoding` is for tasks whose answer is written"):
        tunesmith.fit(
            str(tiny_rows),
            task="classification",
            model=str(tiny_model),
            decoding={"beams": 2},
            training={"max_steps": 1},
            out=str(tmp_path / "run"),
        )


def test_evaluation_of_swapped_columns_says_how_to_turn_those_it_was_given(fitted, data):
    turned = {"source": "target", "target": "source"}
    report = tunesmith.evaluate(str(fitted.bundle), str(data / "test.jsonl"), column=turned).report
    (note,) = [note for note in report["notes"] if "swapped" in note]
    assert "--column source=source --column target=target" in note
