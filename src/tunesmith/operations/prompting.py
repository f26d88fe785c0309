"""How `fit` and `prompt` make a bundle that answers by a prompt: prepare, choose, mark, write."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors.numpy import save

from tunesmith.core.data_spec import RowsSpec
from tunesmith.core.environment import package_versions
from tunesmith.core.errors import SpecError
from tunesmith.core.events import Said
from tunesmith.core.examples import Example
from tunesmith.core.prompting import Asked, FewShot
from tunesmith.core.prompts import By
from tunesmith.core.recipe import DecodingRecipe, ModelRecipe
from tunesmith.data.splits import sample_examples
from tunesmith.model.device import threads
from tunesmith.model.framing import Reading
from tunesmith.model.heads import new_head
from tunesmith.model.heads.speak import Speaker, find_speaking, load_speaking_backbone
from tunesmith.operations.cautions import ONLY_MEASURED
from tunesmith.operations.fit import FitResult, FitSpec
from tunesmith.operations.fitting import CANARY_ROWS
from tunesmith.operations.next_commands import next_commands
from tunesmith.operations.plain_notes import asked_note
from tunesmith.operations.preparing import Prepared, choose_language, prepare, refuse_faults
from tunesmith.operations.weights import save_weights
from tunesmith.runtime.canary import make_canary
from tunesmith.runtime.engine import Engine
from tunesmith.runtime.prompted import (
    ENCODER_FOLDER,
    SHOTS_FILE,
    asking_of,
    count_cut,
    count_short,
    render_prompt,
)
from tunesmith.session import Session
from tunesmith.stages.evaluate.card import make_card
from tunesmith.stages.evaluate.marking import mark_engine
from tunesmith.stages.evaluate.report import Background, make_report, write_report
from tunesmith.stages.prompt.candidates import Candidate, MadePrompt, PromptJob, make_prompt
from tunesmith.store.bundles import Bundle
from tunesmith.store.run_folder import open_run_folder, removed_if_unstarted
from tunesmith.tasks import make_task
from tunesmith.tasks.asking import (
    asked_task,
    complete_words,
    default_templates,
    refuse_template,
    require_askable,
    require_labels,
)

KINDS: dict[str, By] = {"causal": "likelihood", "seq2seq": "likelihood", "masked": "cloze"}
"""How a model is asked, by how it speaks."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A prompt that was chosen, why, how long that took, and every prompt that was tried."""

    made: MadePrompt
    method: Mapping[str, Any]
    reasons: Sequence[str]
    seconds: float
    transcript: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


def answers_by_prompt(spec: FitSpec) -> By | None:
    """Return how the method of `spec` asks its model in words; None where it does not.

    Raises `SpecError` where task, model and wish do not go together, before rows are read.
    """
    method = spec.method
    if not isinstance(method, Asked):
        return None
    is_few = isinstance(method, FewShot)
    if method.by == "vectors":
        if is_few:
            raise SpecError(
                "`method.by` must be likelihood or cloze for examples in a prompt; got vectors",
                hint="--method probe, which learns from vectors",
            )
        return None
    if is_few or method.by != "auto":
        require_askable(make_task(spec.task), method=method.name)
        return find_by(spec, method.by)
    if KINDS.get(find_speaking(spec.model.name, revision=spec.model.revision)) is None:
        return None
    require_askable(make_task(spec.task), method=method.name)
    return find_by(spec, "auto")


def find_by(spec: RowsSpec, wish: str) -> By:
    """Return how the model of `spec` is asked.

    Raises `SpecError` where it guesses no words, or not in the way that was wished for.
    """
    if spec.model.pairs == "apart":
        asked_task(make_task(spec.task, pairs="apart"))
    speaking = find_speaking(spec.model.name, revision=spec.model.revision)
    if speaking not in KINDS:
        load_speaking_backbone(spec.model.name, revision=spec.model.revision)  # says why not
    own = KINDS[speaking]
    if wish not in ("auto", own):
        raise SpecError(
            f"`method.by` must be {own} for a {speaking} model; got {wish} (`{spec.model.name}`)",
            hint=f"--set method.by={own}",
        )
    return own


