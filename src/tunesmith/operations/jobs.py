"""Operations that a service takes as jobs, and the process that carries one out.

    python -m tunesmith.operations.jobs NUMBER

`NUMBER` is the open socket on which the service says what to do, and is told of events. Where it
closes, or says anything more, the job is interrupted as by Ctrl-C.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import NotFoundError, Problem, SpecError, TunesmithError
from tunesmith.core.events import Event, Progress, Step
from tunesmith.core.jobs import JobLimits, RunRequest
from tunesmith.core.spec import Spec, build_spec, set_path
from tunesmith.operations import OPERATIONS, execute, output_of
from tunesmith.operations.confining import Bounds, confine, read_bounds
from tunesmith.operations.predict import PredictSpec
from tunesmith.session import Session
from tunesmith.stages.serve.channel import ChannelClosedError, receive, send
from tunesmith.store.workspace import Workspace

if TYPE_CHECKING:
    from tunesmith.stages.serve.jobs import JobSettings

OFFERED = ("check", "plan", "fit", "evaluate", "predict", "export", "pretrain", "prompt")
"""What may be asked for over HTTP. `serve`, `keys`, `runs` and `zoo` change what whoever runs the
service decided; `env` tells of his machine."""

MODULE = "tunesmith.operations.jobs"
"""What a process of a job runs."""

NICENESS = 5
"""Jobs leave the processor to answers."""

PAUSE_SECONDS = 0.2
"""Between two steps, or two reports of progress, that are told."""

LONGEST_TEXT = 4_000
"""Characters of a sentence that is told."""

LAST_SECONDS = 60
"""After which a process that nobody listens to any more, and that does not end, is ended."""


def read_job(request: RunRequest, bounds: Bounds, workspace: Workspace) -> Spec:
    """Return the spec that a request describes.

    Raises `NotFoundError` for an operation that is not offered, and `SpecError` with every problem
    of its settings, or with every location outside the bounds.
    """
    if request.operation not in OFFERED:
        near = get_close_matches(request.operation, OFFERED, n=1) or OFFERED[:1]
        raise NotFoundError(
            Problem(
                f"`operation` must be one of {', '.join(OFFERED)}",
                repr(request.operation)[:80],
                "request",
            ),
            hint=f'"operation": "{near[0]}"',
        )
    values = dict(request.spec)
    for path, value in request.set.items():
        set_path(values, path, value)
    spec = build_spec(OPERATIONS[request.operation].spec, values, where="request")
    confine(spec, bounds, workspace)
    if isinstance(spec, PredictSpec):
        _require_files(spec)
    return spec


def job_settings(
    roots: Sequence[str], session: Session, *, hub: bool, limits: JobLimits
) -> JobSettings:
    """Return what a service starts jobs with. Raises `NotFoundError` for a root that is none."""
    from tunesmith.stages.serve.jobs import JobSettings

    bounds, workspace = read_bounds(roots, hub=hub), session.workspace
    home = str(workspace.root.absolute())
    return JobSettings(
        read=lambda request: read_job(request, bounds, workspace),
        output=output_of,
        offered=OFFERED,
        module=MODULE,
        order={"bounds": bounds.to_json(), "home": home, "database": workspace.database},
        limits=limits,
        workspace=workspace,
    )


def _require_files(spec: PredictSpec) -> None:
    """Refuse rows from standard input, and answers to a file that only the record would hold."""
    if not spec.texts and spec.data is None:
        raise SpecError(
            Problem("`data` must name the rows to answer", "nothing", "request"),
            hint='"data": "rows.csv", "out": "answers.jsonl"',
        )
    if spec.data is not None and spec.out is None:
        raise SpecError(
            Problem("`out` must name the file for the answers to `data`", "nothing", "request"),
            hint='"out": "answers.jsonl"',
        )


def event_fields(event: Event) -> tuple[str, dict[str, Any]]:
    """Return what an event is called, and its fields, no text of them longer than is told."""
    fields = {
        name: value[:LONGEST_TEXT] if isinstance(value, str) else value
        for name, value in dataclasses.asdict(event).items()
    }
    return type(event).__name__.lower(), fields


class Teller:
    """A listener that tells a service of events: of steps and progress only some a second."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        """Tell by a function that takes a message."""
        self._tell = tell
        self._told: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        """Tell of an event, but not of one that the next will soon say better."""
        match event:
            case Step(index=done, total=total):
                is_due = self._is_due("step", is_last=done == total)
            case Progress(stage=stage, done=done, total=total):
                is_due = self._is_due(stage, is_last=total is not None and done >= total)
            case _:
                is_due = True
        if is_due:
            kind, fields = event_fields(event)
            self._tell({"event": kind, "fields": fields})

    def _is_due(self, what: str, *, is_last: bool) -> bool:
        now = time.monotonic()
        if not is_last and now - self._told.get(what, 0.0) < PAUSE_SECONDS:
            return False
        self._told[what] = now
        return True


def main(number: int) -> None:
    """Do what the service says, and tell it of events until the end."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.set_inheritable(number, False)
    channel = socket.socket(fileno=number)
    order = receive(channel)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    os.environ["TUNESMITH_HOME"] = order["home"]
    os.chdir(order["bounds"]["roots"][0])
    threading.Thread(target=_interrupt_at_end, args=(channel,), daemon=True).start()
    carry_out(order, Teller(lambda message: _send(channel, message)))


def carry_out(order: Mapping[str, Any], listener: Callable[[Event], None]) -> None:
    """Carry out an order: `run`, `operation`, `spec`, `bounds`, `home` and `database`.

    How it ends is in the record of the run. Its folder must be the first of the bounds.
    """
    workspace = Workspace(Path(order["home"]), order["database"])
    run, name = order["run"], order["operation"]
    try:
        spec = build_spec(OPERATIONS[name].spec, order["spec"], where="request")
        confine(
            spec, Bounds.from_json(order["bounds"]), workspace
        )  # what it names may have changed
    except TunesmithError as error:
        workspace.runs.finish(run, "failed", problem=error.to_json())
        return
    device = getattr(spec, "device", "auto")
    session = Session(workspace=workspace, device=device, listener=listener)
    with contextlib.suppress(TunesmithError):  # its words are in the record
        execute(name, spec, session=session, run=run)


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(ChannelClosedError):  # the other thread sees to that
        send(channel, message)


def _interrupt_at_end(channel: socket.socket) -> None:
    """Wait until the service says anything, or is gone, and interrupt the job then."""
    with contextlib.suppress(ChannelClosedError):
        receive(channel)
    main_thread = threading.main_thread().ident
    if main_thread is not None:
        signal.pthread_kill(main_thread, signal.SIGINT)
    time.sleep(LAST_SECONDS)
    os._exit(130)


if __name__ == "__main__":
    with contextlib.suppress(ChannelClosedError, KeyboardInterrupt):
        main(int(sys.argv[1]))
