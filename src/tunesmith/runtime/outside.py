"""How an engine tells that a text is none of what its model was taught."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tunesmith.measure.outside import ClassDistances, Neighbours, energy_scores

ScoreName: TypeAlias = Literal["energy", "mahalanobis", "neighbours"]


@dataclass(frozen=True, slots=True)
class Outside:
    """A score that rises with strangeness, and the threshold above which a text is outside.

    `label` is what rows outside are called in labelled data, where they have a name; `statistics`
    are what the score of a vector needs, and None where the logits suffice.
    """

    name: ScoreName
    threshold: float
    label: str | None = None
    statistics: ClassDistances | Neighbours | None = None

    @property
    def needs_vector(self) -> bool:
        """Whether the score is of the row's vector rather than of its logits."""
        return self.statistics is not None

    def score(self, logits: NDArray, vector: NDArray | None = None) -> float | None:
        """Return the score of one row from its logits (C,), or its vector (H,).

        It is None where the score is that of a vector, and none was computed.
        """
        if self.statistics is None:
            return float(energy_scores(np.asarray(logits)[None])[0])
        return None if vector is None else float(self.statistics(np.asarray(vector)[None])[0])

    def to_json(self) -> dict[str, Any]:
        """Return what `bundle.json` keeps; `to_arrays` has the rest."""
        nearest = self.statistics.nearest if isinstance(self.statistics, Neighbours) else None
        own = {"name": self.name, "threshold": self.threshold, "label": self.label}
        return {**own, "nearest": nearest}

    def to_arrays(self) -> dict[str, NDArray]:
        """Return the statistics by name, in float32."""
        match self.statistics:
            case ClassDistances(means, whitener):
                found = {"means": means, "whitener": whitener}
            case Neighbours(bank, _):
                found = {"bank": bank}
            case _:
                found = {}
        return {f"outside.{name}": array.astype(np.float32) for name, array in found.items()}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> Outside:
        """Read what `to_json` and `to_arrays` gave."""
        statistics: ClassDistances | Neighbours | None = None
        if fields["name"] == "mahalanobis":
            statistics = ClassDistances(arrays["outside.means"], arrays["outside.whitener"])
        elif fields["name"] == "neighbours":
            statistics = Neighbours(arrays["outside.bank"], fields["nearest"])
        return cls(fields["name"], fields["threshold"], fields["label"], statistics)
