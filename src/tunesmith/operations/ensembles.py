"""How `fit` makes one bundle of several models: it tunes each as it would alone, and joins them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tunesmith.core.environment import package_versions
from tunesmith.core.events import Said
from tunesmith.core.measures import Measure
from tunesmith.data.fingerprints import fingerprint_examples
from tunesmith.data.folds import splits_of_fold
from tunesmith.data.splits import Splits, sample_examples
from tunesmith.data.spool import JoinedExamples
from tunesmith.operations.cautions import SELECTED_ON_VALID
from tunesmith.operations.fit import FitResult, FitSpec
from tunesmith.operations.fitting import (
    CANARY_ROWS,
    MAIN,
    fit_bundle,
    open_folder,
)
from tunesmith.operations.members import member_specs, refuse_ensemble, refuse_leaks
from tunesmith.operations.next_commands import next_commands
from tunesmith.operations.preparing import Prepared, prepare_sound, split_seed
from tunesmith.operations.tokens import Tokens
from tunesmith.operations.weights import save_weights
from tunesmith.runtime.canary import make_canary
from tunesmith.runtime.engine import Engine, Members, answer
from tunesmith.runtime.joining import joined_task, soup
from tunesmith.runtime.loading import load_engine
from tunesmith.session import Session
from tunesmith.stages.evaluate.card import make_card
from tunesmith.stages.evaluate.marking import Marked, mark_answers, mark_engine
from tunesmith.stages.evaluate.report import Background, make_report, write_report
from tunesmith.store.bundles import MEMBERS, Bundle, read_bundle, write_attachments
from tunesmith.store.run_folder import LOCK, removed_if_unstarted

OUT_OF_FOLD = (
    "Measured out of fold: each row is answered by the member that did not learn from it, whose "
    "checkpoint it helped to choose. What is in the bundle answers with all members; on rows of "
    "its own: tunesmith evaluate {bundle} TEST"
)
NOTES = {
    "mean": (
        "This bundle joins {count} models, each whole in `members/N`; there is no `model/`. "
        "Plain transformers loads one of them: "
        'AutoModelFor….from_pretrained("BUNDLE/members/0/model"). Their mean is Tunesmith\'s.'
    ),
    "soup": "Its weights are the mean of those of {count} models. ",
}


@dataclass(frozen=True, slots=True)
class Joined:
    """An engine of all members with what they are, and how it measured on which rows."""

    engine: Engine
    members: tuple[Bundle, ...]
    marked: Marked
    split: str


def fit_ensemble(spec: FitSpec, session: Session) -> FitResult:
    """Return the result of tuning all members and joining them, after the bundle was written.

    Members stand in `members/N` of the run's folder while others are tuned; a run that is resumed
    takes up those that are done as they are.
    """
    started = time.perf_counter()
    spec = spec.model_copy(update={"out": str(spec.folder)})
    refuse_ensemble(spec)
    specs = member_specs(spec)
    prepared = prepare_sound(spec, session, tokens=Tokens(session.emit, session.workspace.tokens))
    refuse_leaks(specs, prepared)
    open_folder(spec, session, prepared, {})
    with removed_if_unstarted(spec.folder):
        members = [
            _member(own, session, number=number, count=len(specs))
            for number, own in enumerate(specs, start=1)
        ]
        joined = _join(spec, session, prepared, members)
        bundle = _write(spec, session, prepared, joined)
    shutil.rmtree(spec.folder / MEMBERS, ignore_errors=True)
    return FitResult(
        bundle=bundle.path,
        report=bundle.report,
        seconds=time.perf_counter() - started,
        next_commands=next_commands(bundle, prepared),
    )


def _member(spec: FitSpec, session: Session, *, number: int, count: int) -> Bundle:
    """Return a member's bundle: the one that stands there already, or what tuning it gives."""
    if (spec.folder / MAIN).exists():
        session.emit(Said(f"member {number} of {count}: tuned before"))
        return read_bundle(spec.folder)
    session.emit(Said(f"member {number} of {count}"))
    resumed = spec.model_copy(update={"resume": (spec.folder / LOCK).is_file()})
    return read_bundle(fit_bundle(resumed, session).bundle, verify=False)


def _join(spec: FitSpec, session: Session, prepared: Prepared, members: Sequence[Bundle]) -> Joined:
    task = joined_task([bundle.task for bundle in members])
    load = (load_engine(bundle, device=session.device) for bundle in members)
    engine = soup(load) if _is_soup(spec) else next(load)
    if not _is_soup(spec):
        engine = replace(engine, model=Members((engine, *load)))
    engine = replace(engine, task=task)
    if not prepared.splits.test and spec.ensemble is not None and spec.ensemble.folds:
        marked, split = _mark_folds(spec, session, prepared, engine), "out of fold"
    else:
        split = "test" if prepared.splits.test else "valid"
        examples = getattr(prepared.splits, split)
        session.emit(Said(f"evaluating the joined model on {len(examples):,} {split} rows"))
        marked = mark_engine(engine, examples, seed=spec.seed, emit=session.emit)
    return Joined(engine, tuple(members), marked, split)