def fit_asked(spec: FitSpec, session: Session, *, method: Asked, by: By) -> FitResult:
    """Return the result of a method that asks in words, after the bundle was written."""
    started = time.perf_counter()
    if spec.decoding != DecodingRecipe():
        raise SpecError(
            f"`decoding` is for tasks whose answer is written; {spec.task} is not",
            hint="leave out the settings of `decoding`",
        )
    spec = spec.model_copy(update={"out": str(spec.folder)})
    prepared = prepare_asked(spec, session)
    language = choose_language(method.template_language, prepared.splits.train)
    candidate = Candidate(
        template=method.template or default_templates(prepared.task, language)[0],
        words=complete_words(prepared.task, method.words, language),
        seed=spec.seed,
        mean=method.mean,
        calibration=method.calibration,
    )
    if isinstance(method, FewShot):
        candidate = replace(
            candidate, examples=method.examples, choice=method.choice, order=method.order
        )
    refuse_template(prepared.task, candidate.template)
    open_asked_folder(spec, session, prepared, verb="fit", resume=spec.resume)
    with removed_if_unstarted(spec.folder), threads(spec.training.threads):
        size = method.pool if isinstance(method, FewShot) else 0
        pool = sample_examples(prepared.splits.train, size, seed=spec.seed)
        vectors = method.vectors if isinstance(method, FewShot) else "own"
        job = make_prompt_job(prepared, session, by=by, pool=pool, vectors=vectors)
        begun = time.perf_counter()
        made = make_prompt(job, candidate)
        chosen = Chosen(
            made,
            method.model_dump(mode="json"),
            reasons_of(made, candidate),
            time.perf_counter() - begun,
        )
        bundle = write_asked(spec, session, prepared, chosen)
    return FitResult(
        bundle=bundle.path,
        report=bundle.report,
        seconds=time.perf_counter() - started,
        next_commands=next_commands(bundle, prepared),
    )


def prepare_asked(spec: RowsSpec, session: Session) -> Prepared:
    """Return rows and a model that speaks, judged together as for any method.

    Raises what `prepare` and `refuse_faults` do.
    """
    own = spec.model_copy(update={"model": spec.model.model_copy(update={"pairs": "together"})})
    prepared = prepare(own, session, speaks=True)
    refuse_faults(prepared.findings, spec)
    require_labels(prepared.task)
    return prepared


def make_prompt_job(
    prepared: Prepared, session: Session, *, by: By, pool: Sequence[Example], vectors: str
) -> PromptJob:
    """Return what prompts are made from: the model on its device, and rows for examples.

    `vectors` names a model for sentences that says which texts are alike, or is `own`.
    """
    speaker: Any = Speaker(prepared.backbone.model)
    engine = Engine(
        speaker.to(session.device).eval(),
        prepared.backbone.tokenizer,
        prepared.task,
        prepared.reading,
        session.device,
    )
    return PromptJob(
        engine=engine,
        by=by,
        pool=pool,
        like=prepared.splits.train,
        emit=session.emit,
        encoder=None if vectors == "own" else _load_encoder(vectors, engine, session),
    )


def reasons_of(made: MadePrompt, candidate: Candidate) -> list[str]:
    """Return what is said of a prompt that was made."""
    reasons = ["no weight was trained: the model answers by a prompt"]
    if candidate.examples:
        own = "nearest to each text" if candidate.choice == "nearest" else candidate.choice
        reasons.append(f"{made.examples} examples stand in the prompt ({own})")
    if made.left_out:
        reasons.append(
            f"{made.left_out} of {made.examples + made.left_out} examples left out: the model has "
            f"no room for them ({made.engine.reading.max_length} tokens)"
        )
    return reasons


def open_asked_folder(
    spec: Any, session: Session, prepared: Prepared, *, verb: str, resume: bool
) -> None:
    """Make the run's folder ready. Raises what `open_run_folder` does."""
    settings = spec.model_dump(mode="json", exclude={"resume", "overwrite"})
    facts = {
        "data": dict(prepared.fingerprints),
        "model": prepared.backbone.card.sha256,
        "device": str(session.device),
        "packages": package_versions(),
    }
    open_run_folder(
        spec.folder, settings, facts, overwrite=spec.overwrite, resume=resume, verb=verb
    )


