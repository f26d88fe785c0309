"""A bundle on disk: one self-describing, hashed folder that every later verb reads.

`bundle.json` lists the sha256 of every other file and that of its own fields, and is written in
one canonical form, so that a change of any byte is noticed. Nothing in it is ever executed:
safetensors and JSON only.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.core.errors import DataError, NotFoundError
from tunesmith.store.atomic import new_folder, write_file
from tunesmith.tasks import task_from_json
from tunesmith.tasks.task import Task

FORMAT_VERSION = 1
MANIFEST = "bundle.json"
SEAL = "sha256_of_the_rest"
READABLE = 0o644
ATTACHMENTS = "task"
"""The folder of what a task keeps in files of its own."""

MEMBERS = "members"
"""The folder of the bundles that a joined one is made of, numbered from 0."""

BLOCK_BYTES = 1 << 20
REFUSED_SUFFIXES = {".bin", ".pkl", ".pickle", ".pt", ".pth", ".py", ".joblib"}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A tuned model at rest.

    `manifest` is all of `bundle.json`; `fingerprint` its sha256, which names this exact model.
    """

    path: Path
    task: Task
    manifest: Mapping[str, Any]
    fingerprint: str

    @property
    def model_folder(self) -> Path:
        """The Hugging Face folder inside the bundle."""
        return self.path / "model"

    @property
    def members(self) -> tuple[Path, ...]:
        """The folders of the bundles that this one joins, each whole; there is no `model/` then."""
        names = (self.manifest.get("ensemble") or {}).get("members", ())
        return tuple(self.path / name for name in names)

    @property
    def is_whole(self) -> bool:
        """Whether `model/` holds all that was learned; else `delta/` stands beside it."""
        return (self.manifest.get("delta") or {}).get("merged", True)

    @property
    def report(self) -> dict[str, Any]:
        """The report written when the model was tuned."""
        return json.loads((self.path / "report.json").read_text(encoding="utf-8"))


def write_bundle(path: Path, manifest: Mapping[str, Any], fill: Callable[[Path], None]) -> Bundle:
    """Write a bundle whole or not at all, and return it.

    `fill` puts every file but `bundle.json` into the folder it is given.
    """
    with new_folder(path) as folder:
        fill(folder)
        for name in _files(folder):  # safetensors writes for the owner alone; a service is another
            (folder / name).chmod(READABLE)
        files = {name: _hash(folder / name) for name in _files(folder)}
        fields = {"format_version": FORMAT_VERSION, **manifest, "files": files}
        (folder / MANIFEST).write_bytes(_canonical({**fields, SEAL: _seal(fields)}))
    return read_bundle(path, verify=False)


def revise_bundle(
    bundle: Bundle,
    changes: Mapping[str, Any],
    *,
    add: Mapping[str, bytes],
    remove: Iterable[str] = (),
) -> Bundle:
    """Return the bundle with files added and fields of its manifest changed.

    The manifest takes the place of the old one in a single step, after the new files stand there
    and before those of `remove` go, so whatever stops the writing leaves a whole bundle. A file
    that the old manifest records must not be given other bytes: name a new file by its digest.
    """
    for name, content in add.items():
        write_file(bundle.path / name, content)
    gone = set(remove)
    files = {name: digest for name, digest in bundle.manifest["files"].items() if name not in gone}
    files |= {name: hashlib.sha256(content).hexdigest() for name, content in add.items()}
    kept = {name: value for name, value in bundle.manifest.items() if name != SEAL}
    fields = {**kept, **changes, "files": files}
    write_file(bundle.path / MANIFEST, _canonical({**fields, SEAL: _seal(fields)}))
    for name in gone - set(add):
        (bundle.path / name).unlink(missing_ok=True)
    return read_bundle(bundle.path, verify=False)


def read_bundle(path: Path | str, *, verify: bool = True) -> Bundle:
    """Return the bundle in a folder (or in the `bundle` folder of a run).

    Raises `NotFoundError` where there is none, and `DataError` with the name of each file whose
    bytes are not the recorded ones, that is missing, or that nobody recorded.
    """
    folder = _locate(Path(path))
    raw = (folder / MANIFEST).read_bytes()
    try:
        manifest = json.loads(raw)
        if manifest["format_version"] != FORMAT_VERSION:
            raise ValueError(
                f"format {manifest['format_version']}, this version reads {FORMAT_VERSION}"
            )
        if _canonical(manifest) != raw or manifest.get(SEAL) != _seal(manifest):
            raise ValueError("its bytes were changed after it was written")
        task = task_from_json(manifest["task"])
        recorded = dict(manifest["files"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"`{MANIFEST}` must be as it was written; {error} ({folder})", hint=_HINT
        ) from error
    if verify:
        _verify(folder, recorded)
    task = task.with_attachments(_attachments(folder, recorded))
    return Bundle(folder, task, manifest, hashlib.sha256(raw).hexdigest())


_HINT = "copy the bundle again from where it was made, or run `tunesmith fit` again"


def _locate(path: Path) -> Path:
    for folder in (path, path / "bundle"):
        if os.path.isfile(folder / MANIFEST):
            return folder
    found = f"no `{MANIFEST}` in it" if os.path.exists(path) else "no such folder"
    hint = "tunesmith runs"
    if os.path.isfile(path / "config.lock.yaml"):
        found = "a run that has not finished"
        hint = f"tunesmith fit {path}/config.lock.yaml --resume"
    raise NotFoundError(f"a bundle must stand at `{path}`; got {found}", hint=hint)


def _verify(folder: Path, recorded: Mapping[str, str]) -> None:
    present = set(_files(folder)) - {MANIFEST}
    problems = [
        f"`{name}` must be in the bundle; it is missing ({folder})"
        for name in sorted(set(recorded) - present)
    ]
    for name in sorted(present & set(recorded)):
        if not os.path.isfile(folder / name) or _hash(folder / name) != recorded[name]:
            problems.append(f"`{name}` must be as it was written; its sha256 differs ({folder})")
    for name in sorted(present - set(recorded)):
        if name.startswith(("model/", f"{MEMBERS}/")) or Path(name).suffix in REFUSED_SUFFIXES:
            problems.append(f"`{name}` must not be in the bundle; nobody recorded it ({folder})")
    if problems:
        raise DataError(problems, hint=_HINT)


def write_attachments(folder: Path, task: Task) -> None:
    """Write what a task keeps beside `bundle.json` into a bundle's folder, where it keeps any."""
    contents = task.attachments()
    if contents:
        (folder / ATTACHMENTS).mkdir()
    for name, content in contents.items():
        (folder / ATTACHMENTS / name).write_text(content, encoding="utf-8")


def _attachments(folder: Path, recorded: Mapping[str, str]) -> dict[str, str]:
    start = f"{ATTACHMENTS}/"
    return {
        name.removeprefix(start): (folder / name).read_text(encoding="utf-8")
        for name in recorded
        if name.startswith(start)
    }


def _seal(fields: Mapping[str, Any]) -> str:
    """Return the sha256 of every field but the seal itself."""
    rest = {name: value for name, value in fields.items() if name != SEAL}
    return hashlib.sha256(_canonical(rest)).hexdigest()


def _files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() or path.is_symlink()
    )


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _canonical(fields: Mapping[str, Any]) -> bytes:
    return (json.dumps(fields, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
