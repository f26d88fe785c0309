"""A process that has imported everything and forks one command line for each request.

Importing transformers costs seconds, a fork milliseconds; the fork is a process like any other:
it has its own files, limits and signals, and it leaves through `main()` and the interpreter's own
end. Requests and answers are JSON lines; this module does not test anything itself.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
from typing import Any

IMPORTED = (
    "tunesmith.operations.fitting",
    "tunesmith.interfaces.cli",
    "tunesmith.interfaces.progress",
    "tunesmith.interfaces.tables",
    "tunesmith.store.runs",
    "sqlalchemy.dialects.sqlite",
    "optuna",
    "torch._dynamo",
    "transformers.generation",
    "transformers.models.bert.modeling_bert",
)
"""What a command line imports on its way, some of it late."""


def serve() -> list[str] | None:
    """Answer requests until there are no more; in a forked child, return its command line."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # or each fork would copy all of these pages when it collects

    answer({"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer(wait(request["wait"], seconds=request["seconds"]))
            continue
        child = os.fork()
        if child == 0:
            return become(request)
        answer({"process": child})
    return None


def answer(fields: dict[str, Any]) -> None:
    """Write one line to the test that asked."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def wait(process: int, *, seconds: float) -> dict[str, Any]:
    """Return how a child ended (negative: the signal) and its peak memory; kill it when late."""
    end = time.monotonic() + seconds
    while True:
        ended, status, usage = os.wait4(process, os.WNOHANG)
        if ended:
            return {
                "status": os.waitstatus_to_exitcode(status),
                "peak_bytes": usage.ru_maxrss * 1024,
            }
        if time.monotonic() > end:
            os.kill(process, signal.SIGKILL)
            end = float("inf")
        time.sleep(0.01)


def become(request: dict[str, Any]) -> list[str]:
    """Turn this fork into the process that was asked for, and return its command line."""
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["largest_file_bytes"] is not None:
        limit = request["largest_file_bytes"]
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if request["stdin"] is None:
        os.close(0)
        sys.stdin = None
    else:
        os.dup2(os.open(request["stdin"], os.O_RDONLY), 0)
    create = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    os.dup2(os.open(request["stdout"], create, 0o644), 1)
    os.dup2(os.open(request["stderr"], create, 0o644), 2)
    return request["words"]


if __name__ == "__main__":
    words = serve()
    if words is not None:
        from tunesmith.interfaces.cli import main

        sys.argv = ["tunesmith", *words]
        main()
