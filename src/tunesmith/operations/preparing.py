"""What `check` and `fit` do before anything is trained.

They read the rows, load the model and judge the two together.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tunesmith.core.data_spec import RowsSpec
from tunesmith.core.deltas import PTuning, SoftPrompt
from tunesmith.core.errors import DataError, SpecError
from tunesmith.core.events import Said, Warned
from tunesmith.core.examples import Example
from tunesmith.core.methods import Method
from tunesmith.core.recipe import ModelRecipe
from tunesmith.data.fingerprints import fingerprint_examples
from tunesmith.data.folds import splits_of_fold
from tunesmith.data.splits import Splits, sample_examples
from tunesmith.measure.scripts import han_ratio
from tunesmith.model.backbones import Backbone, find_writing, writing_of
from tunesmith.model.chat import prepare_chat
from tunesmith.model.encoding_writing import WRITING_SHARE
from tunesmith.model.framing import Reading
from tunesmith.model.known import require_able
from tunesmith.model.pair_border import PAIRED, with_border
from tunesmith.model.windows import FlatWindows
from tunesmith.operations.catalogues import (
    item_rows,
    read_items,
    refuse_items,
    require_items,
    with_catalogue,
)
from tunesmith.operations.fit import FitSpec
from tunesmith.operations.reliability import set_apart
from tunesmith.operations.tokens import Tokens, read_splits
from tunesmith.session import Session
from tunesmith.stages.check import Finding, check_recommendation, check_splits
from tunesmith.stages.check.events import EventFacts
from tunesmith.tasks import make_task
from tunesmith.tasks.generation import Generation
from tunesmith.tasks.recommendation import Recommendation
from tunesmith.tasks.summarization import Summaries
from tunesmith.tasks.task import Task

LARGEST_STRIDE = 64
CHINESE_SHARE = 0.3
"""Share of Chinese characters from which our own templates are Chinese."""

JUDGED_ROWS = 500
"""Rows whose language is looked at."""

PAIRS = ("matching", "qa", "choice")
"""The tasks whose rows are two texts that are read together, where they are."""

FAULTS_OF_SETTINGS = {"max_length_above_context", "stride_above_window"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that stands before the first step.

    `windows` has those of train and valid where they were asked for and can be made; `fingerprints`
    has one sha256 a split; `strangers` the rows outside, by split, where a label means that.
    """

    splits: Splits
    windows: Mapping[str, FlatWindows]
    task: Task
    backbone: Backbone
    reading: Reading
    findings: tuple[Finding, ...]
    fingerprints: dict[str, str]
    strangers: Mapping[str, Sequence[Example]] = field(default_factory=dict)


def prepare(
    spec: RowsSpec,
    session: Session,
    *,
    method: Method | None = None,
    tokens: Tokens | None = None,
    outside: str | None = None,
    speaks: bool = False,
) -> Prepared:
    """Return rows, labelled task, backbone, reading and the findings of the check.

    Raises `SpecError` where the method, if one is named, cannot tune the task. With `tokens` the
    windows that the check makes of train and valid are kept for tuning. Rows of the label `outside`
    are set apart. A backbone that `speaks` has the layer that guesses words.
    """
    name = None if method is None else method.name
    task = _make_task(spec, name)
    require_able(spec.model.name, spec.task)
    if isinstance(task, Recommendation):
        require_items(spec)
        task = replace(task, liked=spec.recommend.liked)
    else:
        refuse_items(spec)
    session.emit(Said(f"reading {spec.data}"))
    splits = session.examples(
        spec.data,
        task,
        valid=spec.valid,
        test=spec.test,
        valid_ratio=spec.split.valid,
        test_ratio=spec.split.test,
        seed=split_seed(spec),
    )
    if spec.split.folds is not None:
        splits = splits_of_fold(
            splits, task, folds=spec.split.folds, fold=spec.split.fold, seed=split_seed(spec)
        )
    splits, strangers = set_apart(splits, task, outside)
    task = task.with_labels_of(splits.train)
    items: Sequence[Example] = ()
    if isinstance(task, Recommendation):
        items = read_items(spec, session)
        task = with_catalogue(task, items, splits)
    backbone = ready_backbone(spec, session, task, method=method, train=splits.train, speaks=speaks)
    reading = choose_reading(spec.model, backbone, task, method=name)
    if isinstance(task, Recommendation):
        facts = EventFacts(splits, items, item_rows(task, items), task)
        read = read_splits(Splits(facts.texts), backbone, reading, tokens=tokens)
        findings = check_recommendation(facts, backbone, reading, tokens=read.figures)
    else:
        read = read_splits(splits, backbone, reading, tokens=tokens)
        findings = check_splits(splits, task, backbone, reading, tokens=read.figures)
    fingerprints = {
        name: fingerprint_examples(examples)
        for name in ("train", "valid", "test")
        if (examples := getattr(splits, name))
    }
    return Prepared(
        splits, read.windows, task, backbone, reading, findings, fingerprints, strangers
    )


