"""What tuning learned of a model's limits, with the figures behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safetensors.numpy import save

from tunesmith.runtime.reliability import ARRAYS, HeldOut, Reliability
from tunesmith.stages.tune.calibrating import Calibration

if TYPE_CHECKING:
    from tunesmith.stages.tune.strangers import Strangeness


@dataclass(frozen=True, slots=True)
class Learned:
    """How probabilities were corrected, what answers are held against, and what lies outside.

    `is_refitted` tells that the head was fitted once more, on the validation rows too, after they
    had taught all this.
    """

    calibration: Calibration | None = None
    held: HeldOut | None = None
    strangeness: Strangeness | None = None
    is_refitted: bool = False

    @property
    def serving(self) -> Reliability:
        """The part that an engine applies."""
        known = self.calibration
        is_plain = known is None or known.calibrator.name == "none"
        calibrator = None if is_plain or known is None else known.calibrator
        outside = self.strangeness.outside if self.strangeness else None
        return Reliability(calibrator, self.held, outside)

    def manifest(self) -> dict[str, Any]:
        """Return the fields of `bundle.json` that hold it."""
        known = None
        if self.held is not None or self.strangeness is not None:
            known = {
                "rows": len(self.held.confidence) if self.held else 0,
                "is_refitted": self.is_refitted,
                "outside": self.strangeness.to_json() if self.strangeness else None,
            }
        calibration = self.calibration.to_json() if self.calibration else None
        return {"calibration": calibration, "reliability": known}

    def files(self) -> dict[str, bytes]:
        """Return the file of a bundle that holds what is too long for `bundle.json`, by name."""
        arrays = self.held.to_arrays() if self.held else {}
        if self.strangeness is not None:
            arrays |= self.strangeness.outside.to_arrays()
        return {ARRAYS: save(arrays)} if arrays else {}
