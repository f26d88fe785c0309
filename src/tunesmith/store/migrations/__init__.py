"""The steps from one schema of the run log to the next, each a small file and one transaction.

A step never changes once it was released: what its schema lacks, a later step adds. It names its
own tables and columns and imports none of today's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from sqlalchemy import Connection

from tunesmith.store.migrations import (
    step_1_runs,
    step_2_names,
    step_3_aliases,
    step_4_bundles,
    step_5_results,
)

Step: TypeAlias = Callable[[Connection], None]

STEPS: tuple[Step, ...] = (
    step_1_runs.upgrade,
    step_2_names.upgrade,
    step_3_aliases.upgrade,
    step_4_bundles.upgrade,
    step_5_results.upgrade,
)
"""The step at index n makes schema n + 1 of schema n; schema 0 is an empty database."""

NEWEST = len(STEPS)
