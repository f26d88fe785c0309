"""THE TABLE of operations, and `execute`, the one path that every door takes."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from tunesmith.core.errors import ForeignError, InterruptedRunError, NotFoundError, TunesmithError
from tunesmith.core.operation import Operation, Result
from tunesmith.core.spec import Spec, build_spec
from tunesmith.operations import check, env, evaluate, fit, predict, runs
from tunesmith.session import Session

OPERATIONS: dict[str, Operation] = {
    module.OPERATION.name: module.OPERATION for module in (check, fit, evaluate, predict, runs, env)
}


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
) -> Result:
    """Validate `values` as the spec of operation `name`, run it, record it, and return its result.

    Every failure leaves as a `TunesmithError`: what our code cannot name is wrapped in
    `ForeignError`, Ctrl-C in `InterruptedRunError`.
    """
    operation = find_operation(name)
    spec = values if isinstance(values, Spec) else build_spec(operation.spec, values, where=where)
    session = session or Session(device=getattr(spec, "device", "auto"))
    identity = None
    if operation.recorded:
        out = getattr(spec, "out", None)
        identity = session.workspace.runs.start(name, spec.model_dump(mode="json"), out=out)
    try:
        result = operation.run(spec, session)
    except TunesmithError as error:
        _finish(session, identity, "failed", error)
        raise
    except KeyboardInterrupt:
        stop = InterruptedRunError("the work was stopped before its end", hint=_resume_hint(spec))
        _finish(session, identity, "interrupted", stop)
        raise stop from None
    except Exception as failure:
        wrapped = _wrap(failure)
        _finish(session, identity, "failed", wrapped)
        raise wrapped from failure
    if identity is not None:
        session.workspace.runs.finish(identity, "done", result=result.to_json())
    return result


def _finish(session: Session, identity: str | None, status: str, error: TunesmithError) -> None:
    if identity is not None:
        session.workspace.runs.finish(identity, status, problem=error.to_json())


def _wrap(failure: Exception) -> TunesmithError:
    first = (str(failure).strip().splitlines() or [""])[0][:300]
    return ForeignError(
        f"{type(failure).__module__}.{type(failure).__name__}: {first}",
        hint="--debug shows where it happened",
    )


def _resume_hint(spec: Spec) -> str:
    out = getattr(spec, "out", None)
    if out and hasattr(spec, "resume"):
        return f"tunesmith fit {out}/config.lock.yaml --resume"
    return "type the same command again"
