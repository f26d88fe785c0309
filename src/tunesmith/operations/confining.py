"""What a request from elsewhere may touch: all that it names must lie in folders that were named.

It looks at each text of a spec that is marked as a location (`core/locations.py`), and at the
folder that the spec chooses itself. No file is opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import NotFoundError, Problem, SpecError, TunesmithError
from tunesmith.core.locations import Located, Location, find_locations, find_overrides, paths_in
from tunesmith.core.spec import Spec, build_spec, set_path

if TYPE_CHECKING:
    from tunesmith.store.workspace import Workspace

MOST_OVERRIDES = 256
MOST_ENTRIES = 100_000
INSIDE = "must lie inside the folders of the service"
HINT = "a path below a folder that the service was started with; relative ones begin in the first"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Folders, resolved, that requests may touch, the first of them where relative paths begin.

    `hub` lets them name what must be fetched.
    """

    roots: tuple[Path, ...]
    hub: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the bounds as JSON-ready fields."""
        return {"roots": [str(root) for root in self.roots], "hub": self.hub}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Bounds:
        """Read what `to_json` wrote."""
        return cls(tuple(map(Path, fields["roots"])), fields["hub"])

    def hold(self, path: str | PurePath) -> bool:
        """Tell whether a path, links followed, lies in one of the folders."""
        resolved = (self.roots[0] / path).resolve()
        return any(resolved.is_relative_to(root) for root in self.roots)


def read_bounds(roots: Sequence[str], *, hub: bool) -> Bounds:
    """Return the bounds of a service. Raises `NotFoundError` for each root that is no folder."""
    missing = [
        Problem("each of `jobs_root` must be a folder", root)
        for root in roots
        if not Path(root).is_dir()
    ]
    if missing:
        raise NotFoundError(missing, hint="mkdir FOLDER")
    return Bounds(tuple(Path(root).resolve() for root in roots), hub)


def confine(spec: Spec, bounds: Bounds, workspace: Workspace) -> None:
    """Raise `SpecError` with every location in a request that lies outside its bounds.

    Settings that are laid over it (`ensemble.recipes`, `search.space`) are looked at too.
    """
    problems: dict[tuple[str, str], Problem] = {}
    for own in chain([spec], _overridden(spec)):
        for located in _locations(own):
            if found := _problem(located, bounds, workspace):
                problems.setdefault((located.setting, located.text), found)
    if problems:
        raise SpecError(list(problems.values()), hint=HINT)


def _locations(spec: Spec) -> Iterator[Located]:
    yield from find_locations(spec)
    folder = getattr(spec, "folder", None)
    if isinstance(folder, Path):  # where no `out` was given it is made from other settings
        yield Located("out", str(folder), Location())


def _overridden(spec: Spec) -> Iterator[Spec]:
    """Yield the request with each of the settings that may be laid over it."""
    layers = [layer for _, value in find_overrides(spec) for layer in _layers(value)]
    if len(layers) > MOST_OVERRIDES:
        raise SpecError(
            f"at most {MOST_OVERRIDES} choices that are no numbers may be tried; "
            f"got {len(layers):,}",
            hint="leave out some of `search.space`",
        )
    for layer in layers:
        values = spec.model_dump(mode="json", exclude_unset=True)
        for path, value in layer.items():
            set_path(values, path, value)
        yield build_spec(type(spec), values, where="request")


def _layers(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield what is laid over at once: a recipe, or one choice of one setting."""
    if isinstance(value, Mapping):
        for path, choices in value.items():
            if isinstance(choices, list | tuple):
                yield from ({path: own} for own in choices if isinstance(own, str | Mapping | list))
    else:
        yield from value or ()


def _problem(located: Located, bounds: Bounds, workspace: Workspace) -> Problem | None:
    text, kind = located.text, located.location.kind
    if text in located.location.words:
        return None
    if kind == "address":
        return _refused(located, "must be left out of a request over HTTP")
    if text == "-":
        return _refused(located, "must be a file: nobody is at standard input and output")
    if kind == "rows" and text.startswith("hub:"):
        return None if bounds.hub else _from_hub(located)
    if kind == "bundle" and text.startswith("@"):
        return _problem_of_alias(located, bounds, workspace)
    if kind == "model" and not _is_folder_of(bounds, text):
        return _problem_of_name(located, bounds)
    return _problem_of_path(located, text, bounds)


def _problem_of_alias(located: Located, bounds: Bounds, workspace: Workspace) -> Problem | None:
    try:
        path = workspace.aliases.find(located.text).path
    except TunesmithError as error:
        return error.problems[0]
    return _problem_of_path(located, path, bounds)


def _problem_of_name(located: Located, bounds: Bounds) -> Problem | None:
    """Return what is wrong with a model that is no folder within the bounds.

    What was installed, or added to the catalogue, whoever runs the service chose himself.
    """
    from tunesmith.model.known import find_entry

    known = find_entry(located.text)
    if known and ((known.package and located.text in known.aliases) or known.folder):
        return None
    if known is None and _looks_like_path(located.text):
        return _problem_of_path(located, located.text, bounds)
    return None if bounds.hub else _from_hub(located)


def _is_folder_of(bounds: Bounds, text: str) -> bool:
    try:
        return (bounds.roots[0] / text).is_dir()
    except OSError:
        return False


def _looks_like_path(name: str) -> bool:
    """Tell a path from a hub id, which has one slash within."""
    return name.startswith((".", "~", os.sep)) or (name.count("/") != 1 and os.sep in name)


def _problem_of_path(located: Located, text: str, bounds: Bounds) -> Problem | None:
    names = paths_in(text)
    try:
        is_plain = not text.startswith("~") and not any(
            ".." in PurePath(own).parts for own in names
        )
        if not is_plain or not all(map(bounds.hold, names)):
            return _refused(located, INSIDE)
        whole, *files = [(bounds.roots[0] / own).resolve() for own in names]
        looked_at = [whole, *(path for path in files if not path.is_dir())]
        found = (_problem_within(located, path, bounds) for path in looked_at)
        return next(filter(None, found), None)
    except (OSError, RuntimeError, ValueError):
        return _refused(located, INSIDE)


def _problem_within(located: Located, path: Path, bounds: Bounds) -> Problem | None:
    """Return what is wrong with what stands at a path: links that lead outside, and no file."""
    if not path.exists() or path.is_file():
        return None
    if not path.is_dir():
        return _refused(located, "must be a file or a folder")
    count = 0
    for folder, folders, files in os.walk(path):
        count += len(folders) + len(files)
        if count > MOST_ENTRIES:
            return _refused(located, f"must hold at most {MOST_ENTRIES:,} files")
        for name in (*folders, *files):
            entry = os.path.join(folder, name)
            if os.path.islink(entry) and not bounds.hold(entry):
                return _refused(located, f"{INSIDE}, and so must all that its links lead to")
    return None


def _refused(located: Located, must: str) -> Problem:
    return Problem(f"`{located.setting}` {must}", repr(located.text)[:80], "request")


def _from_hub(located: Located) -> Problem:
    must = "must be here: this service was started without --jobs-hub"
    return _refused(located, must)
