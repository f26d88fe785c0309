"""Rows and a model as a user of plain transformers prepares them.

Words are given split, and the first token of each word carries its tag (the recipe of
transformers' own token-classification guide).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
)

from tunesmith.core.examples import Example, WordsInput
from tunesmith.model.sources import find_model
from tunesmith.tasks.task import Task

IGNORED = -100
"""The label that transformers' losses skip."""
MAX_LENGTH = 128
"""Tokens a training row may have; the longest of BANKING77 has 98, of WNUT17 75."""
LONGEST_TEST_ROW = 512
"""Tokens a row may have that is only answered."""
OUTSIDE_LOGIT = 30.0
EVALUATION_ROWS = 64


@dataclass(frozen=True, slots=True)
class RivalModel:
    """A transformers model with tokenizer and collator, for one of our tasks."""

    model: Any
    tokenizer: Any
    collator: Any
    task: Task


def load_rival(task: Task, *, seed: int, padding: str = "longest") -> RivalModel:
    """Return the packaged MiniLM under transformers' own head, as `from_pretrained` makes it.

    `padding` is "longest" (of the batch) or "max_length" (every row to `MAX_LENGTH`).
    """
    folder = find_model("minilm", revision=None).path
    is_tagger = task.head == "tag"
    auto = AutoModelForTokenClassification if is_tagger else AutoModelForSequenceClassification
    torch.manual_seed(seed)
    model = auto.from_pretrained(folder, num_labels=len(task.outputs()), dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    collate = DataCollatorForTokenClassification if is_tagger else DataCollatorWithPadding
    return RivalModel(
        model, tokenizer, collate(tokenizer, padding=padding, max_length=MAX_LENGTH), task
    )


def encode_for(rival: RivalModel, examples: Sequence[Example]) -> list[dict[str, Any]]:
    """Return one row an example: `input_ids`, `attention_mask` and `labels`."""
    rows = []
    for example in examples:
        encoded = _encode(rival.tokenizer, example, longest=MAX_LENGTH)
        target = rival.task.target(example)
        if rival.task.head == "tag":
            labels = [IGNORED] * len(encoded["input_ids"])
            for position, word in _first_tokens(encoded):
                labels[position] = target[word]
        else:
            labels = target
        rows.append(
            {
                "input_ids": encoded["input_ids"],
                "attention_mask": encoded["attention_mask"],
                "labels": labels,
            }
        )
    return rows


def count_real_tokens(rows: Sequence[dict[str, Any]]) -> int:
    """Return the tokens of all rows before padding, special tokens included."""
    return sum(len(row["input_ids"]) for row in rows)


def score_of(rival: RivalModel, examples: Sequence[Example]) -> float:
    """Return the task's selection measure of the rival's answers, computed as for ours."""
    task = rival.task
    answers = [
        task.answer(scores, example.inputs)
        for example, scores in zip(examples, _logits(rival, examples), strict=True)
    ]
    return task.selection_score(examples, answers)


def _logits(rival: RivalModel, examples: Sequence[Example]) -> list[np.ndarray]:
    """Return (C,) logits an example, or (words, C); a word without a token is outside."""
    found: list[np.ndarray] = []
    rival.model.eval()
    for start in range(0, len(examples), EVALUATION_ROWS):
        part = examples[start : start + EVALUATION_ROWS]
        encoded = [_encode(rival.tokenizer, each, longest=LONGEST_TEST_ROW) for each in part]
        batch = rival.tokenizer.pad(
            [{key: row[key] for key in ("input_ids", "attention_mask")} for row in encoded],
            return_tensors="pt",
        )
        with torch.inference_mode():
            logits = rival.model(**batch).logits.float().numpy()
        if rival.task.head != "tag":
            found.extend(logits)
            continue
        for example, row, scores in zip(part, encoded, logits, strict=True):
            words = np.zeros((len(example.inputs.words), scores.shape[-1]))
            words[:, 0] = OUTSIDE_LOGIT
            for position, word in _first_tokens(row):
                words[word] = scores[position]
            found.append(words)
    return found


def _encode(tokenizer: Any, example: Example, *, longest: int) -> Any:
    inputs = example.inputs
    settings: dict[str, Any] = {"truncation": True, "max_length": longest}
    if isinstance(inputs, WordsInput):
        words = [inputs.text[start:end] for start, end in inputs.words]
        return tokenizer(words, is_split_into_words=True, **settings)
    return tokenizer(inputs.text, **settings)


def _first_tokens(encoded: Any) -> list[tuple[int, int]]:
    """Return (token position, word) of the first token of each word."""
    pairs, before = [], None
    for position, word in enumerate(encoded.word_ids()):
        if word is not None and word != before:
            pairs.append((position, word))
        before = word
    return pairs
