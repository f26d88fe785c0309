"""THE TABLE of operations, and `execute`, the one path that every door takes."""

from __future__ import annotations

import errno
import shlex
import time
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from tunesmith.core.errors import (
    ForeignError,
    InterruptedRunError,
    NotFoundError,
    ResourceError,
    TunesmithError,
)
from tunesmith.core.events import Warned
from tunesmith.core.machine import forget_peak, peak_bytes
from tunesmith.core.operation import Operation, Result
from tunesmith.core.spec import Spec, build_spec
from tunesmith.operations import (
    check,
    env,
    evaluate,
    export,
    fit,
    keys,
    mask,
    plan,
    predict,
    pretrain,
    prompt,
    runs,
    serve,
    verify,
    zoo,
)
from tunesmith.operations.recording import Cost, record_outcome
from tunesmith.session import Session
from tunesmith.store.run_folder import LOCK, is_unfinished

OPERATIONS: dict[str, Operation] = {
    module.OPERATION.name: module.OPERATION
    for module in (
        check,
        plan,
        fit,
        evaluate,
        predict,
        export,
        serve,
        keys,
        verify,
        mask,
        pretrain,
        prompt,
        zoo,
        runs,
        env,
    )
}
RESUMABLE = (fit.FitSpec, pretrain.PretrainSpec, prompt.PromptSpec)
"""Requests whose runs have a folder of their own and can go on after they were stopped."""


def find_operation(name: str) -> Operation:
    """Return the row of the table. Raises `NotFoundError` with the nearest name."""
    if name in OPERATIONS:
        return OPERATIONS[name]
    near = get_close_matches(name, OPERATIONS, n=1)
    raise NotFoundError(
        f"`{name}` must be one of {', '.join(OPERATIONS)}",
        hint=f"tunesmith {near[0] if near else '--help'}",
    )


def execute(
    name: str,
    values: Spec | Mapping[str, Any],
    *,
    session: Session | None = None,
    where: str = "",
    run: str | None = None,
) -> Result:
    """Validate `values` as the spec of operation `name`, run it, record it, and return its result.

    `run` is the id of a run that waited for this; then every operation is recorded, as that one.

    Every failure leaves as a `TunesmithError`: what our code cannot name is wrapped in
    `ForeignError`, Ctrl-C in `InterruptedRunError`. Only `BrokenPipeError`, the reader of standard
    output having left, is handed on for the door to judge.
    """
    operation = find_operation(name)
    spec = values if isinstance(values, Spec) else build_spec(operation.spec, values, where=where)
    session = session or Session(device=getattr(spec, "device", "auto"))
    identity = None
    if run is not None or operation.recorded:
        identity = _begin(name, spec, session, run)
        forget_peak()
    started = time.perf_counter()
    try:
        result = operation.run(spec, session)
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as failure:
        error = _name_failure(failure, spec)
        status = "interrupted" if isinstance(error, InterruptedRunError) else "failed"
        _finish(session, identity, status, problem=error.to_json())
        if error is failure:
            raise
        raise error from (None if status == "interrupted" else failure)
    cost = Cost(time.perf_counter() - started, peak_bytes())
    if _finish(session, identity, "done", result=result.to_json()):
        _record(session, identity, result, cost)
    return result


def output_of(spec: Spec) -> str | None:
    """Return where a run of `spec` will leave what it makes; None where it leaves nothing."""
    return str(spec.folder) if isinstance(spec, RESUMABLE) else getattr(spec, "out", None)


def was_interrupted(failure: BaseException | None) -> bool:
    """Tell whether Ctrl-C is what failed, or what stood behind it.

    A file that is closed once more while the interrupt passes through leaves as an `OSError`.
    """
    while failure is not None:
        if isinstance(failure, KeyboardInterrupt):
            return True
        failure = failure.__context__
    return False


def wrap_failure(failure: BaseException) -> TunesmithError:
    """Return our error for a failure that no code below has named."""
    first = (str(failure).strip().splitlines() or [""])[0][:300]
    if isinstance(failure, OSError) and failure.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ResourceError(f"the disk must have room; got: {first}", hint="df -h")
    if isinstance(failure, MemoryError) or type(failure).__name__ == "OutOfMemoryError":
        return ResourceError(
            f"the memory must be enough; got: {first or 'none left'}",
            hint="--set training.batch_tokens=256, or a smaller --model",
        )
    return ForeignError(
        f"{type(failure).__module__}.{type(failure).__name__}: {first}",
        hint="--debug shows where it happened",
    )


def _begin(name: str, spec: Spec, session: Session, run: str | None) -> str:
    """Record that a run begins, one that waited or a new one, and return its id."""
    runs = session.workspace.runs
    if run is None:
        return runs.start(name, spec.model_dump(mode="json"), out=output_of(spec))
    runs.begin(run)
    return run


def _name_failure(failure: BaseException, spec: Spec) -> TunesmithError:
    if was_interrupted(failure):
        return InterruptedRunError("the work was stopped before its end", hint=_resume_hint(spec))
    if isinstance(failure, TunesmithError):
        return failure
    return wrap_failure(failure)


def _finish(session: Session, identity: str | None, status: str, **outcome: Any) -> bool:
    """Record how a run ended, and tell whether that was done.

    Where the log cannot be written, say so and go on.
    """
    if identity is None:
        return False
    try:
        session.workspace.runs.finish(identity, status, **outcome)
    except ResourceError as error:
        session.emit(Warned(f"the end of this run is not recorded: {error.problems[0]}"))
        return False
    return True


def _record(session: Session, identity: str | None, result: Result, cost: Cost) -> None:
    """Record what a run made and measured; a result is never lost over its record."""
    try:
        record_outcome(session, identity or "", result, cost=cost)
    except (TunesmithError, OSError) as error:
        first = error.problems[0] if isinstance(error, TunesmithError) else error
        session.emit(Warned(f"what this run measured is not recorded: {first}"))


def _resume_hint(spec: Spec) -> str:
    if isinstance(spec, RESUMABLE) and is_unfinished(spec.folder):
        verb = next(name for name, row in OPERATIONS.items() if isinstance(spec, row.spec))
        return f"tunesmith {verb} {shlex.quote(str(spec.folder / LOCK))} --resume"
    return "type the same command again"
