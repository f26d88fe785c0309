"""What a race says: the ladder, the choice and its reason, what more labels are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tunesmith.core.errors import ResourceError
from tunesmith.measure.curves import crossing
from tunesmith.stages.plan.race import Runner

AS_GOOD = 0.005
"""Scores this near are one: the cheaper method is taken."""

CHEAPER = 0.5
LOOK_AHEAD = 16
"""Crossings are looked for up to so many times the rows there are."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a method costs: answering one text (median), and the process's memory while it tuned."""

    latency_ms: float
    memory_gb: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What a method may cost; None allows anything."""

    latency_ms: float | None = None
    memory_gb: float | None = None

    def broken_by(self, cost: Cost | None) -> str:
        """Return what of it a cost breaks, or nothing."""
        if cost is None:
            return ""
        if self.latency_ms is not None and cost.latency_ms > self.latency_ms:
            return f"{cost.latency_ms:.1f} ms a text, {self.latency_ms:g} are allowed"
        if self.memory_gb is not None and cost.memory_gb > self.memory_gb:
            return f"{cost.memory_gb:.2f} GB while tuning, {self.memory_gb:g} are allowed"
        return ""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the ladder: a method as it was measured, and as it is expected on all rows."""

    method: str
    rows: int
    score: float
    low: float
    high: float
    count: int
    expected: float
    expected_low: float
    expected_high: float
    seconds: float
    latency_ms: float | None
    memory_gb: float | None
    state: str

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The ladder, best first; the chosen method and why; what comes with more labels."""

    ladder: tuple[Step, ...]
    choice: str
    reason: str
    next_labels: Mapping[str, float]
    doubled: Mapping[str, float]
    crossings: tuple[Mapping[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the fields under their own names."""
        return asdict(self) | {"ladder": [step.to_json() for step in self.ladder]}


def judge(
    runners: Mapping[str, Runner],
    costs: Mapping[str, Cost],
    limits: Limits,
    *,
    rows: int,
    more: int,
) -> Verdict:
    """Return what to do with `rows` rows, and what `more` of them would be worth.

    Of the methods within the limits that ran to the end, the one of the highest expected score is
    chosen; where a cheaper one, taking half the time or less, comes within half a point, that one
    is. Raises `ResourceError` where no method keeps within the limits.
    """
    measured = {name: runner for name, runner in runners.items() if runner.cells}
    broken = {name: limits.broken_by(costs.get(name)) for name in measured}
    allowed = [name for name in measured if not broken[name]]
    if not allowed:
        raise ResourceError(
            "a method must keep within the limits; got "
            + "; ".join(f"{name}: {found}" for name, found in broken.items()),
            hint="raise --max-latency-ms or --max-memory-gb, or name a smaller --model",
        )
    ends = {name: runner.curve().predict(rows) for name, runner in measured.items()}
    seconds = {name: runner.expected_seconds(rows) for name, runner in measured.items()}
    allowed = [name for name in allowed if not runners[name].left] or allowed
    best = max(allowed, key=lambda name: ends[name][0])
    choice, reason = _choose(allowed, best, ends, seconds)
    steps = [
        _step(runner, ends[name], seconds[name], costs.get(name), broken[name] or runner.left)
        for name, runner in measured.items()
    ]
    curve = measured[choice].curve()
    return Verdict(
        ladder=tuple(sorted(steps, key=lambda step: -step.expected)),
        choice=choice,
        reason=reason,
        next_labels=_worth(curve.gain(rows, more), more),
        doubled=_worth(curve.gain(rows, rows), rows) | {"expected": curve.predict(2 * rows)[0]},
        crossings=tuple(_crossings(measured, choice, rows)),
    )


def _choose(
    allowed: Sequence[str],
    best: str,
    ends: Mapping[str, tuple[float, float, float]],
    seconds: Mapping[str, float],
) -> tuple[str, str]:
    expected = ends[best][0]
    near = [
        name
        for name in allowed
        if ends[name][0] >= expected - AS_GOOD and seconds[name] <= CHEAPER * seconds[best]
    ]
    if near:
        choice = min(near, key=lambda name: seconds[name])
        return choice, (
            f"expected within {100 * AS_GOOD:g} point of {best} ({ends[choice][0]:.3f} and "
            f"{expected:.3f}), in {seconds[choice]:.0f} s instead of {seconds[best]:.0f}"
        )
    others = [name for name in allowed if name != best]
    if not others:
        return best, "no other method was measured within the limits"
    second = max(others, key=lambda name: ends[name][0])
    return best, f"expected {expected:.3f} on all rows; the next, {second}, {ends[second][0]:.3f}"


def _step(
    runner: Runner,
    end: tuple[float, float, float],
    seconds: float,
    cost: Cost | None,
    state: str,
) -> Step:
    last = runner.cells[-1]
    return Step(
        *(runner.name, last.rows, last.score, last.low, last.high, last.count, *end, seconds),
        latency_ms=None if cost is None else cost.latency_ms,
        memory_gb=None if cost is None else cost.memory_gb,
        state=state,
    )


def _worth(gain: tuple[float, float, float], more: int) -> dict[str, float]:
    return {"rows": more, "gain": gain[0], "low": gain[1], "high": gain[2]}


def _crossings(measured: Mapping[str, Runner], choice: str, rows: int) -> list[dict[str, Any]]:
    """Return which methods are expected to overtake the chosen one, and after how many rows."""
    own = measured[choice].curve()
    found = []
    for name, runner in measured.items():
        if name == choice:
            continue
        at = crossing(own, runner.curve(), low=rows, high=LOOK_AHEAD * rows)
        if at is not None:
            found.append({"method": name, "rows": round(at, -len(str(round(at))) + 2)})
    return found
