"""How `fit` composes its stages: prepare, tune, mark, write."""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tunesmith.core.environment import package_versions
from tunesmith.core.events import Said, Warned
from tunesmith.data.splits import sample_examples
from tunesmith.model.backbones import WRITERS
from tunesmith.model.device import Choice, choose_precision, threads
from tunesmith.model.heads import new_head
from tunesmith.model.heads.generate import Writer, keep_decoding
from tunesmith.operations.fit import FitResult, FitSpec
from tunesmith.operations.preparing import Prepared, prepare, refuse_faults
from tunesmith.operations.tokens import Tokens
from tunesmith.runtime.canary import make_canary
from tunesmith.runtime.engine import Engine
from tunesmith.session import Session
from tunesmith.stages.evaluate.card import make_card
from tunesmith.stages.evaluate.marking import mark_engine
from tunesmith.stages.evaluate.report import Background, make_report, write_report
from tunesmith.stages.tune import fit_method
from tunesmith.stages.tune.job import Fitted, Job
from tunesmith.stages.tune.rows import Rows, make_rows
from tunesmith.stages.tune.tracking import tracked
from tunesmith.stages.tune.writing import choose_decoding
from tunesmith.store.bundles import Bundle
from tunesmith.store.run_folder import open_run_folder, removed_if_unstarted
from tunesmith.tasks.structured import sample_row
from tunesmith.tasks.task import Task

CANARY_ROWS = 128
PROBLEM_TYPES = {
    "classification": "single_label_classification",
    "multilabel": "multi_label_classification",
    "matching": "single_label_classification",
}
SELECTED_ON_VALID = (
    "Measured on the validation rows, which also chose the model: "
    "expect slightly less on new data. "
    "For an unbiased figure: tunesmith evaluate {bundle} TEST, or --set split.test=0.1"
)


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuned job with what led to it."""

    prepared: Prepared
    job: Job
    fitted: Fitted
    reasons: tuple[str, ...]


def fit_bundle(spec: FitSpec, session: Session) -> FitResult:
    """Return the result of tuning as `spec` says, after the bundle was written."""
    started = time.perf_counter()
    out = spec.folder
    spec = spec.model_copy(update={"out": str(out)})
    cache = session.workspace.tokens if spec.training.token_cache else None
    tokens = Tokens(session.emit, cache)
    prepared = prepare(spec, session, method=spec.method.name, tokens=tokens)
    refuse_faults(prepared.findings, spec)
    for finding in prepared.findings:
        if finding.severity == "warning":
            session.emit(Warned(finding.message))
    _open_folder(spec, session, out, prepared)
    with removed_if_unstarted(out), threads(spec.training.threads) as count:
        tuned = _tune(spec, session, prepared, out=out, thread_count=count)
        bundle = _write(spec, session, tuned)
    return FitResult(
        bundle=bundle.path,
        report=bundle.report,
        seconds=time.perf_counter() - started,
        next_commands=_next_commands(bundle, prepared),
    )


def _open_folder(spec: FitSpec, session: Session, out: Path, prepared: Prepared) -> None:
    settings = spec.model_dump(mode="json", exclude={"resume", "overwrite"})
    facts = {
        "data": prepared.fingerprints,
        "model": prepared.backbone.card.sha256,
        "device": str(session.device),
        "packages": package_versions(),
    }
    open_run_folder(out, settings, facts, overwrite=spec.overwrite, resume=spec.resume)


def _tune(
    spec: FitSpec, session: Session, prepared: Prepared, *, out: Path, thread_count: int
) -> Tuned:
    task, reading, backbone = prepared.task, prepared.reading, prepared.backbone
    torch.manual_seed(spec.seed)
    model = new_head(
        task.head,
        backbone,
        outputs=len(task.outputs()),
        recipe=spec.model,
        case_shape=reading.case_shape,
    ).to(session.device)
    precision = _choose_precision(spec, session)
    reasons = (str(precision), f"{session.device}, {thread_count} threads")
    for reason in reasons:
        session.emit(Said(reason))
    train, valid = _rows(prepared, "train"), _rows(prepared, "valid")
    decoding = choose_decoding(spec.decoding, train, task, emit=session.emit)
    engine = Engine(
        model, backbone.tokenizer, task, reading, session.device, precision.value, decoding
    )
    with tracked(session.emit, tracker=spec.training.track, folder=out / "tensorboard") as emit:
        job = Job(
            model=model,
            task=task,
            train=train,
            valid=valid,
            engine=engine,
            recipe=spec.training,
            seed=spec.seed,
            out=out,
            resume=spec.resume,
            emit=emit,
        )
        fitted = fit_method(job, spec.method)
    if fitted.task is not None:
        job = replace(job, task=fitted.task, engine=replace(engine, task=fitted.task))
        prepared = replace(prepared, task=fitted.task)
    return Tuned(prepared, job, fitted, reasons)


def _rows(prepared: Prepared, split: str) -> Rows:
    return make_rows(
        prepared.task,
        getattr(prepared.splits, split),
        prepared.windows[split],
        pad_id=prepared.backbone.tokenizer.pad_token_id,
    )


def _choose_precision(spec: FitSpec, session: Session) -> Choice:
    """Return the number format of tuning; a probe reads the very vectors that serving computes."""
    if spec.method.name == "probe" and spec.training.precision == "auto":
        return Choice("fp32", "a probe is fitted on the vectors that serving computes")
    return choose_precision(spec.training.precision, session.device)


def _write(spec: FitSpec, session: Session, tuned: Tuned) -> Bundle:
    """Mark the tuned model with the engine that will serve it (float32) and write the bundle."""
    prepared, job = tuned.prepared, tuned.job
    engine = replace(job.engine, precision="fp32")
    split = "test" if prepared.splits.test else "valid"
    examples = getattr(prepared.splits, split)
    session.emit(Said(f"evaluating on {len(examples):,} {split} rows"))
    path = job.out / "bundle"
    notes = [SELECTED_ON_VALID.format(bundle=path)] if split == "valid" else []
    if split == "test":
        notes += _finish(tuned)
    marked = mark_engine(engine, examples, seed=spec.seed, emit=session.emit)
    if split == "valid":
        notes += _finish(tuned)
    report = make_report(marked, _background(spec, tuned, split=split, notes=notes))
    manifest = _manifest(spec, tuned)

    def fill(folder: Path) -> None:
        save_weights(folder / "model", engine)
        engine.tokenizer.save_pretrained(folder / "model")
        write_report(folder, report, marked, language=spec.language)
        canary = make_canary(engine, sample_examples(examples, CANARY_ROWS, seed=spec.seed))
        (folder / "canary.jsonl").write_text(canary, encoding="utf-8")
        (folder / "README.md").write_text(make_card(report, manifest), encoding="utf-8")

    return session.save(path, manifest, fill)


def _finish(tuned: Tuned) -> list[str]:
    """Let the method use the validation rows too, once they have measured it; say what it did."""
    finish = tuned.fitted.finish
    return [finish()] if finish is not None else []


def save_weights(folder: Path, engine: Engine) -> None:
    """Write an engine's model into a new folder, its outputs named; the tokenizer is not there."""
    folder.mkdir()
    id2label = dict(enumerate(engine.task.outputs()))
    problem = _problem_type(engine.task)
    if isinstance(engine.model, Writer):
        keep_decoding(engine.model, engine.decoding)
    engine.model.to("cpu").save(folder, id2label=id2label, problem=problem)
    engine.model.to(engine.device)


