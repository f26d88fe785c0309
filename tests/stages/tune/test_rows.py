"""Encoded rows: the tensors of a batch are those of its windows, wherever the arrays lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tunesmith.core.examples import Example, Place, TextInput, WordsInput
from tunesmith.data.spool import SpooledExamples, keep_examples
from tunesmith.model.backbones import load_tokenizer
from tunesmith.model.batching import collate
from tunesmith.model.encoding import Reading, encode_windows
from tunesmith.model.windows import FlatWindows, pack_windows, token_type
from tunesmith.stages.tune.rows import Rows, make_rows
from tunesmith.store import scratch
from tunesmith.tasks import make_task

READING = Reading(max_length=16, stride=4, long_text="windows", case_shape=False)
SHAPED = Reading(max_length=16, stride=4, long_text="windows", case_shape=True)
TEXT = "my order is late and the card is lost where is my refund please"
GOLD = {
    "classification": lambda n: {"label": "abc"[n % 3]},
    "multilabel": lambda n: {"labels": ["a", "b", "c"][: n % 4]},
    "ner": lambda n: {"entities": [{"start": 3, "end": 8, "type": "X"}] if n % 2 else []},
}


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    return load_tokenizer(tiny_model)


def encode_rows(tokenizer, task, examples, reading) -> Rows:
    """Return the rows of examples whose windows are packed in three parts or fewer."""
    windows = list(encode_windows(tokenizer, (example.inputs for example in examples), reading))
    kept = scratch.ScratchArrays()
    for part in (windows[:0], windows[:7], windows[7:]):
        kept.append(pack_windows(part, token_type=token_type(tokenizer)))
    flat = FlatWindows(kept.finish())
    return make_rows(task, examples, flat, pad_id=tokenizer.pad_token_id)


def rows_of(kind: str) -> tuple[object, list[Example]]:
    """Return a labelled task and rows from no word to more than a window holds."""
    task = make_task(kind)
    examples = []
    for number in range(40):
        text = TEXT[: number * 2] if number % 4 else TEXT
        row = {"text": text if number % 5 else "", **GOLD[kind](number if text else 0)}
        if kind == "ner" and len(row["text"]) < 8:
            row["entities"] = []
        example, problems = task.read(row, place=Place("rows.jsonl", number))
        assert not problems
        examples.append(example)
    return task.with_labels_of(examples), examples


def expected_batch(task, examples, windows, pad_id):
    """Return what a batch must be: the collated windows, their targets and their shares."""
    batch = collate(windows, pad_id=pad_id)
    gold = [task.target(examples[window.row]) for window in windows]
    if windows[0].words is not None:
        parts = [np.asarray(own, np.int64)[w.words] for own, w in zip(gold, windows, strict=True)]
        batch["targets"] = torch.from_numpy(np.concatenate(parts))
        return batch
    kind = np.float32 if isinstance(gold[0], list) else np.int64
    batch["targets"] = torch.from_numpy(np.stack([np.asarray(own, kind) for own in gold]))
    if any(window.share != 1.0 for window in windows):
        batch["shares"] = torch.tensor([window.share for window in windows])
    return batch


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("reading", [READING, SHAPED])
@pytest.mark.parametrize("kind", ["classification", "multilabel", "ner"])
def test_batch_has_the_tensors_of_its_windows(tokenizer, monkeypatch, kind, reading, on_disk):
    task, examples = rows_of(kind)
    windows = [
        window
        for window in encode_windows(tokenizer, [ex.inputs for ex in examples], reading)
        if window.words is None or len(window.words)
    ]
    kept = examples
    if on_disk:
        monkeypatch.setattr(scratch, "MEMORY_BYTES", 0)
        kept = keep_examples(iter(examples), spool_rows=0)
        assert isinstance(kept, SpooledExamples)
    rows = encode_rows(tokenizer, task, kept, reading)
    assert isinstance(rows.windows.arrays["ids"], np.memmap) == on_disk
    assert rows.lengths.tolist() == [len(window.ids) for window in windows]
    chance = np.random.default_rng(0)
    for size in (1, 2, 7, len(windows)):
        indices = chance.permutation(len(windows))[:size]
        batch = rows.batch(indices)
        wanted = expected_batch(task, examples, [windows[at] for at in indices], rows.pad_id)
        assert batch.keys() == wanted.keys()
        for name, tensor in wanted.items():
            assert batch[name].dtype == tensor.dtype
            assert torch.equal(batch[name], tensor), name
    whole = expected_batch(task, examples, windows, rows.pad_id)["targets"]
    np.testing.assert_array_equal(rows.flat_targets(), whole.numpy())


@pytest.mark.parametrize("kind", ["classification", "multilabel", "ner"])
def test_sample_of_windows_has_their_targets_and_depends_on_the_seed(tokenizer, kind):
    task, examples = rows_of(kind)
    rows = encode_rows(tokenizer, task, examples, READING)
    everything, targets = rows.sample(len(rows.windows), seed=0)
    assert (everything, len(targets)) == (rows.windows, len(rows.targets))
    windows, targets = rows.sample(9, seed=0)
    assert len(windows) == 9
    assert windows.rows.tolist() == sorted(windows.rows)
    wanted = expected_batch(task, examples, list(windows), rows.pad_id)["targets"]
    np.testing.assert_array_equal(targets, wanted.numpy())
    seeds = [rows.sample(9, seed=seed)[0].rows.tolist() for seed in (0, 0, 1)]
    assert seeds[0] == seeds[1] != seeds[2]


@pytest.mark.parametrize("kind", ["classification", "ner"])
def test_rows_of_no_example_are_empty(tokenizer, kind):
    rows = encode_rows(tokenizer, make_task(kind), [], READING)
    assert (len(rows.examples), len(rows.windows), len(rows.targets)) == (0, 0, 0)


def test_windows_without_a_word_to_answer_for_are_left_out(tokenizer):
    task = make_task("ner")
    blank = Example("1", WordsInput("", ()), (), Place("x", 1))
    full = Example("2", WordsInput("my order", ((0, 2), (3, 8))), (), Place("x", 2))
    rows = encode_rows(tokenizer, task, [blank, full, blank], READING)
    assert [window.row for window in rows.windows] == [1]
    assert rows.targets.tolist() == [0, 0]


def test_text_without_a_word_is_a_window_like_any_other(tokenizer):
    task = make_task("classification")
    examples = [Example(str(n), TextInput(""), "a", Place("x", n)) for n in range(2)]
    rows = encode_rows(tokenizer, task.with_labels_of(examples), examples, READING)
    assert len(rows.windows) == len(rows.targets) == 2
