"""Train, valid and test: finding them, or splitting them off so that nothing leaks.

Which row is held out depends on its text and the seed alone. The order of rows in a file changes
nothing, and a new row moves few others.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tunesmith.core.errors import DataError, Problem, SpecError
from tunesmith.core.examples import Example
from tunesmith.data.examples import collect_examples
from tunesmith.data.fingerprints import stable_hash, text_key
from tunesmith.data.folders import find_split_files
from tunesmith.data.formats import Scan, scan_rows
from tunesmith.data.hub import is_hub, scan_hub
from tunesmith.data.rows import BadRow, ProblemLog
from tunesmith.tasks.task import Task

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Splits:
    """The three sets of rows, each in file order; `valid` and `test` may be empty."""

    train: tuple[Example, ...]
    valid: tuple[Example, ...] = ()
    test: tuple[Example, ...] = ()


def load_splits(  # noqa: PLR0913  (the two ratios and two files are one user's wish, written once)
    data: PathLike,
    task: Task,
    *,
    valid: PathLike | None = None,
    test: PathLike | None = None,
    valid_ratio: float = 0.1,
    test_ratio: float = 0.0,
    seed: int = 0,
) -> Splits:
    """Return the splits of a file, of a folder holding train/valid/test, or of `hub:NAME[:CONFIG]`.

    A file given as `valid` or `test` takes the place of the folder's. What is in neither is split
    off train: `valid_ratio` and `test_ratio` of all rows there. A ratio of 0 leaves that split
    empty. Raises `DataError` with the problems of all files at once, or where nothing can be held
    out.
    """
    _check_ratios(valid_ratio, test_ratio)
    scans = _scan_splits(data)
    for split, path in (("valid", valid), ("test", test)):
        if path is not None:
            scans[split] = [scan_rows(path)]
    rows = _read_splits(scans, task)
    if "test" not in rows:
        rows["train"], rows["test"] = _hold_out("test", rows["train"], task, test_ratio, seed=seed)
        valid_ratio /= 1 - test_ratio
    if "valid" not in rows:
        rows["train"], rows["valid"] = _hold_out(
            "valid", rows["train"], task, valid_ratio, seed=seed
        )
    return Splits(**{split: tuple(examples) for split, examples in rows.items()})


def split_examples(
    examples: Sequence[Example], task: Task, *, ratio: float, seed: int = 0
) -> tuple[list[Example], list[Example]]:
    """Return (rest, held out), about `ratio` of each class in the second; both keep the order.

    Rows of equal text (case and white space aside) and rows of one group stay together. A class
    with one row stays in the rest, and every class keeps at least one row there; a row of several
    classes counts for its rarest. At least one row is held out where these rules allow it, unless
    `ratio` is 0.
    """
    if not 0 <= ratio < 1:
        raise SpecError(Problem("a ratio must be at least 0 and below 1", str(ratio)))
    names = [task.strata(example) for example in examples]
    held = _choose(_units(examples, names, seed=seed), ratio=ratio, seed=seed) if ratio else set()
    rest = [example for row, example in enumerate(examples) if row not in held]
    return rest, [example for row, example in enumerate(examples) if row in held]


def sample_examples(examples: Sequence[Example], count: int, *, seed: int = 0) -> list[Example]:
    """Return `count` of the examples (all where there are fewer), in their order.

    Like a split, the choice depends on content and seed and not on the order of rows.
    """
    if count < 0:
        raise SpecError(Problem("a sample must have at least 0 rows", str(count)))
    seen: Counter[tuple[str, str]] = Counter()
    order: list[tuple[bytes, int]] = []
    for row, example in enumerate(examples):
        content = (example.inputs.text, repr(example.gold))
        order.append((stable_hash("sample", seed, content, seen[content]), row))
        seen[content] += 1
    return [examples[row] for row in sorted(row for _, row in sorted(order)[:count])]


@dataclass(frozen=True, slots=True)
class _Unit:
    """Rows that must not be parted: how many have each class, and their place in the draw."""

    rows: tuple[int, ...]
    names: Counter[str]
    stratum: str
    order: bytes


def _units(
    examples: Sequence[Example], names: Sequence[tuple[str, ...]], *, seed: int
) -> list[_Unit]:
    """Return the units of the rows, by their place in the draw."""
    frequency = Counter(name for row in names for name in set(row))
    keys = [text_key(example) for example in examples]
    units = []
    for rows in _tied_rows(examples, keys):
        counts = Counter(name for row in rows for name in set(names[row]))
        stratum = min(counts, key=lambda name: (frequency[name], name), default="")
        order = min(stable_hash(seed, key) for key in {keys[row] for row in rows})
        units.append(_Unit(tuple(rows), counts, stratum, order))
    return sorted(units, key=lambda unit: unit.order)


def _tied_rows(examples: Sequence[Example], keys: Sequence[str]) -> list[list[int]]:
    """Return the rows, those that share a text or a group, directly or through others, together."""
    parent = list(range(len(examples)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    first: dict[tuple[str, str], int] = {}
    for row, example in enumerate(examples):
        ties = [("text", keys[row])]
        if example.group is not None:
            ties.append(("group", example.group))
        for tie in ties:
            parent[root(row)] = root(first.setdefault(tie, row))
    tied: dict[int, list[int]] = defaultdict(list)
    for row in range(len(examples)):
        tied[root(row)].append(row)
    return list(tied.values())


def _choose(units: Sequence[_Unit], *, ratio: float, seed: int) -> set[int]:
    """Return the rows to hold out: each stratum's quota, and what large units left open."""
    strata: dict[str, list[_Unit]] = defaultdict(list)
    for unit in units:
        strata[unit.stratum].append(unit)
    sizes = {stratum: sum(len(unit.rows) for unit in own) for stratum, own in strata.items()}
    quotas = _quotas(sizes, ratio=ratio, seed=seed)
    draw = _Draw(units)
    wanted = 0
    for stratum in sorted(strata, key=lambda name: (sizes[name], name)):
        wanted += quotas[stratum]
        wanted -= draw.take(strata[stratum], wanted)
    draw.take(units, wanted)
    if not draw.held:
        movable = [unit for unit in units if draw.may_take(unit)]
        smallest = sorted(movable, key=lambda unit: len(unit.rows))[:1]
        draw.take(smallest, draw.rest)
    return draw.held


