"""What `zoo` does, one function an action; each returns models as fields, and details."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from tunesmith.core.errors import NotFoundError, Problem, SpecError
from tunesmith.core.events import Said
from tunesmith.model import downloads, hub
from tunesmith.model.known import (
    Entry,
    FolderSource,
    HubSource,
    find_entry,
    own_file,
    read_catalogue,
    require_entry,
    write_entry,
)
from tunesmith.operations.zoo import ZooSpec
from tunesmith.operations.zoo_check import check_reading
from tunesmith.operations.zoo_places import fetched_models, local_folder, terms_of
from tunesmith.operations.zoo_rank import rank_models
from tunesmith.session import Session
from tunesmith.stages.zoo import Wanted, select_entries, serving_memory, tuning_memory
from tunesmith.store.atomic import write_file

Found: TypeAlias = tuple[list[dict[str, Any]], dict[str, Any]]

SHOWN_RESULTS = 5


def list_models(spec: ZooSpec, session: Session) -> Found:
    """Return the entries that are as wanted, the smallest first."""
    wanted = Wanted(spec.task, spec.language, spec.max_parameters, spec.licence, spec.family)
    entries = select_entries(read_catalogue(session.workspace.root), wanted)
    here = fetched_models()
    return [_summary(entry, here) for entry in entries], {}


def show_model(spec: ZooSpec, session: Session) -> Found:
    """Return all that is known of one model, what it would take, and what was measured here."""
    entry = require_entry(str(spec.subject), read_catalogue(session.workspace.root))
    costs = {
        "tuning": tuning_memory(entry).to_json(),
        "tuning_lora": tuning_memory(entry, method="lora").to_json(),
        "serving": serving_memory(entry).to_json(),
    }
    here = local_folder(entry, fetched_models())
    known = {
        "ranked": [_ranked(*found) for found in session.workspace.rankings.of(entry.id)],
        "measured": _measured(entry, session),
    }
    return [{**entry.to_json(), "here": here is not None}], {
        "memory": costs,
        "expected": _expected(entry, session) if spec.timed else None,
        "path": here,
        **known,
    }


def fetch_model(spec: ZooSpec, session: Session) -> Found:
    """Bring a model's weights, configuration and tokenizer here, whole and verified."""
    entry = find_entry(str(spec.subject), read_catalogue(session.workspace.root))
    source = entry.hub if entry else HubSource(id=str(spec.subject))
    if source is None:
        raise SpecError(
            f"`{spec.subject}` must have a source that can be fetched; it lies in a folder",
            hint=f"tunesmith zoo show {spec.subject}",
        )
    session.emit(Said(f"asking for {source.id}"))
    model = hub.look_up(source.id, revision=spec.revision or source.revision, mirror=spec.mirror)
    hub.refuse_pickled(model)
    files = model.reading + model.weights
    downloads.require_room(model, files, tell=session.emit)
    config = tuple(file for file in files if file.name == "config.json")
    hub.refuse_code(downloads.fetch_files(model, config, mirror=spec.mirror), model.id)
    folder = downloads.fetch_files(model, files, mirror=spec.mirror, tell=session.emit)
    from tunesmith.model.sources import hash_weights

    digest = hash_weights(folder)
    if source.sha256 and spec.revision in (None, source.revision):
        downloads.require_digest(digest, source.sha256, model)
    fields = _summary(entry, {source.id: folder}) if entry else {"id": source.id}
    size = sum(file.size_bytes for file in files)
    return [fields], {
        "path": str(folder),
        "revision": model.revision,
        "sha256": digest,
        "bytes": size,
    }


def remove_model(spec: ZooSpec, session: Session) -> Found:
    """Remove what was fetched of a model, and the user's own entry of it; folders stay."""
    name, home = str(spec.subject), session.workspace.root
    entry = find_entry(name, read_catalogue(home))
    own = own_file(home, entry.id if entry else name)
    was_own = own.is_file()
    identity = entry.hub.id if entry and entry.hub else name
    freed = hub.remove_cached(identity)
    if was_own:
        own.unlink()
    if freed is None and not was_own:
        here = ", ".join(sorted(fetched_models())) or "none"
        raise NotFoundError(
            Problem("a model must have been fetched or added to be removed", f"`{name}`"),
            hint=f"tunesmith zoo list; fetched so far: {here}",
        )
    return [], {"removed": identity, "freed_bytes": freed or 0, "entry_removed": was_own}


