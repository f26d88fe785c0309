"""Tuning what writes: rows that do not fit, how long a text may become, a run that is resumed."""

from __future__ import annotations

import json

import pytest
from safetensors.numpy import load_file

import tunesmith
from tunesmith.core.errors import DataError, InterruptedRunError, SpecError
from tunesmith.core.events import Said, Step, Warned
from tunesmith.runtime.loading import load_engine
from tunesmith.session import Session

WORDS = ("good", "bad", "late")


def rows(count: int, *, times: int = 1) -> list[dict[str, str]]:
    return [
        {
            "source": f"order {number} is {WORDS[number % 3]}",
            "target": f"the {WORDS[number % 3]} card to refund " * times,
        }
        for number in range(count)
    ]


@pytest.fixture
def fit(tmp_path, tiny_writer):
    """Return a function that tunes for a moment on these rows, and what it said."""
    training = {"max_steps": 2, "batch_tokens": 128}

    def run(own, *, name="run", listener=None, **settings):
        data = tmp_path / "rows.jsonl"
        data.write_text("".join(json.dumps(one) + "\n" for one in own), "utf-8")
        return tunesmith.fit(
            str(data),
            **{"task": "translation", "model": str(tiny_writer), "training": training, **settings},
            out=str(tmp_path / name),
            session=Session(device="cpu", listener=listener),
        )

    return run


def test_rows_that_do_not_fit_are_left_out_with_a_warning(fit):
    said = []
    fit([*rows(60), *rows(6, times=40)], listener=said.append, split={"test": 0, "valid": 0.1})
    texts = [event.text for event in said if isinstance(event, Warned)]
    (left_out,) = [text for text in texts if "train rows are longer" in text]
    assert "are left out: --set model.long_text=truncate" in left_out


def test_rows_none_of_which_fits_are_refused(fit):
    with pytest.raises(DataError, match="a train row must fit the model") as caught:
        fit(rows(40, times=40))
    assert "--set model.long_text=truncate" in caught.value.hint


def test_rows_that_are_cut_are_learned_from(fit, tiny_writer):
    model = {"name": str(tiny_writer), "long_text": "truncate"}
    result = fit(rows(40, times=40), model=model)
    assert result.report["measures"]["bleu"]["count"] > 0


def test_text_may_become_half_as_long_again_as_the_longest_of_training(fit):
    said = []
    result = fit(rows(40), listener=said.append)
    longest = 7  # begin, five words, end
    assert load_engine(result.bundle).decoding.max_new_tokens == int(1.5 * longest)
    assert any(
        "the longest of training has 7" in event.text for event in said if isinstance(event, Said)
    )


def test_target_above_what_a_decoder_may_write_is_said(fit, tiny_decoder):
    said = []
    fit(rows(40, times=8), model=str(tiny_decoder), listener=said.append)
    warnings = [event.text for event in said if isinstance(event, Warned)]
    assert any(
        "at most 32 tokens are written: the longest of training" in text for text in warnings
    )


@pytest.mark.parametrize("writer", ["tiny_writer", "tiny_decoder"])
def test_stopped_run_resumed_has_bit_identical_weights(fit, tmp_path, request, writer):
    training = {"max_steps": 16, "epochs": 100, "batch_tokens": 128, "evaluate_every": 6}
    training |= {"checkpoint_steps": 4, "patience": 0, "label_smoothing": 0.1}
    model = {"name": str(request.getfixturevalue(writer)), "dropout": 0.1}
    asked = {"training": training, "model": model}

    def stop(event):
        if isinstance(event, Step) and event.index == 10:
            raise KeyboardInterrupt

    fit(rows(40), name="whole", **asked)
    with pytest.raises(InterruptedRunError):
        fit(rows(40), listener=stop, **asked)
    fit(rows(40), resume=True, **asked)
    ours, theirs = (
        load_file(tmp_path / name / "bundle/model/model.safetensors") for name in ("whole", "run")
    )
    assert ours.keys() == theirs.keys()
    assert len(ours) > 15
    for name, weight in ours.items():
        assert weight.tobytes() == theirs[name].tobytes(), name


@pytest.mark.parametrize("beside", ["also", "joint"])
def test_learning_beside_what_writes_is_refused(fit, beside, tiny_rows):
    other = {"data": str(tiny_rows)}
    settings = {"also": {"mood": {**other, "task": "classification"}}, "joint": other}
    with pytest.raises(SpecError, match="share an encoder; a model for translation"):
        fit(rows(40), **{beside: settings[beside]})


def test_weights_of_classes_are_refused(fit):
    with pytest.raises(SpecError, match="no classes to weigh"):
        fit(rows(40), training={"max_steps": 1, "class_weights": "balanced"})
