"""A bundle that answers by a prompt: answers weighed, held against a reference, merged.

What comes out is what a head would have given, so that the task answers as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load_file

from tunesmith.core.errors import DataError, SpecError
from tunesmith.core.examples import Inputs
from tunesmith.core.prompts import Prompt, Shot, fill, prompt_from_json
from tunesmith.model.likelihood import AskedIds, Weigher, weigh_answers
from tunesmith.runtime.engine import Engine, text_vectors
from tunesmith.runtime.prompt_ids import (
    PromptReader,
    bare_ids,
    fitting_shots,
    make_reader,
    needed_tokens,
    prefix_ids,
    question_ids,
    shots_text,
)
from tunesmith.tasks.asking import (
    Question,
    empty_inputs,
    is_fixed,
    questions,
    reference_slots,
    scores_of,
)

if TYPE_CHECKING:
    from tunesmith.store.bundles import Bundle

SHOTS_FILE = "examples.safetensors"
ENCODER_FOLDER = "encoder"
TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Asking:
    """How an engine asks: its prompt, and what finds the examples most like a text, where it does.

    `vectors` (N, H) are unit vectors of the prompt's examples, made by `encoder`, or by the model
    itself where that is None.
    """

    prompt: Prompt
    reader: PromptReader
    vectors: np.ndarray | None = None
    encoder: Engine | None = None


def with_prompt(
    engine: Engine,
    prompt: Prompt,
    *,
    vectors: np.ndarray | None = None,
    encoder: Engine | None = None,
) -> Engine:
    """Return an engine whose model is a `Speaker`, answering by a prompt.

    A calibration that is the same for every row is measured here, once.
    """
    reader = make_reader(
        engine.tokenizer,
        speaking=engine.model.speaking,
        max_length=engine.reading.max_length,
        prompt=prompt,
    )
    made = replace(engine, asking=Asking(prompt, reader, vectors, encoder))
    if prompt.calibration == "none" or prompt.offsets or not is_fixed(engine.task, prompt):
        return made
    asked = questions(engine.task, empty_inputs(engine.task), prompt.words)
    offsets = _offsets(made, asked, [()] * len(asked))
    flat = tuple(round(float(value), 6) for own in offsets for value in own)
    return replace(made, asking=replace(asking_of(made), prompt=replace(prompt, offsets=flat)))


def asking_of(engine: Engine) -> Asking:
    """Return how an engine asks. Raises `SpecError` where it answers without a prompt."""
    if engine.asking is None:
        raise SpecError("this model answers without a prompt", hint="--method few-shot")
    return engine.asking


def score_asked(engine: Engine, inputs: Sequence[Inputs]) -> list[np.ndarray]:
    """Return the raw outputs of each input, in the shapes that its task's `answer` takes.

    Source: label words, Schick & Schütze 2021 (PET), §3.1, their probabilities averaged where a
    label has several (Hu et al. 2022, KPT, eq. 5); calibration, Zhao et al. 2021, §5, and Holtzman
    et al. 2021, §3.
    """
    prompt = asking_of(engine).prompt
    rows, flat, shots = _asked(engine, inputs)
    scores = _weigh(engine, flat, shots)
    if prompt.offsets and rows:
        sizes = [len(each.answers) for each in rows[0]]
        fixed = np.split(np.array(prompt.offsets), np.cumsum(sizes)[:-1])
        offsets = [fixed[at] for own in rows for at in range(len(own))]
        scores = [value - offset for value, offset in zip(scores, offsets, strict=True)]
    elif prompt.calibration != "none":
        offsets = _offsets(engine, flat, shots)
        scores = [value - offset for value, offset in zip(scores, offsets, strict=True)]
    ends = np.cumsum([len(own) for own in rows])
    return [
        scores_of(engine.task, scores[end - len(own) : end])
        for own, end in zip(rows, ends, strict=True)
    ]


def log_shares(engine: Engine, inputs: Sequence[Inputs]) -> list[list[np.ndarray]]:
    """Return, for each question of each row, (C,) log-probabilities of its groups of words.

    They sum to 1 over the groups; no calibration is in them.
    """
    rows, flat, shots = _asked(engine, inputs)
    shares = iter([_shares(each) for each in _weigh(engine, flat, shots)])
    return [[next(shares) for _ in own] for own in rows]


def render_prompt(engine: Engine, item: Inputs, *, gap: str = "___") -> str:
    """Return the whole prompt of one row as text, for a person who reads it."""
    asking = asking_of(engine)
    template = asking.reader.template
    slots = questions(engine.task, item, asking.prompt.words)[0].slots
    (own,) = _own_shots(engine, [item])
    shots = shots_text(asking.reader, own or asking.prompt.shots)
    question = fill(template.before, slots) + gap + fill(template.after, slots)
    return fill(template.head, {}) + shots + question


def count_cut(engine: Engine, inputs: Sequence[Inputs]) -> int:
    """Return how many rows are longer than the prompt leaves room for, so that they are cut."""
    rows, flat, shots = _asked(engine, inputs)
    is_cut = [long for _, long in _ids(engine, flat, shots)]
    ends = np.cumsum([len(own) for own in rows])
    return sum(any(is_cut[end - len(own) : end]) for own, end in zip(rows, ends, strict=True))


def count_short(engine: Engine, inputs: Sequence[Inputs]) -> int:
    """Return how many rows have room for fewer examples of their own than the prompt gives."""
    prompt = asking_of(engine).prompt
    if not prompt.nearest:
        return 0
    return sum(len(own) < prompt.nearest for own in _own_shots(engine, inputs))


def unit_vectors(engine: Engine, texts: Sequence[str], encoder: Engine | None = None) -> np.ndarray:
    """Return (N, H) unit vectors of texts, by the model itself or by an encoder of sentences."""
    own = encoder or engine
    reading = replace(own.reading, writing="")
    found = text_vectors(replace(own, reading=reading), [text or " " for text in texts])
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), TINY)


def read_prompt(
    bundle: Bundle, load_encoder: Callable[[Path], Engine]
) -> tuple[Prompt, dict[str, Any]]:
    """Return a bundle's prompt, and the vectors and encoder that `with_prompt` takes.

    Raises `DataError` where what it says of that cannot be read.
    """
    try:
        prompt = prompt_from_json(bundle.manifest["template"], bundle.manifest.get("calibration"))
        if not prompt.nearest:
            return prompt, {}
        vectors = load_file(bundle.path / SHOTS_FILE)["vectors"]
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise DataError(
            f"`bundle.json` must say how the model is asked; {error} ({bundle.path})",
            hint="run `tunesmith fit` again",
        ) from error
    folder = bundle.path / ENCODER_FOLDER
    encoder = load_encoder(folder) if folder.is_dir() else None
    return prompt, {"vectors": vectors, "encoder": encoder}


def _asked(
    engine: Engine, inputs: Sequence[Inputs]
) -> tuple[list[list[Question]], list[Question], list[tuple[Shot, ...]]]:
    """Return the questions of each row, all of them in a row, and the examples of each."""
    asking = asking_of(engine)
    rows = [questions(engine.task, item, asking.prompt.words) for item in inputs]
    own = _own_shots(engine, inputs)
    flat = [question for each in rows for question in each]
    shots = [own[row] for row, each in enumerate(rows) for _ in each]
    return rows, flat, shots


def _own_shots(engine: Engine, inputs: Sequence[Inputs]) -> list[tuple[Shot, ...]]:
    """Return the examples that only one row's question has, those most like it, the nearest last.

    There are none where all questions share the same ones.
    """
    asking = asking_of(engine)
    prompt = asking.prompt
    if not prompt.nearest or asking.vectors is None or not inputs:
        return [()] * len(inputs)
    own = unit_vectors(engine, [item.text for item in inputs], asking.encoder)
    near = np.round(own @ asking.vectors.T, 5)  # near ties stand in the order of the examples
    order = np.argsort(-near, axis=1, kind="stable")[:, : prompt.nearest]
    return [
        fitting_shots(
            asking.reader,
            [prompt.shots[at] for at in row[::-1]],
            needed=needed_tokens(asking.reader, engine.task, item),
            drop_first=True,
        )
        for item, row in zip(inputs, order, strict=True)
    ]


def _ids(
    engine: Engine, asked: Sequence[Question], shots: Sequence[tuple[Shot, ...]]
) -> list[tuple[AskedIds, bool]]:
    reader = asking_of(engine).reader
    prefix = len(_prefix(engine))
    return [
        question_ids(reader, question, prefix=prefix, shots=own)
        for question, own in zip(asked, shots, strict=True)
    ]


def _prefix(engine: Engine) -> np.ndarray:
    """Return (P,) the ids that every question begins with."""
    asking = asking_of(engine)
    return prefix_ids(asking.reader, () if asking.prompt.nearest else asking.prompt.shots)


def _weigh(
    engine: Engine, asked: Sequence[Question], shots: Sequence[tuple[Shot, ...]]
) -> list[np.ndarray]:
    """Return (C,) scores of each question's groups of words."""
    ids = [own for own, _ in _ids(engine, asked, shots)]
    return _weigh_ids(engine, _prefix(engine), ids, asked)