def check_model(spec: ZooSpec, session: Session) -> Found:
    """Return how a model's tokenizer reads the user's rows, and whether they fit its context."""
    return check_reading(spec, session)


def add_model(spec: ZooSpec, session: Session) -> Found:
    """Write an entry of the user's own, read from a folder's or a repository's configuration."""
    from tunesmith.model.outlines import describe_folder
    from tunesmith.model.sources import find_model, hash_weights

    subject = str(spec.subject)
    folder = Path(subject).expanduser()
    is_folder = folder.is_dir()
    if is_folder:
        found = find_model(subject)
        identity = spec.name or folder.resolve().name
        source: Any = FolderSource(path=str(folder.resolve()), sha256=hash_weights(found.path))
        terms = hub.terms_of_folder(folder)
    elif subject.startswith((".", "/", "~")):
        raise NotFoundError(
            Problem("what is added must be a folder or a hub id", f"no folder `{subject}`"),
            hint=f"ls {shlex.quote(str(folder.parent))}",
        )
    else:
        model = hub.look_up(subject, revision=spec.revision, mirror=spec.mirror)
        hub.refuse_pickled(model)
        config = tuple(file for file in model.files if file.name == "config.json")
        folder = downloads.fetch_files(model, config, mirror=spec.mirror)
        hub.refuse_code(folder, subject)
        identity = spec.name or subject
        source, terms = HubSource(id=subject, revision=model.revision or None), dict(model.terms)
    entry = describe_folder(
        folder, identity=identity, sources=(source,), terms=terms_of(terms, spec.licence)
    )
    path = own_file(session.workspace.root, identity)
    write_file(path, write_entry(entry))
    here = {identity: folder} if is_folder else fetched_models()
    return [_summary(entry, here)], {"path": str(path)}


ACTIONS: dict[str, Callable[[ZooSpec, Session], Found]] = {
    "list": list_models,
    "show": show_model,
    "fetch": fetch_model,
    "remove": remove_model,
    "check": check_model,
    "rank": rank_models,
    "add": add_model,
}


def _expected(entry: Entry, session: Session) -> dict[str, Any]:
    """Return the milliseconds that a row would take, as a model of its shape takes them here."""
    from tunesmith.model.device import choose_precision
    from tunesmith.stages.zoo.speed import expected_latency

    session.emit(Said(f"timing the shape of {entry.id}"))
    precision = choose_precision("auto", session.device).value
    return expected_latency(entry, device=session.device, precision=precision).to_json()


def _ranked(ranking: dict[str, Any], line: dict[str, Any]) -> dict[str, Any]:
    """Return where a ranking that was made here put a model."""
    shared = {name: ranking[name] for name in ("data", "data_sha256", "task", "rows", "machine")}
    own = ("place", "place_low", "place_high", "score", "latency_ms", "memory_gb", "state")
    return {**shared, "of": len(ranking["ranking"]), **{name: line[name] for name in own}}


def _measured(entry: Entry, session: Session) -> list[dict[str, Any]]:
    """Return the headlines of what was tuned from a model here, newest first."""
    results = session.workspace.results
    found = [own for name in entry.names for own in results.find(model=name, headline_only=True)]
    found.sort(key=lambda own: own.measured, reverse=True)
    return [own.to_json() for own in found[:SHOWN_RESULTS]]


def _summary(entry: Entry, here: dict[str, Path]) -> dict[str, Any]:
    """Return the columns of the list."""
    return {
        "id": entry.id,
        "aliases": list(entry.aliases),
        "family": entry.family,
        "kind": entry.kind,
        "parameters": entry.parameters,
        "languages": list(entry.languages),
        "licence": entry.licence,
        "commercial": entry.commercial,
        "download_bytes": entry.download_bytes,
        "here": local_folder(entry, here) is not None,
    }
