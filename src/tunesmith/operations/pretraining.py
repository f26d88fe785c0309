"""How `pretrain` composes its stages: corpus, vocabulary, windows, model, loop, figures, folder."""

from __future__ import annotations

import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tunesmith.core.environment import package_versions
from tunesmith.core.errors import DataError, SpecError
from tunesmith.core.events import Said, Warned
from tunesmith.core.pretraining import ModelShape, TokenizerRecipe
from tunesmith.model.backbones import load_tokenizer, longest_context
from tunesmith.model.device import choose_precision, threads
from tunesmith.model.pretraining import load_text_model, new_text_model, pooling_settings
from tunesmith.model.pretraining.beginnings import begin_from_counts
from tunesmith.model.pretraining.contrastive import ContrastiveModel
from tunesmith.model.pretraining.presets import DEFAULT_SIZE, SHAPES, Shape
from tunesmith.model.pretraining.vocabulary import Vocabulary, read_vocabulary, train_vocabulary
from tunesmith.model.pretraining.writers import CausalModel, DenoisingModel, suit_attention
from tunesmith.model.sources import ModelFolder, find_model
from tunesmith.operations.corpora import Source, Text, encode_corpus, read_corpus
from tunesmith.operations.pretrain import PretrainResult, PretrainSpec
from tunesmith.session import Session
from tunesmith.stages.tune.pretraining.corpus import Corpus, is_mostly_chinese
from tunesmith.stages.tune.pretraining.report import (
    Findings,
    make_pretraining_report,
    write_pretraining_report,
)
from tunesmith.stages.tune.pretraining.run import PretrainingJob, pretrain, read_held_out
from tunesmith.stages.tune.pretraining.samples import make_samples
from tunesmith.stages.tune.tracking import tracked
from tunesmith.store.atomic import new_folder
from tunesmith.store.run_folder import open_run_folder, removed_if_unstarted

POOLING_FILE = Path("1_Pooling", "config.json")
VOCABULARY_BYTES = 256 * 2**20
"""Text that a vocabulary is trained on at most, taken evenly from all of it."""
SUPPORTED_SHARE = 0.5
"""A vocabulary that comes out smaller than this share of what was asked for is refused."""


def pretrain_backbone(spec: PretrainSpec, session: Session) -> PretrainResult:
    """Return the result of pretraining as `spec` says, after the backbone was written."""
    started = time.perf_counter()
    out = spec.folder
    spec = spec.model_copy(update={"out": str(out)})
    _refuse_contradictions(spec)
    source = find_model(spec.model) if spec.model is not None else None
    corpus, log = read_corpus(
        Source(spec.corpus, spec.column, held_out=spec.valid, valid_ratio=spec.reading.valid),
        spec.reading,
        emit=session.emit,
    )
    settings = spec.model_dump(mode="json", exclude={"resume", "overwrite"})
    facts = {
        "data": {"corpus": corpus.sha256},
        "model": source.sha256 if source else None,
        "device": str(session.device),
        "packages": package_versions(),
    }
    open_run_folder(
        out, settings, facts, overwrite=spec.overwrite, resume=spec.resume, verb="pretrain"
    )
    with removed_if_unstarted(out), threads(spec.training.threads):
        vocabulary = _find_vocabulary(spec, session, corpus, source, out=out)
        reading = spec.reading.model_copy(
            update={"window_tokens": _window_tokens(spec, vocabulary, source)}
        )
        text = encode_corpus(
            corpus,
            vocabulary,
            reading,
            objective=spec.objective.name,
            seed=spec.seed,
            emit=session.emit,
        )
        with tracked(session.emit, tracker=spec.training.track, folder=out / "tensorboard") as emit:
            job = _make_job(spec, session, vocabulary, text, source)
            fitted = pretrain(replace(job, emit=emit))
        session.emit(Said(f"reading {len(text.windows['valid']):,} held-out windows"))
        held_out = read_held_out(job)
        job.model.to("cpu")
        findings = Findings(
            corpus=corpus,
            log=log,
            tokens=text.tokens,
            fitted=fitted,
            held_out=held_out,
            samples=make_samples(job),
        )
        report = make_pretraining_report(job, findings, title=Path(spec.corpus).name)
        report["settings"] = settings
        report["packages"] = package_versions()
        report["source"] = source.name if source else None
        backbone = _save(out / "backbone", job, report, source)
    return PretrainResult(
        backbone=backbone,
        report=report,
        seconds=time.perf_counter() - started,
        next_commands=_next_commands(spec, backbone),
    )


