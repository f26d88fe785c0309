"""How `fit --method auto` begins: a plan chooses the method, and is kept with the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from tunesmith.core.data_spec import RowsSpec
from tunesmith.core.errors import SpecError
from tunesmith.core.events import Said
from tunesmith.core.methods import Auto
from tunesmith.core.planning import PlanRecipe
from tunesmith.operations.fit import FitSpec
from tunesmith.operations.plan import PlanSpec
from tunesmith.operations.planning import ADDED, make_plan
from tunesmith.session import Session
from tunesmith.store.run_folder import read_plan, refuse_taken

UNPLANNED = {
    ("joint", "also", "ensemble"): "single methods, and one model of each",
    ("distillation", "self_training"): "what labelled rows teach, and nothing besides",
}
"""Settings that no plan measures, and what it measures instead."""


def settle_method(spec: FitSpec, session: Session) -> tuple[FitSpec, Mapping[str, Any]]:
    """Return `spec` with the method that a plan chose, and the plan.

    A run that is resumed goes on by the plan it began with. Raises what planning does, and
    `SpecError` where something stands in the run's folder or is asked for that no plan measures.
    """
    kept = read_plan(spec.folder) if spec.resume else None
    if kept is None:
        _refuse_unplanned(spec)
        refuse_taken(spec.folder, overwrite=spec.overwrite, verb="fit")
        kept = make_plan(_plan_spec(spec), session)
        session.emit(Said(f"chosen: {kept['choice']}; {kept['reason']}"))
    return spec.model_copy(update={"method": _method_named(spec, kept["choice"])}), kept


def _refuse_unplanned(spec: FitSpec) -> None:
    """Raise `SpecError` where the request holds what no plan measures."""
    problems = []
    for names, says in UNPLANNED.items():
        given = [name for name in names if getattr(spec, name)]
        if given:
            problems.append(f"a plan measures {says}; got `{'` and `'.join(given)}`")
    if problems:
        raise SpecError(problems, hint="tunesmith plan first, then name the method it chooses")


def _plan_spec(spec: FitSpec) -> PlanSpec:
    shared = [*RowsSpec.model_fields, *ADDED, "training", "device", "language"]
    method = cast(Auto, spec.method)
    values = {name: getattr(spec, name) for name in shared}
    return PlanSpec(**values, **{name: getattr(method, name) for name in PlanRecipe.model_fields})


def _method_named(spec: FitSpec, name: str) -> Any:
    return FitSpec.model_validate({**spec.model_dump(), "method": name}).method
