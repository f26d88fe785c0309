"""Which files of a folder, or lists of a JSON file, are its train, valid and test data.

Of a data argument this decides whether it is one file of rows or holds splits.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tunesmith.core.errors import DataError, NotFoundError, Problem
from tunesmith.data.formats.json_lists import find_lists, list_argument, told_keys
from tunesmith.data.formats.kinds import ENDINGS, SNIFFED_ENDINGS, ending_of
from tunesmith.data.sources import KeyedList
from tunesmith.data.split_names import SPLIT_NAMES

DATA_ENDINGS = (*ENDINGS, *SNIFFED_ENDINGS)

_NAME = re.compile(r"(?P<stem>[a-z]+)(?:-(?P<shard>\d+)-of-(?P<total>\d+))?(?P<ending>\..+)")


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    stem: str
    ending: str
    shard: int
    total: int


def find_splits(data: str | os.PathLike[str]) -> Mapping[str, Sequence[Path | KeyedList]] | None:
    """Return the sources of each split, or None where `data` is one file of rows.

    Splits are held by a folder (`find_split_files`) and by a JSON file that is an object with a
    list for train, named as files are; its other keys are left alone. Raises `DataError` where two
    keys claim one split.
    """
    path = Path(data)
    if path.is_dir():
        return find_split_files(path)
    if ENDINGS.get(ending_of(path)) != "json" or not path.is_file():
        return None
    keys = find_lists(path)
    claims = {
        split: [key for key in keys if key.lower() in names] for split, names in SPLIT_NAMES.items()
    }
    if not claims["train"]:
        return None
    problems = [
        Problem(f"one list must be the {split} data", told_keys(claimed), str(path))
        for split, claimed in claims.items()
        if len(claimed) > 1
    ]
    if problems:
        raise DataError(problems, hint=list_argument(str(path), claims["train"][0]))
    return {split: [KeyedList(path, claimed[0])] for split, claimed in claims.items() if claimed}


def find_sources(data: str) -> list[str | Path | KeyedList]:
    """Return the sources of all splits, or `data` alone where it is one file of rows."""
    splits = find_splits(data)
    return [data] if splits is None else [own for each in splits.values() for own in each]


def find_split_files(folder: Path) -> dict[str, list[Path]]:
    """Return the files of each split that a folder holds, shards in order; others are left alone.

    A file belongs to a split by its name up to the first point: `train.csv`, `dev.char.bmes`,
    `train-00000-of-00002.parquet`. Raises `DataError` where two files claim one split or a shard is
    missing, `NotFoundError` where nothing is train.
    """
    files = [file for path in sorted(folder.iterdir()) if (file := _read_name(path))]
    found, problems = {}, []
    for split, stems in SPLIT_NAMES.items():
        claims = [file for file in files if file.stem in stems]
        problems += _problems(split, claims, folder)
        if claims:
            ordered = sorted(claims, key=lambda file: file.shard)
            found[split] = [file.path for file in ordered]
    if problems:
        raise DataError(problems, hint=f"ls {shlex.quote(str(folder))}")
    if "train" not in found:
        raise _without_train(folder)
    return found


def _read_name(path: Path) -> _File | None:
    match = _NAME.fullmatch(path.name.lower())
    if not match or not path.is_file() or ending_of(path) not in DATA_ENDINGS:
        return None
    shard, total = int(match["shard"] or 0), int(match["total"] or 0)
    return _File(path, match["stem"], match["ending"], shard, total)


def _problems(split: str, claims: list[_File], folder: Path) -> list[Problem]:
    if len({(file.stem, file.total, file.ending) for file in claims}) > 1:
        names = ", ".join(file.path.name for file in claims)
        return [
            Problem(f"one file, or the shards of one, must be the {split} data", names, str(folder))
        ]
    total = claims[0].total if claims else 0
    present = {file.shard for file in claims}
    absent = [number for number in range(total) if number not in present]
    if absent:
        must = f"all {total} shards of the {split} data must be there"
        found = f"none numbered {', '.join(f'{number:05d}' for number in absent[:10])}"
        return [Problem(must, found, str(folder))]
    return []


def _without_train(folder: Path) -> NotFoundError:
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    listed = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    problem = Problem(
        "a data folder must hold a file whose name begins with `train.`",
        listed or "an empty folder",
        str(folder),
    )
    data = [name for name in names if ending_of(name) in DATA_ENDINGS]
    likely = [name for name in data if "train" in name.lower()]
    if len(likely) == 1:
        link = folder / f"train{''.join(Path(likely[0]).suffixes[-1:])}"
        return NotFoundError(
            problem, hint=f"ln -s {shlex.quote(likely[0])} {shlex.quote(str(link))}"
        )
    if len(data) == 1:
        return NotFoundError(problem, hint=shlex.quote(str(folder / data[0])))
    return NotFoundError(problem, hint=f"ls {shlex.quote(str(folder))}")
