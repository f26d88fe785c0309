"""Which model suits the user's rows, told from frozen vectors: no model is tuned."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.data_spec import TaskKind
from tunesmith.core.errors import DataError, ForeignError, ResourceError, SpecError
from tunesmith.core.events import Progress, Said, Warned
from tunesmith.core.examples import Example
from tunesmith.core.machine import describe_machine, forget_peak, peak_bytes
from tunesmith.data.fingerprints import fingerprint_examples
from tunesmith.data.splits import Splits, split_examples
from tunesmith.operations.zoo import ZooSpec
from tunesmith.operations.zoo_candidates import (
    Candidate,
    LeftOut,
    find_candidates,
    named_models,
)
from tunesmith.operations.zoo_measured import best_measured, standard_error
from tunesmith.session import Session
from tunesmith.stages.zoo.costs import tuning_memory
from tunesmith.stages.zoo.estimates import Estimates, draw_halves, estimate
from tunesmith.stages.zoo.questions import Question, ask
from tunesmith.stages.zoo.standing import Z95, Standing, stand
from tunesmith.store.results import Measured
from tunesmith.tasks import make_task
from tunesmith.tasks.task import Task

RANKED: tuple[TaskKind, ...] = ("classification", "matching", "ner")
TIMED_ROWS, UNTIMED_ROWS = 15, 3
VALID_RATIO = 0.1
"""What `fit` holds out where it is told nothing else, so that its results are found again."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows that all models are compared on, what is asked of them, and their halves."""

    task: Task
    examples: Sequence[Example]
    question: Question
    halves: NDArray


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found of one model.

    `memory_gb` is the most that the process held meanwhile, None where the system does not tell.
    """

    candidate: Candidate
    estimates: Estimates
    nce: dict[str, Any]
    sha256: str
    latency_ms: float
    memory_gb: float | None
    seconds: float

    @property
    def disk_bytes(self) -> int:
        """The size of its folder's files."""
        files = self.candidate.folder.rglob("*")
        return sum(path.stat().st_size for path in files if path.is_file())


