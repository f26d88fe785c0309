"""How `fit` composes its stages: prepare, tune, mark, write."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tunesmith.core.environment import package_versions
from tunesmith.core.events import Said
from tunesmith.core.methods import FROZEN
from tunesmith.data.splits import sample_examples
from tunesmith.model.deltas import lacks_of
from tunesmith.model.device import Choice, choose_precision, threads
from tunesmith.model.heads import HeadModel, new_head
from tunesmith.model.heads.generate import Writer
from tunesmith.model.heads.recommend import new_recommender
from tunesmith.model.heads.words import WordsClassifier
from tunesmith.model.pretraining.writers import suit_attention
from tunesmith.model.sharing import share_encoder
from tunesmith.operations.boosters import refuse_boosters
from tunesmith.operations.cautions import (
    MEASURED_ON_VALID,
    ONLY_MEASURED,
    SEARCHED_ON_VALID,
    SELECTED_ON_VALID,
)
from tunesmith.operations.companions import (
    Beside,
    prepare_beside,
    refuse_contradictions,
    text_companion,
)
from tunesmith.operations.deltas import attach_delta, settle_delta, with_own_training
from tunesmith.operations.enriching import (
    enrich,
    enriching_fingerprints,
    parents_of,
    refuse_enriching,
    taught_by_others,
)
from tunesmith.operations.fit import FitResult, FitSpec
from tunesmith.operations.next_commands import next_commands
from tunesmith.operations.plain_notes import plain_facts
from tunesmith.operations.preparing import Prepared, learns_words, prepare_sound
from tunesmith.operations.reliability import learned_notes, own_reliability, write_learned
from tunesmith.operations.tokens import Tokens
from tunesmith.operations.weights import save_weights
from tunesmith.runtime.canary import make_canary
from tunesmith.runtime.engine import Engine
from tunesmith.session import Session
from tunesmith.stages.evaluate.card import make_card
from tunesmith.stages.evaluate.marking import mark_engine
from tunesmith.stages.evaluate.reliability import judge_reliability
from tunesmith.stages.evaluate.report import Background, make_report, write_report
from tunesmith.stages.tune import conclude, fit_method
from tunesmith.stages.tune.job import Companion, Fitted, Job, TaskCompanion
from tunesmith.stages.tune.learned import Learned
from tunesmith.stages.tune.rows import Rows, make_rows
from tunesmith.stages.tune.tracking import tracked
from tunesmith.stages.tune.writing import choose_decoding
from tunesmith.store.bundles import Bundle, write_attachments
from tunesmith.store.run_folder import keep_plan, open_run_folder, read_plan, removed_if_unstarted
from tunesmith.tasks.recommendation import Recommendation

CANARY_ROWS = 128
MAIN = "bundle"
"""The folder of the main task's bundle; those of other tasks stand in `bundles/`."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A request whose rows are read and judged, with what is learned beside them."""

    spec: FitSpec
    prepared: Prepared
    beside: Beside


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuned job with what led to it, and the folder of the run that its bundle becomes.

    `plan` and `search` are the evidence for the method and for the settings, where there is any.
    """

    spec: FitSpec
    prepared: Prepared
    job: Job
    fitted: Fitted
    reasons: tuple[str, ...]
    folder: str = MAIN
    plan: Mapping[str, Any] | None = None
    search: Mapping[str, Any] | None = None


def fit_bundle(
    spec: FitSpec, session: Session, *, plan: Mapping[str, Any] | None = None
) -> FitResult:
    """Return the result of tuning as `spec` says, after the bundle was written.

    `plan` is what chose the method, where one did; it is kept with the run and told in the report.
    """
    started = time.perf_counter()
    out = spec.folder
    ready = make_ready(with_own_training(spec.model_copy(update={"out": str(out)})), session)
    open_folder(ready.spec, session, ready.prepared, ready.beside.fingerprints)
    plan = keep_plan(out, plan) if plan is not None else read_plan(out)
    with removed_if_unstarted(out), threads(spec.training.threads) as count:
        result = tune_and_write(ready, session, thread_count=count, plan=plan)
    return replace(result, seconds=time.perf_counter() - started)


def make_ready(spec: FitSpec, session: Session) -> Ready:
    """Return a request with its rows read and judged. Raises what it is refused for."""
    cache = session.workspace.tokens if spec.training.token_cache else None
    refuse_contradictions(spec)
    refuse_boosters(spec)
    refuse_enriching(spec)
    tokens = Tokens(session.emit, cache)
    prepared = prepare_sound(spec, session, tokens=tokens)
    refuse_boosters(spec, prepared.task)
    return Ready(spec, prepared, prepare_beside(spec, session, prepared.backbone, tokens))


def tune_and_write(
    ready: Ready,
    session: Session,
    *,
    thread_count: int,
    plan: Mapping[str, Any] | None = None,
    search: Mapping[str, Any] | None = None,
) -> FitResult:
    """Return the result of tuning what is ready, after its bundle and those beside were written."""
    started = time.perf_counter()
    tuned, *others = tune(ready, session, thread_count=thread_count)
    also = {
        name: _write(session, each) for name, each in zip(ready.beside.others, others, strict=True)
    }
    bundle = _write(session, replace(tuned, plan=plan, search=search))
    return FitResult(
        bundle=bundle.path,
        report=bundle.report,
        seconds=time.perf_counter() - started,
        next_commands=next_commands(bundle, ready.prepared),
        also={name: (each.path, each.report) for name, each in also.items()},
    )


def open_folder(
    spec: FitSpec, session: Session, prepared: Prepared, more: Mapping[str, Any]
) -> None:
    """Make the run's folder ready; `more` are fingerprints beside those of the rows."""
    settings = spec.model_dump(mode="json", exclude={"resume", "overwrite"})
    facts = {
        "data": {**prepared.fingerprints, **more, **enriching_fingerprints(spec, session)},
        "model": prepared.backbone.card.sha256,
        "device": str(session.device),
        "packages": package_versions(),
    }
    open_run_folder(spec.folder, settings, facts, overwrite=spec.overwrite, resume=spec.resume)