def _quotas(sizes: dict[str, int], *, ratio: float, seed: int) -> dict[str, int]:
    """Return how many rows of each stratum to hold out: within one row of its share.

    Largest remainders: unlike rounding each share, this keeps the total; unlike carrying remainders
    on, a new row changes two strata at most.
    """
    share = {stratum: round(ratio * size, 9) for stratum, size in sizes.items()}
    quotas = {stratum: min(int(share[stratum]), size - 1) for stratum, size in sizes.items()}
    open_rows = max(1, int(ratio * sum(sizes.values()) + 0.5)) - sum(quotas.values())
    by_remainder = sorted(
        sizes, key=lambda name: (int(share[name]) - share[name], stable_hash(seed, name))
    )
    for stratum in by_remainder:
        if open_rows > 0 and quotas[stratum] < min(share[stratum], sizes[stratum] - 1):
            quotas[stratum] += 1
            open_rows -= 1
    return quotas


class _Draw:
    """The rows held out so far, and what must not leave the rest: the last row of any class."""

    def __init__(self, units: Sequence[_Unit]) -> None:
        self.held: set[int] = set()
        self.rest = sum(len(unit.rows) for unit in units)
        self._remaining: Counter[str] = Counter()
        for unit in units:
            self._remaining.update(unit.names)

    def may_take(self, unit: _Unit) -> bool:
        """Tell whether, without this unit, the rest keeps a row of every class, and any row."""
        return (
            len(unit.rows) < self.rest
            and unit.rows[0] not in self.held
            and all(self._remaining[name] > count for name, count in unit.names.items())
        )

    def take(self, units: Sequence[_Unit], wanted: int) -> int:
        """Hold out about `wanted` rows in the order of `units`; return how many it became.

        A unit is skipped where it would bring the count farther from what is wanted.
        """
        taken = 0
        for unit in units:
            size = len(unit.rows)
            if taken >= wanted:
                break
            if size <= 2 * (wanted - taken) and self.may_take(unit):
                self.held.update(unit.rows)
                self._remaining.subtract(unit.names)
                self.rest -= size
                taken += size
        return taken


def _check_ratios(valid_ratio: float, test_ratio: float) -> None:
    ratios = {"valid_ratio": valid_ratio, "test_ratio": test_ratio}
    problems = [
        Problem(f"`{name}` must be at least 0 and below 1", str(ratio))
        for name, ratio in ratios.items()
        if not 0 <= ratio < 1
    ]
    if not problems and sum(ratios.values()) >= 1:
        problems = [
            Problem("`valid_ratio` and `test_ratio` must leave rows to train on", str(ratios))
        ]
    if problems:
        raise SpecError(problems, hint="--set split.valid=0.1")


def _scan_splits(data: PathLike) -> dict[str, list[Scan]]:
    if is_hub(data):
        return scan_hub(str(data))
    if Path(data).is_dir():
        found = find_split_files(Path(data))
        return {split: [scan_rows(path) for path in paths] for split, paths in found.items()}
    return {"train": [scan_rows(data)]}


def _read_splits(scans: dict[str, list[Scan]], task: Task) -> dict[str, list[Example]]:
    rows, log = {}, ProblemLog()
    for split, own in scans.items():
        try:
            rows[split] = collect_examples(own, task)
        except DataError as error:
            for problem in error.problems:
                log.add(BadRow(problem, error.hint))
    log.raise_any()
    return rows


def _hold_out(
    split: str, examples: list[Example], task: Task, ratio: float, *, seed: int
) -> tuple[list[Example], list[Example]]:
    rest, held = split_examples(examples, task, ratio=ratio, seed=seed)
    if ratio and not held:
        raise DataError(
            Problem(
                f"the {split} rows must come from a file, or train must have rows to spare",
                f"{len(examples):,} rows, none of which can leave its class or group",
                examples[0].place.file,
            ),
            hint=f"--{split} FILE",
        )
    return rest, held
