"""Which models of this machine are to be ranked: those that were named, or all that can."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.core.data_spec import TaskKind
from tunesmith.core.errors import NotFoundError, Problem, SpecError
from tunesmith.core.units import show_count
from tunesmith.model import hub
from tunesmith.model.known import (
    Entry,
    FolderSource,
    able_entries,
    find_entry,
    read_catalogue,
    require_entry,
)
from tunesmith.operations.zoo import ZooSpec
from tunesmith.operations.zoo_places import fetched_models, local_folder, terms_of
from tunesmith.session import Session
from tunesmith.stages.zoo.selecting import has_licence

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that lies on this machine: what it was called, its folder, what is known of it."""

    name: str
    folder: Path
    entry: Entry


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A model that is not ranked, and why."""

    name: str
    why: str

    def to_json(self) -> dict[str, str]:
        """Return the fields under their own names."""
        return {"model": self.name, "why": self.why}


def find_candidates(
    spec: ZooSpec, session: Session, task: TaskKind
) -> tuple[list[Candidate], list[LeftOut]]:
    """Return the models to rank, and those that were left out for a limit of the user's.

    Raises `NotFoundError` for a name that leads to no model of this machine, or where no model is
    left, and `SpecError` for a named model that cannot do the task; all such names at once.
    """
    catalogue = read_catalogue(session.workspace.root)
    fetched = fetched_models()
    if names := named_models(spec):
        found = _named(names, catalogue, fetched)
        _refuse_unable(found, task)
    else:
        found = [each for each in _local(catalogue, fetched) if task in each.entry.tasks]
    if not found:
        small = next(entry for entry in _by_size(catalogue) if task in entry.tasks)
        raise NotFoundError(
            f"a model that can be tuned for {task} must be on this machine to be ranked; got none",
            hint=f"tunesmith zoo fetch {small.names[-1]}, or --models FOLDER,FOLDER",
        )
    broken = {each.name: broken_wish(each.entry, spec) for each in found}
    kept = [each for each in found if not broken[each.name]]
    left = [LeftOut(name, why) for name, why in broken.items() if why]
    if not kept:
        reasons = "; ".join(f"{each.name}: {each.why}" for each in left)
        raise NotFoundError(
            f"a model of this machine must be all that was asked for; got {reasons}",
            hint="tunesmith zoo list --task " + task,
        )
    return kept, left


def named_models(spec: ZooSpec) -> tuple[str, ...]:
    """Return the models that the user named: `models`, and `model` where it is given too."""
    alone = () if spec.model is None else (spec.model,)
    return tuple(dict.fromkeys((*spec.models, *alone)))


def broken_wish(entry: Entry, spec: ZooSpec) -> str:
    """Return which wish of the user's an entry does not keep, or nothing."""
    if spec.max_parameters is not None and entry.parameters > spec.max_parameters:
        most = show_count(spec.max_parameters)
        return f"{show_count(entry.parameters)} parameters, {most} are allowed"
    if spec.licence is not None and not has_licence(entry, spec.licence):
        return f"its licence is {entry.licence}, {spec.licence} was asked for"
    if spec.language is not None and not entry.speaks(spec.language):
        spoken = ", ".join(entry.languages[:SHOWN]) or "languages that are not stated"
        return f"it speaks {spoken}, {spec.language} was asked for"
    if spec.family is not None and entry.family.lower() != spec.family.lower():
        return f"it is a {entry.family}, {spec.family} was asked for"
    return ""


def _named(
    names: tuple[str, ...], catalogue: tuple[Entry, ...], fetched: dict[str, Path]
) -> list[Candidate]:
    found: dict[Path, Candidate] = {}
    problems: list[Problem | str] = []
    hints: list[str] = []
    for name in names:
        try:
            candidate = _one(name, catalogue, fetched)
            found.setdefault(candidate.folder.resolve(), candidate)
        except NotFoundError as error:
            problems += error.problems
            hints.append(error.hint)
    if problems:
        raise NotFoundError(problems, hint=hints[0])
    return list(found.values())


def _one(name: str, catalogue: tuple[Entry, ...], fetched: dict[str, Path]) -> Candidate:
    entry = find_entry(name, catalogue)
    folder = Path(name).expanduser()
    if os.path.isdir(folder) and not (entry and entry.package and name in entry.aliases):
        return Candidate(name, folder, _describe(folder, folder.resolve().name))
    if entry is None and name in fetched:
        return Candidate(name, fetched[name], _describe(fetched[name], name))
    entry = entry or require_entry(name, catalogue)
    place = local_folder(entry, fetched)
    if place is None:
        raise NotFoundError(
            f"a model must be on this machine to be ranked; `{name}` is not",
            hint=f"tunesmith zoo fetch {shlex.quote(name)}",
        )
    return Candidate(name, Path(place), entry)


def _local(catalogue: tuple[Entry, ...], fetched: dict[str, Path]) -> Iterator[Candidate]:
    """Yield every model of this machine, the smallest first."""
    for entry in _by_size(catalogue):
        if place := local_folder(entry, fetched):
            yield Candidate(min(entry.names, key=len), Path(place), entry)


def _by_size(catalogue: tuple[Entry, ...]) -> list[Entry]:
    return sorted(catalogue, key=lambda entry: entry.parameters)


def _describe(folder: Path, identity: str) -> Entry:
    """Return what the files of a folder say. Raises what `find_model` raises."""
    from tunesmith.model.outlines import describe_folder
    from tunesmith.model.sources import find_model

    found = find_model(str(folder))
    source = FolderSource(path=str(folder.resolve()), sha256=found.sha256)
    terms: dict[str, Any] = hub.terms_of_folder(folder)
    return describe_folder(
        folder, identity=identity, sources=(source,), terms=terms_of(terms, None)
    )


def _refuse_unable(found: list[Candidate], task: TaskKind) -> None:
    unable = [each for each in found if task not in each.entry.tasks]
    if not unable:
        return
    able = ", ".join(entry.id for entry in able_entries(task, like=unable[0].entry)[:SHOWN])
    raise SpecError(
        [
            f"a model must be one that can be tuned for {task}; got `{each.name}` "
            f"({each.entry.family}, {each.entry.kind})"
            for each in unable
        ]
        + [f"such as {able} can"],
        hint=f"tunesmith zoo list --task {task}",
    )