def tune(ready: Ready, session: Session, *, thread_count: int) -> list[Tuned]:
    """Return the tuned task, and behind it each that was learned beside it; nothing is written."""
    spec, prepared, beside = ready.spec, ready.prepared, ready.beside
    precision = choose_tuning_precision(spec, session)
    reasons = (str(precision), f"{session.device}, {thread_count} threads")
    for reason in reasons:
        session.emit(Said(reason))
    rich = enrich(spec, session, prepared, tune=fit_bundle)
    torch.manual_seed(spec.seed)
    folder = Path(spec.folder, "tensorboard")
    with tracked(session.emit, tracker=spec.training.track, folder=folder) as emit:
        job = replace(make_job(spec, session, rich.prepared, precision.value), emit=emit)
        job = replace(job, soft_targets=taught_by_others(spec, session, job))
        others = []
        for name, other in beside.others.items():
            own = make_job(other.spec, session, other.prepared, precision.value)
            share_encoder(job.model.encoder, own.model.encoder)
            others.append(TaskCompanion(name, own, other.weight))
        companions: tuple[Companion, ...] = tuple(others)
        if beside.text is not None:
            companions += (text_companion(spec, beside.text, job.model),)
        job = replace(job, companions=companions)
        fitted = fit_method(job, spec.method)
    tuned = [_settled(Tuned(spec, prepared, job, fitted, (*reasons, *rich.reasons)))]
    for companion, other in zip(others, beside.others.values(), strict=True):
        own_fitted = conclude(companion.job, fitted.of(companion.name))
        own_tuned = Tuned(other.spec, other.prepared, companion.job, own_fitted, reasons)
        tuned.append(_settled(replace(own_tuned, folder=f"bundles/{companion.name}")))
    return tuned


