"""Pre-flight: rows and model judged together, before a minute is spent."""

from tunesmith.stages.check.findings import Finding, has_faults
from tunesmith.stages.check.preflight import check_recommendation, check_splits

__all__ = ["Finding", "check_recommendation", "check_splits", "has_faults"]
