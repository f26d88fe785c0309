"""How a model's tokenizer would read the user's rows: known words, lengths, what would be cut."""

from __future__ import annotations

from typing import Any

import numpy as np

from tunesmith.core.errors import SpecError
from tunesmith.core.recipe import ModelRecipe
from tunesmith.data.splits import Splits
from tunesmith.data.spool import JoinedExamples
from tunesmith.model import downloads, hub
from tunesmith.model.known import find_entry, read_catalogue, require_able
from tunesmith.model.outlines import load_outline
from tunesmith.model.sources import ModelFolder, find_model
from tunesmith.operations.preparing import choose_reading
from tunesmith.operations.zoo import ZooSpec
from tunesmith.session import Session
from tunesmith.stages.check.context import make_context
from tunesmith.stages.check.findings import sort_findings
from tunesmith.stages.check.sizes import check_truncation
from tunesmith.stages.check.tokens import TokenFigures, read_tokens
from tunesmith.stages.check.vocabulary import (
    check_chinese_vocabulary,
    check_spelling,
    check_unknown_characters,
)
from tunesmith.tasks import make_task
from tunesmith.tasks.words import split_words

CHECKS = (
    check_truncation,
    check_unknown_characters,
    check_chinese_vocabulary,
    check_spelling,
)


def check_reading(spec: ZooSpec, session: Session) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return no models, and the figures and findings of one tokenizer on all rows.

    Weights are neither fetched nor loaded. Raises `SpecError` where task or model is not named or
    the model cannot do the task.
    """
    lacking = [f"`{name}` must be given" for name in ("task", "model") if not getattr(spec, name)]
    if lacking or spec.task is None or spec.model is None:
        raise SpecError(
            lacking,
            hint=f"tunesmith zoo check {spec.subject} --model minilm --task classification",
        )
    if spec.task == "recommendation":
        raise SpecError(
            "`zoo check` must have rows of texts; those of `recommendation` are events",
            hint=f"tunesmith check {spec.subject} --task recommendation --items FILE "
            f"--model {spec.model}",
        )
    require_able(spec.model, spec.task)
    task = make_task(spec.task, columns=spec.column, pairs="auto")
    splits = session.examples(
        str(spec.subject), task, valid=None, test=None, valid_ratio=0.1, test_ratio=0.0, seed=0
    )
    task = task.with_labels_of(splits.train)
    backbone = load_outline(find_reader(spec))
    reading = choose_reading(ModelRecipe(name=spec.model), backbone, task, method=None)
    rows = JoinedExamples([splits.train, splits.valid, splits.test])
    figures = read_tokens(backbone.tokenizer, rows, reading)
    context = make_context(splits, task, backbone, reading, tokens=figures)
    findings = sort_findings(finding for check in CHECKS for finding in check(context))
    details = {
        "model": spec.model,
        "context": backbone.card.context,
        "uncased": backbone.card.uncased,
        **coverage(figures, words=_count_words(splits)),
        **lengths(figures, context=backbone.card.context),
        "findings": [finding.to_json() for finding in findings],
    }
    return [], details


def find_reader(spec: ZooSpec) -> ModelFolder:
    """Return the folder of a model's configuration and tokenizer, fetching these alone."""
    name = str(spec.model)
    entry = find_entry(name, read_catalogue())
    source = entry.hub if entry else None
    is_remote = source is not None and not (entry and (entry.package or entry.folder))
    if not is_remote or source is None or hub.is_offline():
        return find_model(name, revision=spec.revision)
    revision = spec.revision or source.revision
    model = hub.look_up(source.id, revision=revision, mirror=spec.mirror)
    folder = downloads.fetch_files(model, model.reading, mirror=spec.mirror)
    return ModelFolder(name, folder, f"hub {source.id}", model.revision, "")


def coverage(figures: TokenFigures, *, words: int) -> dict[str, float | int]:
    """Return shares of what is unknown, and how many tokens a word and a character cost.

    Blanks are no characters; `words` is their number as `split_words` counts them, a Han character
    and a punctuation mark being one.
    """
    characters = int(figures.characters[1:].sum())
    unknown = int(figures.unknown_characters[1:].sum())
    tokens, lost = int(figures.tokens.sum()), int(figures.unknown_tokens.sum())
    return {
        "characters": characters,
        "tokens": tokens,
        "unknown_characters_ratio": unknown / max(1, characters),
        "unknown_tokens_ratio": lost / max(1, tokens),
        "tokens_per_word": tokens / max(1, words),
        "tokens_per_character": tokens / max(1, characters),
    }


def lengths(figures: TokenFigures, *, context: int) -> dict[str, float | int]:
    """Return token lengths with special tokens, and which share of the rows the context holds."""
    counts = figures.counts + figures.frame
    median, high, higher = np.percentile(counts, [50, 95, 99], method="higher").tolist()
    return {
        "rows": len(counts),
        "median_tokens": int(median),
        "p95_tokens": int(high),
        "p99_tokens": int(higher),
        "max_tokens": int(counts.max()),
        "rows_that_fit_ratio": float((counts <= context).mean()),
    }


def _count_words(splits: Splits) -> int:
    return sum(
        len(split_words(example.inputs.text))
        for examples in (splits.train, splits.valid, splits.test)
        for example in examples
    )