def write_asked(spec: Any, session: Session, prepared: Prepared, chosen: Chosen) -> Bundle:
    """Mark the prompt on rows that chose nothing, and write the bundle."""
    engine = chosen.made.engine
    split = "test" if prepared.splits.test else "valid"
    examples = getattr(prepared.splits, split)
    path = Path(spec.folder, "bundle")
    reasons = list(chosen.reasons)
    for reason in reasons:
        session.emit(Said(reason))
    session.emit(Said(f"evaluating on {len(examples):,} {split} rows"))
    marked = mark_engine(engine, examples, seed=spec.seed, emit=session.emit)
    inputs = [example.inputs for example in examples]
    notes = [] if split == "test" else [ONLY_MEASURED.format(bundle=path)]
    if cut := count_cut(engine, inputs):
        notes.append(
            f"{cut:,} of {len(inputs):,} rows are longer than the prompt leaves room for: their "
            "ends were not read."
        )
    if short := count_short(engine, inputs):
        notes.append(
            f"{short:,} of {len(inputs):,} rows had no room for all "
            f"{asking_of(engine).prompt.nearest} of their nearest examples: the farthest were left "
            "out."
        )
    report = make_report(marked, _background(spec, prepared, chosen, split=split, notes=notes))
    manifest = _manifest(spec, prepared, chosen)
    asking = asking_of(engine)

    def fill(folder: Path) -> None:
        save_weights(folder / "model", engine)
        engine.tokenizer.save_pretrained(folder / "model")
        if asking.vectors is not None:
            (folder / SHOTS_FILE).write_bytes(save({"vectors": asking.vectors}))
        if asking.encoder is not None:
            _save_encoder(asking.encoder, folder / ENCODER_FOLDER)
        write_report(folder, report, marked, language=spec.language)
        canary = make_canary(engine, sample_examples(examples, CANARY_ROWS, seed=spec.seed))
        (folder / "canary.jsonl").write_text(canary, encoding="utf-8")
        (folder / "README.md").write_text(make_card(report, manifest), encoding="utf-8")

    return session.save(path, manifest, fill)


def _manifest(spec: Any, prepared: Prepared, chosen: Chosen) -> dict[str, Any]:
    engine = chosen.made.engine
    prompt = asking_of(engine).prompt
    return {
        "task": prepared.task.to_json(),
        "method": dict(chosen.method),
        "model": prepared.backbone.card.to_json(),
        "reading": prepared.reading.to_json(),
        "pooling": engine.model.pooling,
        "plain_transformers": {"lacks": [], "note": asked_note(engine.model.speaking)},
        "decoding": None,
        "template": prompt.template_json(),
        "thresholds": None,
        "calibration": prompt.calibration_json(),
        "packages": package_versions(),
        "data": prepared.fingerprints,
        "seed": spec.seed,
        "parents": [],
        "delta": None,
    }


def _background(
    spec: Any, prepared: Prepared, chosen: Chosen, *, split: str, notes: list[str]
) -> Background:
    engine = chosen.made.engine
    prompt = asking_of(engine).prompt
    examples = getattr(prepared.splits, split)
    return Background(
        title=Path(spec.data.removeprefix("hub:")).name,
        data={
            "name": spec.data,
            "split": split,
            "rows": len(examples),
            "train_rows": len(prepared.splits.train),
            "sha256": prepared.fingerprints[split],
        },
        model=prepared.backbone.card.to_json(),
        method=chosen.method,
        training={
            "seconds": round(chosen.seconds, 2),
            "seed": spec.seed,
            "reasons": list(chosen.reasons),
        },
        check=[finding.to_json() for finding in prepared.findings],
        notes=notes,
        prompt={
            "by": prompt.by,
            "template": prompt.template,
            "words": {name: list(own) for name, own in prompt.words.items()},
            "examples": chosen.made.examples,
            "calibration": prompt.calibration,
            "shown": render_prompt(engine, examples[0].inputs),
            "tried": list(chosen.transcript),
        },
    )


def _load_encoder(name: str, engine: Engine, session: Session) -> Engine:
    """Return an engine that gives vectors of texts by the model `name`."""
    backbone = session.backbone(name)
    length = backbone.card.context
    reading = Reading(length, length // 4, "windows", case_shape=False)
    model: Any = new_head("embed", backbone, outputs=0, recipe=ModelRecipe(), case_shape=False)
    return Engine(
        model.to(session.device).eval(), backbone.tokenizer, engine.task, reading, session.device
    )


def _save_encoder(encoder: Engine, folder: Path) -> None:
    folder.mkdir()
    encoder.model.to("cpu").save(folder, id2label={}, problem="")
    encoder.model.to(encoder.device)
    encoder.tokenizer.save_pretrained(folder)
