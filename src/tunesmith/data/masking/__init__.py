"""Personal data in texts: where they stand, and placeholders in their place.

Kinds with a form are found by it, and by their check digits where they have any; each finder names
its standard. Names are found by a model, which this package does not know.
"""

from tunesmith.data.masking.finding import find_personal, keep_longest
from tunesmith.data.masking.replacing import Masked, Placeholders, replace_spans
from tunesmith.data.masking.rows import MaskedRow, mask_row, row_texts

__all__ = [
    "Masked",
    "MaskedRow",
    "Placeholders",
    "find_personal",
    "keep_longest",
    "mask_row",
    "replace_spans",
    "row_texts",
]
