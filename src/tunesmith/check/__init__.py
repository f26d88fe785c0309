"""Pre-flight: rows and model judged together, before a minute is spent."""

from tunesmith.check.findings import Finding, has_faults
from tunesmith.check.preflight import check_splits

__all__ = ["Finding", "check_splits", "has_faults"]
