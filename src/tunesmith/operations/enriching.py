"""What `fit` learns from beyond its labelled rows: copies, rows labelled by it, teachers.

Rows that validate or test are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tunesmith.core.augmentation import Augmentation, BackTranslation, Eda, MaskedWords
from tunesmith.core.errors import DataError, Problem, SpecError
from tunesmith.core.events import Said, Warned
from tunesmith.core.examples import Example
from tunesmith.core.methods import LOOPED
from tunesmith.core.self_training import SelfTrainingRecipe
from tunesmith.data.examples import read_examples
from tunesmith.data.sources import file_of, find_file, find_source
from tunesmith.data.splits import Splits
from tunesmith.data.spool import JoinedExamples, keep_examples
from tunesmith.model.sources import find_model, hash_file
from tunesmith.operations.fit import FitSpec
from tunesmith.operations.preparing import Prepared, split_seed
from tunesmith.operations.reading import with_columns
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
from tunesmith.stages.tune.self_labelling import SELF_LABELLED, Labelled, label_rows
from tunesmith.store.bundles import read_bundle
from tunesmith.store.run_folder import LOCK, RESULTS, TEACHER


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
    if spec.self_training is not None and (
        spec.task not in SELF_LABELLED or spec.method.name == "zero-shot"
    ):
        raise SpecError(
            f"`self_training` learns labels of {', '.join(SELF_LABELLED)}; "
            f"got {spec.task} by {spec.method.name}",
            hint="leave out `self_training`",
        )
    if spec.distillation is not None and spec.method.name not in LOOPED:
        raise SpecError(
            "`distillation` joins the loss of a training loop; "
            f"`--method {spec.method.name}` has none",
            hint="--method full",
        )


def enriching_fingerprints(spec: FitSpec, session: Session) -> dict[str, Any]:
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
            found["augmentation"] = [_fingerprint(path, session) for path in (there, back)]
    if spec.self_training is not None:
        found["self_training"] = hash_file(file_of(find_source(spec.self_training.data)))
    if spec.distillation is not None:
        teachers = spec.distillation.teacher
        found["distillation"] = [_fingerprint(path, session) for path in teachers]
    return found


def parents_of(spec: FitSpec, session: Session) -> list[str]:
    """Return the fingerprints of the bundles whose answers a model learned from: its teachers."""
    teachers = list(spec.distillation.teacher) if spec.distillation is not None else []
    own = spec.folder / TEACHER / RESULTS["fit"]
    if spec.self_training is not None and own.exists():
        teachers.append(str(own))
    return [_fingerprint(path, session) for path in teachers]


def enrich(
    spec: FitSpec, session: Session, prepared: Prepared, *, tune: Callable[[FitSpec, Session], Any]
) -> Enriched:
    """Return `prepared` with the training rows that were asked for beside its own.

    Rows that a teacher labels come first, tuned by `tune`; then copies of all.
    """
    train, reasons = prepared.splits.train, []
    if spec.self_training is not None:
        labelled = _self_labelled(spec, spec.self_training, session, prepared, tune=tune)
        train = JoinedExamples([train, labelled.examples])
        reasons.append(labelled.sentence(spec.self_training))
    if spec.augmentation is not None:
        recipe, tally = _without_aliases(spec.augmentation, session), Tally()
        augmenter = make_augmenter(recipe, train, device=session.device, emit=session.emit)
        copies = keep_examples(
            make_copies(train, augmenter, copies=recipe.copies, seed=spec.seed, tally=tally)
        )
        train = JoinedExamples([train, copies])
        reasons.append(tally.sentence(recipe.name))
    for reason in reasons:
        session.emit(Said(reason))
    if not reasons:
        return Enriched(prepared)
    return Enriched(_with_train(spec, session, prepared, train), tuple(reasons))


def _without_aliases(recipe: Augmentation, session: Session) -> Augmentation:
    """Return the recipe with the folders of its bundles in the place of their aliases."""
    if not isinstance(recipe, BackTranslation):
        return recipe
    sides = {"there": recipe.there, "back": recipe.back}
    paths = {
        side: str(session.workspace.bundle(path, verify=False).path)
        for side, path in sides.items()
        if path.startswith("@")
    }
    return recipe.model_copy(update=paths)


def taught_by_others(spec: FitSpec, session: Session, job: Job) -> SoftTargets | None:
    """Return what the teachers of `spec` say of the training rows of a job, where it has any.

    Raises `SpecError` where a teacher's labels are others, and what reading a bundle does.
    """
    recipe = spec.distillation
    if recipe is None:
        return None
    bundles = [session.workspace.bundle(path) for path in recipe.teacher]
    orders = [order_of_outputs(bundle.task, job.task, where=str(bundle.path)) for bundle in bundles]
    engines = [load_engine(bundle, device=session.device) for bundle in bundles]
    soft = ask_teachers(
        list(zip(engines, orders, strict=True)), job.train, recipe, emit=session.emit
    )
    session.emit(Said(soft.sentence))
    return soft


def _self_labelled(
    spec: FitSpec,
    recipe: SelfTrainingRecipe,
    session: Session,
    prepared: Prepared,
    *,
    tune: Callable[[FitSpec, Session], Any],
) -> Labelled:
    """Return rows that a teacher labelled: the one in `teacher/` of the run, or one tuned now.

    The teacher is tuned as its student, by one round less. Raises `DataError` where there are no
    rows, and `SpecError` where the task's answers have no probability, or where the student would
    be measured on rows that its teacher learned.
    """
    if getattr(prepared.task, "scale", None) is not None:
        raise SpecError(
            "`self_training` needs labels, whose probability says how sure a teacher is; "
            "these rows have scores",
            hint="leave out `self_training`",
        )
    if spec.method.name == "probe" and not prepared.splits.test:
        raise SpecError(
            "a probe learns from the valid rows in the end, and would teach them to its student: "
            "there must be test rows to measure on; got none",
            hint="--set split.test=0.1, or --test FILE",
        )
    task = with_columns(prepared.task, {**spec.column, **recipe.column})
    rows = read_examples(recipe.data, task, require_gold=False)
    if not rows:
        raise DataError(
            Problem("a file of rows without labels must hold some", "none", recipe.data),
            hint="name a file with one text a line, or rows with the columns of the task",
        )
    rounds = recipe.rounds - 1
    before = recipe.model_copy(update={"rounds": rounds}) if rounds else None
    out = spec.folder / TEACHER
    alone: dict[str, Any] = {
        "self_training": before,
        "also": {},
        "out": str(out),
        "overwrite": False,
    }
    split = spec.split.model_copy(update={"seed": split_seed(spec)})
    if not (out / RESULTS["fit"]).exists():
        session.emit(Said(f"tuning the teacher of student {recipe.rounds}"))
        resume = (out / LOCK).is_file()
        tune(spec.model_copy(update={**alone, "split": split, "resume": resume}), session)
    engine = load_engine(read_bundle(out), device=session.device)
    splits = prepared.splits
    known = JoinedExamples([splits.train, splits.valid, splits.test])
    labelled = label_rows(engine, rows, recipe, known=known, emit=session.emit)
    if not labelled.examples:
        session.emit(Warned("self-training: the teacher is sure enough of no row"))
    return labelled


def _with_train(
    spec: FitSpec, session: Session, prepared: Prepared, train: Sequence[Example]
) -> Prepared:
    """Return `prepared` with other training rows, encoded."""
    cache = session.workspace.tokens if spec.training.token_cache else None
    tokens = Tokens(session.emit, cache)
    read = read_splits(Splits(train), prepared.backbone, prepared.reading, tokens=tokens)
    return replace(
        prepared,
        splits=replace(prepared.splits, train=train),
        windows={**prepared.windows, "train": read.windows["train"]},
    )


def _fingerprint(path: str, session: Session) -> str:
    return session.workspace.bundle(path, verify=False).fingerprint