def make_job(spec: FitSpec, session: Session, prepared: Prepared, precision: str) -> Job:
    """Return the rows of `prepared` with an untrained model for them, ready to be tuned."""
    task, reading, backbone = prepared.task, prepared.reading, prepared.backbone
    model = _new_model(spec, prepared)
    if isinstance(model, Writer):
        suit_attention(model.whole, session.device)
    delta = attach_delta(model, spec.method)
    model.to(session.device)
    rows = {split: _rows(prepared, split) for split in ("train", "valid")}
    decoding = choose_decoding(
        spec.decoding, rows, task=task, model=model, reading=reading, emit=session.emit
    )
    return Job(
        model=model,
        task=task,
        train=rows["train"],
        valid=rows["valid"],
        engine=Engine(
            model, backbone.tokenizer, task, reading, session.device, precision, decoding
        ),
        recipe=spec.training,
        seed=spec.seed,
        out=spec.folder,
        resume=spec.resume,
        emit=session.emit,
        recommend=spec.recommend,
        delta=delta,
        boost=spec.boost,
        reliability=own_reliability(spec),
        strangers=[row for name in rows for row in prepared.strangers.get(name, ())],
    )


def _settled(tuned: Tuned) -> Tuned:
    """Return it with the task that tuning learned something of, where it did."""
    task = tuned.fitted.task
    if task is None:
        return tuned
    job = replace(tuned.job, task=task, engine=replace(tuned.job.engine, task=task))
    return replace(tuned, job=job, prepared=replace(tuned.prepared, task=task))


def _new_model(spec: FitSpec, prepared: Prepared) -> HeadModel:
    """Return the untrained model of the task's head family."""
    task = prepared.task
    if learns_words(spec.method):
        network: Any = WordsClassifier(prepared.backbone.model)
        return network
    if isinstance(task, Recommendation):
        return new_recommender(
            prepared.backbone,
            items=len(task.catalogue.items),
            recipe=spec.recommend,
            dropout=spec.model.dropout,
        )
    return new_head(
        task.head,
        prepared.backbone,
        outputs=len(task.outputs()),
        recipe=spec.model,
        case_shape=prepared.reading.case_shape,
    )


def _rows(prepared: Prepared, split: str) -> Rows:
    return make_rows(
        prepared.task,
        getattr(prepared.splits, split),
        prepared.windows[split],
        pad_id=prepared.backbone.tokenizer.pad_token_id,
    )


def choose_tuning_precision(spec: FitSpec, session: Session) -> Choice:
    """Return the number format of tuning; frozen vectors are those that serving computes."""
    if spec.method.name in FROZEN and spec.training.precision == "auto":
        return Choice("fp32", "the head is fitted on the vectors that serving computes")
    return choose_precision(spec.training.precision, session.device)


def _write(session: Session, tuned: Tuned) -> Bundle:
    """Mark the tuned model with the engine that will serve it (float32) and write the bundle."""
    spec, prepared, job = tuned.spec, tuned.prepared, tuned.job
    learned = tuned.fitted.learned or Learned()
    engine = replace(job.engine, precision="fp32", reliability=learned.serving)
    delta = settle_delta(job, prepared.backbone.card, emit=session.emit)
    split = "test" if prepared.splits.test else "valid"
    examples = getattr(prepared.splits, split)
    session.emit(Said(f"evaluating on {len(examples):,} {split} rows"))
    path = job.out / tuned.folder
    notes = [_caution(tuned, path)] if split == "valid" else []
    if split == "test":
        notes += _finish(tuned)
    marked = mark_engine(engine, examples, seed=spec.seed, emit=session.emit)
    if split == "valid":
        notes += _finish(tuned)
    notes += learned_notes(learned, bundle=path, chosen=tuned.fitted.chosen_on_valid)
    marked, known = judge_reliability(
        engine,
        marked,
        strangers=prepared.strangers.get(split, ()),
        learned=learned.manifest() if split == "valid" else None,
    )
    background = _background(tuned, split=split, notes=notes)
    report = make_report(marked, replace(background, reliability=known))
    facts = delta.facts if delta else None
    parents = parents_of(spec, session)
    manifest = {**_manifest(tuned), **learned.manifest(), "delta": facts, "parents": parents}

    def fill(folder: Path) -> None:
        save_weights(folder / "model", engine)
        write_attachments(folder, engine.task)
        write_learned(folder, learned)
        if delta is not None:
            delta.write(folder / "delta")
        engine.tokenizer.save_pretrained(folder / "model")
        write_report(folder, report, marked, language=spec.language)
        canary = make_canary(engine, sample_examples(examples, CANARY_ROWS, seed=spec.seed))
        (folder / "canary.jsonl").write_text(canary, encoding="utf-8")
        (folder / "README.md").write_text(make_card(report, manifest), encoding="utf-8")

    return session.save(path, manifest, fill)