def _weigh_ids(
    engine: Engine, prefix: np.ndarray, ids: Sequence[AskedIds], asked: Sequence[Question]
) -> list[np.ndarray]:
    asking = asking_of(engine)
    weigher = Weigher(
        speaker=engine.model,
        pad_id=engine.tokenizer.pad_token_id,
        mask_id=engine.tokenizer.mask_token_id,
        end=asking.reader.end,
        start=asking.reader.start,
        device=engine.device,
        precision=engine.precision,
    )
    weighed = weigh_answers(weigher, prefix, ids)
    return [
        _by_group(values, question.answers, mean=asking.prompt.mean)
        for values, question in zip(weighed, asked, strict=True)
    ]


def _by_group(values: np.ndarray, answers: Sequence[Sequence[str]], *, mean: bool) -> np.ndarray:
    """Return (C,) the log of the mean probability of each group's words."""
    scores = values[:, 0] / values[:, 1] if mean else values[:, 0]
    edges = np.cumsum([len(own) for own in answers])[:-1]
    return np.array(
        [np.logaddexp.reduce(own) - np.log(len(own)) for own in np.split(scores, edges)]
    )


def _shares(scores: np.ndarray) -> np.ndarray:
    return scores - np.logaddexp.reduce(scores)


def _offsets(
    engine: Engine, asked: Sequence[Question], shots: Sequence[tuple[Shot, ...]]
) -> list[np.ndarray]:
    """Return (C,) what is subtracted from the scores of each question.

    Contextual: the log of the mean share that texts without content give to each group; domain: its
    log-probability behind the words right before the answer.
    """
    asking = asking_of(engine)
    if asking.prompt.calibration == "domain":
        begin = np.array(asking.reader.before, dtype=np.int64)
        ids = [bare_ids(asking.reader, question) for question in asked]
        return _weigh_ids(engine, begin, ids, asked)
    free = [
        [replace(question, slots=slots) for slots in reference_slots(question)]
        for question in asked
    ]
    beside = [own for own, each in zip(shots, free, strict=True) for _ in each]
    shares = iter(_weigh(engine, [question for each in free for question in each], beside))
    means = [np.mean([np.exp(_shares(next(shares))) for _ in each], axis=0) for each in free]
    return [np.log(np.maximum(own, TINY)) for own in means]
