"""What a bundle knows of its own limits, as an engine applies it. Needs neither torch nor ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.answers import Answer, LabelAnswer, LabelsAnswer
from tunesmith.core.errors import DataError
from tunesmith.core.examples import Inputs
from tunesmith.measure.calibrators import Calibrator
from tunesmith.runtime.outside import Outside
from tunesmith.store.bundles import Bundle
from tunesmith.tasks.odds import calibrated
from tunesmith.tasks.task import Task

ARRAYS = "reliability/arrays.safetensors"
"""The file of a bundle that holds what is too long for `bundle.json`."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What the model said of its n validation rows: the yardstick of later answers.

    `confidence` and `correct` of its answers; of tasks with labels `gold` too, the index of the
    right one, and how little that conformed by each way to make label sets.
    """

    confidence: NDArray
    correct: NDArray
    gold: NDArray | None = None
    lac: NDArray | None = None
    aps: NDArray | None = None
    raps: NDArray | None = None

    def to_arrays(self) -> dict[str, NDArray]:
        """Return what there is, by name."""
        arrays = {name: getattr(self, name) for name in self.__slots__}
        return {f"held.{name}": array for name, array in arrays.items() if array is not None}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray]) -> HeldOut | None:
        """Read what `to_arrays` gave, or None where nothing was held."""
        start = "held."
        own = {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}
        return cls(**own) if own else None


@dataclass(frozen=True, slots=True)
class Reliability:
    """How probabilities are made to hold true, and what answers are held against.

    An older bundle knows nothing of it.
    """

    calibrator: Calibrator | None = None
    held: HeldOut | None = None
    outside: Outside | None = None

    def answer(
        self, task: Task, scores: np.ndarray, item: Inputs, vector: np.ndarray | None = None
    ) -> Answer:
        """Return the answer that raw outputs mean, with calibrated probabilities.

        Which of many labels are given is decided by the raw outputs: their line was drawn for the
        best F1, which is not at even odds. `vector` (H,) is the row's, where `outside` needs it.
        """
        if self.calibrator is None:
            reply = task.answer(scores, item)
        else:
            reply = task.answer(calibrated(self.calibrator, scores), item)
        if isinstance(reply, LabelsAnswer) and self.calibrator is not None:
            decided: Any = task.answer(scores, item)
            return replace(reply, labels=decided.labels)
        if isinstance(reply, LabelAnswer) and self.outside is not None:
            score = self.outside.score(scores, vector)
            is_outside = score is not None and score > self.outside.threshold
            return replace(reply, outside_score=score, outside=is_outside)
        return reply


def read_reliability(bundle: Bundle) -> Reliability:
    """Return what a bundle says of it. Raises `DataError` where that cannot be understood."""
    calibration: Any = bundle.manifest.get("calibration")
    known: Any = bundle.manifest.get("reliability") or {}
    try:
        calibrator = Calibrator.from_json(calibration) if calibration else None
        arrays = _read_arrays(bundle) if ARRAYS in bundle.manifest["files"] else {}
        held = HeldOut.from_arrays(arrays)
        found = known.get("outside")
        outside = Outside.from_json(found, arrays) if found else None
    except Exception as error:  # noqa: BLE001 (a file may be broken in any way)
        raise DataError(
            f"`calibration` and `reliability` of a bundle must be as `fit` writes them; {error} "
            f"({bundle.path})",
            hint="run `tunesmith fit` again",
        ) from error
    is_plain = calibrator is None or calibrator.name == "none"
    return Reliability(None if is_plain else calibrator, held, outside)


def _read_arrays(bundle: Bundle) -> dict[str, NDArray]:
    from safetensors.numpy import load_file  # noqa: PLC0415 (few bundles have the file)

    return load_file(bundle.path / ARRAYS)
