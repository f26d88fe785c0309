"""The catalogue: the entries that come with the package, and the user's own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tunesmith.core.data_spec import TaskKind
from tunesmith.core.environment import home_folder
from tunesmith.core.errors import DataError, NotFoundError, Problem, SpecError
from tunesmith.core.spec import build_spec
from tunesmith.model.known.entry import Entry

FAMILIES = Path(__file__).parent / "families"
OWN = "zoo"
"""The folder of the workspace that holds the user's entries, one YAML file each."""

SHOWN = 3
NAME_CUTOFF = 0.5
DEFAULT = "minilm"
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_catalogue(home: Path | None = None) -> tuple[Entry, ...]:
    """Return every entry, the user's own first: what he calls a name goes before what we do.

    `home` is the workspace; none takes the default one. Raises `DataError` where one of the user's
    files holds no entry.
    """
    own = tuple(_read_own(home_folder() if home is None else home))
    taken = {entry.id for entry in own}
    return own + tuple(entry for entry in packaged_entries() if entry.id not in taken)


@cache
def packaged_entries() -> tuple[Entry, ...]:
    """Return the entries that come with the package, by family and then in the file's order."""
    found = [entry for path in sorted(FAMILIES.glob("*.yaml")) for entry in read_family(path)]
    return tuple(found)


def read_family(path: Path) -> Iterator[Entry]:
    """Yield the entries of one family's file: what stands above them holds for all of them.

    The facts of an entry are added to those of its family.
    """
    fields = yaml.load(path.read_text(encoding="utf-8"), LOADER)  # noqa: S506 (a safe loader)
    entries = fields.pop("entries")
    for own in entries:
        facts = [*fields["facts"], *own.get("facts", ())]
        yield build_spec(Entry, {**fields, **own, "facts": facts}, where=f"{path.name}")


def find_entry(name: str, entries: Iterable[Entry] | None = None) -> Entry | None:
    """Return the entry of an id or alias, whatever its case, or None."""
    wanted = name.lower()
    known = read_catalogue() if entries is None else entries
    return next((entry for entry in known if wanted in map(str.lower, entry.names)), None)


def require_entry(name: str, entries: Sequence[Entry]) -> Entry:
    """Return the entry of an id or alias. Raises `NotFoundError` with the nearest names."""
    entry = find_entry(name, entries)
    if entry is None:
        near = nearest_names(name, entries)
        raise NotFoundError(
            Problem(
                "a model must be one of the catalogue",
                f"`{name}`; the nearest are {', '.join(near)}" if near else f"`{name}`",
            ),
            hint=f"tunesmith zoo show {near[0]}" if near else "tunesmith zoo list",
        )
    return entry


def nearest_names(name: str, entries: Iterable[Entry] | None = None) -> list[str]:
    """Return up to three ids and aliases that are most like a name, the nearest first."""
    known = {
        known.lower(): known
        for entry in (read_catalogue() if entries is None else entries)
        for known in entry.names
    }
    near = get_close_matches(name.lower(), known, n=SHOWN, cutoff=NAME_CUTOFF)
    return [known[item] for item in near]


def nearest_name(name: str, others: Iterable[str] = ()) -> str:
    """Return what may have been meant instead of a name that leads nowhere.

    The first of `others`, else the nearest id or alias of another entry, else `minilm`.
    """
    known = find_entry(name)
    near = [item for item in nearest_names(name) if known is None or item not in known.names]
    return next(iter([*others, *near]), DEFAULT)


def able_entries(task: TaskKind, *, like: Entry) -> list[Entry]:
    """Return the entries that can be tuned for a task, those most like an entry first.

    One that shares a language goes before one that shares none, then the nearest size.
    """
    able = [entry for entry in read_catalogue() if task in entry.tasks]
    languages = set(like.languages)

    def unlikeness(entry: Entry) -> tuple[bool, float]:
        return (
            languages.isdisjoint(entry.languages),
            abs(math.log(entry.parameters / like.parameters)),
        )

    return sorted(able, key=unlikeness)


def require_able(name: str, task: TaskKind) -> None:
    """Let pass what is not in the catalogue: its folder is judged when it is loaded.

    Raises `SpecError` with models that can do the task, where the one that is named cannot.
    """
    entry = find_entry(name)
    if entry is None or task in entry.tasks:
        return
    able = able_entries(task, like=entry)[:SHOWN]
    made_for = ", ".join(entry.tasks) or "no task of text"
    raise SpecError(
        Problem(
            f"`model.name` must be a model that can be tuned for {task}",
            f"`{name}` ({entry.family}, {entry.kind}), made for {made_for}; "
            f"such as {', '.join(item.id for item in able)} can",
        ),
        hint=f"--model {able[0].id}",
    )


def own_file(home: Path, identity: str) -> Path:
    """Return the file that holds the user's entry of this id."""
    return home / OWN / f"{identity.strip('/').replace('/', '--')}.yaml"


def write_entry(entry: Entry) -> str:
    """Return the text of a user's entry as `read_catalogue` reads it."""
    fields = entry.model_dump(mode="json", exclude_defaults=True)
    kept = {**fields, "sources": [item.model_dump(mode="json") for item in entry.sources]}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)


def _read_own(home: Path) -> Iterator[Entry]:
    for path in sorted((home / OWN).glob("*.yaml")):
        try:
            fields = yaml.load(path.read_text(encoding="utf-8"), LOADER)  # noqa: S506 (a safe loader)
            if not isinstance(fields, dict):
                raise DataError(Problem("an entry must be a group of settings", where=str(path)))
            yield build_spec(Entry, fields, where=str(path))
        except (yaml.YAMLError, UnicodeDecodeError, SpecError) as error:
            problems = error.problems if isinstance(error, SpecError) else ()
            first = (str(error).splitlines() or [""])[0]
            raise DataError(
                problems or Problem("an entry must be readable YAML", first, str(path)),
                hint=f"tunesmith zoo add FOLDER makes it anew; or remove {path}",
            ) from error