def _refuse_contradictions(spec: PretrainSpec) -> None:
    problems = []
    if spec.model is not None and spec.size is not None:
        problems.append(
            "`--size` is for a model from scratch, `--model` goes on with one; got both"
        )
    if spec.model is not None and spec.shape != ModelShape():
        problems.append("`--set shape.…` is for a model from scratch; `--model` keeps its own")
    if spec.model is not None and spec.tokenizer != TokenizerRecipe():
        problems.append("`--tokenizer` is for a model from scratch; `--model` brings its own")
    if spec.model is not None and spec.dropout != PretrainSpec.model_fields["dropout"].default:
        problems.append("`--dropout` is for a model from scratch; `--model` keeps its own")
    if spec.objective.name == "contrastive" and not spec.dropout:
        problems.append("`--objective contrastive` reads a text twice under dropout; got 0")
    if unknown := set(spec.column) - {"text"}:
        problems.append(f"`--column` takes the role text; got {', '.join(sorted(unknown))}")
    if problems:
        raise SpecError(problems, hint="leave out one of the two")


def _find_vocabulary(
    spec: PretrainSpec, session: Session, corpus: Corpus, source: ModelFolder | None, *, out: Path
) -> Vocabulary:
    """Return the vocabulary of the model to go on with, of the run that is resumed, or a new one.

    A new one is kept in the run's folder: training it again might number its tokens otherwise.
    """
    if source is not None:
        return read_vocabulary(load_tokenizer(source.path))
    kept = out / "vocabulary"
    if spec.resume and kept.is_dir():
        return read_vocabulary(load_tokenizer(kept))
    vocabulary = _train_vocabulary(spec, session, corpus)
    with new_folder(kept) as fresh:
        vocabulary.tokenizer.save_pretrained(fresh)
    return read_vocabulary(load_tokenizer(kept))