def rank_models(spec: ZooSpec, session: Session) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the models, the most promising first, and how they were compared.

    Raises `SpecError` for a task whose models cannot be ranked, `NotFoundError` and `SpecError` as
    `find_candidates` does, and `DataError` where the rows have one answer only.
    """
    started = time.perf_counter()
    task_kind = _require_task(spec)
    candidates, left = find_candidates(spec, session, task_kind)
    splits, sample = draw_sample(spec, session, task_kind)
    judged: list[Judged] = []
    for number, candidate in enumerate(candidates, start=1):
        try:
            judged.append(judge(candidate, sample, session))
        except (DataError, ForeignError, ResourceError) as error:
            if named_models(spec):
                raise
            left.append(LeftOut(candidate.name, str(error).partition("\n")[0]))
            session.emit(Warned(f"{candidate.name} is left out: {left[-1].why}"))
        session.emit(Progress("ranking", number, len(candidates), "models", candidate.name))
    if not judged:
        raise DataError(
            [f"a model must be readable to be ranked; {each.name}: {each.why}" for each in left],
            hint="tunesmith zoo list; tunesmith zoo fetch NAME",
        )
    fingerprints = {
        name: fingerprint_examples(rows)
        for name in ("test", "valid", "train")
        if (rows := getattr(splits, name))
    }
    measured = best_measured(session, fingerprints, task_kind, sample.task.selection)
    lines = _lines(judged, measured, spec)
    details = {
        "data": str(spec.subject),
        "data_sha256": fingerprints["train"],
        "task": task_kind,
        "measure": sample.task.selection,
        "rows": len(sample.examples),
        "train_rows": len(splits.train),
        "seed": spec.seed,
        "machine": f"{describe_machine()}, {session.device}",
        "left_out": [each.to_json() for each in left],
        "seconds": round(time.perf_counter() - started, 2),
    }
    session.workspace.rankings.keep({**details, "ranking": lines})
    return lines, {**details, "next": _next_command(spec, lines)}


def draw_sample(spec: ZooSpec, session: Session, kind: TaskKind) -> tuple[Splits, Sample]:
    """Return the splits of the user's rows, and the sample of train that models are compared on.

    Classes are in proportion; rows of equal text stay together.
    """
    task = make_task(kind, columns=spec.column, pairs="auto")
    session.emit(Said(f"reading {spec.subject}"))
    splits = session.examples(
        str(spec.subject),
        task,
        valid=None,
        test=None,
        valid_ratio=VALID_RATIO,
        test_ratio=0.0,
        seed=0,
    )
    task = task.with_labels_of(splits.train)
    rows = splits.train
    if len(rows) > spec.rows:
        _, rows = split_examples(rows, task, ratio=spec.rows / len(rows), seed=spec.seed)
    examples = list(rows)
    question = ask(examples, task, seed=spec.seed)
    return splits, Sample(task, examples, question, draw_halves(len(examples), seed=spec.seed))


def judge(candidate: Candidate, sample: Sample, session: Session) -> Judged:
    """Return what the sample says of one model, and what it costs on this machine.

    Raises what loading a model raises.
    """
    from tunesmith.model.device import choose_precision
    from tunesmith.model.layer_vectors import layer_averages
    from tunesmith.model.memory import release_memory
    from tunesmith.stages.zoo.speed import time_row
    from tunesmith.stages.zoo.vectors import gather, windows_of

    started = time.perf_counter()
    release_memory()
    forget_peak()
    packaged = candidate.entry.package and candidate.entry.aliases
    backbone = session.backbone(packaged[0] if packaged else str(candidate.folder))
    how: dict[str, Any] = {
        "device": session.device,
        "precision": choose_precision("auto", session.device).value,
    }
    windows = windows_of(backbone, sample.examples)
    found = layer_averages(backbone, windows, **how)
    timed = sample.examples[: UNTIMED_ROWS + TIMED_ROWS]
    taken = [time_row(backbone, example, **how) for example in timed]
    held = peak_bytes()
    vectors, cosines = gather(windows, found, sample.question)
    return Judged(
        candidate,
        estimate(vectors, sample.question, sample.halves, cosines=cosines),
        _own_labels(candidate, backbone, windows, sample, session),
        backbone.card.sha256,
        latency_ms=median(taken[UNTIMED_ROWS:] or taken),
        memory_gb=None if held is None else held / 1e9,
        seconds=time.perf_counter() - started,
    )


def _own_labels(
    candidate: Candidate, backbone: Any, windows: Sequence[Any], sample: Sample, session: Session
) -> dict[str, Any]:
    """Return what the labels that a classifier has already tell of those of the rows: NCE."""
    from tunesmith.measure.transferability.conditional_entropy import (
        explained_entropy_ratio,
        negative_conditional_entropy,
    )
    from tunesmith.model.own_labels import own_labels
    from tunesmith.stages.zoo.vectors import gather

    question = sample.question
    if sample.task.kind == "matching":
        return {"nats": None, "ratio": None, "why": "pairs are compared by vectors alone"}
    pad = backbone.tokenizer.pad_token_id
    found = own_labels(candidate.folder, windows, pad_id=pad, device=session.device)
    if found is None:
        return {"nats": None, "ratio": None, "why": "the model has no labels of its own"}
    source = gather(windows, found[:, None], question)[0][:, 0]
    return {
        "nats": negative_conditional_entropy(source, question.labels),
        "ratio": explained_entropy_ratio(source, question.labels),
        "why": "",
    }


def _require_task(spec: ZooSpec) -> TaskKind:
    if spec.task is None:
        raise SpecError(
            "`task` must be given",
            hint=f"tunesmith zoo rank {shlex.quote(str(spec.subject))} --task classification",
        )
    if spec.task not in RANKED:
        raise SpecError(
            f"`task` must be one of {', '.join(RANKED)} for models to be ranked; got {spec.task}",
            hint=f"tunesmith zoo list --task {spec.task}, then tunesmith plan",
        )
    return spec.task


def _lines(
    judged: Sequence[Judged], measured: dict[str, Measured], spec: ZooSpec
) -> list[dict[str, Any]]:
    """Return a line a model: those within the limits by their standing, then the others."""
    broken = [_broken_limit(each, spec) for each in judged]
    within = [each for each, why in zip(judged, broken, strict=True) if not why]
    beyond = [(each, why) for each, why in zip(judged, broken, strict=True) if why]
    lines = []
    if within:
        own = [measured.get(each.sha256) for each in within]
        standings = stand(
            np.array([each.estimates.score for each in within]),
            np.array([each.estimates.scores_on_halves for each in within]),
            [None if it is None else (it.score.value, standard_error(it.score)) for it in own],
        )
        lines = [
            _line(each, measured, standing=standing)
            for each, standing in zip(within, standings, strict=True)
        ]
        lines.sort(key=lambda line: line["place"])
    beyond.sort(key=lambda pair: -pair[0].estimates.score)
    return lines + [_line(each, measured, state=why) for each, why in beyond]


def _line(
    judged: Judged,
    measured: dict[str, Measured],
    *,
    standing: Standing | None = None,
    state: str = "",
) -> dict[str, Any]:
    entry, estimates = judged.candidate.entry, judged.estimates
    error = Z95 * float(estimates.scores_on_halves.std(ddof=1))
    known = measured.get(judged.sha256)
    return {
        "place": None if standing is None else standing.place,
        "place_low": None if standing is None else standing.low,
        "place_high": None if standing is None else standing.high,
        "is_tied": standing is not None and standing.is_tied,
        "model": judged.candidate.name,
        "id": entry.id,
        "path": str(judged.candidate.folder),
        "sha256": judged.sha256,
        "parameters": entry.parameters,
        "licence": entry.licence,
        "score": estimates.score,
        "score_low": estimates.score - error,
        "score_high": estimates.score + error,
        "shares": estimates.shares,
        "logme": estimates.logme,
        "nce": judged.nce,
        "measured": None if known is None else known.to_json(),
        "latency_ms": judged.latency_ms,
        "memory_gb": judged.memory_gb,
        "disk_bytes": judged.disk_bytes,
        "tuning_bytes": tuning_memory(entry).total,
        "seconds": judged.seconds,
        "state": state,
    }


def _broken_limit(judged: Judged, spec: ZooSpec) -> str:
    """Return which measured limit of the user's a model does not keep, or nothing."""
    if spec.max_latency_ms is not None and judged.latency_ms > spec.max_latency_ms:
        return f"{judged.latency_ms:.1f} ms a row, {spec.max_latency_ms:g} are allowed"
    memory = judged.memory_gb or 0.0
    if spec.max_memory_gb is not None and memory > spec.max_memory_gb:
        return f"{memory:.2f} GB of memory, {spec.max_memory_gb:g} are allowed"
    return ""


def _next_command(spec: ZooSpec, lines: Sequence[dict[str, Any]]) -> str:
    words = ["tunesmith", "fit", str(spec.subject), "--task", str(spec.task)]
    words += ["--model", lines[0]["model"]]
    for role, name in spec.column.items():
        words += ["--column", f"{role}={name}"]
    return shlex.join(words)
