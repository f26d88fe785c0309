"""What the Hugging Face hub, or a mirror of it, holds of a model, and what of it is here.

Nothing is downloaded here; `downloads` does that. A mirror is what the caller names, else
`$HF_ENDPOINT`; `$HTTPS_PROXY` and its like are honoured by the hub's library.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import HfApi, ModelCard, constants, scan_cache_dir, try_to_load_from_cache
from huggingface_hub.errors import (
    CacheNotFound,
    GatedRepoError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from tunesmith.core.errors import (
    DataError,
    NotFoundError,
    Problem,
    ResourceError,
    TunesmithError,
)
from tunesmith.model.known import find_entry, nearest_name

INDEX = "model.safetensors.index.json"
WEIGHTS = re.compile(r"^model(-\d{5}-of-\d{5})?\.safetensors$")
PICKLED = re.compile(r"\.(bin|pt|pth|ckpt|h5|msgpack)$|\.pkl$|\.pickle$")
READ = (".json", ".txt", ".model", ".spm", ".jinja")
READ_ALSO = ("1_Pooling/config.json",)
INDEX_OF_PICKLES = re.compile(r"\.(bin|h5|msgpack)\.index\.json$")
"""Files beside the weights that are read: configuration and tokenizer, never code."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a repository: its size, and by what its bytes are known.

    `sha256` is the digest of a large file, `blob` git's of a small one; either may be missing.
    """

    name: str
    size_bytes: int
    sha256: str | None
    blob: str | None


@dataclass(frozen=True, slots=True)
class HubModel:
    """A repository at one commit, asked for by a `branch` or tag, or by the commit itself.

    `terms` has licence and languages as its card states them.
    """

    id: str
    revision: str
    branch: str
    files: tuple[HubFile, ...]
    gated: bool
    terms: Mapping[str, Any]

    @property
    def weights(self) -> tuple[HubFile, ...]:
        """The safetensors of the whole model."""
        return tuple(file for file in self.files if WEIGHTS.match(file.name))

    @property
    def reading(self) -> tuple[HubFile, ...]:
        """Configuration and tokenizer."""
        return tuple(file for file in self.files if _is_read(file.name))


def look_up(name: str, *, revision: str | None = None, mirror: str | None = None) -> HubModel:
    """Return what a repository holds, without fetching any of it.

    Raises `NotFoundError` with the nearest known names where there is no such repository or
    revision, or its terms must be accepted first, and `ResourceError` where nobody answers.
    """
    try:
        info = HfApi(endpoint=mirror).model_info(name, revision=revision, files_metadata=True)
    except Exception as error:
        raise translate_hub_error(error, name, revision=revision, mirror=mirror) from error
    files = [
        HubFile(
            item.rfilename,
            item.size or 0,
            item.lfs.sha256 if item.lfs else None,
            None if item.lfs else item.blob_id,
        )
        for item in info.siblings or ()
    ]
    terms = _terms(info.card_data.to_dict() if info.card_data else {})
    commit = info.sha or ""
    return HubModel(name, commit, revision or "main", tuple(files), bool(info.gated), terms)


def refuse_pickled(model: HubModel) -> None:
    """Raise `DataError` where a repository has no safetensors."""
    if model.weights:
        return
    pickled = [file.name for file in model.files if PICKLED.search(file.name)]
    found = ", ".join(pickled[:3]) if pickled else "no weights at all"
    why = "; reading such files may run code, so they are never read" if pickled else ""
    code = (
        "from transformers import AutoModel as M, AutoTokenizer as T; "
        f"[X.from_pretrained('{model.id}').save_pretrained('FOLDER') for X in (M, T)]"
    )
    raise DataError(
        Problem("a model must have weights as model.safetensors", f"{found}{why}", model.id),
        hint="where you trust its authors, convert it apart from here: "
        f'python -c "{code}", then tunesmith zoo add FOLDER',
    )


def refuse_code(folder: Path, name: str) -> None:
    """Raise `DataError` where a model's configuration asks for code of its own to be run."""
    fields = _read_json(folder / "config.json")
    architecture = fields.get("model_type", "")
    if "auto_map" in fields and architecture not in CONFIG_MAPPING_NAMES:
        able = f"tunesmith zoo list --family {entry.family}" if (entry := find_entry(name)) else ""
        raise DataError(
            Problem(
                "a model must run without code of its own",
                f"`{architecture}`, which transformers does not contain",
                name,
            ),
            hint=able or "tunesmith zoo list",
        )


