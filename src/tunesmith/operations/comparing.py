"""How `runs compare` judges two bundles on the same rows: by what they answered, pair by pair."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import SpecError
from tunesmith.core.events import Said
from tunesmith.core.examples import Example
from tunesmith.data.fingerprints import fingerprint_examples
from tunesmith.data.sources import is_there
from tunesmith.measure.intervals import paired_bootstrap
from tunesmith.operations.bookkeeping import require_operands
from tunesmith.operations.evaluate import seen_notes
from tunesmith.operations.naming import Found, find_bundle
from tunesmith.operations.output import open_output_folder
from tunesmith.operations.reading import read_for
from tunesmith.operations.runs import RunsSpec
from tunesmith.session import Session
from tunesmith.store.atomic import new_files
from tunesmith.store.bundles import Bundle
from tunesmith.tasks.task import Task

REPLICATES = 1000
FEWEST_REPLICATES = 200
MOST_ANSWERS = 4_000_000
"""Answers that are marked for the bootstrap of a measure that is no mean over rows, at most."""

ROW_MEANS = frozenset({"accuracy", "f1", "rouge_1"})
"""Selection measures that are the mean of the rows' own values."""

SOURCE = (
    "paired bootstrap over rows: Koehn, Statistical significance tests for machine translation "
    "evaluation, 2004; p value as Berg-Kirkpatrick, Burkett & Klein, 2012, sec. 2"
)
CHOSEN_ON = "These rows chose the checkpoint of {names}: on new rows both may be worse."


@dataclass(frozen=True, slots=True)
class Paired:
    """Two systems on the same `rows`: a statistic of row weights each, and how they are known.

    `by` is "kept answers" where both reports say what was answered, else "answers to DATA".
    """

    statistics: tuple[Callable[[NDArray], float], Callable[[NDArray], float]]
    rows: int
    replicates: int
    by: str
    data: str
    notes: tuple[str, ...]


def compare_bundles(spec: RunsSpec, session: Session) -> dict[str, Any]:
    """Return by how much B is better than A, with the interval of that, and write the page.

    Raises `SpecError` where the two cannot be held against each other, and what finding bundles
    and reading rows raise.
    """
    first, second, *rest = require_operands(spec, least=2, most=3)
    both = find_bundle(first, session.workspace), find_bundle(second, session.workspace)
    a, b = both[0].bundle, both[1].bundle
    _require_alike(a, b)
    out = open_output_folder(spec.out, overwrite=spec.overwrite)
    paired = _pair(spec, session, (a, b), data=rest[0] if rest else None)
    once = np.ones(paired.rows, dtype=np.int64)
    values = tuple(statistic(once) for statistic in paired.statistics)
    found = paired_bootstrap(
        paired.statistics[1],
        paired.statistics[0],
        paired.rows,
        replicates=paired.replicates,
        seed=spec.seed,
    )
    comparison = {
        "a": _side(first, both[0], values[0]),
        "b": _side(second, both[1], values[1]),
        "measure": a.task.selection,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value,
        "rows": paired.rows,
        "replicates": paired.replicates,
        "seed": spec.seed,
        "by": paired.by,
        "data": paired.data,
        "source": SOURCE,
        "notes": list(paired.notes),
        "out": spec.out,
    }
    comparison["sentence"] = told(comparison)
    if out is not None:
        from tunesmith.stages.evaluate.page_compare import render_comparison

        curves = {"a": a.report.get("curve"), "b": b.report.get("curve")}
        page = render_comparison({**comparison, "curves": curves}, language=spec.language)
        with new_files(out) as folder:
            (folder / "compare.html").write_text(page, encoding="utf-8")
            content = json.dumps(comparison, ensure_ascii=False, indent=1) + "\n"
            (folder / "compare.json").write_text(content, encoding="utf-8")
    return comparison


def told(comparison: Mapping[str, Any]) -> str:
    """Return the difference as a sentence, in points.

    >>> told({"difference": 0.013, "low": 0.004, "high": 0.022, "measure": "accuracy",
    ...     "a": {"value": 0.9}, "b": {"value": 0.913}, "rows": 1000, "seed": 0})
    'B better than A: +1.3 points, 95 % [0.4, 2.2] (accuracy 0.913 against 0.900, n=1,000, seed 0)'
    """
    gain, low, high = (100 * comparison[name] for name in ("difference", "low", "high"))
    if low > 0:
        verdict = "B better than A"
    elif high < 0:
        verdict = "B worse than A"
    else:
        verdict = "B and A not told apart"
    values = f"{comparison['b']['value']:.3f} against {comparison['a']['value']:.3f}"
    return (
        f"{verdict}: {gain:+.1f} points, 95 % [{low:.1f}, {high:.1f}] "
        f"({comparison['measure']} {values}, n={comparison['rows']:,}, seed {comparison['seed']})"
    )


def _side(name: str, found: Found, value: float) -> dict[str, Any]:
    manifest = found.bundle.manifest
    return {
        "name": name,
        "path": str(found.bundle.path),
        "fingerprint": found.bundle.fingerprint,
        "run": found.run,
        "model": manifest["model"]["name"],
        "method": manifest["method"].get("name"),
        "value": value,
    }


def _require_alike(a: Bundle, b: Bundle) -> None:
    """Raise `SpecError` where two bundles do not answer the same question by the same measure."""
    if (a.task.kind, a.task.selection) != (b.task.kind, b.task.selection):
        raise SpecError(
            "two bundles must be for one task to be compared; got "
            f"{a.task.kind} ({a.task.selection}) and {b.task.kind} ({b.task.selection})",
            hint="tunesmith runs --operation fit",
        )
    if a.task.head == "generate":
        raise SpecError(
            "`runs compare` resamples the marks of rows, which texts that are written have none "
            f"of; got {a.task.kind}",
            hint=f"tunesmith evaluate {a.path} DATA, and the same for {b.path}",
        )


