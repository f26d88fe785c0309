"""The bundles that stand beside those that `serve` answers with: candidates and shadows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from tunesmith.core.errors import Problem, SpecError
from tunesmith.operations.serve import split_name

if TYPE_CHECKING:
    from tunesmith.operations.serve import ServeSpec
    from tunesmith.session import Session
    from tunesmith.stages.serve.deployments import Served

EXAMPLE = "tunesmith serve desk=@production --candidate desk=@candidate"


def read_beside(
    spec: ServeSpec, models: Iterable[Served], session: Session
) -> tuple[tuple[Served, ...], tuple[Served, ...]]:
    """Return candidates and shadows, each with the name of the model that it stands beside.

    Raises `SpecError` where a name is that of no model, or has several bundles beside it, or where
    a bundle could not take the model's place.
    """
    from tunesmith.stages.serve.deployments import unlike

    live = {served.name: served for served in models}
    found = {
        role: tuple(_read(role, items, live, session))
        for role, items in (("candidate", spec.candidate), ("shadow", spec.shadow))
    }
    every = [(role, served) for role, each in found.items() for served in each]
    names = [served.name for _, served in every]
    problems: list[Problem | str] = [
        f"a model must have at most one candidate or shadow; `{name}` has {names.count(name)}"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    problems += [
        f"the {role} `{served.name}` must be able to take the model's place; {words}"
        for role, served in every
        if (words := unlike(live[served.name].bundle.task, served.bundle.task))
    ]
    if problems:
        raise SpecError(problems, hint=EXAMPLE)
    return found["candidate"], found["shadow"]


def _read(
    role: str, items: Iterable[str], live: dict[str, Served], session: Session
) -> Iterator[Served]:
    from tunesmith.stages.serve.deployments import Served

    only = next(iter(live)) if len(live) == 1 else ""
    named = [split_name(item, only) for item in items]
    known = ", ".join(f"`{name}`" for name in live)
    if strangers := [name for name, _ in named if name not in live]:
        raise SpecError(
            [
                Problem(
                    f"a {role} must have the name of a model ({known})",
                    repr(name) if name else "none",
                )
                for name in strangers
            ],
            hint=EXAMPLE,
        )
    for name, word in named:
        yield Served(name, session.workspace.bundle(word), word)
