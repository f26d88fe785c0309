"""How `prompt` composes its stages: rows apart, candidates, the search, the bundle."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tunesmith.core.errors import DataError, Problem, SpecError
from tunesmith.core.events import Said
from tunesmith.core.examples import Example
from tunesmith.core.prompting import FewShot, ZeroShot
from tunesmith.data.spool import take_examples
from tunesmith.model.device import threads
from tunesmith.operations.next_commands import next_commands
from tunesmith.operations.preparing import choose_language
from tunesmith.operations.prompt import PromptResult, PromptSpec
from tunesmith.operations.prompting import (
    Chosen,
    find_by,
    make_prompt_job,
    open_asked_folder,
    prepare_asked,
    reasons_of,
    write_asked,
)
from tunesmith.session import Session
from tunesmith.stages.prompt.candidates import Candidate
from tunesmith.stages.prompt.search import Found, SearchBudget, find_best
from tunesmith.stages.prompt.transcript import Transcript
from tunesmith.tasks import make_task
from tunesmith.tasks.asking import (
    complete_words,
    default_templates,
    find_template_problems,
    require_askable,
)
from tunesmith.tasks.task import Task

TRANSCRIPT = "transcript.jsonl"
MOST_POOL = 500
"""Training rows that examples are taken from, at most: half of all, where there are fewer."""

FEWEST_SCORED = 4


def search_prompt(spec: PromptSpec, session: Session) -> PromptResult:
    """Return the result of a search, after the bundle of the best prompt was written."""
    started = time.perf_counter()
    spec = spec.model_copy(update={"out": str(spec.folder)})
    require_askable(make_task(spec.task), method="prompt")
    _refuse_templates(spec)
    by = find_by(spec, "auto")
    prepared = prepare_asked(spec, session)
    language = choose_language(spec.template_language, prepared.splits.train)
    candidates = make_candidates(spec, prepared.task, language)
    pool, scored = part_rows(prepared.splits.train, seed=spec.seed)
    open_asked_folder(spec, session, prepared, verb="prompt", resume=spec.resume)
    transcript = Transcript(spec.folder / TRANSCRIPT)
    with threads(spec.threads):
        job = make_prompt_job(prepared, session, by=by, pool=pool, vectors=spec.vectors)
        session.emit(
            Said(
                f"{len(candidates)} prompts, examples from {len(pool):,} training rows, measured "
                f"on up to {min(len(scored), spec.most_rows):,} others"
            )
        )
        found = find_best(
            job,
            candidates,
            scored[: spec.most_rows],
            budget=SearchBudget(spec.first_rows, spec.budget_minutes),
            transcript=transcript,
        )
        tried = len({trial.candidate.identity for trial in transcript.trials.values()})
        chosen = Chosen(
            found.made,
            _method_of(spec, found, by=by).model_dump(mode="json"),
            [*_told(found, tried), *reasons_of(found.made, found.candidate)],
            transcript.seconds,
            transcript.to_json(),
        )
        bundle = write_asked(spec, session, prepared, chosen)
    return PromptResult(
        bundle=bundle.path,
        transcript=Path(spec.folder, TRANSCRIPT),
        template=found.candidate.template,
        tried=tried,
        reason=found.reason,
        report=bundle.report,
        seconds=time.perf_counter() - started,
        next_commands=next_commands(bundle, prepared),
    )


def make_candidates(spec: PromptSpec, task: Task, language: str) -> list[Candidate]:
    """Return the prompts to try, the plainest first; beyond `candidates` the seed draws.

    Raises `SpecError` with every problem of the words.
    """
    every = list(_every(spec, task, language))
    if len(every) <= spec.candidates:
        return every
    order = np.random.default_rng(spec.seed).permutation(len(every) - 1)[: spec.candidates - 1] + 1
    return [every[0], *(every[at] for at in np.sort(order))]


def part_rows(
    train: Sequence[Example], *, seed: int
) -> tuple[Sequence[Example], Sequence[Example]]:
    """Return the rows that examples come from, and those that prompts are measured on.

    Raises `DataError` where there are too few rows for both.
    """
    size = min(MOST_POOL, len(train) // 2)
    if len(train) - size < FEWEST_SCORED:
        raise DataError(
            f"a search must have {2 * FEWEST_SCORED} training rows or more: some to be examples, "
            f"some to measure prompts on; got {len(train)}",
            hint="tunesmith fit DATA --method few-shot takes one prompt as it is",
        )
    order = np.random.default_rng(seed).permutation(len(train))
    return take_examples(train, np.sort(order[:size])), take_examples(train, order[size:])


def _every(spec: PromptSpec, task: Task, language: str) -> Iterator[Candidate]:
    own = () if spec.own_only and spec.templates else default_templates(task, language)
    templates = tuple(dict.fromkeys((*spec.templates, *own)))
    shots = [
        (count, choice, spec.seed + draw)
        for count in dict.fromkeys(spec.examples)
        for choice in (spec.choices if count else ("balanced",))
        for draw in range(spec.draws if count and choice != "nearest" else 1)
    ]
    words = _word_sets(spec.words, task, language)
    for calibration, (count, choice, seed), own_words, template in itertools.product(
        dict.fromkeys(spec.calibrations), shots, words, templates
    ):
        yield Candidate(
            template=template,
            words=own_words,
            examples=count,
            choice=choice,
            order=spec.order,
            seed=seed,
            mean=spec.mean,
            calibration=calibration,
        )


def _word_sets(
    given: Mapping[str, tuple[str, ...]], task: Task, language: str
) -> list[dict[str, tuple[str, ...]]]:
    """Return the ways to say the labels: given words together, each by itself, and the names."""
    sets = [complete_words(task, given, language)]
    for at in range(max((len(own) for own in given.values()), default=0)):
        alone = {label: (own[min(at, len(own) - 1)],) for label, own in given.items()}
        sets.append(complete_words(task, alone, language))
    if given:
        sets.append(complete_words(task, {}, language))
    return [own for at, own in enumerate(sets) if own not in sets[:at]]


def _refuse_templates(spec: PromptSpec) -> None:
    task = make_task(spec.task)
    problems: list[Problem] = []
    for template in spec.templates:
        problems += find_template_problems(task, template)
    if spec.own_only and not spec.templates:
        problems.append(Problem("`own_only` must come with `templates`", "none"))
    if not spec.examples or not spec.calibrations or not spec.choices:
        problems.append(Problem("`examples`, `choices` and `calibrations` must name one or more"))
    if problems:
        raise SpecError(problems, hint='--templates "Text: {text}\\nLabel: {label}"')


def _method_of(spec: PromptSpec, found: Found, *, by: str) -> ZeroShot | FewShot:
    """Return the method by which `fit` makes such a prompt."""
    own = found.candidate
    asked = {
        "by": by,
        "words": dict(own.words),
        "template": own.template,
        "template_language": spec.template_language,
        "mean": own.mean,
        "calibration": own.calibration,
    }
    if not own.examples:
        return ZeroShot(**asked)
    more = {"examples": own.examples, "choice": own.choice, "order": own.order}
    return FewShot(**asked, **more, vectors=spec.vectors)


def _told(found: Found, tried: int) -> list[str]:
    measure = found.trial.measure
    return [
        f"best of {tried} prompts: {found.trial.name} {measure} on {found.trial.rows:,} training "
        f"rows that are no examples; {found.reason}"
    ]
