"""Long jobs: operations that wait, and are carried out one at a time in a process of their own.

What stands on record outlives the service; events do not. Of what an operation is it knows nothing
but its name: the process does what it was told.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import InterruptedRunError, NotFoundError
from tunesmith.core.jobs import JobLimits, RunRequest
from tunesmith.core.spec import Spec
from tunesmith.stages.serve.channel import ChannelClosedError, pack, receive_async
from tunesmith.stages.serve.logs import EventLog
from tunesmith.stages.serve.problems import Refusal
from tunesmith.stages.serve.trails import EventTrail

if TYPE_CHECKING:
    from tunesmith.store.runs import Run
    from tunesmith.store.workspace import Workspace

TAG = "http"
"""The tag of runs that were asked for over HTTP: a service shows no others."""

RETRY_SECONDS = 30
KEPT_TRAILS = 16
"""Jobs that ended whose events are kept."""

AGAIN = 'ask for the same with "resume": true where the verb has it'
WAITING = ("queued", "running")


@dataclass(frozen=True, slots=True)
class JobSettings:
    """What jobs are started with.

    `read` makes a spec of a request or raises what is wrong with it, `output` says where a spec
    will leave what it makes, `module` is what a process runs, and `order` what each is told.
    """

    read: Callable[[RunRequest], Spec]
    output: Callable[[Spec], str | None]
    offered: tuple[str, ...]
    module: str
    order: Mapping[str, Any]
    limits: JobLimits
    workspace: Workspace


@dataclass(slots=True)
class Job:
    """A run that waits or is carried out: its order, its events, and the channel to its process."""

    id: str
    operation: str
    spec: dict[str, Any]
    trail: EventTrail
    is_stopped: bool = False
    process: subprocess.Popen | None = None
    writer: asyncio.StreamWriter | None = None


class Jobs:
    """The jobs of a service."""

    def __init__(self, settings: JobSettings, log: EventLog) -> None:
        """Prepare; nothing is carried out before `start`."""
        self.settings = settings
        self.readers = 0
        self._log = log
        self._waiting: deque[Job] = deque()
        self._current: Job | None = None
        self._entering = 0
        self._trails: OrderedDict[str, EventTrail] = OrderedDict()
        self._arrival = asyncio.Event()
        self._task: asyncio.Task | None = None

    async def start(self) -> None:
        """Settle what a service that was killed left, and carry out jobs from now on."""
        await asyncio.to_thread(self._settle_lost)
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Stop what runs and what waits; all of it is on record as interrupted."""
        task, self._task = self._task, None
        if task is None:
            return
        waiting = list(self._waiting)
        self._waiting.clear()
        if self._current is not None:
            self._interrupt(self._current)
        for job in waiting:
            await self._end_unbegun(job)
        self._arrival.set()
        await task

    async def submit(self, request: RunRequest) -> Run:
        """Put an operation on record and into the queue, and return its run.

        Raises `Refusal` (503) where the queue is full, and what `read` raises.
        """
        if self.queued + self._entering + self.running > self.settings.limits.waiting:
            raise _full(self.queued)
        self._entering += 1
        try:
            spec = await asyncio.to_thread(self.settings.read, request)
            run = await asyncio.to_thread(self._record, request.operation, spec)
        finally:
            self._entering -= 1
        if self._task is None:
            await asyncio.to_thread(self._finish, run.id, "the work was stopped before it began")
            raise _stopping()
        order = spec.model_dump(mode="json", exclude_unset=True)
        job = Job(run.id, request.operation, order, EventTrail(self.settings.limits.events))
        self._trails[job.id] = job.trail
        job.trail.add("status", {"status": "queued", "before": self.queued + self.running})
        self._log.write("job_waits", run=job.id, operation=job.operation)
        self._waiting.append(job)
        self._arrival.set()
        return run

    async def find(self, identity: str) -> Run:
        """Return a run that was asked for over HTTP. Raises `Refusal` (404) where there is none."""
        return await asyncio.to_thread(self._find, identity)

    async def list(self, limit: int) -> list[Run]:
        """Return the newest runs that were asked for over HTTP."""
        from tunesmith.store.runs import Wanted  # noqa: PLC0415 (SQLAlchemy; for jobs alone)

        runs = self.settings.workspace.runs
        return await asyncio.to_thread(runs.list, Wanted(tag=TAG), limit=limit)

    async def cancel(self, identity: str) -> Run:
        """Stop a run as Ctrl-C does. Raises `Refusal`: 404, or 409 where it has ended."""
        run = await self.find(identity)
        waits = next((job for job in self._waiting if job.id == run.id), None)
        is_current = self._current is not None and self._current.id == run.id
        if run.status not in WAITING or not (waits or is_current):
            raise Refusal(
                HTTPStatus.CONFLICT,
                f"a run must wait or be carried out here to be stopped; it is {run.status}",
                hint=f"GET /v1/runs/{run.id}",
            )
        if waits is not None:
            self._waiting.remove(waits)
            await self._end_unbegun(waits)
        elif self._current is not None:
            self._interrupt(self._current)
        return await self.find(identity)

    def trail_of(self, run: Run) -> EventTrail:
        """Return the events of a run; of one whose events are gone its end alone.

        Raises `Refusal` (409) where another service carries it out.
        """
        if run.id in self._trails:
            return self._trails[run.id]
        if run.status in WAITING:
            raise Refusal(
                HTTPStatus.CONFLICT,
                "the events of a run are with the service that carries it out; that is another",
                hint=f"GET /v1/runs/{run.id}",
            )
        trail = EventTrail(1)
        trail.end(_ending(run))
        return trail

    @property
    def queued(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many jobs are carried out: one, or none."""
        return int(self._current is not None)

    async def _work(self) -> None:
        """Carry out one job after the other until the service stops."""
        while self._task is not None:
            if not self._waiting:
                self._arrival.clear()
                await self._arrival.wait()
                continue
            self._current = job = self._waiting.popleft()
            try:
                await self._carry_out(job)
            except Exception as error:  # noqa: BLE001 (the next job must not wait for ever)
                self._log.write("job_lost", run=job.id, failure=type(error).__name__)
                job.trail.end({"status": "stopped", "problem": None})
            finally:
                self._current = None
                self._forget_old()

    async def _carry_out(self, job: Job) -> None:
        began = time.monotonic()
        job.trail.add("status", {"status": "running"})
        status = await self._run_process(job)
        run = await asyncio.to_thread(self._settle, job, status)
        job.trail.end(_ending(run))
        seconds = round(time.monotonic() - began, 3)
        self._log.write(
            "job_ends", run=job.id, operation=job.operation, status=run.status, seconds=seconds
        )

    async def _run_process(self, job: Job) -> int:
        """Have a process carry out a job, keep what it tells, and return its exit status."""
        if job.is_stopped:
            return 0
        ours, theirs = socket.socketpair()
        with theirs:
            job.process = subprocess.Popen(
                [sys.executable, "-m", self.settings.module, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        process = job.process.pid
        self._log.write("job_begins", run=job.id, operation=job.operation, process=process)
        reader, job.writer = await asyncio.open_connection(sock=ours, limit=1 << 26)
        order = {"run": job.id, "operation": job.operation, "spec": job.spec}
        try:
            job.writer.write(pack({**self.settings.order, **order}))
            if job.is_stopped:
                self._interrupt(job)
            while True:
                message = await receive_async(reader)
                job.trail.add(message["event"], message["fields"])
        except ChannelClosedError:
            pass
        finally:
            job.writer.close()
            status = await self._reap(job.process)
        return status

    async def _reap(self, process: subprocess.Popen) -> int:
        """Wait for a process that leaves its channel to end, and end it where it does not."""
        until = time.monotonic() + self.settings.limits.grace_ms / 1000
        while process.poll() is None and time.monotonic() < until:
            await asyncio.sleep(0.02)
        _kill(process)
        return process.wait()

    def _interrupt(self, job: Job) -> None:
        """Stop a job that is carried out: its process interrupts itself, or is ended later."""
        job.is_stopped = True
        if job.writer is None or job.writer.is_closing():
            return
        with contextlib.suppress(OSError):
            job.writer.write(pack({"stop": True}))
        grace = self.settings.limits.grace_ms / 1000
        asyncio.get_running_loop().call_later(grace, _kill, job.process)

    async def _end_unbegun(self, job: Job) -> None:
        """Record that a job which was taken out of the queue is not carried out."""
        await asyncio.to_thread(self._finish, job.id, "the work was stopped before it began")
        job.trail.end(_ending(await asyncio.to_thread(self._find, job.id)))
        self._log.write("job_ends", run=job.id, operation=job.operation, status="interrupted")
        self._forget_old()

    def _record(self, operation: str, spec: Spec) -> Run:
        runs = self.settings.workspace.runs
        fields = spec.model_dump(mode="json")
        out = self.settings.output(spec)
        identity = runs.start(operation, fields, out=out, status="queued")
        runs.tag(identity, [TAG])
        return runs.show(identity)

    def _find(self, identity: str) -> Run:
        try:
            run = self.settings.workspace.runs.show(identity)
        except NotFoundError:
            run = None
        if run is None or run.id != identity or TAG not in run.tags:
            raise Refusal(
                HTTPStatus.NOT_FOUND,
                "the path must end with the id of a run that was asked for over HTTP",
                hint="GET /v1/runs",
            )
        return run

    def _settle(self, job: Job, status: int) -> Run:
        """Return a run that ended; where its process could not say how, it is interrupted."""
        run = self._find(job.id)
        if run.status in (*WAITING, "stopped"):
            lost = f"its process was lost ({'signal' if status < 0 else 'status'} {abs(status)})"
            self._finish(job.id, "the work was stopped before its end" if job.is_stopped else lost)
            run = self._find(job.id)
        return run

    def _settle_lost(self) -> None:
        """Record as interrupted what a service that is gone had begun, or let wait."""
        from tunesmith.store.runs import Wanted  # noqa: PLC0415 (SQLAlchemy; for jobs alone)

        runs = self.settings.workspace.runs
        for run in runs.list(Wanted(status="stopped", tag=TAG), limit=None):
            self._finish(run.id, "the work was stopped with the service that it was asked of")

    def _finish(self, identity: str, words: str) -> None:
        problem = InterruptedRunError(words, hint=AGAIN).to_json()
        self.settings.workspace.runs.finish(identity, "interrupted", problem=problem)

    def _forget_old(self) -> None:
        over = [identity for identity, trail in self._trails.items() if trail.is_over]
        for identity in over[:-KEPT_TRAILS]:
            del self._trails[identity]


def _kill(process: subprocess.Popen | None) -> None:
    """End a process with all that it started, where it has not ended."""
    if process is not None and process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _ending(run: Run) -> dict[str, Any]:
    return {"status": run.status, "problem": run.problem}


def _full(count: int) -> Refusal:
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"the queue of jobs must have room; one runs and {count:,} wait",
        hint="try again after the seconds of Retry-After",
        retry_seconds=RETRY_SECONDS,
    )


def _stopping() -> Refusal:
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "the service must go on to take jobs; it is being stopped",
        hint="try again after the seconds of Retry-After",
        retry_seconds=RETRY_SECONDS,
    )
