"""Where models lie on this machine, and on what terms they may be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunesmith.model import hub
from tunesmith.model.known import Entry

LICENCES = {
    "apache-2.0": ("Apache-2.0", "allowed"),
    "mit": ("MIT", "allowed"),
    "bsd-3-clause": ("BSD-3-Clause", "allowed"),
    "cc-by-4.0": ("CC-BY-4.0", "allowed"),
    "cc-by-nc-4.0": ("CC-BY-NC-4.0", "forbidden"),
    "cc-by-nc-sa-4.0": ("CC-BY-NC-SA-4.0", "forbidden"),
}
"""The hub's names of licences whose terms are plain; of others it is unknown what they allow."""


def fetched_models() -> dict[str, Path]:
    """Return the folders of all whole models that were fetched, by their ids on the hub."""
    return hub.cached_models()


def local_folder(entry: Entry, fetched: dict[str, Path]) -> str | None:
    """Return the folder that holds a model on this machine, or None."""
    from tunesmith.model.sources import packaged_folder

    if entry.folder:
        return entry.folder.path if Path(entry.folder.path).is_dir() else None
    if entry.package and (folder := packaged_folder(entry.package)):
        return str(folder)
    found = fetched.get(entry.hub.id if entry.hub else entry.id)
    return None if found is None else str(found)


def terms_of(card: dict[str, Any], licence: str | None) -> dict[str, Any]:
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
