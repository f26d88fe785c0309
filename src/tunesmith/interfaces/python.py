"""The Python door: one function an operation, its parameters those of the spec."""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tunesmith.core.errors import SpecError
from tunesmith.core.operation import Operation
from tunesmith.core.spec import build_spec, is_positional
from tunesmith.operations import OPERATIONS, execute
from tunesmith.operations.predict import PredictSpec, stream_pieces
from tunesmith.session import Session


def _make_door(operation: Operation) -> Any:
    fields = operation.spec.model_fields
    positional = [name for name, field in fields.items() if is_positional(field)]

    def door(*values: Any, session: Session | None = None, **settings: Any) -> Any:
        named = dict(zip(positional, values, strict=False))
        twice = sorted(set(named) & set(settings))
        if len(values) > len(positional) or twice:
            raise SpecError(
                f"{operation.name} takes {', '.join(positional) or 'no'} positional arguments, "
                "each once",
                hint=f"help(tunesmith.{operation.name})",
            )
        return execute(operation.name, {**named, **settings}, session=session, where="Python")

    door.__name__ = door.__qualname__ = operation.name
    door.__doc__ = _document(operation)
    door.__signature__ = _sign(operation)  # type: ignore[attr-defined]
    return door


def _sign(operation: Operation) -> inspect.Signature:
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD
            if is_positional(field)
            else inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty
            if field.is_required()
            else field.get_default(call_default_factory=True),
            annotation=field.annotation,
        )
        for name, field in operation.spec.model_fields.items()
    ]
    session = inspect.Parameter(
        "session", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Session | None
    )
    ordered = sorted([*parameters, session], key=lambda parameter: parameter.kind)
    return inspect.Signature(ordered, return_annotation=operation.result)


def _document(operation: Operation) -> str:
    lines = [operation.spec.__doc__ or operation.summary, "", "Args:"]
    lines += [
        f"    {name}: {' '.join((field.description or '').split())}"
        for name, field in operation.spec.model_fields.items()
    ]
    lines += ["", "Raises:", "    TunesmithError: with every problem found and a hint."]
    return "\n".join(lines)


def stream(
    bundle: Any,
    text: str | Sequence[Mapping[str, str]],
    *,
    decoding: Mapping[str, Any] | None = None,
    device: str = "auto",
    session: Session | None = None,
) -> Iterator[str]:
    """Yield what a bundle writes to one text, piece by piece, while it is written.

    Args:
        bundle: The bundle's folder, or the run's that holds it.
        text: What to answer; for `generation` also a list of messages, role and content each.
        decoding: How it is written; what is not given is as it was tuned.
        device: Device that computes: auto, cpu, cuda, cuda:1.
        session: Who is told of it.

    Raises:
        TunesmithError: with every problem found and a hint.

    """
    given = text if isinstance(text, str) else json.dumps(list(map(dict, text)))
    values = {"bundle": bundle, "texts": given, "device": device, "stream": True}
    spec = build_spec(PredictSpec, {**values, "decoding": decoding or {}}, where="Python")
    with contextlib.closing(stream_pieces(spec, session or Session(device=device))) as pieces:
        yield from pieces


check = _make_door(OPERATIONS["check"])
plan = _make_door(OPERATIONS["plan"])
fit = _make_door(OPERATIONS["fit"])
evaluate = _make_door(OPERATIONS["evaluate"])
predict = _make_door(OPERATIONS["predict"])
export = _make_door(OPERATIONS["export"])
serve = _make_door(OPERATIONS["serve"])
keys = _make_door(OPERATIONS["keys"])
verify = _make_door(OPERATIONS["verify"])
mask = _make_door(OPERATIONS["mask"])
pretrain = _make_door(OPERATIONS["pretrain"])
prompt = _make_door(OPERATIONS["prompt"])
zoo = _make_door(OPERATIONS["zoo"])
runs = _make_door(OPERATIONS["runs"])
env = _make_door(OPERATIONS["env"])
