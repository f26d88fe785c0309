"""The record of a search for a prompt: a line a trial, written as it ends, read after a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.core.errors import DataError
from tunesmith.core.measures import Measure
from tunesmith.stages.prompt.candidates import Candidate


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate measured on `rows` training rows.

    `log_probability` is the mean one of the right answers, which tells equals apart. `problem` says
    why a prompt could not be made, where it could not; it has no measure then.
    """

    candidate: Candidate
    round: int
    rows: int
    name: str
    measure: Measure | None
    log_probability: float
    seconds: float
    examples: int
    left_out: int
    problem: str = ""

    @property
    def key(self) -> tuple[str, int]:
        """What names the trial: its candidate and how many rows it was measured on."""
        return self.candidate.identity, self.rows

    @property
    def rank(self) -> tuple[float, float]:
        """What trials of one size are compared by: the measure, then the log-probability."""
        return (self.measure.value if self.measure else float("-inf"), self.log_probability)

    def to_json(self) -> dict[str, Any]:
        """Return the trial as a line of the transcript holds it."""
        return {
            "id": self.candidate.identity,
            "round": self.round,
            "rows": self.rows,
            "measure": self.name,
            **(self.measure.to_json() if self.measure else {"value": None}),
            "log_probability": self.log_probability,
            "seconds": self.seconds,
            "examples": self.examples,
            "left_out": self.left_out,
            "problem": self.problem,
            "candidate": self.candidate.to_json(),
        }


def trial_from_json(fields: Mapping[str, Any]) -> Trial:
    """Return the trial that `Trial.to_json` wrote."""
    own = dict(fields["candidate"])
    own["words"] = {name: tuple(words) for name, words in own["words"].items()}
    measure = None
    if fields["value"] is not None:
        names = ("value", "unit", "count", "low", "high")
        measure = Measure(**{name: fields[name] for name in names})
    kept = ("round", "rows", "log_probability", "seconds", "examples", "left_out", "problem")
    return Trial(
        candidate=Candidate(**own),
        name=fields["measure"],
        measure=measure,
        **{name: fields[name] for name in kept},
    )


class Transcript:
    """The trials of a search in a JSONL file, in the order in which they ended."""

    def __init__(self, path: Path) -> None:
        """Read what stands in the file. Raises `DataError` where a whole line is no trial."""
        self.path = path
        self.trials: dict[tuple[str, int], Trial] = {}
        raw = path.read_bytes() if path.is_file() else b""
        whole = raw[: raw.rfind(b"\n") + 1]  # a kill may have cut the last line
        for number, line in enumerate(whole.decode("utf-8", "replace").splitlines(), start=1):
            try:
                trial = trial_from_json(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"a line of the transcript must hold a trial; {error} ({path}:{number})",
                    hint="--overwrite begins the search again",
                ) from error
            self.trials[trial.key] = trial
        if len(whole) < len(raw):
            path.write_bytes(whole)

    @property
    def seconds(self) -> float:
        """The seconds that all trials took."""
        return sum(trial.seconds for trial in self.trials.values())

    def add(self, trial: Trial) -> None:
        """Write a trial behind the others, to the disk itself."""
        self.trials[trial.key] = trial
        line = json.dumps(trial.to_json(), ensure_ascii=False)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def to_json(self) -> list[dict[str, Any]]:
        """Return all trials, in the order in which they ended."""
        return [trial.to_json() for trial in self.trials.values()]