def _mark_folds(spec: FitSpec, session: Session, prepared: Prepared, engine: Engine) -> Marked:
    """Return the marks of each fold's rows, answered by the member that held them out."""
    engines: tuple[Engine, ...] = engine.model.engines
    session.emit(Said(f"evaluating {len(engines)} members, each on its own fold"))
    examples, answers = [], []
    for number, own in enumerate(engines):
        held = _fold(spec, prepared, number=number, count=len(engines)).valid
        examples.append(held)
        answers += list(answer(own, (example.inputs for example in held)))
    return mark_answers(engine.task, JoinedExamples(examples), answers, seed=spec.seed)


def _fold(spec: FitSpec, prepared: Prepared, *, number: int, count: int) -> Splits:
    return splits_of_fold(
        prepared.splits, prepared.task, folds=count, fold=number, seed=split_seed(spec)
    )


def _write(spec: FitSpec, session: Session, prepared: Prepared, joined: Joined) -> Bundle:
    path = spec.folder / MAIN
    manifest = _manifest(spec, prepared, joined)
    report = make_report(joined.marked, _background(spec, joined, path))
    examples = joined.marked.examples

    def fill(folder: Path) -> None:
        if _is_soup(spec):
            save_weights(folder / "model", joined.engine)
            joined.engine.tokenizer.save_pretrained(folder / "model")
        else:
            for number, bundle in enumerate(joined.members):
                shutil.copytree(bundle.path, folder / MEMBERS / str(number))
        write_attachments(folder, joined.engine.task)
        write_report(folder, report, joined.marked, language=spec.language)
        sample = sample_examples(examples, CANARY_ROWS, seed=spec.seed)
        (folder / "canary.jsonl").write_text(make_canary(joined.engine, sample), encoding="utf-8")
        (folder / "README.md").write_text(make_card(report, manifest), encoding="utf-8")

    return session.save(path, manifest, fill)


def _manifest(spec: FitSpec, prepared: Prepared, joined: Joined) -> dict[str, Any]:
    """Return the first member's manifest as that of all."""
    first, count = joined.members[0].manifest, len(joined.members)
    shared = ("method", "model", "reading", "pooling", "decoding", "template", "thresholds")
    plain = dict(first["plain_transformers"])
    if _is_soup(spec):
        plain["note"] = NOTES["soup"].format(count=count) + plain["note"]
    else:
        plain = {"lacks": ["members"], "note": NOTES["mean"].format(count=count)}
    is_soup = _is_soup(spec)
    return {
        **{name: first[name] for name in shared},
        "task": joined.engine.task.to_json(),
        "plain_transformers": plain,
        "calibration": None,
        "packages": package_versions(),
        "data": prepared.fingerprints,
        "seed": spec.seed,
        "parents": [bundle.fingerprint for bundle in joined.members],
        "delta": None,
        "ensemble": {
            "join": "soup" if is_soup else "mean",
            "count": count,
            "members": [] if is_soup else [f"{MEMBERS}/{number}" for number in range(count)],
        },
    }


def _background(spec: FitSpec, joined: Joined, path: Path) -> Background:
    reports = [bundle.report for bundle in joined.members]
    caution = {"valid": SELECTED_ON_VALID, "out of fold": OUT_OF_FOLD}.get(joined.split)
    examples, first = joined.marked.examples, reports[0]
    trained = [report["training"] for report in reports]
    seconds, tokens, steps = (
        sum(own[name] for own in trained) for name in ("seconds", "tokens", "steps")
    )
    return Background(
        title=first["title"],
        data={
            **first["data"],
            "split": joined.split,
            "rows": len(examples),
            "train_rows": max(report["data"]["train_rows"] for report in reports),
            "sha256": fingerprint_examples(examples),
        },
        model=first["model"],
        method=first["method"],
        training={
            "seconds": round(seconds, 2),
            "tokens": tokens,
            "tokens_per_second": round(tokens / seconds) if seconds else 0,
            "steps": steps,
            "seed": spec.seed,
            "reasons": [_sentence(spec, joined, reports), *trained[0]["reasons"]],
        },
        check=first["check"] or (),
        notes=[caution.format(bundle=path)] if caution else [],
    )


def _sentence(spec: FitSpec, joined: Joined, reports: Sequence[dict[str, Any]]) -> str:
    """Say how members and whole measured, by the first figure of the report."""
    name = joined.marked.marks.headline[0]
    alone = [Measure.from_json(report["measures"][name]).value for report in reports]
    how = "the mean of their weights" if _is_soup(spec) else "the mean of their probabilities"
    whole = joined.marked.marks.measures[name].value
    return (
        f"ensemble: {len(reports)} members, {how}; {name} of each "
        f"{', '.join(f'{value:.3f}' for value in alone)}, joined {whole:.3f} ({joined.split})"
    )


def _is_soup(spec: FitSpec) -> bool:
    return spec.ensemble is not None and spec.ensemble.join == "soup"
