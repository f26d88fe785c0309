"""What this machine is called and has, and how much memory this process took. No library needed."""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import sys
from pathlib import Path

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

_STATUS = Path("/proc/self/status")
_FORGET = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"
"""What makes Linux begin to count the peak anew (proc(5), since 4.0)."""


def host_name() -> str:
    """Return the name of this machine in its network."""
    return socket.gethostname()[:255]


def core_count() -> int:
    """Return the processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_machine() -> str:
    """Return name, processor and cores, as measured seconds need them to be compared."""
    cores = core_count()
    return f"{host_name()}, {platform.machine()}, {cores} {'core' if cores == 1 else 'cores'}"


def forget_peak() -> None:
    """Begin to count the peak of memory anew, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        _FORGET.write_text(_FORGET_PEAK, encoding="ascii")


def peak_bytes() -> int | None:
    """Return the most memory this process held: since `forget_peak`, or since it began.

    None where the system does not say.
    """
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
        found = next(line for line in lines if line.startswith("VmHWM:"))
        return int(found.split()[1]) * 1024
    if resource is None:
        return None
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024
