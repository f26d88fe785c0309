"""Our own side of the tuning benchmark: `tunesmith.fit`, watched through the events it emits."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compare import Slice
from public_rows import DataSet, write_rows

import tunesmith
from tunesmith.core.events import Event, Said, Step, Validated
from tunesmith.core.examples import Example
from tunesmith.session import Session

VALID_ROWS = 64
NEVER = 1_000_000


@dataclass(slots=True)
class Timeline:
    """When each step of a run came, and what validations said; seconds of `time.perf_counter`.

    It is the listener of a `Session`. `prepared` are the seconds before the first step began.
    """

    begun: float = field(default_factory=time.perf_counter)
    steps: list[Step] = field(default_factory=list)
    validations: list[Validated] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    prepared: float = 0.0
    last_step: float = 0.0

    def __call__(self, event: Event) -> None:
        """Take note of one event."""
        now = time.perf_counter()
        match event:
            case Step():
                if not self.steps:
                    self.prepared = now - event.seconds - self.begun
                self.steps.append(event)
                self.last_step = now
            case Validated():
                self.validations.append(event)
            case Said():
                self.said.append(event.text)

    def loop(self) -> Slice:
        """Return the real tokens of all steps, and the seconds from the first to the last.

        Whatever happened between two steps is counted, validations included.
        """
        return Slice(
            sum(step.tokens for step in self.steps), self.last_step - self.begun - self.prepared
        )

    def seconds_to(self, score: float) -> float | None:
        """Return the seconds until a validation first gave `score`, validations left out.

        Everything before the first step is counted: reading, checks, loading, encoding and the
        head start. None where the score was never reached.
        """
        reached = [each.index for each in self.validations if each.value >= score]
        if not reached:
            return None
        return self.prepared + sum(
            step.seconds for step in self.steps if step.index <= min(reached)
        )


def run_ours(data: DataSet, examples: Sequence[Example], *, seed: int) -> Slice:
    """Tune one epoch over `examples` by the default recipe; return its loop."""
    timeline = Timeline()
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder, "data", "train.jsonl"), examples)
        write_rows(Path(folder, "data", "valid.jsonl"), examples[:VALID_ROWS])
        tunesmith.fit(
            f"{folder}/data",
            task=data.kind,
            training={"epochs": 1, "tune_decision": False},
            seed=seed,
            out=f"{folder}/run",
            session=Session(device="cpu", listener=timeline),
        )
    return timeline.loop()


def tune_with_marks(data: DataSet, *, epochs: int, every: int, seed: int) -> Timeline:
    """Tune on the train file and validate on the *test* file every `every` steps.

    The model that comes out is thrown away: it was chosen on its test rows. What counts is when
    it reached which score.
    """
    timeline = Timeline()
    with tempfile.TemporaryDirectory() as folder:
        tunesmith.fit(
            str(data.path("train")),
            task=data.kind,
            column=dict(data.columns),
            valid=str(data.path("test")),
            training={
                "epochs": epochs,
                "evaluate_every": every,
                "patience": 0,
                "checkpoint_steps": NEVER,
                "tune_decision": False,
            },
            seed=seed,
            out=f"{folder}/run",
            session=Session(device="cpu", listener=timeline),
        )
    return timeline
