"""Tuning: the only place that matches a method to the code that carries it out."""

from __future__ import annotations

from tunesmith.core.methods import Full, Method, Probe
from tunesmith.stages.tune.full import fit_full
from tunesmith.stages.tune.job import Fitted, Job
from tunesmith.stages.tune.probe import fit_probe


def fit_method(job: Job, method: Method) -> Fitted:
    """Tune `job.model` in place by `method` and return how it went."""
    match method:
        case Full():
            return fit_full(job, method)
        case Probe():
            return fit_probe(job, method)