def _train_vocabulary(spec: PretrainSpec, session: Session, corpus: Corpus) -> Vocabulary:
    shape = SHAPES[spec.size or DEFAULT_SIZE]
    recipe = spec.tokenizer
    if recipe.name == "auto":
        kind, reason = "wordpiece", "the text is not Chinese"
        if is_mostly_chinese(corpus):
            kind, reason = "character", "the text is mostly Chinese"
        elif spec.objective.name in {"causal", "seq2seq"}:
            kind, reason = "bpe", "what writes must be able to write every text"
        recipe = recipe.model_copy(update={"name": kind})
        session.emit(Said(f"{kind} vocabulary: {reason}"))
    size = recipe.size or shape.vocabulary
    stride = max(1, -(-corpus.bytes_of(corpus.train) // VOCABULARY_BYTES))
    vocabulary = train_vocabulary(
        corpus.passages(corpus.train[::stride]),
        recipe,
        objective=spec.objective.name,
        size=size,
    )
    vocabulary.tokenizer.model_max_length = spec.reading.window_tokens or shape.window_tokens
    session.emit(Said(f"{len(vocabulary):,} tokens in the vocabulary"))
    if spec.tokenizer.size is not None and len(vocabulary) < size:
        found = f"the corpus supports {len(vocabulary):,} tokens of {size:,} asked for"
        if len(vocabulary) < SUPPORTED_SHARE * size:
            raise DataError(
                f"a vocabulary must be one that the corpus supports; {found}",
                hint=f"--set tokenizer.size={len(vocabulary)}",
            )
        session.emit(Warned(found))
    return vocabulary


def _window_tokens(spec: PretrainSpec, vocabulary: Vocabulary, source: ModelFolder | None) -> int:
    wanted = spec.reading.window_tokens
    shape = SHAPES[spec.size or DEFAULT_SIZE]
    if source is None:
        return wanted or shape.window_tokens
    longest = longest_context(source.path, vocabulary.tokenizer)
    if wanted and wanted > longest:
        raise SpecError(
            f"`reading.window_tokens` must be at most {longest}, which is what "
            f"{source.name} reads; got {wanted}",
            hint=f"--set reading.window_tokens={longest}",
        )
    return wanted or min(longest, shape.window_tokens)


def _make_job(
    spec: PretrainSpec,
    session: Session,
    vocabulary: Vocabulary,
    text: Text,
    source: ModelFolder | None,
) -> PretrainingJob:
    torch.manual_seed(spec.seed)
    if source is not None:
        model = load_text_model(spec.objective, source.path)
    else:
        model = new_text_model(
            spec.objective,
            _shape(spec),
            vocabulary,
            window_tokens=vocabulary.tokenizer.model_max_length,
        )
        if spec.beginning == "counted":
            network = model.encoder if isinstance(model, ContrastiveModel) else model.whole
            begin_from_counts(network, text.tokens["train"].ids, seed=spec.seed)
    if isinstance(model, CausalModel | DenoisingModel):
        suit_attention(model.whole, session.device)
    precision = choose_precision(spec.training.precision, session.device)
    session.emit(Said(str(precision)))
    return PretrainingJob(
        model=model.to(session.device),
        objective=spec.objective,
        vocabulary=vocabulary,
        train=text.windows["train"],
        valid=text.windows["valid"],
        recipe=spec.training,
        device=session.device,
        precision=precision.value,
        seed=spec.seed,
        out=spec.folder,
        resume=spec.resume,
        emit=session.emit,
    )


def _shape(spec: PretrainSpec) -> Shape:
    """Return the shape of the model's size with what was given laid over it.

    Raises `SpecError` where the heads do not divide the width.
    """
    given = {name: value for name, value in spec.shape.model_dump().items() if value is not None}
    shape = replace(SHAPES[spec.size or DEFAULT_SIZE], dropout=spec.dropout, **given)
    if shape.hidden_size % shape.heads:
        raise SpecError(
            f"`shape.heads` must divide `shape.hidden_size`; got {shape.heads} and "
            f"{shape.hidden_size}",
            hint=f"--set shape.heads={max(1, shape.hidden_size // 32)}",
        )
    return shape


def _save(
    target: Path, job: PretrainingJob, report: dict[str, Any], source: ModelFolder | None
) -> Path:
    """Write the backbone as a folder in Hugging Face format, whole or not at all.

    A model that was given keeps what its makers say about pooling.
    """
    pooling = pooling_settings(job.model)
    if source is not None and (stated := source.path / POOLING_FILE).is_file():
        pooling = stated.read_text(encoding="utf-8")
    with new_folder(target) as fresh:
        job.model.save(fresh)
        job.vocabulary.tokenizer.save_pretrained(fresh)
        if pooling is not None:
            (fresh / POOLING_FILE).parent.mkdir()
            (fresh / POOLING_FILE).write_text(pooling, encoding="utf-8")
        write_pretraining_report(fresh, report)
    return target


def _next_commands(spec: PretrainSpec, backbone: Path) -> tuple[str, ...]:
    folder = shlex.quote(str(backbone))
    if spec.objective.name in {"mlm", "contrastive"}:
        return (f"tunesmith fit DATA --task classification --model {folder}",)
    again = shlex.join(["tunesmith", "pretrain", "MORE_TEXT", "--objective", spec.objective.name])
    return (f"{again} --model {folder}",)