def _problem_type(task: Task) -> str:
    """Return what transformers calls the problem; one score is a sigmoid, as a label of many is."""
    is_score = task.kind == "matching" and not task.labels
    return PROBLEM_TYPES.get("multilabel" if is_score else task.kind, "")


def _manifest(spec: FitSpec, tuned: Tuned) -> dict[str, Any]:
    model, prepared = tuned.job.model, tuned.prepared
    return {
        "task": prepared.task.to_json(),
        "method": spec.method.model_dump(mode="json"),
        "model": prepared.backbone.card.to_json(),
        "reading": prepared.reading.to_json(),
        "pooling": model.pooling,
        "plain_transformers": {
            "lacks": list(model.lacks),
            "note": _plain_note(model.lacks, prepared.reading.writing or prepared.task.head),
        },
        "decoding": tuned.job.engine.decoding.model_dump() if prepared.reading.writing else None,
        "template": None,
        "thresholds": None,
        "calibration": None,
        "packages": package_versions(),
        "data": prepared.fingerprints,
        "seed": spec.seed,
        "parents": [],
    }


PLAIN_LOADERS = {
    "tag": "AutoModelForTokenClassification",
    "span": "AutoModelForQuestionAnswering",
    "embed": "AutoModel",
    "relate": "AutoModel",
    "seq2seq": "AutoModelForSeq2SeqLM",
    "causal": "AutoModelForCausalLM",
}
"""What loads `model/` in plain transformers, by head family, or by how it writes; the rest are
sequence classifiers."""

READ_AS = {
    "seq2seq": "the tokens that the tokenizer gives",
    "causal": "those tokens, the last ones that close a text left out, and a line break",
}

LACKING = {
    "tag": "the embedding of each word's case shape, added to the input embeddings. "
    "Expect other labels where case matters.",
    "relate": "the linear layer on the states before the two marked stretches.",
}
"""What the files are that plain transformers does not load, by head family."""


def _plain_note(lacks: tuple[str, ...], family: str) -> str:
    loader = PLAIN_LOADERS.get(family, "AutoModelForSequenceClassification")
    load = f"`{loader}.from_pretrained('model')`"
    if lacks:
        return f"{load} loads, without {', '.join(lacks)}: {LACKING[family]}"
    if family == "embed":
        return f"{load} gives the states whose mean is a text's vector, as sentence-transformers."
    if family in WRITERS:
        return f"{load} writes the same by `generate()`, from {READ_AS[family]}."
    return f"{load} gives the same answers."


def _background(spec: FitSpec, tuned: Tuned, *, split: str, notes: list[str]) -> Background:
    prepared, fitted = tuned.prepared, tuned.fitted
    card = prepared.backbone.card
    curve = None
    if fitted.losses:
        curve = {
            "steps": [{"step": step, "loss": loss} for step, loss in fitted.losses],
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
        check=[finding.to_json() for finding in prepared.findings],
        notes=notes,
    )


def _next_commands(bundle: Bundle, prepared: Prepared) -> tuple[str, ...]:
    sample = (prepared.splits.test or prepared.splits.valid)[0].inputs
    fields = prepared.task.input_fields(sample)
    text = json.dumps(sample.text[:60], ensure_ascii=False).replace("$", "\\$").replace("`", "\\`")
    row = sample_row(fields)
    return (
        f"tunesmith predict {bundle.path} {text if len(fields) == 1 else shlex.quote(row)}",
        f"tunesmith evaluate {bundle.path} TEST",
        f"xdg-open {bundle.path}/report.html",
    )
