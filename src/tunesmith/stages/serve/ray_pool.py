"""Workers that Ray Serve keeps: as many as there is work for, on this machine.

The door stays ours: Ray opens no port to clients, and what it is given are batches of our queue.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import signal
import threading
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import ray
from ray import serve
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import LoggingConfig

from tunesmith.core.serving import RayRecipe
from tunesmith.stages.serve.queue import RequestQueue, Waiting
from tunesmith.stages.serve.replica import Replica, read_reason
from tunesmith.stages.serve.workers import settle

STATUS_SECONDS = 0.25
HEALTH_SECONDS = 1.0
LEAVING_SECONDS = 5.0
LOADING_SECONDS = 600
MOST_FAILED_STARTS = 2
STORE_BYTES = 128 * 1024 * 1024
"""For what Ray keeps between processes: a batch and its answers pass through, nothing stays."""

LONGEST_LOOK_BACK_SECONDS = 30.0
DEPLOYMENT = "models"
LOADING = "the models are being loaded"
LOST = "it ended while it answered"

_CALLS = ThreadPoolExecutor(1, thread_name_prefix="ray")
"""Ray is one for a process, and its calls wait: all are made here, in order, off the loop."""

_open_pools: set[str] = set()
"""The pools of this process; the last one to stop ends Ray."""


class Losses:
    """Tells of each lost replica once: by the batch that failed with it, or by its absence."""

    def __init__(self, on_event: Callable[[str, dict[str, Any]], None]) -> None:
        """Begin with none."""
        self._on_event = on_event
        self.forget()

    def forget(self) -> None:
        """Begin anew: those that were lost have been replaced."""
        self._by_batch = self._by_absence = 0

    def seen_failing(self, failure: str) -> None:
        """Note that a batch failed with its replica."""
        if self._by_absence:
            self._by_absence -= 1
            return
        self._by_batch += 1
        self._on_event("worker_lost", {"reason": LOST, "failure": failure})

    def seen_missing(self) -> None:
        """Note that there is one replica less than there must be."""
        if self._by_batch:
            self._by_batch -= 1
            return
        self._by_absence += 1
        self._on_event("worker_lost", {"reason": "it is gone"})


class RayPool:
    """Replicas of one Ray Serve application that take batches from one queue.

    One batch more than there are replicas is in their hands: it keeps them busy while answers
    travel, and it is how Ray sees that another replica is wanted.
    """

    def __init__(
        self,
        module: str,
        settings: Mapping[str, Any],
        *,
        queue: RequestQueue,
        on_batch: Callable[[str, list[Waiting], dict[str, Any]], None],
        on_event: Callable[[str, dict[str, Any]], None],
    ) -> None:
        """Prepare; `start` starts Ray.

        `settings` hold `ray`, `threads`, `stuck_seconds` and `writing_seconds`.
        """
        self.models: dict[str, Any] = {}
        self._module = module
        self._settings = settings
        self._recipe = RayRecipe(**settings["ray"])
        self._queue = queue
        self._on_batch = on_batch
        self._on_event = on_event
        self._name = f"tunesmith-{secrets.token_hex(4)}"
        self._handle: Any = None
        self._task: asyncio.Task | None = None
        self._batches: dict[asyncio.Task, list[Waiting]] = {}
        self._running = 0
        self._losses = Losses(on_event)
        self._reason = LOADING
        self._has_failed = False
        self._changed = asyncio.Event()

    def start(self) -> None:
        """Begin to start the replicas."""
        self._task = asyncio.create_task(self._run())

    @property
    def is_ready(self) -> bool:
        """Whether any replica takes batches."""
        return self._running > 0

    @property
    def is_recovering(self) -> bool:
        """Whether replicas that answered were lost, and the next have not failed to start yet."""
        return bool(self.models) and not self._running and not self._has_failed

    @property
    def reasons(self) -> list[str]:
        """Why there is no replica."""
        return [] if self.is_ready else [f"Ray: {self._reason}"]

    @property
    def ready_count(self) -> int:
        """How many replicas take batches."""
        return self._running

    @property
    def computing(self) -> int:
        """How many requests are in the hands of replicas, or on their way."""
        return sum(map(len, self._batches.values()))

    async def settled(self) -> None:
        """Wait until a replica is ready or none can be; ten minutes at most."""
        try:
            async with asyncio.timeout(LOADING_SECONDS):
                while not (self.is_ready or self._has_failed):
                    await self._wait_for_change()
        except TimeoutError:
            self._fail(f"a replica must be there within {LOADING_SECONDS} seconds")

    async def stop(self) -> None:
        """End the replicas, and with the last pool Ray."""
        tasks = [task for task in (self._task, *self._batches) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._running = 0
        await _call(partial(_leave, self._name))

    async def _run(self) -> None:
        """Deploy, then watch the replicas and give them batches, until stopped."""
        try:
            deploy = partial(_deploy, self._name, self._module, self._settings, self._recipe)
            self._handle = await _call(deploy)
        except Exception as error:  # noqa: BLE001 (Ray may fail to start in any way)
            first = str(error).partition("\n")[0][:200]
            self._fail(f"Ray must start; {type(error).__name__}: {first}")
            return
        _take_back_signals()
        await asyncio.gather(self._watch(), self._dispatch())

    def _fail(self, reason: str) -> None:
        self._reason = reason
        if not self._has_failed:
            self._has_failed = True
            self._on_event("worker_lost", {"reason": reason})
        self._changed.set()

    async def _watch(self) -> None:
        """Keep the number of replicas, and why there is none."""
        while True:
            running, has_failed, message = await _call(partial(_look, self._name))
            if running and not self.models:
                running = await self._learn(running)
            if running != self._running:
                self._note(running)
            if running:
                self._has_failed = False
            elif (reason := read_reason(message)) or has_failed:
                self._fail(reason or "its replicas end as they start")
            elif "scheduled" in message:
                self._reason = "replicas wait for room"
            await asyncio.sleep(STATUS_SECONDS)

    def _note(self, running: int) -> None:
        """Tell of a changed number; what falls below the least was lost."""
        before, self._running = self._running, running
        for _ in range(min(before, self._recipe.min_replicas) - running):
            self._losses.seen_missing()
        if running > before:
            self._losses.forget()
            self._on_event("worker_ready", {"workers": running})
        else:
            self._reason = LOADING
            self._on_event("workers_fewer", {"workers": running})
        self._changed.set()

    async def _learn(self, running: int) -> int:
        """Ask a replica what it answers with. Return how many there are: 0 where it was lost."""
        try:
            facts = json.loads(await self._handle.describe.remote())
        except Exception:  # noqa: BLE001 (lost again: the next is asked)
            return 0
        self.models = facts["models"]
        for name, (tokens, seconds) in facts["speeds"].items():
            if tokens:
                self._queue.learn(name, tokens=tokens, seconds=seconds)
        return running

    async def _dispatch(self) -> None:
        while True:
            while not self._running or len(self._batches) > self._running:
                await self._wait_for_change()
            batch = await self._queue.take()
            task = asyncio.create_task(self._compute(batch))
            self._batches[task] = batch
            task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task) -> None:
        del self._batches[task]
        self._changed.set()

    async def _compute(self, batch: list[Waiting]) -> None:
        """Have a batch computed; where its replica is lost, its requests are sent away."""
        orders = [
            {"id": number, "rows": waiting.rows, "demands": waiting.demands}
            for number, waiting in enumerate(batch)
        ]
        first = batch[0]
        fields = {"kind": first.kind, "model": first.model, "orders": orders}
        said = self._handle.options(stream=True).answer.remote(json.dumps(fields).encode())
        # One batch may stand before it in the hands of the same replica.
        patience = 2 * self._settings["stuck_seconds"]
        if first.kind == "write":
            patience += self._settings["writing_seconds"]
            first.reply.add_done_callback(partial(_call_off, said))
        try:
            async with asyncio.timeout(patience):
                async for part in said:
                    for reply in json.loads(part):
                        if "id" in reply:
                            settle(batch, reply)
                        else:
                            self._account(batch, reply)
        except Exception as error:  # noqa: BLE001 (Ray's words may hold a row)
            said.cancel()
            if not (first.kind == "write" and first.reply.cancelled()):
                self._losses.seen_failing(type(error).__name__)
        finally:
            for number in range(len(batch)):
                settle(batch, {"id": number, "lost": LOST})
            await self._queue.leave(batch)

    def _account(self, batch: list[Waiting], took: dict[str, Any]) -> None:
        tokens = sum(each.tokens for each in batch)
        self._queue.learn(batch[0].lane, tokens=tokens, seconds=took["seconds"])
        self._on_batch(batch[0].model, batch, took)

    async def _wait_for_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


def _call_off(said: Any, reply: asyncio.Future) -> None:
    """Stop a text that nobody wants any more."""
    if reply.cancelled():
        said.cancel()


def _take_back_signals() -> None:
    """Have Python hear of SIGTERM again: Ray puts a handler before it that writes a trace."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))


