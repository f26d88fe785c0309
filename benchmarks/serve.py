"""`tunesmith serve` against FastAPI and LitServe before `pipeline()`, loaded from a second process.

Usage: python benchmarks/serve.py [--bundle BUNDLE] [--pairs 5] [--seconds 5] [--clients 1,8,32]

The services are loaded in turn. Told are requests a second at p99 of at most 250 ms (the best of
the numbers of clients, round by round), and what the service adds to the bare runtime at one
client, in the median. Without a bundle one is tuned on `examples/support`, with an int8 export
where parity holds.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from compare import FEWEST_PAIRS, percentile, pin_processors, spread
from record import ROOT, tell
from rivals import named

SLOWEST_SECONDS = 0.250
STARTING_SECONDS = 300
LONGEST_ANSWER_SECONDS = 20
BARE_TEXTS = 200
RIVALS = {"fastapi": "naive_service", "litserve": "litserve_service"}


@dataclass(frozen=True)
class Side:
    """A service under load: where it listens, and how it is asked."""

    name: str
    port: int
    path: str
    field: str


def main() -> None:
    """Load both in turn, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--pairs", type=int, default=FEWEST_PAIRS)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each load")
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--threads", type=int, default=2)
    wanted = parser.parse_args()
    pin_processors(wanted.threads)
    clients = [int(count) for count in wanted.clients.split(",")]
    texts = support_texts()
    with contextlib.ExitStack() as stack:
        bundle = wanted.bundle or stack.enter_context(tuned())
        engine = _time_bare(bundle, texts, wanted.threads)[0]
        sides = [stack.enter_context(_ours(bundle)), *_rivals(bundle, stack)]
        best: dict[str, list[float]] = {side.name: [] for side in sides}
        added = []
        for _ in range(wanted.pairs):
            for side in sides:
                loads = [_load(side, texts, count, wanted.seconds) for count in clients]
                kept = [rate for rate, p99, _ in loads if p99 <= SLOWEST_SECONDS]
                best[side.name].append(max(kept, default=0.0))
            bare = _time_bare(bundle, texts, wanted.threads)[1]
            added.append(1000 * (_load(sides[0], texts, 1, wanted.seconds)[2] - bare))
    for name, rates in best.items():
        tell("serve", side=name, unit="requests/s at p99 <= 250 ms", **spread(rates).to_json())
    ours, *rivals = (best[side.name] for side in sides)
    for side, rates in zip(sides[1:], rivals, strict=True):
        if all(rates):
            ratios = spread([a / b for a, b in zip(ours, rates, strict=True)])
            measure = "times the requests/s"
            tell("serve", measure=measure, of=side.name, engine=engine, **ratios.to_json())
    tell("serve", measure="added at one client, p50", unit="ms", **spread(added).to_json())


def support_texts() -> list[str]:
    """Return the texts of the packaged test rows."""
    with (ROOT / "examples" / "support" / "test.csv").open(encoding="utf-8", newline="") as stream:
        return [" ".join(row["text"].split()) for row in csv.DictReader(stream)]


@contextlib.contextmanager
def tuned(seed: int = 0) -> Iterator[Path]:
    """Give a bundle, with an int8 export where parity holds."""
    import tunesmith  # noqa: PLC0415 (after the processors are chosen)
    from tunesmith.core.errors import GateError  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        fitted = tunesmith.fit(
            ROOT / "examples" / "support", task="classification", out=f"{folder}/run", seed=seed
        )
        try:
            tunesmith.export(fitted.bundle, precision="int8")
        except GateError:
            tunesmith.export(fitted.bundle)
        yield Path(fitted.bundle)


def _time_bare(bundle: Path, texts: list[str], threads: int) -> tuple[str, float]:
    """Return the engine, and its median seconds for one text without any service."""
    from tunesmith.operations.predict import PredictSpec, open_engine  # noqa: PLC0415
    from tunesmith.runtime.engine import answer  # noqa: PLC0415
    from tunesmith.session import Session  # noqa: PLC0415
    from tunesmith.store.bundles import read_bundle  # noqa: PLC0415

    spec = PredictSpec(bundle=str(bundle), column={}, threads=threads)
    with open_engine(spec, Session(), read_bundle(bundle)) as (engine, name):
        seconds = []
        for text in texts[:BARE_TEXTS]:
            started = time.perf_counter()
            list(answer(engine, [engine.task.inputs_of(text)]))
            seconds.append(time.perf_counter() - started)
    return name, statistics.median(seconds)


def _load(side: Side, texts: list[str], clients: int, seconds: float) -> tuple[float, float, float]:
    """Return requests a second, p99 and p50 in seconds, of a load from a process of its own."""
    command = [sys.executable, str(ROOT / "benchmarks" / "load.py"), str(side.port), side.path]
    command += [side.field, str(clients), str(seconds)]
    made = subprocess.run(
        command,
        input="\n".join(texts),
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + LONGEST_ANSWER_SECONDS,
    )
    found = json.loads(made.stdout)
    values = found["latencies"]
    return len(values) / found["seconds"], percentile(values, 99), percentile(values, 50)


@contextlib.contextmanager
def _ours(bundle: Path) -> Iterator[Side]:
    port = free_port()
    words = ["serve", str(bundle), "--port", str(port), "--log", os.devnull]
    words += ["--set", "limits.requests_a_minute=100000000"]
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "tunesmith", *words]
        with running(command, {"TUNESMITH_HOME": home}):
            side = Side("tunesmith", port, "/v1/predict", "row")
            _wait(side)
            yield side


def _rivals(bundle: Path, stack: contextlib.ExitStack) -> list[Side]:
    """Return those that are installed, each of them up."""
    made = []
    for library, module in RIVALS.items():
        if find_spec(library) is None:
            tell("serve", side=library, measure="not installed: left out")
            continue
        name = f"{named(library)} before pipeline of {named('transformers')}"
        made.append(stack.enter_context(_rival(bundle, name, module)))
    return made


@contextlib.contextmanager
def _rival(bundle: Path, name: str, module: str) -> Iterator[Side]:
    port = free_port()
    command = [sys.executable, "-m", f"rivals.{module}", str(bundle / "model"), str(port)]
    paths = [str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")]
    with running(command, {"PYTHONPATH": os.pathsep.join(filter(None, paths))}):
        side = Side(name, port, "/predict", "text")
        _wait(side)
        yield side


@contextlib.contextmanager
def running(command: list[str], more: dict[str, str]) -> Iterator[subprocess.Popen]:
    """Give a process that is ended at the end, with all that it started."""
    environment = {**os.environ, **more}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _wait(side: Side) -> None:
    """Wait until a service answers."""
    until = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(subprocess.CalledProcessError, subprocess.TimeoutExpired):
            _load(side, ["ready?"], 1, 0.1)
            return
        time.sleep(0.5)
    sys.exit(f"{side.name} did not answer within {STARTING_SECONDS} seconds")


def free_port() -> int:
    """Return a port of loopback that nobody has now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


if __name__ == "__main__":
    main()
