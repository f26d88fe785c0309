"""What `fit` carries beside its task: text and other tasks, read, checked, on one encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tunesmith.core.boosters import BoostRecipe
from tunesmith.core.companions import JointRecipe, OtherTask
from tunesmith.core.errors import SpecError
from tunesmith.model.backbones import Backbone
from tunesmith.model.heads import HeadModel
from tunesmith.model.pretraining import text_model_on
from tunesmith.model.pretraining.presets import DEFAULT_SIZE, SHAPES
from tunesmith.model.pretraining.vocabulary import Vocabulary, read_vocabulary
from tunesmith.model.sources import find_model
from tunesmith.operations.corpora import Source, encode_corpus, read_corpus
from tunesmith.operations.fit import FitSpec
from tunesmith.operations.preparing import Prepared, prepare_sound
from tunesmith.operations.tokens import Tokens
from tunesmith.session import Session
from tunesmith.stages.tune.job import TextCompanion
from tunesmith.stages.tune.pretraining.batches import make_loader
from tunesmith.stages.tune.pretraining.windows import TextWindows
from tunesmith.tasks import make_task

WINDOW_TOKENS = SHAPES[DEFAULT_SIZE].window_tokens


@dataclass(frozen=True, slots=True)
class Other:
    """Another task to learn: its request as if it were the only one, its rows, its weight."""

    spec: FitSpec
    prepared: Prepared
    weight: float


@dataclass(frozen=True, slots=True)
class JointText:
    """Text without labels as windows, and the fingerprint of all of it."""

    recipe: JointRecipe
    vocabulary: Vocabulary
    windows: TextWindows
    sha256: str


@dataclass(frozen=True, slots=True)
class Beside:
    """What is learned beside the task: other tasks by name, and text."""

    others: Mapping[str, Other]
    text: JointText | None

    @property
    def fingerprints(self) -> dict[str, Any]:
        """What the data of each was, by the setting that names it."""
        found: dict[str, Any] = {
            f"also.{name}": other.prepared.fingerprints for name, other in self.others.items()
        }
        return found if self.text is None else {**found, "joint": self.text.sha256}


def refuse_contradictions(spec: FitSpec) -> None:
    """Raise `SpecError` with all that cannot be carried beside the task as `spec` says."""
    problems = []
    beside = [name for name in ("joint", "also") if getattr(spec, name)]
    if beside and spec.method.name != "full":
        problems.append(
            f"`{'` and `'.join(beside)}` train the encoder; `--method {spec.method.name}` leaves "
            "it as it is"
        )
    if beside and spec.task == "recommendation":
        problems.append(f"`{'` and `'.join(beside)}` train the encoder; recommendation leaves it")
    kinds = {spec.task, *(other.task for other in spec.also.values())} if beside else set()
    written = sorted(kind for kind in kinds if _is_written(kind, spec.method.name))
    if written:
        problems.append(
            f"`{'` and `'.join(beside)}` share an encoder; a model for {', '.join(written)} is "
            "more than one"
        )
    if spec.joint is not None:
        if unknown := set(spec.joint.column) - {"text"}:
            problems.append(f"`joint.column` takes the role text; got {', '.join(sorted(unknown))}")
        if spec.joint.objective.name == "contrastive" and spec.model.dropout == 0:
            problems.append("`joint.objective` contrastive reads a text twice under dropout; got 0")
    if problems:
        raise SpecError(problems, hint="--method full, or leave out one of the two")


def prepare_beside(spec: FitSpec, session: Session, backbone: Backbone, tokens: Tokens) -> Beside:
    """Return rows and text, read and checked. Raises what `prepare_sound` and reading text do."""
    others = {}
    for name, other in spec.also.items():
        alone = _alone(spec, other)
        others[name] = Other(alone, prepare_sound(alone, session, tokens=tokens), other.weight)
    text = None if spec.joint is None else _read_text(spec, spec.joint, session, backbone)
    return Beside(others, text)


def with_settings_of(beside: Beside, spec: FitSpec) -> Beside:
    """Return what is learned beside the task with other settings of `spec`, on the same rows."""
    others = {
        name: replace(other, spec=_alone(spec, spec.also[name]), weight=spec.also[name].weight)
        for name, other in beside.others.items()
    }
    if beside.text is None or spec.joint is None:
        return Beside(others, beside.text)
    return Beside(others, replace(beside.text, recipe=spec.joint))


def text_companion(spec: FitSpec, text: JointText, model: HeadModel) -> TextCompanion:
    """Return the network that learns from the text, on the encoder of `model`, with its batches."""
    objective = text.recipe.objective
    folder = find_model(spec.model.name, revision=spec.model.revision).path
    return TextCompanion(
        name=objective.name,
        model=text_model_on(model.encoder, objective, folder),
        windows=text.windows,
        load=make_loader(objective, text.windows, text.vocabulary, seed=spec.seed),
        recipe=text.recipe,
    )


def _alone(spec: FitSpec, other: OtherTask) -> FitSpec:
    """Return the request for another task as if it were the only one."""
    fields = ("data", "task", "column", "valid", "test")
    own: dict[str, Any] = {field: getattr(other, field) for field in fields}
    own |= {"joint": None, "also": {}, "boost": BoostRecipe()}
    own["reliability"] = spec.reliability.model_copy(update={"outside": None})
    return spec.model_copy(update=own)


def _is_written(kind: str, method: str) -> bool:
    """Tell whether a method makes a task one whose answers a model writes."""
    return method == "full" and make_task(kind).with_method(method).head == "generate"


def _read_text(
    spec: FitSpec, recipe: JointRecipe, session: Session, backbone: Backbone
) -> JointText:
    longest, wanted = backbone.card.context, recipe.reading.window_tokens
    if wanted and wanted > longest:
        raise SpecError(
            f"`joint.reading.window_tokens` must be at most {longest}, which is what "
            f"{spec.model.name} reads; got {wanted}",
            hint=f"--set joint.reading.window_tokens={longest}",
        )
    vocabulary = read_vocabulary(backbone.tokenizer)
    if recipe.objective.name == "mlm" and backbone.tokenizer.mask_token_id is None:
        raise SpecError(
            f"`joint.objective` mlm needs a vocabulary with a mask token; {spec.model.name} has "
            "none",
            hint="--set joint.objective=contrastive",
        )
    source = Source(recipe.data, recipe.column, setting="joint.reading")
    corpus, _ = read_corpus(source, recipe.reading, emit=session.emit)
    reading = recipe.reading.model_copy(
        update={"window_tokens": wanted or min(longest, WINDOW_TOKENS)}
    )
    encoded = encode_corpus(
        corpus,
        vocabulary,
        reading,
        objective=recipe.objective.name,
        seed=spec.seed,
        emit=session.emit,
    )
    return JointText(recipe, vocabulary, encoded.windows["train"], corpus.sha256)
