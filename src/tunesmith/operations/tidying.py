"""What `runs delete` and `runs gc` remove: records always, folders only where they may go."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunesmith.core.errors import GateError, SpecError
from tunesmith.core.machine import host_name
from tunesmith.operations.bookkeeping import require_operands
from tunesmith.operations.runs import RunsSpec
from tunesmith.session import Session
from tunesmith.store.checkpoints import checkpoint_folder, list_checkpoints
from tunesmith.store.run_folder import LOCK, RESULTS, is_unfinished
from tunesmith.store.runs import Run
from tunesmith.store.workspace import Workspace

DEFAULT_FOLDER = "runs"
"""Where runs stand whose folder nobody named."""


def delete_runs(spec: RunsSpec, session: Session) -> dict[str, Any]:
    """Remove the records of runs, and with `folders` what they wrote; return what went.

    Nothing is removed unless all may be. Raises `SpecError` for a run that is going on, and
    `GateError` for a folder that an alias or a child needs.
    """
    names = require_operands(spec, least=1, most=None)
    workspace = session.workspace
    runs = list({run.id: run for run in map(workspace.runs.show, names)}.values())
    going = [run.id for run in runs if run.status in ("queued", "running")]
    if going:
        raise SpecError(
            [f"a run must have ended to be deleted; `{name}` is running" for name in going],
            hint="end it first, by Ctrl-C where it was typed",
        )
    folders = [folder for run in runs if spec.folders and (folder := _own_folder(run))]
    _require_free(folders, workspace)
    for folder in folders:
        shutil.rmtree(folder)
    workspace.runs.delete(run.id for run in runs)
    kept = [run.folder for run in runs if _own_folder(run) and not spec.folders]
    return {
        "deleted": [run.id for run in runs],
        "folders": [str(folder) for folder in folders],
        "kept_folders": [str(folder) for folder in kept],
    }


def collect_garbage(spec: RunsSpec, session: Session) -> dict[str, Any]:
    """Return what nobody needs any more, and remove it where `yes` is given.

    That are records whose folder is gone, checkpoints of finished runs, and, with `folders`,
    folders of finished runs that no record tells of and neither an alias nor a child needs. One
    that has not finished may be going on, by another workspace.
    """
    require_operands(spec, least=0, most=0)
    workspace = session.workspace
    runs = [run for run in workspace.runs.list(limit=None) if run.operation in RESULTS]
    known = {folder.resolve() for run in runs if (folder := run.folder) is not None}
    lost = [run for run in runs if _is_lost(run)]
    places = {folder.parent for folder in known} | {Path(DEFAULT_FOLDER).resolve()}
    strays = sorted(
        child
        for place in places
        if place.is_dir()
        for child in place.iterdir()
        if child.resolve() not in known and _is_finished(child)
    )
    stale = [
        path
        for folder in sorted(known)
        if _is_finished(folder)
        for path in _checkpoints_within(folder)
    ]
    needed = {folder: _needed_by(folder, workspace) for folder in strays}
    free = [folder for folder in strays if not needed[folder]]
    found = {
        "records_without_folder": [
            {"run": run.id, "folder": str(run.folder), "started": run.started} for run in lost
        ],
        "folders_without_record": [
            {"folder": str(folder), "bytes": _size(folder), "needed_by": needed[folder]}
            for folder in strays
        ],
        "stale_checkpoints": [{"folder": str(path), "bytes": _size(path)} for path in stale],
        "is_done": spec.yes,
        "removes_folders": spec.folders,
    }
    if spec.yes:
        workspace.runs.delete(run.id for run in lost)
        for path in [*stale, *(free if spec.folders else [])]:
            shutil.rmtree(path, ignore_errors=True)
    return found


def _own_folder(run: Run) -> Path | None:
    """Return the folder that a run made and still stands; other outputs are the user's."""
    folder = run.folder
    if run.operation not in RESULTS or folder is None or not (folder / LOCK).is_file():
        return None
    return folder


def _is_finished(folder: Path) -> bool:
    """Tell whether a folder holds a run with its result."""
    return (folder / LOCK).is_file() and not is_unfinished(folder)


def _is_lost(run: Run) -> bool:
    """Tell whether a finished run's folder is gone; of a relative one only where it began there."""
    is_known = run.directory is not None or os.path.isabs(run.out or "")
    is_here = run.host in (None, host_name())
    is_over = run.status == "done" and run.folder is not None
    return is_known and is_here and is_over and not os.path.exists(run.folder or "")


def _require_free(folders: Sequence[Path], workspace: Workspace) -> None:
    problems = [
        f"a folder must be needed by nobody to be removed; `{folder}` is needed by {', '.join(who)}"
        for folder in folders
        if (who := _needed_by(folder, workspace, together=folders))
    ]
    if problems:
        raise GateError(problems, hint="leave out --folders: the records alone are removed then")


def _needed_by(folder: Path, workspace: Workspace, *, together: Sequence[Path] = ()) -> list[str]:
    """Return the aliases and the bundles elsewhere that need what is in a folder.

    A child that is removed `together` with it needs nothing any more.
    """
    going = [path.resolve() for path in (folder, *together)]
    who = [f"@{own.alias}" for own in workspace.aliases.needing(folder)]
    children = {
        child
        for own in workspace.made.within(folder)
        for name in workspace.made.children_of(own.fingerprint)
        for child in workspace.made.of(name)
    }
    paths = {
        child.path
        for child in children
        if os.path.exists(child.path)
        and not any(Path(child.path).is_relative_to(place) for place in going)
    }
    return [*who, *sorted(paths)]


def _checkpoints_within(folder: Path) -> list[Path]:
    """Return the checkpoints of a run and of the runs within it (members, teachers)."""
    inner = {lock.parent for lock in folder.glob(f"*/**/{LOCK}") if not is_unfinished(lock.parent)}
    return [
        checkpoint_folder(place, step)
        for place in (folder, *sorted(inner))
        for step in list_checkpoints(place)
    ]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
