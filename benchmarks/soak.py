"""`tunesmith serve` for ten minutes at twice its capacity, replaced and killed under load.

Usage: python benchmarks/soak.py [--bundle BUNDLE --other BUNDLE] [--minutes 10] [--swaps 20]
       [--kills 3] [--engine auto] [--threads 2]

Told are the memory of all processes in MiB a minute after the warm-up, with its interval; how many
requests got which status at twice the measured capacity; what swaps under load cost and whether an
answer failed or was mixed; and after `kill -9` of the worker the seconds until the next answer, and
which requests failed. Without bundles two are tuned on `examples/support`, apart by their seed.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from compare import percentile, pin_processors
from record import ROOT, tell
from serve import free_port, running, support_texts, tuned

PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
QUEUE = 64
CLIENTS = 256
"""Far more than wait at once in the queue, so that twice the capacity is felt as 503."""

WARM_SHARE = 0.25
WARM_SECONDS = 75
"""More than the minute for which requests are counted against the limits, if the run is so long."""

BLOCKS = 12
T_95 = 2.228
"""Of Student's distribution with 10 degrees of freedom: twelve blocks and a line through them."""

LONGEST_SECONDS = 3600
ROWS = 8
"""Rows of a request where answers are looked at for being mixed."""


@dataclass
class Service:
    """A service that runs: its process, port, log and workspace."""

    process: subprocess.Popen
    port: int
    log: Path
    home: Path
    heard: list[dict[str, Any]] = field(default_factory=list)
    heard_bytes: int = 0

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of the log that tell of an event, requests left out.

        Of the log, which ten minutes make long, only what is new is read.
        """
        if self.log.exists():
            with self.log.open("rb") as stream:
                stream.seek(self.heard_bytes)
                lines = stream.read().splitlines(keepends=True)
            whole = [line for line in lines if line.endswith(b"\n")]
            self.heard_bytes += sum(map(len, whole))
            told = map(json.loads, (line for line in whole if b'"event": "request"' not in line))
            self.heard += told
        return [line for line in self.heard if line["event"] == name]

    def point(self, bundle: Path) -> None:
        """Let `@production` stand for a bundle."""
        import tunesmith  # noqa: PLC0415 (after the processors are chosen)
        from tunesmith.session import Session  # noqa: PLC0415
        from tunesmith.store.workspace import Workspace  # noqa: PLC0415

        session = Session(workspace=Workspace(self.home))
        tunesmith.runs("alias", ["@production", str(bundle)], session=session)

    def reload(self) -> bool:
        """Have the alias read again, and return whether the model was replaced."""
        url = f"http://127.0.0.1:{self.port}/v1/models/desk/reload"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="POST")) as reply:
                return bool(json.load(reply)["replaced"])
        except urllib.error.HTTPError as error:
            sys.stderr.write(f"{error.read().decode()}\n")
            return False

    def memory_mib(self) -> float:
        """Return the resident memory of the front and of all its children, in MiB."""
        pid = self.process.pid  # also of the thread that starts all workers
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        pages = 0
        for each in [pid, *children]:
            with contextlib.suppress(OSError):
                pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
        return pages * PAGE_MIB


def main() -> None:
    """Press, swap and kill, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--other", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    wanted = parser.parse_args()
    pin_processors(wanted.threads)
    with contextlib.ExitStack() as stack:
        bundle = wanted.bundle or stack.enter_context(tuned())
        other = wanted.other or stack.enter_context(tuned(seed=1))
        service = stack.enter_context(_serving(bundle, wanted.engine))
        capacity = _capacity(service)
        engine = service.events("canary_replayed")[-1]["engine"]
        tell("soak", measure="capacity", value=round(capacity, 1), unit="requests/s", engine=engine)
        _soak(service, 2 * capacity, wanted.minutes * 60)
        _swap(service, [bundle, other], capacity / 2, wanted.swaps)
        for _ in range(wanted.kills):
            _kill(service, capacity / 2)


@contextlib.contextmanager
def _serving(bundle: Path, engine: str) -> Iterator[Service]:
    with tempfile.TemporaryDirectory() as folder:
        port, log, home = free_port(), Path(folder, "log"), Path(folder, "home")
        words = ["serve", "desk=@production", "--port", str(port), "--log", str(log)]
        words += ["--engine", engine, "--follow-seconds", "0"]
        words += ["--set", "limits.requests_a_minute=100000000"]
        words += ["--set", f"limits.queue_requests={QUEUE}"]
        Service(None, port, log, home).point(bundle)  # type: ignore[arg-type]
        command = [sys.executable, "-m", "tunesmith", *words]
        with running(command, {"TUNESMITH_HOME": str(home)}) as process:
            service = Service(process, port, log, home)
            while not service.events("ready"):
                if process.poll() is not None:
                    sys.exit("the service did not start")
                time.sleep(0.1)
            yield service


