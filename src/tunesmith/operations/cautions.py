"""What is said beside figures of the validation rows: what else these rows decided."""

from __future__ import annotations

SELECTED_ON_VALID = (
    "Measured on the validation rows, which also chose the model: "
    "expect slightly less on new data. "
    "For an unbiased figure: tunesmith evaluate {bundle} TEST, or --set split.test=0.1"
)
ONLY_MEASURED = (
    "Measured on the validation rows, which chose nothing. "
    "On other rows: tunesmith evaluate {bundle} TEST, or --set split.test=0.1"
)
MEASURED_ON_VALID = (
    "Measured on the validation rows; the main task's chose the checkpoint. "
    "On other rows: tunesmith evaluate {bundle} TEST, or --set split.test=0.1"
)
SEARCHED_ON_VALID = (
    "Measured on the validation rows, which also chose between {trials} settings and the "
    "checkpoint: expect less on new data, the more so the more were tried. "
    "For an unbiased figure: tunesmith evaluate {bundle} TEST, or --set split.test=0.1"
)
