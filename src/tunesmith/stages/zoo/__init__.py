"""Which models there are, what they cost and allow: the catalogue asked, nothing loaded."""

from tunesmith.stages.zoo.costs import Memory, serving_memory, tuning_memory
from tunesmith.stages.zoo.selecting import Wanted, select_entries

__all__ = ["Memory", "Wanted", "select_entries", "serving_memory", "tuning_memory"]
