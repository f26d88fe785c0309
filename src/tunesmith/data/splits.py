"""Train, valid and test: finding them, or splitting them off so that nothing leaks.

Which row is held out depends on its text and the seed alone. The order of rows in a file changes
nothing, and a new row moves few others.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tunesmith.core.errors import DataError, Problem, SpecError
from tunesmith.core.examples import Example
from tunesmith.data.examples import collect_examples
from tunesmith.data.fingerprints import DIGEST, stable_hash
from tunesmith.data.folders import find_splits
from tunesmith.data.formats import Scan, scan_rows
from tunesmith.data.histories import hold_out_last, place_histories
from tunesmith.data.hub import is_hub, scan_hub
from tunesmith.data.rows import BadRow, ProblemLog
from tunesmith.data.spool import take_examples
from tunesmith.data.units import Units, find_units
from tunesmith.tasks.recommendation import Recommendation
from tunesmith.tasks.task import Task

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Splits:
    """The three sets of rows, each in file order; `valid` and `test` may be empty.

    They are tuples, or read from disk where they are many (`data.spool`).
    """

    train: Sequence[Example]
    valid: Sequence[Example] = ()
    test: Sequence[Example] = ()


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
    """Return the splits of a file, a folder or JSON file that holds some, or `hub:NAME[:CONFIG]`.

    A file given as `valid` or `test` takes the place of the folder's. What is in neither is split
    off train: `valid_ratio` and `test_ratio` of all rows there, or of events the last of each user
    where the ratio is not 0 (`data.histories`). A ratio of 0 leaves that split empty. Raises
    `DataError` with the problems of all files at once, or where nothing can be held out.
    """
    _check_ratios(valid_ratio, test_ratio)
    scans = _scan_splits(data)
    for split, path in (("valid", valid), ("test", test)):
        if path is not None:
            scans[split] = [scan_rows(path)]
    rows = _read_splits(scans, task)
    if isinstance(task, Recommendation):
        return _split_by_time(rows, task, valid=bool(valid_ratio), test=bool(test_ratio))
    if "test" not in rows:
        rows["train"], rows["test"] = _hold_out("test", rows["train"], task, test_ratio, seed=seed)
        valid_ratio /= 1 - test_ratio
    if "valid" not in rows:
        rows["train"], rows["valid"] = _hold_out(
            "valid", rows["train"], task, valid_ratio, seed=seed
        )
    return Splits(
        **{
            split: tuple(examples) if isinstance(examples, list) else examples
            for split, examples in rows.items()
        }
    )


def split_examples(
    examples: Sequence[Example], task: Task, *, ratio: float, seed: int = 0
) -> tuple[Sequence[Example], Sequence[Example]]:
    """Return (rest, held out), about `ratio` of each class in the second; both keep the order.

    Rows of equal text (case and white space aside) and rows of one group stay together. A class
    with one row stays in the rest, and every class keeps at least one row there; a row of several
    classes counts for its rarest. At least one row is held out where these rules allow it, unless
    `ratio` is 0.
    """
    if not 0 <= ratio < 1:
        raise SpecError(Problem("a ratio must be at least 0 and below 1", str(ratio)))
    held = np.zeros(len(examples), dtype=bool)
    if ratio:
        held[_choose(find_units(examples, task, seed=seed), ratio=ratio, seed=seed)] = True
    return take_examples(examples, np.flatnonzero(~held)), take_examples(
        examples, np.flatnonzero(held)
    )


def sample_examples(examples: Sequence[Example], count: int, *, seed: int = 0) -> Sequence[Example]:
    """Return `count` of the examples (all where there are fewer), in their order.

    Like a split, the choice depends on content and seed and not on the order of rows.
    """
    if count < 0:
        raise SpecError(Problem("a sample must have at least 0 rows", str(count)))
    order = bytearray()
    for content, earlier in zip(_contents(examples), _repeats(examples), strict=True):
        order += stable_hash("sample", seed, content, earlier)
    chosen = np.argsort(np.frombuffer(order, dtype=DIGEST), kind="stable")[:count]
    return take_examples(examples, np.sort(chosen))


def _contents(examples: Sequence[Example]) -> Iterator[tuple[str, str]]:
    return ((example.inputs.text, repr(example.gold)) for example in examples)


def _repeats(examples: Sequence[Example]) -> list[int]:
    """Return, for each row, how many earlier ones have its content."""
    digests = b"".join(stable_hash(*content) for content in _contents(examples))
    _, content_of = np.unique(np.frombuffer(digests, dtype=DIGEST), return_inverse=True)
    order = np.argsort(content_of, kind="stable")
    firsts = np.searchsorted(content_of[order], content_of[order])
    repeats = np.empty(len(order), dtype=np.int64)
    repeats[order] = np.arange(len(order)) - firsts
    return repeats.tolist()


def _choose(units: Units, *, ratio: float, seed: int) -> np.ndarray:
    """Return the rows to hold out: each stratum's quota, and what large units left open."""
    order = np.argsort(units.strata, kind="stable")
    numbers, firsts = np.unique(units.strata[order], return_index=True)
    members = np.split(order, firsts[1:])
    strata = {units.names[number]: own for number, own in zip(numbers, members, strict=False)}
    rows_of = units.sizes()
    sizes = {stratum: int(rows_of[own].sum()) for stratum, own in strata.items()}
    quotas = _quotas(sizes, ratio=ratio, seed=seed)
    draw = _Draw(units)
    wanted = 0
    for stratum in sorted(sizes, key=lambda name: (sizes[name], name)):
        wanted += quotas[stratum]
        wanted -= draw.take(strata[stratum], wanted)
    draw.take(np.arange(len(units)), wanted)
    if not draw.held:
        movable = [unit for unit in range(len(units)) if draw.may_take(unit)]
        smallest = sorted(movable, key=lambda unit: rows_of[unit])[:1]
        draw.take(np.array(smallest, dtype=np.int64), draw.rest)
    return np.concatenate([np.empty(0, int), *map(units.rows_of, draw.held)])


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
    """The units held out so far, and what must not leave the rest: the last row of any class."""

    def __init__(self, units: Units) -> None:
        self.held: set[int] = set()
        self.rest = len(units.rows)
        self._units = units
        self._sizes = units.sizes()
        self._remaining = Counter(dict(enumerate(np.bincount(units.classes).tolist())))

    def may_take(self, unit: int) -> bool:
        """Tell whether, without this unit, the rest keeps a row of every class, and any row."""
        return (
            self._sizes[unit] < self.rest
            and unit not in self.held
            and all(
                self._remaining[name] > count
                for name, count in self._units.classes_of(unit).items()
            )
        )

    def take(self, units: np.ndarray, wanted: int) -> int:
        """Hold out about `wanted` rows in the order of `units`; return how many it became.

        A unit is skipped where it would bring the count farther from what is wanted.
        """
        taken = 0
        for unit in map(int, units):
            if taken >= wanted:
                break
            size = int(self._sizes[unit])
            if size <= 2 * (wanted - taken) and self.may_take(unit):
                self.held.add(unit)
                self._remaining.subtract(self._units.classes_of(unit))
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
    found = find_splits(data)
    if found is not None:
        return {split: [scan_rows(path) for path in paths] for split, paths in found.items()}
    return {"train": [scan_rows(data)]}


def _read_splits(scans: dict[str, list[Scan]], task: Task) -> dict[str, Sequence[Example]]:
    rows: dict[str, Sequence[Example]] = {}
    log = ProblemLog()
    for split, own in scans.items():
        try:
            rows[split] = collect_examples(own, task)
        except DataError as error:
            for problem in error.problems:
                log.add(BadRow(problem, error.hint))
    log.raise_any()
    return rows


def _split_by_time(
    rows: dict[str, Sequence[Example]], task: Recommendation, *, valid: bool, test: bool
) -> Splits:
    """Return the splits of events: the last of each user is test, the one before it valid."""
    train = rows["train"]
    for split, is_wanted in (("test", test), ("valid", valid)):
        if split not in rows and is_wanted:
            train, rows[split] = hold_out_last(train, task)
    later = [rows.get("valid", ()), rows.get("test", ())]
    placed = place_histories(train, later, task)
    return Splits(train, *map(tuple, placed))


def _hold_out(
    split: str, examples: Sequence[Example], task: Task, ratio: float, *, seed: int
) -> tuple[Sequence[Example], Sequence[Example]]:
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