def _pair(
    spec: RunsSpec, session: Session, both: tuple[Bundle, Bundle], *, data: str | None
) -> Paired:
    """Return both systems on the rows of `data`, else on those that both were measured on."""
    if data is not None:
        return _answer_both(spec, session, both, data, sha256=None)
    measured = [bundle.report["data"] for bundle in both]
    sha256 = measured[0]["sha256"]
    use = "tunesmith runs compare A B DATA"
    if sha256 != measured[1]["sha256"]:
        raise SpecError(
            "two bundles must be measured on the same rows; their reports are of "
            f"{measured[0]['name']} ({measured[0]['split']}, {sha256[:12]}…) and "
            f"{measured[1]['name']} ({measured[1]['split']}, {measured[1]['sha256'][:12]}…)",
            hint=use,
        )
    if kept := _kept_answers(both):
        return kept
    name = str(measured[0]["name"])
    if not name.startswith("hub:") and not is_there(name):
        raise SpecError(
            f"the rows that both were measured on must be there; `{name}` is not", hint=use
        )
    return _answer_both(spec, session, both, name, sha256=sha256)


def _kept_answers(both: tuple[Bundle, Bundle]) -> Paired | None:
    """Return both systems by the mistakes that their bundles list, where these tell of every row.

    They do where the measure is the share of right rows: a row that is not listed was right.
    """
    if both[0].task.selection != "accuracy":
        return None
    rows = int(both[0].report["data"]["rows"])
    wrong: list[list[str]] = []
    for bundle in both:
        with (bundle.path / "bad_cases.jsonl").open(encoding="utf-8") as stream:
            identities = [json.loads(line)["id"] for line in stream]
        accuracy = bundle.report["measures"].get("accuracy", {}).get("value", -1)
        if len(set(identities)) < len(identities) or None in identities:
            return None
        if abs((1 - accuracy) * rows - len(identities)) > 1e-6 * rows:
            return None
        wrong.append(identities)
    place = {name: number for number, name in enumerate(dict.fromkeys([*wrong[0], *wrong[1]]))}
    if len(place) > rows:
        return None
    statistics = []
    for identities in wrong:
        right = np.ones(rows)
        right[[place[name] for name in identities]] = 0.0
        statistics.append(_mean_of(right))
    data = both[0].report["data"]
    notes = (CHOSEN_ON.format(names="both"),) if data["split"] == "valid" else ()
    return Paired(
        (statistics[0], statistics[1]),
        rows,
        REPLICATES,
        "kept answers",
        f"{data['name']} ({data['split']})",
        notes,
    )


def _answer_both(
    spec: RunsSpec,
    session: Session,
    both: tuple[Bundle, Bundle],
    data: str,
    *,
    sha256: str | None,
) -> Paired:
    """Return both systems by their answers to the rows of `data`."""
    from tunesmith.runtime.engine import answer
    from tunesmith.runtime.judging import split_strangers
    from tunesmith.runtime.loading import load_engine

    engines, examples = [], None
    for bundle in both:
        task, rows = read_for(bundle.task, data, columns=spec.column)
        engines.append(replace(load_engine(bundle, device=session.device), task=task))
        examples = rows if examples is None else examples
    for engine in engines:
        examples, _ = split_strangers(examples or (), engine.reliability)
    if not examples or any(example.gold is None for example in examples):
        raise SpecError(
            f"`{data}` must hold rows with gold answers to compare on", hint="--column label=NAME"
        )
    fingerprint = fingerprint_examples(examples)
    if sha256 not in (None, fingerprint):
        raise SpecError(
            "the rows that both were measured on were split off by the run: name others",
            hint="tunesmith runs compare A B DATA",
        )
    statistics = []
    replicates = REPLICATES
    for engine, bundle in zip(engines, both, strict=True):
        session.emit(Said(f"answering {len(examples):,} rows with {bundle.path}"))
        answers = list(answer(engine, (example.inputs for example in examples)))
        statistics.append(statistic_of(engine.task, examples, answers))
    if both[0].task.selection not in ROW_MEANS:
        most = MOST_ANSWERS // (2 * len(examples))
        replicates = max(FEWEST_REPLICATES, min(REPLICATES, most))
    notes = [
        f"{side}: {note}"
        for side, bundle in zip("AB", both, strict=True)
        for note in seen_notes(bundle.manifest["data"], fingerprint)
    ]
    return Paired(
        (statistics[0], statistics[1]),
        len(examples),
        replicates,
        "answers to DATA",
        data,
        tuple(notes),
    )


def statistic_of(
    task: Task, examples: Sequence[Example], answers: Sequence[Any]
) -> Callable[[NDArray], float]:
    """Return the selection measure of the answers as a function of row weights (n,)."""
    pairs = list(zip(examples, answers, strict=True))
    if task.selection in ROW_MEANS:
        return _mean_of(np.array([task.selection_score([own], [got]) for own, got in pairs]))
    numbers = np.arange(len(pairs))

    def statistic(weights: NDArray) -> float:
        drawn = [pairs[number] for number in np.repeat(numbers, weights)]
        return float(task.selection_score([own for own, _ in drawn], [got for _, got in drawn]))

    return statistic


def _mean_of(values: NDArray) -> Callable[[NDArray], float]:
    return lambda weights: float(weights @ values / weights.sum())
