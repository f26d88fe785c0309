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
from tunesmith.session import Session
from tunesmith.stages.zoo import Wanted, select_entries, serving_memory, tuning_memory
from tunesmith.store.atomic import write_file

Found: TypeAlias = tuple[list[dict[str, Any]], dict[str, Any]]

LICENCES = {
    "apache-2.0": ("Apache-2.0", "allowed"),
    "mit": ("MIT", "allowed"),
    "bsd-3-clause": ("BSD-3-Clause", "allowed"),
    "cc-by-4.0": ("CC-BY-4.0", "allowed"),
    "cc-by-nc-4.0": ("CC-BY-NC-4.0", "forbidden"),
    "cc-by-nc-sa-4.0": ("CC-BY-NC-SA-4.0", "forbidden"),
}
"""The hub's names of licences whose terms are plain; of others it is unknown what they allow."""


def list_models(spec: ZooSpec, session: Session) -> Found:
    """Return the entries that are as wanted, the smallest first."""
    wanted = Wanted(spec.task, spec.language, spec.max_parameters, spec.licence, spec.family)
    entries = select_entries(read_catalogue(session.workspace.root), wanted)
    here = _here()
    return [_summary(entry, here) for entry in entries], {}


def show_model(spec: ZooSpec, session: Session) -> Found:
    """Return all that is known of one model, and what it would take to tune and to serve."""
    entry = require_entry(str(spec.subject), read_catalogue(session.workspace.root))
    costs = {
        "tuning": tuning_memory(entry).to_json(),
        "tuning_lora": tuning_memory(entry, method="lora").to_json(),
        "serving": serving_memory(entry).to_json(),
    }
    here = _where(entry, _here())
    return [{**entry.to_json(), "here": here is not None}], {"memory": costs, "path": here}


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
        here = ", ".join(sorted(_here())) or "none"
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
        folder, identity=identity, sources=(source,), terms=_terms(terms, spec.licence)
    )
    path = own_file(session.workspace.root, identity)
    write_file(path, write_entry(entry))
    here = {identity: folder} if is_folder else _here()
    return [_summary(entry, here)], {"path": str(path)}


ACTIONS: dict[str, Callable[[ZooSpec, Session], Found]] = {
    "list": list_models,
    "show": show_model,
    "fetch": fetch_model,
    "remove": remove_model,
    "check": check_model,
    "add": add_model,
}


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
        "here": _where(entry, here) is not None,
    }


def _here() -> dict[str, Path]:
    return hub.cached_models()


def _where(entry: Entry, here: dict[str, Path]) -> str | None:
    """Return the folder that holds a model on this machine, or None."""
    from tunesmith.model.sources import packaged_folder

    if entry.folder:
        return entry.folder.path if Path(entry.folder.path).is_dir() else None
    if entry.package and (folder := packaged_folder(entry.package)):
        return str(folder)
    found = here.get(entry.hub.id if entry.hub else entry.id)
    return None if found is None else str(found)


def _terms(card: dict[str, Any], licence: str | None) -> dict[str, Any]:
    """Return licence and languages as an entry has them, from what a model's card says."""
    stated = str(card.get("license_name") or card.get("license") or "not stated")
    name, commercial = LICENCES.get((licence or stated).lower(), (licence or stated, "unknown"))
    languages = card.get("language") or []
    listed = [languages] if isinstance(languages, str) else list(languages)
    codes = [str(code).lower().partition("-")[0] for code in listed if code != "multilingual"]
    return {
        "licence": name,
        "commercial": commercial,
        "languages": tuple(dict.fromkeys(codes)),
    }