def terms_of_folder(folder: Path) -> dict[str, Any]:
    """Return licence and languages from the head of a folder's model card, where it has one."""
    try:
        card = ModelCard((folder / "README.md").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return _terms(card.data.to_dict())


def find_cached(name: str, *, revision: str | None = None) -> Path | None:
    """Return the folder of a repository in the hub's cache, or None."""
    try:
        found = try_to_load_from_cache(name, "config.json", revision=revision or "main")
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def is_complete(folder: Path) -> bool:
    """Tell whether a model's folder has all of its weights."""
    if (folder / "model.safetensors").is_file():
        return True
    names = set(_read_json(folder / INDEX).get("weight_map", {}).values())
    return bool(names) and all((folder / name).is_file() for name in names)


def cached_models() -> dict[str, Path]:
    """Return the folders of all whole models in the hub's cache, by their ids."""
    found = {}
    for repository in _cached_repositories():
        for revision in repository.revisions:
            if is_complete(revision.snapshot_path):
                found[repository.repo_id] = revision.snapshot_path
    return found


def remove_cached(name: str) -> int | None:
    """Remove a repository from the cache, cut downloads too, and return the bytes this freed.

    None where there was none.
    """
    folder = repository_folder(name)
    if not folder.is_dir():
        return None
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    freed = sum(path.stat().st_size for path in files)
    shutil.rmtree(folder)
    return freed


def repository_folder(name: str) -> Path:
    """Return the folder of the cache that a repository has, or will have."""
    return cache_folder() / repo_folder_name(repo_id=name, repo_type="model")


def cache_folder() -> Path:
    """Return the folder where the hub's library keeps what was fetched."""
    return Path(constants.HF_HUB_CACHE)


def is_offline() -> bool:
    """Tell whether `$HF_HUB_OFFLINE` forbids to ask."""
    return bool(constants.is_offline_mode())


def translate_hub_error(
    error: Exception, name: str, *, revision: str | None = None, mirror: str | None = None
) -> TunesmithError:
    """Return our error for what the hub's library, or the network below it, raised."""
    if isinstance(error, TunesmithError):
        return error
    first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    place = mirror or constants.ENDPOINT
    if isinstance(error, GatedRepoError):
        return NotFoundError(
            Problem(f"the terms of `{name}` must be accepted first", first, place),
            hint=f"accept them at {place}/{name}, then export HF_TOKEN=YOUR_TOKEN",
        )
    if isinstance(error, RevisionNotFoundError):
        return NotFoundError(
            Problem(f"`{name}` must have the revision asked for", f"{revision}", place),
            hint=f"tunesmith zoo fetch {name} --revision main",
        )
    if isinstance(error, RepositoryNotFoundError | HFValidationError):
        return NotFoundError(
            f"model `{name}` must be a packaged model, one of the catalogue, a folder or a hub id; "
            f"got {first}",
            hint=f"--model {nearest_name(name)}",
        )
    return ResourceError(
        f"hub model `{name}` must be reachable at {place} or in the local cache; it is neither: "
        f"{first}",
        hint=f"--model {nearest_name(name)}, --model FOLDER with a downloaded model, or a mirror: "
        f"tunesmith zoo fetch {name} --mirror URL",
    )


def _terms(card: Mapping[str, Any]) -> dict[str, Any]:
    return {key: card[key] for key in ("license", "license_name", "language") if card.get(key)}


def _read_json(path: Path) -> dict[str, Any]:
    """Return the fields of a file, none where it is missing or broken."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _is_read(name: str) -> bool:
    is_beside = "/" not in name and name.endswith(READ) and not INDEX_OF_PICKLES.search(name)
    return is_beside or name in READ_ALSO


def _cached_repositories() -> list[Any]:
    try:
        found = scan_cache_dir().repos
    except (CacheNotFound, ValueError):
        return []
    return [item for item in found if item.repo_type == "model"]
