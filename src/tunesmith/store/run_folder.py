"""The folder of one run that trains, and the lock file by which the run can be repeated.

A folder where something stands already is refused.
"""

from __future__ import annotations

import contextlib
import json
import os
import reprlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tunesmith.core.errors import DataError, NotFoundError, Problem, SpecError
from tunesmith.store.atomic import remove_leftovers, write_file
from tunesmith.store.checkpoints import list_checkpoints

LOCK = "config.lock.yaml"
PLAN = "plan.json"
"""The plan that chose the method, where one did."""

SEARCH = "search.json"
"""What a search over settings tried, where there was one; its database stands beside it."""

RESULTS = {"fit": "bundle", "pretrain": "backbone", "prompt": "bundle"}
"""The folder that a finished run holds, by verb."""
TEACHER = "teacher"
"""The folder, within a run's, of the run that tuned its teacher."""

_SHOW_SPEC = "tunesmith fit DATA --task classification --print-spec"


def open_run_folder(
    out: Path,
    settings: Mapping[str, Any],
    facts: Mapping[str, Any],
    *,
    overwrite: bool,
    resume: bool,
    verb: str = "fit",
) -> None:
    """Make `out` ready for a run of `verb` and write its lock file.

    `settings` is the spec as JSON; `facts` (versions, data fingerprints) are kept under `lock:`.
    Raises `SpecError` where a run stands there and neither flag is given, where `resume` finds
    other settings, and where `overwrite` would remove a folder that is no run; `DataError` where
    the rows changed since; `NotFoundError` where there is nothing to resume.
    """
    lock = out / LOCK
    if resume and overwrite:
        raise SpecError(
            "`--resume` goes on with a run and `--overwrite` replaces it; got both",
            hint="leave out one of them",
        )
    if resume:
        _check_resumable(out, settings, facts, verb=verb)
        remove_leftovers(out)
        return
    if refuse_taken(out, overwrite=overwrite, verb=verb):
        shutil.rmtree(out)
    write_file(
        lock, yaml.safe_dump({**settings, "lock": dict(facts)}, sort_keys=False, allow_unicode=True)
    )


def refuse_taken(out: Path, *, overwrite: bool, verb: str) -> bool:
    """Tell whether a run stands in `out` that may be replaced.

    Raises `SpecError` where something stands there that may not be.
    """
    if not os.path.exists(out) or (out.is_dir() and not any(out.iterdir())):
        return False
    lock = out / LOCK
    if not overwrite:
        more = ", or --overwrite to replace it" if lock.is_file() else ""
        if is_unfinished(out) and _is_started(out):
            more += f", or go on with: tunesmith {verb} {lock} --resume"
        raise SpecError(
            f"`--out` must be a new or empty folder; `{out}` exists",
            hint=f"--out {out}-2{more}",
        )
    if not lock.is_file():
        raise SpecError(
            f"`--overwrite` replaces only the folder of a run; `{out}` has no {LOCK}",
            hint=f"--out {out}-2",
        )
    return True


def keep_plan(out: Path, plan: Mapping[str, Any]) -> Mapping[str, Any]:
    """Keep the plan that chose a run's method in its folder, and return it."""
    write_file(out / PLAN, json.dumps(plan, ensure_ascii=False, indent=1) + "\n")
    return plan


def read_plan(out: Path) -> dict[str, Any] | None:
    """Return the plan that a run keeps, where it has one."""
    return _read_record(out / PLAN)


def keep_search(out: Path, record: Mapping[str, Any]) -> None:
    """Keep what a search over settings tried in the run's folder."""
    write_file(out / SEARCH, json.dumps(record, ensure_ascii=False, indent=1) + "\n")


def read_search(out: Path) -> dict[str, Any] | None:
    """Return what a search over settings tried, where a run keeps one."""
    return _read_record(out / SEARCH)


def search_address(out: Path) -> str:
    """Return the SQLAlchemy URL of the database in which a run keeps its search."""
    return f"sqlite:///{(out / SEARCH).with_suffix('.sqlite3').absolute()}"


@contextlib.contextmanager
def trial_folder(out: Path) -> Iterator[Path]:
    """Give an empty folder within the run's for one trial of a search, and remove it afterwards."""
    folder = out / "trial"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read_record(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def is_unfinished(out: Path) -> bool:
    """Tell whether `out` holds a run without its result."""
    return os.path.isfile(out / LOCK) and not any(
        (out / name).exists() for name in RESULTS.values()
    )


@contextlib.contextmanager
def removed_if_unstarted(out: Path) -> Iterator[None]:
    """Remove the run's folder where the block fails before it saved anything to resume from."""
    try:
        yield
    except Exception:
        if is_unfinished(out) and not _is_started(out):
            shutil.rmtree(out, ignore_errors=True)
        raise


def _is_started(out: Path) -> bool:
    """Tell whether a run, or one within it, saved anything to resume from."""
    tried = (read_search(out) or {}).get("trials") or []
    if any(trial["state"] == "complete" for trial in tried):
        return True
    return bool(list_checkpoints(out)) or any(
        list_checkpoints(inner.parent) or not is_unfinished(inner.parent)
        for inner in out.glob(f"*/**/{LOCK}")
    )


def read_lock(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (settings, facts) of a YAML spec; facts are empty where it is hand-written.

    Raises `SpecError` where it is no YAML mapping.
    """
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise NotFoundError(
            Problem(f"the settings file `{path}` must exist and be readable", error.strerror or ""),
            hint="tunesmith runs",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        place = f"{path}:{line + 1}" if line is not None else str(path)
        found = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise SpecError(
            Problem("a settings file must be YAML", found, place), hint=_SHOW_SPEC
        ) from error
    if not isinstance(fields, dict):
        must, found = "a settings file must hold `name: value` lines", fields
    elif not isinstance(fields.get("lock") or {}, dict):
        must, found = "`lock` must hold what a run wrote there", fields["lock"]
    else:
        return fields, fields.pop("lock", None) or {}
    raise SpecError(Problem(must, reprlib.repr(found), str(path)), hint=_SHOW_SPEC)


def _check_resumable(
    out: Path, settings: Mapping[str, Any], facts: Mapping[str, Any], *, verb: str
) -> None:
    if not (out / LOCK).is_file():
        raise NotFoundError(
            f"`--resume` needs a run in `{out}`; there is no {LOCK}", hint="tunesmith runs"
        )
    if (result := out / RESULTS[verb]).exists():
        use = (
            f'predict {result} "some text"' if verb != "pretrain" else f"fit DATA --model {result}"
        )
        raise SpecError(
            f"`--resume` needs an unfinished run; `{result}` is complete",
            hint=f"tunesmith {use}",
        )
    before, before_facts = read_lock(out / LOCK)
    problems = [
        f"`{path}` must be {old!r} as when the run began; got {new!r}"
        for path, old, new in _differences(before, dict(settings))
        if path not in {"resume", "overwrite", "out"}
    ]
    if problems:
        raise SpecError(problems, hint=f"tunesmith {verb} {out}/{LOCK} --resume")
    if before_facts.get("data") != facts.get("data"):
        raise DataError(
            f"the rows must be those the run began with; got {facts.get('data')}, "
            f"was {before_facts.get('data')}",
            hint="--overwrite starts again with the new rows",
        )


def _differences(before: Any, after: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            difference
            for key in sorted({*before, *after})
            for difference in _differences(
                before.get(key), after.get(key), f"{path}.{key}" if path else key
            )
        ]
    return [] if before == after else [(path, before, after)]
