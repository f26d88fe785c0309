"""The probe: a regularised linear head on frozen vectors.

The strength of the regularisation is chosen on the validation rows.
"""

from __future__ import annotations

import time

from tunesmith.core.events import Progress, Said, Validated
from tunesmith.core.methods import Probe
from tunesmith.runtime.engine import merge_windows, window_vectors
from tunesmith.stages.tune.job import Fitted, Job, marked_score
from tunesmith.stages.tune.linear import fit_linear, set_linear


def fit_probe(job: Job, method: Probe) -> Fitted:
    """Fit the head of `job.model` and leave everything below it as it was.

    Source: linear probing (Alain & Bengio 2017) with L2-regularised logistic regression.
    """
    started = time.perf_counter()
    job.emit(Said(f"reading {len(job.train.windows):,} windows once through the frozen model"))
    vectors = window_vectors(job.engine, job.train.windows)
    valid_vectors = window_vectors(job.engine, job.valid.windows)
    targets = job.train.flat_targets()
    inputs = [example.inputs for example in job.valid.examples]
    outputs = len(job.task.outputs())

    tried: list[tuple[int, float]] = []
    best_value, best_strength = -1.0, method.strengths[0]
    for number, strength in enumerate(method.strengths, start=1):
        weight, bias = fit_linear(
            vectors,
            targets,
            outputs=outputs,
            strength=strength,
            max_iterations=method.max_iterations,
        )
        logits = valid_vectors @ weight.T + bias
        merged = merge_windows([(job.valid.windows, logits)], inputs, outputs=outputs)
        value = marked_score(job.task, job.valid, merged)
        tried.append((number, value))
        improved = value > best_value
        if improved:
            best_value, best_strength = value, strength
            set_linear(job.model.linear, weight, bias)
        job.emit(Validated(number, job.task.selection, value, improved))
        job.emit(
            Progress(
                "fitting the head", number, len(method.strengths), "strengths", f"C={strength:g}"
            )
        )
    return Fitted(
        tokens=int(job.train.lengths.sum()),
        seconds=time.perf_counter() - started,
        reasons=[
            f"strength {best_strength:g}: best of {len(tried)} on the validation rows "
            f"({best_value:.3f})"
        ],
    )