async def _call(function: Callable[[], Any]) -> Any:
    return await asyncio.get_running_loop().run_in_executor(_CALLS, function)


def _deploy(name: str, module: str, settings: Mapping[str, Any], recipe: RayRecipe) -> Any:
    """Start Ray where it does not run yet, and return the handle of a new application."""
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    _open_pools.add(name)
    if not ray.is_initialized():
        if not os.environ.keys() & {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}:
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        ray.init(
            "local",
            num_cpus=settings["cores"],
            include_dashboard=False,
            object_store_memory=STORE_BYTES,
            _node_ip_address="127.0.0.1",
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        serve.start(proxy_location="Disabled", logging_config=_quiet_logs())
    deployment = serve.deployment(
        name=DEPLOYMENT,
        # Here `ray.max_replicas` is bound enough, and a new version must find room beside the old.
        ray_actor_options={"num_cpus": 0},
        max_ongoing_requests=1,
        autoscaling_config=_autoscaling(recipe),
        max_constructor_retry_count=MOST_FAILED_STARTS,
        health_check_period_s=HEALTH_SECONDS,
        graceful_shutdown_timeout_s=LEAVING_SECONDS,
        logging_config=_quiet_logs(),
    )(Replica)
    target = serve.RunTarget(
        deployment.bind(module, json.dumps(dict(settings))), name=name, route_prefix=None
    )
    return serve.run_many([target], wait_for_applications_running=False)[0]


def _autoscaling(recipe: RayRecipe) -> AutoscalingConfig:
    look_back = min(LONGEST_LOOK_BACK_SECONDS, max(1.0, recipe.upscale_seconds))
    with warnings.catch_warnings(action="ignore"):  # this field may go, once Ray has another
        return AutoscalingConfig(
            min_replicas=recipe.min_replicas,
            max_replicas=recipe.max_replicas,
            target_ongoing_requests=recipe.ongoing,
            upscale_delay_s=recipe.upscale_seconds,
            downscale_delay_s=recipe.downscale_seconds,
            metrics_interval_s=look_back / 4,
            look_back_period_s=look_back,
        )


def _quiet_logs() -> LoggingConfig:
    return LoggingConfig(log_level="ERROR", enable_access_log=False)


def _look(name: str) -> tuple[int, bool, str]:
    """Return how many replicas run, whether Ray gave up, and its words on that."""
    application = serve.status().applications.get(name)
    if application is None:
        return 0, False, ""
    models = application.deployments.get(DEPLOYMENT)
    states = (
        {str(getattr(k, "value", k)): n for k, n in models.replica_states.items()} if models else {}
    )
    status = str(getattr(application.status, "value", application.status))
    message = f"{application.message} {models.message if models else ''}"
    return states.get("RUNNING", 0), status == "DEPLOY_FAILED", message


def _leave(name: str) -> None:
    """End an application; the last one ends Ray."""
    _open_pools.discard(name)
    if not ray.is_initialized():
        return
    if _open_pools:
        serve.delete(name)
    else:
        serve.shutdown()
        ray.shutdown()
