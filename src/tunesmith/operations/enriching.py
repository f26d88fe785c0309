"""What `fit` learns from beyond the labels of its rows: changed copies, and teachers' answers.

Rows that validate or test are left as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tunesmith.core.augmentation import BackTranslation, Eda, MaskedWords
from tunesmith.core.errors import SpecError
from tunesmith.core.events import Said
from tunesmith.core.examples import Example
from tunesmith.data.sources import find_file
from tunesmith.data.splits import Splits
from tunesmith.data.spool import JoinedExamples, keep_examples
from tunesmith.model.sources import find_model, hash_file
from tunesmith.operations.fit import FitSpec
from tunesmith.operations.preparing import Prepared
from tunesmith.operations.tokens import Tokens, read_splits
from tunesmith.runtime.loading import load_engine
from tunesmith.session import Session
from tunesmith.stages.tune.augmenting import (
    Tally,
    make_augmenter,
    make_copies,
    refuse_augmentation,
)
from tunesmith.stages.tune.distilling import SoftTargets, ask_teachers, order_of_outputs
from tunesmith.stages.tune.job import Job
from tunesmith.store.bundles import read_bundle

LOOPLESS = ("probe", "extractive", "zero-shot")
"""Methods that turn no loop, whose loss nobody else can join."""


@dataclass(frozen=True, slots=True)
class Enriched:
    """What stands before the first step, with more training rows, and where those came from."""

    prepared: Prepared
    reasons: tuple[str, ...] = ()


def refuse_enriching(spec: FitSpec) -> None:
    """Raise `SpecError` where the task or the method cannot learn from what was asked for."""
    if spec.augmentation is not None:
        refuse_augmentation(spec.augmentation, spec.task)
        if spec.method.name == "zero-shot":
            raise SpecError(
                "`augmentation` copies rows with their labels; `--method zero-shot` reads none",
                hint="leave out `augmentation`",
            )
    if spec.distillation is not None and spec.method.name in LOOPLESS:
        raise SpecError(
            "`distillation` joins the loss of a training loop; "
            f"`--method {spec.method.name}` has none",
            hint="--method full",
        )


def enriching_fingerprints(spec: FitSpec) -> dict[str, Any]:
    """Return what the files, models and bundles were that rows and answers are made with.

    Raises what finding them does.
    """
    found: dict[str, Any] = {}
    match spec.augmentation:
        case Eda(synonyms=str(path)):
            found["augmentation"] = hash_file(find_file(path))
        case MaskedWords(model=name, revision=revision):
            found["augmentation"] = find_model(name, revision=revision).sha256
        case BackTranslation(there=there, back=back):
            found["augmentation"] = [_fingerprint(path) for path in (there, back)]
    if spec.distillation is not None:
        found["distillation"] = [_fingerprint(path) for path in spec.distillation.teacher]
    return found


def enrich(spec: FitSpec, session: Session, prepared: Prepared) -> Enriched:
    """Return `prepared` with the training rows that were asked for beside its own."""
    if spec.augmentation is None:
        return Enriched(prepared)
    recipe, train, tally = spec.augmentation, prepared.splits.train, Tally()
    augmenter = make_augmenter(recipe, train, device=session.device, emit=session.emit)
    copies = keep_examples(
        make_copies(train, augmenter, copies=recipe.copies, seed=spec.seed, tally=tally)
    )
    reason = tally.sentence(recipe.name)
    session.emit(Said(reason))
    return Enriched(_with_rows(spec, session, prepared, copies), (reason,))


def taught_by_others(spec: FitSpec, session: Session, job: Job) -> SoftTargets | None:
    """Return what the teachers of `spec` say of the training rows of a job, where it has any.

    Raises `SpecError` where a teacher's labels are others, and what reading a bundle does.
    """
    recipe = spec.distillation
    if recipe is None:
        return None
    bundles = [read_bundle(path) for path in recipe.teacher]
    orders = [order_of_outputs(bundle.task, job.task, where=str(bundle.path)) for bundle in bundles]
    engines = [load_engine(bundle, device=session.device) for bundle in bundles]
    soft = ask_teachers(
        list(zip(engines, orders, strict=True)), job.train, recipe, emit=session.emit
    )
    session.emit(Said(soft.sentence))
    return soft


def _with_rows(
    spec: FitSpec, session: Session, prepared: Prepared, more: Sequence[Example]
) -> Prepared:
    """Return `prepared` with more training rows behind its own, encoded."""
    train = JoinedExamples([prepared.splits.train, more])
    cache = session.workspace.tokens if spec.training.token_cache else None
    tokens = Tokens(session.emit, cache)
    read = read_splits(Splits(train), prepared.backbone, prepared.reading, tokens=tokens)
    return replace(
        prepared,
        splits=replace(prepared.splits, train=train),
        windows={**prepared.windows, "train": read.windows["train"]},
    )


def _fingerprint(path: str) -> str:
    return read_bundle(path, verify=False).fingerprint