@contextlib.contextmanager
def _pressed(
    service: Service, rate: float, seconds: float | None, *, clients: int, wish: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Press for so many seconds, or while the block runs; then the dictionary has the outcome."""
    script = str(ROOT / "benchmarks" / "pressure.py")
    command = [sys.executable, script, str(service.port), str(rate)]
    command += [str(seconds or LONGEST_SECONDS), str(clients)]
    found: dict[str, Any] = {}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as pressing:
        assert pressing.stdin is not None
        assert pressing.stdout is not None
        pressing.stdin.write(json.dumps(wish))
        pressing.stdin.close()
        try:
            yield found
            if seconds is None:
                pressing.terminate()
            found |= json.loads(pressing.stdout.read())
        finally:
            pressing.kill()


def _capacity(service: Service) -> float:
    """Return the requests a second that eight clients get answered, one text each."""
    wish = {"bodies": [{"row": text} for text in support_texts()]}
    with _pressed(service, 1e6, 6.0, clients=8, wish=wish) as found:
        pass
    done = [sent for sent, status, *_ in found["requests"] if status == 200 and sent > 1]
    return len(done) / (max(done) - 1)


def _soak(service: Service, rate: float, seconds: float) -> None:
    wish = {"bodies": [{"row": text} for text in support_texts()]}
    memory: list[tuple[float, float]] = []
    started = time.monotonic()
    with _pressed(service, rate, seconds, clients=CLIENTS, wish=wish) as found:
        while (elapsed := time.monotonic() - started) < seconds:
            memory.append((elapsed / 60, service.memory_mib()))
            time.sleep(0.25)
    statuses = collections.Counter(status for _, status, *_ in found["requests"])
    latencies = [latency for _, status, latency, _ in found["requests"] if status == 200]
    warm = min(max(WARM_SHARE * seconds, WARM_SECONDS), (1 - WARM_SHARE) * seconds)
    slope, half = _slope([each for each in memory if each[0] * 60 > warm])
    tell(
        "soak",
        measure="memory after the warm-up",
        value=round(slope, 3),
        unit="MiB/min",
        low=round(slope - half, 3),
        high=round(slope + half, 3),
        n=len(memory),
        mib=round(memory[-1][1], 1),
        minutes=round(seconds / 60, 2),
    )
    tell(
        "soak",
        measure="statuses at twice the capacity",
        asked_a_second=round(rate, 1),
        n=len(found["requests"]),
        statuses={str(status): count for status, count in sorted(statuses.items())},
        unanswered=statuses[-1] + statuses[0],
        p99_ms=round(1000 * percentile(latencies, 99), 1),
    )


def _slope(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the slope of a line through block means, and half of its 95 % interval."""
    blocks = np.array([np.mean(part, axis=0) for part in np.array_split(points, BLOCKS)])
    x, y = blocks.T
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    rest = y - y.mean() - slope * centred
    error = math.sqrt(float(rest @ rest) / (BLOCKS - 2) / float(centred @ centred))
    return slope, T_95 * error


def _swap(service: Service, bundles: Sequence[Path], rate: float, count: int) -> None:
    import tunesmith  # noqa: PLC0415 (after the processors are chosen)

    texts = support_texts()
    groups = [texts[first : first + ROWS] for first in range(0, len(texts) - ROWS, ROWS)]
    expected = {}
    for bundle in bundles:
        made = tunesmith.predict(bundle, [text for group in groups for text in group])
        labels = iter([row["label"] for row in made.predictions])
        expected[made.fingerprint] = [[next(labels) for _ in group] for group in groups]
    wish = {"bodies": [{"rows": group} for group in groups], "expected": expected}
    seconds: list[float] = []
    refused = 0
    with _pressed(service, rate / ROWS, None, clients=4, wish=wish) as found:
        for number in range(count):
            service.point(bundles[(number + 1) % len(bundles)])
            begun = time.monotonic()
            refused += not service.reload()
            seconds.append(time.monotonic() - begun)
    statuses = collections.Counter(status for _, status, *_ in found["requests"])
    tell(
        "soak",
        measure="swaps under load",
        value=count - refused,
        refused=refused,
        n=len(found["requests"]),
        failed=sum(number for status, number in statuses.items() if status != 200),
        mixed=found["mixed"],
        versions=len({version for *_, version in found["requests"]}),
        seconds_median=round(percentile(seconds, 50), 2),
        seconds_most=round(max(seconds), 2),
    )


def _kill(service: Service, rate: float) -> None:
    wish = {"bodies": [{"row": text} for text in support_texts()]}
    before = len(service.events("worker_ready"))
    with _pressed(service, rate, 20.0, clients=32, wish=wish) as found:
        time.sleep(4)
        worker = service.events("worker_ready")[-1]["process"]
        os.kill(worker, signal.SIGKILL)
        killed = time.monotonic()
        while len(service.events("worker_ready")) == before:
            time.sleep(0.01)
        seconds = time.monotonic() - killed
    failed = [status for _, status, *_ in found["requests"] if status != 200]
    tell(
        "soak",
        measure="from kill -9 to the next worker",
        value=round(seconds, 2),
        unit="s",
        n=len(found["requests"]),
        failed=len(failed),
        statuses={str(status): count for status, count in collections.Counter(failed).items()},
        slowest_ms=round(1000 * max(latency for _, _, latency, _ in found["requests"]), 1),
    )


if __name__ == "__main__":
    main()
