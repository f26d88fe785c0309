"""A prompt as a choice of its parts, and the engine that answers by it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tunesmith.core.errors import DataError, SpecError
from tunesmith.core.events import Event
from tunesmith.core.examples import Example
from tunesmith.core.prompting import ShotChoice, ShotOrder
from tunesmith.core.prompts import By, Calibration, Prompt, Shot
from tunesmith.data.splits import sample_examples
from tunesmith.runtime.engine import Engine
from tunesmith.runtime.prompt_ids import (
    fitting_shots,
    make_reader,
    needed_tokens,
    order_problems,
    refuse_words,
)
from tunesmith.runtime.prompted import unit_vectors, with_prompt
from tunesmith.stages.prompt.shots import choose_rows, order_rows
from tunesmith.tasks.asking import make_shot, refuse_template

JUDGED_ROWS = 200
"""Rows whose lengths say how much room a prompt must leave."""

USUAL_SHARE = 95
"""Per cent of these rows for which examples leave room; longer ones are cut."""


@dataclass(frozen=True, slots=True)
class PromptJob:
    """What prompts are made from: a model that speaks, rows for examples, and where to tell of it.

    `engine` has no prompt yet. `pool` are the rows that examples come from, `like` rows such as
    will be asked about; labels of the latter are not looked at. `encoder` says which texts are
    alike where the model itself does not.
    """

    engine: Engine
    by: By
    pool: Sequence[Example]
    like: Sequence[Example]
    emit: Callable[[Event], None]
    encoder: Engine | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A prompt to be made: template, words, and how examples are chosen and ordered."""

    template: str
    words: Mapping[str, tuple[str, ...]]
    examples: int = 0
    choice: ShotChoice = "balanced"
    order: ShotOrder = "auto"
    seed: int = 0
    mean: bool = False
    calibration: Calibration = "none"

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a transcript keeps them."""
        own = {name: getattr(self, name) for name in self.__slots__}
        return {**own, "words": {name: list(words) for name, words in self.words.items()}}

    @property
    def identity(self) -> str:
        """Twelve hexadecimal digits made from what it is: the same in every run."""
        content = json.dumps(self.to_json(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class MadePrompt:
    """An engine that answers by a candidate's prompt, the examples it has and those left out."""

    engine: Engine
    examples: int
    left_out: int


def make_prompt(job: PromptJob, candidate: Candidate) -> MadePrompt:
    """Return the engine that answers by a candidate.

    Raises `SpecError` with every problem of template and words, and `DataError` where examples are
    wanted and no row has room.
    """
    task = job.engine.task
    refuse_template(task, candidate.template)
    bare = Prompt(
        by=job.by,
        template=candidate.template,
        words=candidate.words,
        mean=candidate.mean,
        calibration=candidate.calibration,
    )
    reader = make_reader(
        job.engine.tokenizer,
        speaking=job.engine.model.speaking,
        max_length=job.engine.reading.max_length,
        prompt=bare,
    )
    if problems := order_problems(reader):
        raise SpecError(problems, hint="--set method.template='… {label}', or a masked --model")
    refuse_words(reader)
    if not candidate.examples:
        return MadePrompt(with_prompt(job.engine, bare), 0, 0)
    asking = with_prompt(job.engine, replace(bare, calibration="none"))
    rows = choose_rows(
        job.pool,
        candidate.examples,
        choice=candidate.choice,
        engine=asking,
        encoder=job.encoder,
        seed=candidate.seed,
    )
    if candidate.choice == "nearest":
        return _nearest(job, candidate, bare, rows)
    rows = order_rows(
        rows,
        order=candidate.order,
        engine=asking,
        encoder=job.encoder,
        like=job.like,
        seed=candidate.seed,
    )
    shots = _shots(job, candidate, rows)
    judged = sample_examples(job.like, JUDGED_ROWS)
    needs = [needed_tokens(reader, task, row.inputs) for row in judged]
    needed = int(np.percentile(needs, USUAL_SHARE)) if needs else 0
    kept = fitting_shots(reader, shots, needed=needed, drop_first=False)
    if not kept:
        raise DataError(
            f"an example must fit beside a text: the model reads {reader.max_length} tokens, "
            f"{USUAL_SHARE} % of the texts need up to {needed}; none of {len(shots)} examples does",
            hint="--method zero-shot, or a --model that reads more",
        )
    made = with_prompt(job.engine, replace(bare, shots=kept))
    return MadePrompt(made, len(kept), len(shots) - len(kept))


def _shots(job: PromptJob, candidate: Candidate, rows: Sequence[Example]) -> list[Shot]:
    return [
        make_shot(job.engine.task, row, candidate.words, number=number)
        for number, row in enumerate(rows)
    ]


def _nearest(
    job: PromptJob, candidate: Candidate, bare: Prompt, rows: Sequence[Example]
) -> MadePrompt:
    """Return an engine that looks for the examples of each row among all that were given."""
    prompt = replace(
        bare, shots=tuple(_shots(job, candidate, rows)), nearest=min(candidate.examples, len(rows))
    )
    vectors = unit_vectors(job.engine, [row.inputs.text for row in rows], job.encoder)
    vectors = vectors.astype(np.float32)
    made = with_prompt(job.engine, prompt, vectors=vectors, encoder=job.encoder)
    return MadePrompt(made, prompt.nearest, 0)