def _caution(tuned: Tuned, bundle: Path) -> str:
    """Return what is to be said of figures that the validation rows gave."""
    if tuned.folder != MAIN:
        return MEASURED_ON_VALID.format(bundle=bundle)
    if tuned.search is not None:
        return SEARCHED_ON_VALID.format(bundle=bundle, trials=len(tuned.search["trials"]))
    told = SELECTED_ON_VALID if tuned.fitted.chosen_on_valid else ONLY_MEASURED
    return told.format(bundle=bundle)


def _finish(tuned: Tuned) -> list[str]:
    """Let the method use the validation rows too, once they have measured it; say what it did."""
    finish = tuned.fitted.finish
    return [finish()] if finish is not None else []


def _manifest(tuned: Tuned) -> dict[str, Any]:
    model, prepared, spec = tuned.job.model, tuned.prepared, tuned.spec
    return {
        "task": prepared.task.to_json(),
        "method": spec.method.model_dump(mode="json"),
        "model": prepared.backbone.card.to_json(),
        "reading": prepared.reading.to_json(),
        "pooling": model.pooling,
        "plain_transformers": plain_facts(
            lacks_of(model), prepared.task, prepared.reading, prepared.backbone.card.architecture
        ),
        "decoding": tuned.job.engine.decoding.model_dump() if prepared.reading.writing else None,
        "template": None,
        "thresholds": None,
        "packages": package_versions(),
        "data": prepared.fingerprints,
        "seed": spec.seed,
        "parents": [],
    }


def _background(tuned: Tuned, *, split: str, notes: list[str]) -> Background:
    spec, prepared, fitted = tuned.spec, tuned.prepared, tuned.fitted
    card = prepared.backbone.card
    curve = None
    if fitted.losses:
        curve = {
            "steps": fitted.curve(),
            "validations": [{"step": step, "value": value} for step, value in fitted.validations],
            "measure": prepared.task.selection,
            "best_step": fitted.best_step,
        }
    return Background(
        title=Path(spec.data.removeprefix("hub:")).name,
        data={
            "name": spec.data,
            "split": split,
            "rows": len(getattr(prepared.splits, split)),
            "train_rows": len(prepared.splits.train),
            "sha256": prepared.fingerprints[split],
        },
        model=card.to_json(),
        method=spec.method.model_dump(mode="json"),
        curve=curve,
        training={
            "seconds": round(fitted.seconds, 2),
            "tokens": fitted.tokens,
            "tokens_per_second": round(fitted.tokens / fitted.seconds) if fitted.seconds else 0,
            "steps": fitted.steps,
            "best_step": fitted.best_step,
            "seed": spec.seed,
            "reasons": [*tuned.reasons, *fitted.reasons],
        },
        rate_finder=fitted.rate_finder,
        plan=tuned.plan,
        search=tuned.search,
        check=[finding.to_json() for finding in prepared.findings],
        notes=notes,
    )
