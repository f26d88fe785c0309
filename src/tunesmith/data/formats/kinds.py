"""Which format a source has: by the ending of its name, else by how its first lines look."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from tunesmith.core.errors import Problem, SpecError
from tunesmith.data.formats.conll import is_tag, split_columns
from tunesmith.data.formats.json_lists import find_lists
from tunesmith.data.formats.squad import articles_start
from tunesmith.data.lines import read_pieces
from tunesmith.data.sources import open_stream
from tunesmith.data.split_names import names_split

Kind: TypeAlias = Literal["jsonl", "json", "csv", "tsv", "parquet", "conll", "text"]
KINDS: tuple[str, ...] = get_args(Kind)

ENDINGS: dict[str, Kind] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    **dict.fromkeys((".conll", ".bio", ".bioes", ".bmes", ".iob", ".iob2"), "conll"),
}
SNIFFED_ENDINGS = (".txt", ".annotated")
WRAPPERS = (".gz", ".utf8")
"""Endings that say nothing of the format: compression, and the copy our encoding hint makes."""

SNIFFED_LINES = 400
CONLL_SHARE = 0.95


def ending_of(path: str | os.PathLike[str]) -> str:
    """Return the lower-case ending that names the format: `.csv` of `x.CSV.gz`."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    while suffixes and suffixes[-1] in WRAPPERS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def check_kind(kind: str) -> Kind:
    """Return `kind`, or raise `SpecError` with the nearest format that exists."""
    if kind in KINDS:
        return kind  # type: ignore[return-value]
    near = get_close_matches(kind, KINDS, n=1, cutoff=0.3) or ["jsonl"]
    raise SpecError(Problem(f"a format must be one of {', '.join(KINDS)}", kind), hint=near[0])


def kind_of_file(path: str | os.PathLike[str]) -> Kind:
    """Return the format of a file.

    `.txt`, `.annotated` and unknown endings are looked into; so is `.json`, which often holds one
    object a line; one line alone is a row, unless it has lists that are named like splits. Raises
    `SpecError` where neither ending nor content tells.
    """
    ending = ending_of(path)
    kind = ENDINGS.get(ending)
    if kind and kind != "json":
        return kind
    lines = _first_lines(path)
    first = next((line for line in lines if line.strip()), "")
    if kind == "json":
        if articles_start("\n".join(lines)) is not None:
            return "json"
        is_one_line = first.rstrip().endswith("}") or len(lines) == 1
        if not first.lstrip().startswith("{") or not is_one_line:
            return "json"
        has_splits = len(lines) <= 2 and any(map(names_split, find_lists(path)))
        return "json" if has_splits else "jsonl"
    if looks_like_conll(lines):
        return "conll"
    if ending in SNIFFED_ENDINGS or not first:
        return "text"
    if first.lstrip().startswith(("{", "[")):
        return "jsonl" if first.lstrip().startswith("{") else "json"
    guess = "tsv" if "\t" in first else "csv" if "," in first else "txt"
    raise SpecError(
        Problem(
            f"the ending of `{os.fspath(path)}` must name its format ({', '.join(ENDINGS)}, .txt)",
            f"`{ending}`" if ending else "none",
        ),
        hint=f"cp {shlex.quote(os.fspath(path))} {shlex.quote(f'{os.fspath(path)}.{guess}')}",
    )


def kind_of_line(first: str) -> Kind:
    """Return the format of a stream by its first line that is not blank: JSON Lines or text."""
    return "jsonl" if first.lstrip(" \t").startswith("{") else "text"


def looks_like_conll(lines: Sequence[str]) -> bool:
    """Tell whether nearly every line is blank or ends in a tag such as `O` or `B-PER`."""
    rows = [columns for line in lines if (columns := split_columns(line))]
    rows = [columns for columns in rows if not columns[0].startswith(("-DOCSTART-", "# "))]
    tagged = sum(len(columns) > 1 and is_tag(columns[-1]) for columns in rows)
    return bool(rows) and tagged >= CONLL_SHARE * len(rows)


def _first_lines(path: str | os.PathLike[str]) -> list[str]:
    """Return the first whole lines, or none where they cannot be read: reading proper says why."""
    with open_stream(path) as stream:
        pieces = read_pieces(stream, name=os.fspath(path))
        piece = next(pieces, "")
        is_all = next(pieces, None) is None
    if not isinstance(piece, str):
        return []
    lines = piece.split("\n")
    whole = lines if is_all or len(lines) == 1 else lines[:-1]
    return [line.removesuffix("\r") for line in whole[:SNIFFED_LINES]]
