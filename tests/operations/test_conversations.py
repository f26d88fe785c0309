"""Conversations through the verbs: tuned, streamed, packed, and refused with a hint."""

from __future__ import annotations

import json
import shutil

import pytest
from transformers import AutoTokenizer
from typer.testing import CliRunner

import tunesmith
from tunesmith.core.errors import DataError, SpecError
from tunesmith.core.events import Warned
from tunesmith.interfaces.cli import app
from tunesmith.runtime.loading import load_engine
from tunesmith.session import Session


def row(number: int, *, times: int = 1, answer: bool = True) -> dict:
    word = ("good", "bad", "late")[number % 3]
    turns = [("user", f"is it {number}"), ("assistant", "it is a card")] * times
    turns += [("user", f"{word}?"), ("assistant", f"the {word} order")]
    turns = turns if answer else turns[:-1]
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


@pytest.fixture(scope="module")
def fit(tmp_path_factory, tiny_decoder):
    """Return a function that tunes for a moment on rows, and what it warned of."""

    def run(rows, *, listener=None, training=None, **settings):
        folder = tmp_path_factory.mktemp("chats")
        data = folder / "rows.jsonl"
        data.write_text("".join(json.dumps(one) + "\n" for one in rows), "utf-8")
        return tunesmith.fit(
            str(data),
            **{"task": "generation", "model": str(tiny_decoder), **settings},
            training={"max_steps": 3, "batch_tokens": 256, **(training or {})},
            out=str(folder / "run"),
            session=Session(device="cpu", listener=listener),
        )

    return run


@pytest.fixture(scope="module")
def bundle(fit):
    return fit([row(number) for number in range(40)]).bundle


def warnings_of(fit, rows, **settings):
    said = []
    result = fit(rows, listener=said.append, **settings)
    return result, [event.text for event in said if isinstance(event, Warned)]


def test_bundle_has_the_template_the_end_and_one_beam(bundle):
    engine = load_engine(bundle)
    assert engine.decoding.beams == 1
    assert engine.model.ends == (engine.tokenizer.eos_token_id,)
    assert (bundle / "model" / "chat_template.jinja").exists()
    manifest = json.loads((bundle / "bundle.json").read_text("utf-8"))
    assert "apply_chat_template" in manifest["plain_transformers"]["note"]
    assert "pipeline_tag: text-generation" in (bundle / "README.md").read_text("utf-8")


def test_streamed_reply_is_the_reply_through_python_and_command_line(bundle):
    asked = row(4, answer=False)["messages"]
    (reply,) = tunesmith.predict(str(bundle), json.dumps(asked)).predictions
    assert reply["messages"] == asked
    assert "".join(tunesmith.stream(str(bundle), asked)) == reply["written"]
    text = json.dumps(asked)
    shown = CliRunner().invoke(app, ["predict", str(bundle), text, "--stream", "--device", "cpu"])
    assert shown.exit_code == 0, shown.stderr
    assert shown.stdout == f"{reply['written']}\n"


def test_rows_of_several_turns_are_answered_from_a_file(bundle, tmp_path):
    data, out = tmp_path / "asked.jsonl", tmp_path / "out.jsonl"
    rows = [row(number, answer=number % 2 == 0) for number in range(6)]
    data.write_text("".join(json.dumps(one) + "\n" for one in rows), "utf-8")
    tunesmith.predict(str(bundle), data=str(data), out=str(out))
    found = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [one["messages"] for one in found] == [
        row(number, answer=False)["messages"] for number in range(6)
    ]


def test_conversation_longer_than_the_window_says_what_was_not_read(bundle):
    long = json.dumps(row(1, times=9, answer=False)["messages"])
    (reply,) = tunesmith.predict(str(bundle), long).predictions
    assert reply["unread"] > 0
    (short,) = tunesmith.predict(str(bundle), "is it?").predictions
    assert "unread" not in short


@pytest.mark.parametrize(
    ("flags", "said", "hint"),
    [
        (["--set", "decoding.beams=2"], "`decoding.beams` must be 1", "decoding.beams=1"),
        (["--json"], "`--json` and `--stream`", "leave out one"),
        (["--out", "x.jsonl"], "must be given texts, and no file", "--stream"),
    ],
)
def test_stream_that_cannot_be_is_refused(bundle, flags, said, hint):
    shown = CliRunner().invoke(app, ["predict", str(bundle), "is it?", "--stream", *flags])
    assert shown.exit_code == 2
    assert said in shown.stderr
    assert hint in shown.stderr


def test_stream_of_what_does_not_write_is_refused(tiny_model, tiny_rows, tmp_path):
    training = {"max_steps": 1}
    made = tunesmith.fit(
        str(tiny_rows),
        task="classification",
        model=str(tiny_model),
        training=training,
        out=str(tmp_path / "run"),
    )
    with pytest.raises(SpecError, match="`stream` is for models that write") as caught:
        next(tunesmith.stream(str(made.bundle), "good"))
    assert "--stream" in caught.value.hint


def test_packed_rows_are_learned_from(fit):
    rows = [row(number, times=number % 3) for number in range(40)]
    result, warned = warnings_of(fit, rows, training={"packing": True, "max_steps": 4})
    assert not any("packing" in text for text in warned)
    losses = [step["loss"] for step in result.report["curve"]["steps"]]
    assert losses[-1] < losses[0]


def test_packing_of_an_encoder_decoder_is_left_out_and_said(fit, tiny_writer):
    rows = [row(number) for number in range(40)]
    _, warned = warnings_of(fit, rows, model=str(tiny_writer), training={"packing": True})
    assert any("`training.packing` is left out: only a decoder" in text for text in warned)


def test_long_conversations_are_counted_when_tuning_begins(fit):
    rows = [row(number, times=9 if number < 8 else 1) for number in range(40)]
    _, warned = warnings_of(fit, rows)
    (said,) = [text for text in warned if "model.max_length" in text]
    assert "8 of 40 rows" in said
    assert "without its oldest turns" in said


def test_rows_without_an_answer_are_refused(fit):
    with pytest.raises(DataError, match="must be the assistant's, its answer") as caught:
        fit([row(number, answer=False) for number in range(40)])
    assert "rows.jsonl" in str(caught.value)


def test_model_without_template_and_end_is_refused(fit, tiny_decoder, tmp_path):
    folder = tmp_path / "endless"
    shutil.copytree(tiny_decoder, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.sep_token = None
    tokenizer.save_pretrained(folder)
    with pytest.raises(SpecError, match="must have a token that ends a text") as caught:
        fit([row(number) for number in range(40)], model=str(folder))
    assert "eos_token" in caught.value.hint


def test_template_that_raises_is_refused_with_its_words(fit, tiny_decoder, tmp_path):
    folder = tmp_path / "angry"
    shutil.copytree(tiny_decoder, folder)
    (folder / "chat_template.jinja").write_text("{{ raise_exception('no users') }}", "utf-8")
    with pytest.raises(SpecError, match="no users"):
        fit([row(number) for number in range(40)], model=str(folder))
