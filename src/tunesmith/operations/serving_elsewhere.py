"""What `serve` does with other programs: workers that Ray keeps, traces that a collector takes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import SpecError

if TYPE_CHECKING:
    from tunesmith.operations.serve import ServeSpec
    from tunesmith.stages.serve.logs import EventLog
    from tunesmith.stages.serve.timeline import Tracing


def keeping_traces(spec: ServeSpec, log: EventLog) -> AbstractContextManager[Tracing | None]:
    """Return what keeps traces for as long as the service runs, or nothing."""
    from tunesmith.operations.extras import needing
    from tunesmith.stages.serve.timeline import is_tracing_asked

    if not is_tracing_asked(spec.trace_endpoint):
        return nullcontext()
    with needing("otel", "to keep traces"):
        from tunesmith.stages.serve.otel import open_tracing
    return open_tracing(spec.trace_endpoint, log)


def on_ray(spec: ServeSpec) -> dict[str, Any]:
    """Return the settings of workers that Ray keeps.

    Raises `SpecError` for settings that do not go with it, `MissingExtraError` where it is not
    there.
    """
    from tunesmith.operations.extras import needing
    from tunesmith.runtime.onnx_model import core_count
    from tunesmith.stages.serve.pools import prepare_ray

    problems = []
    if spec.ray.min_replicas > spec.ray.max_replicas:
        problems.append(
            f"`ray.min_replicas` must be at most `ray.max_replicas`; got {spec.ray.min_replicas} "
            f"and {spec.ray.max_replicas}"
        )
    if spec.workers > 1:
        problems.append(f"`workers` are kept by `ray` with `on` ray; got {spec.workers}")
    if spec.device not in ("auto", "cpu"):
        problems.append(f"`device` must be auto or cpu with `on` ray; got {spec.device}")
    if problems:
        raise SpecError(problems, hint="--on ray --set ray.max_replicas=8")
    with needing("ray", "to serve on Ray"):
        prepare_ray()
    return {"on": "ray", "ray": spec.ray.model_dump(), "cores": core_count(), "device": "cpu"}