def ready_backbone(
    spec: RowsSpec,
    session: Session,
    task: Task,
    *,
    method: Method | None,
    train: Sequence[Example],
    speaks: bool = False,
) -> Backbone:
    """Return a fresh copy of the model that is named, as `method` reads by it.

    Raises `SpecError` where the method cannot, and what loading a model does.
    """
    if speaks or learns_words(method):
        from tunesmith.model.heads.speak import load_speaking_backbone

        backbone = load_speaking_backbone(spec.model.name, revision=spec.model.revision)
    else:
        backbone = session.backbone(
            spec.model.name, revision=spec.model.revision, writes=task.head == "generate"
        )
    if isinstance(task, Generation) and prepare_chat(backbone.model, backbone.tokenizer):
        session.emit(Said("the tokenizer has no chat template: a plain one is saved with it"))
    if task.kind in PAIRS and task.head in PAIRED:
        backbone = with_border(backbone)
    if isinstance(method, SoftPrompt) and learns_words(method):
        from tunesmith.operations.soft_words import with_words

        language = choose_language(method.template_language, train)
        backbone = with_words(backbone, method, task, language=language, seed=spec.seed)
    elif isinstance(method, SoftPrompt | PTuning):
        from tunesmith.model.prompt_tokens import with_prompt

        if isinstance(task, Generation):
            raise SpecError(
                f"the method `{method.name}` puts its tokens before plain texts; a conversation is "
                "written by a template",
                hint="--method prefix, or --method lora",
            )
        backbone = with_prompt(backbone, method, seed=spec.seed)
    return backbone


def with_own_backbone(prepared: Prepared, spec: FitSpec, session: Session) -> Prepared:
    """Return `prepared` with a fresh copy of its model, free to be changed.

    Where the method of `spec` puts tokens of its own before the texts, these are read anew.
    """
    method, train = spec.method, prepared.splits.train
    backbone = ready_backbone(spec, session, prepared.task, method=method, train=train)
    if not isinstance(method, SoftPrompt | PTuning):
        return replace(prepared, backbone=backbone)
    reading = choose_reading(spec.model, backbone, prepared.task, method=method.name)
    read = read_splits(prepared.splits, backbone, reading, tokens=Tokens(session.emit))
    return replace(prepared, backbone=backbone, reading=reading, windows=read.windows)


def split_seed(spec: RowsSpec) -> int:
    """Return the seed of what is held out."""
    return spec.seed if spec.split.seed is None else spec.split.seed


def _make_task(spec: RowsSpec, method: str | None) -> Task:
    """Return the task as `method` tunes it. Raises `SpecError` where the method cannot.

    Without a method, summaries are those that the named model can make.
    """
    task = make_task(spec.task, columns=spec.column, pairs=spec.model.pairs)
    if isinstance(task, Summaries) and method not in ("extractive", "probe", "zero-shot"):
        writes = find_writing(spec.model.name, revision=spec.model.revision) != ""
        if method and not writes:
            raise SpecError(
                f"the method `{method}` must have a model that writes the summaries; "
                f"`{spec.model.name}` is an encoder",
                hint="--method extractive, which needs none; or make one with `tunesmith pretrain "
                "TEXT --objective seq2seq --out runs/writer`, then --model runs/writer/backbone",
            )
        method = "full" if writes else "extractive"
    return task if method is None else task.with_method(method)


def prepare_sound(spec: FitSpec, session: Session, *, tokens: Tokens) -> Prepared:
    """Return what `prepare` does, its warnings told. Raises what `refuse_faults` does."""
    outside = spec.reliability.outside
    prepared = prepare(spec, session, method=spec.method, tokens=tokens, outside=outside)
    refuse_faults(prepared.findings, spec)
    for finding in prepared.findings:
        if finding.severity == "warning":
            session.emit(Warned(finding.message))
    return prepared


def refuse_faults(findings: tuple[Finding, ...], spec: RowsSpec) -> None:
    """Raise `DataError` with every hard fault of the check, where there is one.

    Where the settings alone are at fault it is a `SpecError`.
    """
    faults = [finding for finding in findings if finding.severity == "fault"]
    if faults:
        problems = [
            finding.message + (f" ({', '.join(finding.places[:5])})" if finding.places else "")
            for finding in faults
        ]
        of_settings = all(finding.name in FAULTS_OF_SETTINGS for finding in faults)
        raise (SpecError if of_settings else DataError)(problems, hint=_check_command(spec))


def _check_command(spec: RowsSpec) -> str:
    """Return the command that shows everything that was found in these rows."""
    words = ["tunesmith", "check", spec.data, "--task", spec.task, "--model", spec.model.name]
    for name, path in (("valid", spec.valid), ("test", spec.test), ("items", spec.items)):
        words += [f"--{name}", path] if path else []
    for role, name in spec.column.items():
        words += ["--column", f"{role}={name}"]
    return shlex.join(words)


def choose_reading(
    recipe: ModelRecipe, backbone: Backbone, task: Task, *, method: str | None
) -> Reading:
    """Return how texts become windows: the recipe's wishes, completed from the model's card."""
    wants_shape = backbone.card.uncased if recipe.case_shape is None else recipe.case_shape
    max_length = recipe.max_length or backbone.card.context
    stride = min(LARGEST_STRIDE, max_length // 4) if recipe.stride is None else recipe.stride
    writes = writing_of(backbone.model.config)
    writing = writes if task.head == "generate" else ""
    return Reading(
        max_length=max_length,
        stride=0 if writing else stride,
        long_text=recipe.long_text,
        case_shape=task.head == "tag" and method != "probe" and wants_shape,
        apart=task.head == "embed",
        writing=writing,
        room_to_write=max_length // WRITING_SHARE if writing == "causal" else 0,
        marks_behind=task.head == "relate" and writes == "causal",
    )


def choose_language(wish: str, train: Sequence[Example]) -> str:
    """Return the language of our own templates: the wish, or that of the training rows."""
    if wish != "auto":
        return wish
    share = han_ratio(row.inputs.text for row in sample_examples(train, JUDGED_ROWS))
    return "zh-CN" if share >= CHINESE_SHARE else "en"


def learns_words(method: object) -> bool:
    """Tell whether a method learns a soft prompt and no head."""
    return isinstance(method, SoftPrompt) and method.head == "words"
