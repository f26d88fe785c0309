"""The members of an ensemble, each as the request that would tune it alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunesmith.core.ensemble import EnsembleRecipe
from tunesmith.core.errors import SpecError
from tunesmith.core.methods import Full
from tunesmith.core.spec import build_spec, set_path
from tunesmith.model.deltas import BESIDE
from tunesmith.operations.fit import FitSpec
from tunesmith.operations.preparing import Prepared, split_seed
from tunesmith.store.bundles import MEMBERS

JOINED_TASKS = ("classification", "multilabel", "matching", "relation", "ner", "choice")
"""Those whose answers are probabilities of the same things, or vectors, which have a mean."""

SOUPED_TASKS = ("classification", "multilabel", "matching", "relation", "ner")
"""Those whose heads can begin alike, as weights that are averaged must."""

SEEDLESS = ("probe", "extractive", "zero-shot")
"""Methods that draw nothing."""


def refuse_ensemble(spec: FitSpec) -> None:
    """Raise `SpecError` with all that keeps the models of `spec` from being joined."""
    recipe = _recipe_of(spec)
    problems = []
    if len(recipe.kinds) != 1:
        problems.append(
            "exactly one of `ensemble.seeds`, `ensemble.folds` and `ensemble.recipes` makes "
            f"members; got {' and '.join(recipe.kinds) or 'none of them'}"
        )
    if recipe.join == "soup" and (recipe.folds or recipe.recipes):
        problems.append(f"a soup is made of seeds; got {' and '.join(recipe.kinds)}")
    if spec.task not in JOINED_TASKS:
        problems.append(
            f"`ensemble` joins the answers of {', '.join(JOINED_TASKS)}; got {spec.task}"
        )
    if spec.also:
        problems.append("`ensemble` joins the models of one task; `also` has others")
    if spec.method.name in SEEDLESS and not recipe.recipes:
        problems.append(
            f"`--method {spec.method.name}` draws nothing, and a probe learns from all rows in the "
            "end: members of other seeds or folds would be equal"
        )
    if recipe.join == "soup":
        if spec.task not in SOUPED_TASKS or (spec.task == "ner" and spec.method.name != "full"):
            problems.append(
                "the members of a soup must begin with equal heads; "
                f"those of {spec.task} by {spec.method.name} do not"
            )
        if spec.method.name in BESIDE:
            problems.append(
                f"the members of a soup must be whole; what {spec.method.name} learned stands "
                "beside the model"
            )
    if spec.split.folds is not None:
        problems.append("`split.folds` makes one model of one fold; `ensemble` makes members")
    if problems:
        raise SpecError(
            problems, hint="leave out `ensemble`, or take --set ensemble.seeds=3 by --method full"
        )


def refuse_leaks(specs: Sequence[FitSpec], prepared: Prepared) -> None:
    """Raise `SpecError` where members would be measured together on rows that one learned from."""
    probes = [number for number, spec in enumerate(specs) if spec.method.name == "probe"]
    if probes and not prepared.splits.test:
        raise SpecError(
            "an ensemble with a probe, which learns from the valid rows in the end, must have test "
            f"rows to be measured on; got none (member {probes[0]})",
            hint="--set split.test=0.1, or --test FILE",
        )


def member_specs(spec: FitSpec) -> list[FitSpec]:
    """Return the request of each member, in their order.

    All hold out the same rows but those of folds. Of a soup every head is fitted first, so that all
    begin at the same place.
    """
    recipe = _recipe_of(spec)
    split = spec.split.model_copy(update={"seed": split_seed(spec)})
    alone = spec.model_copy(update={"ensemble": None, "split": split, "overwrite": False})
    if recipe.join == "soup" and isinstance(spec.method, Full):
        alone = alone.model_copy(
            update={"method": spec.method.model_copy(update={"head_start": "probe"})}
        )
    changes: list[dict[str, Any]]
    if recipe.recipes:
        made = [_with_settings(alone, settings) for settings in recipe.recipes]
    elif recipe.folds:
        changes = [{"folds": recipe.folds, "fold": number} for number in range(recipe.folds)]
        made = [alone.model_copy(update={"split": split.model_copy(update=own)}) for own in changes]
    else:
        changes = [{"seed": (spec.seed + number) % 2**32} for number in range(recipe.seeds or 0)]
        made = [alone.model_copy(update=own) for own in changes]
    return [
        own.model_copy(update={"out": str(spec.folder / MEMBERS / str(number))})
        for number, own in enumerate(made)
    ]


def _with_settings(spec: FitSpec, settings: dict[str, Any]) -> FitSpec:
    """Return a request with other settings by their paths; what was not given stays not given."""
    values = spec.model_dump(mode="json", exclude_unset=True)
    for path, value in settings.items():
        set_path(values, path, value)
    return build_spec(FitSpec, values, where="ensemble.recipes")


def _recipe_of(spec: FitSpec) -> EnsembleRecipe:
    if spec.ensemble is None:
        raise ValueError("an ensemble must be asked for")
    return spec.ensemble
