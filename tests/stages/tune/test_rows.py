"""Encoded rows: the tensors of a batch are those of its windows, wherever the arrays lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tunesmith.core.examples import Example, Place, QuestionInput, Span, TextInput, WordsInput
from tunesmith.data.spool import SpooledExamples, keep_examples
from tunesmith.model.backbones import load_tokenizer
from tunesmith.model.batching import collate
from tunesmith.model.encoding import encode_windows
from tunesmith.model.framing import Reading
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


def question(context: str, *spans: tuple[int, int], number: int = 0) -> Example:
    gold = tuple(Span(start, end, "") for start, end in spans)
    return Example(str(number), QuestionInput("where is it", context), gold, Place("x", number))


def test_stretch_targets_are_the_entries_of_the_first_answer(tokenizer):
    context = "my order is late"
    task = make_task("qa")
    examples = [question(context, (3, 11), (0, 2)), question(context, (12, 16)), question(context)]
    examples.append(question(context, (2, 12)))
    rows = encode_rows(tokenizer, task, examples, READING)
    assert rows.targets.tolist() == [[2, 3], [4, 4], [0, 0], [2, 3]]
    batch = rows.batch(np.array([1, 3]))
    assert batch["targets"].tolist() == [[4, 4], [2, 3]]
    assert batch["targets"].dtype == torch.int64
    assert "shares" not in batch


def test_stretch_target_within_a_word_is_its_token(tokenizer):
    rows = encode_rows(tokenizer, make_task("qa"), [question("my order is", (4, 7))], READING)
    assert rows.targets.tolist() == [[2, 2]]


@pytest.mark.parametrize("part", ["card", "lost where", "refund please", TEXT[:2]])
def test_stretch_targets_of_a_long_context_are_in_each_window_that_shows_all_of_it(tokenizer, part):
    start = TEXT.index(part)
    end = start + len(part)
    rows = encode_rows(tokenizer, make_task("qa"), [question(TEXT, (start, end))], READING)
    assert len(rows.windows) > 1
    found = 0
    for window, (first, last) in zip(rows.windows, rows.targets, strict=True):
        is_whole = window.words[1:].min() <= start and window.ends[1:].max() >= end
        assert (first > 0) == (last > 0) == is_whole
        if is_whole:
            assert TEXT[window.words[first] : window.ends[last]] == part
            found += 1
    assert found


def test_stretch_target_of_an_answer_that_no_window_shows_whole_is_no_answer(tokenizer):
    rows = encode_rows(tokenizer, make_task("qa"), [question(TEXT, (0, len(TEXT)))], READING)
    assert rows.targets.tolist() == [[0, 0]] * len(rows.windows)


def test_sample_of_questions_has_their_targets(tokenizer):
    context = "my order is late"
    examples = [question(context, (3, 8), number=n) for n in range(4)]
    examples += [question(context, number=n) for n in range(4, 8)]
    rows = encode_rows(tokenizer, make_task("qa"), examples, READING)
    windows, targets = rows.sample(5, seed=0)
    assert targets.tolist() == [[2, 2] if row < 4 else [0, 0] for row in windows.rows]


PARTS = {
    "choice": lambda n: {
        "context": TEXT if n % 2 else "",
        "question": "is it",
        "choices": ["late", "lost", "good"][: 2 + n % 2],
        "answer": n % 2,
    },
    "matching": lambda n: {"text_a": TEXT, "text_b": "my card", "score": n / 4},
    "relation": lambda n: {
        "text": TEXT,
        "head": {"start": 0, "end": 2},
        "tail": {"start": 3, "end": 8},
        "label": "ab"[n % 2],
    },
}


@pytest.mark.parametrize("kind", list(PARTS))
def test_every_window_of_a_row_of_parts_has_its_row_s_target(tokenizer, kind):
    task = make_task(kind)
    examples = [task.read(PARTS[kind](n), place=Place("x", n))[0] for n in range(5)]
    task = task.with_labels_of(examples)
    reading = Reading(16, 4, "windows", case_shape=False, apart=task.head == "embed")
    rows = encode_rows(tokenizer, task, examples, reading)
    wanted = [np.asarray(task.target(examples[row])).tolist() for row in rows.windows.rows]
    assert rows.targets.tolist() == wanted
    batch = rows.batch(np.arange(len(rows.windows))[::-1].copy())
    assert batch["targets"].tolist() == wanted[::-1]
    assert ("rows" in batch) == (kind != "relation")
    assert batch["targets"].dtype == (torch.float32 if kind == "matching" else torch.int64)
