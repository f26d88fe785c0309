"""serve: bundles behind HTTP, with keys, limits and figures."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tunesmith.core.errors import GateError, SpecError
from tunesmith.core.events import Said, Warned
from tunesmith.core.jobs import JobLimits
from tunesmith.core.locations import OptionalPathText
from tunesmith.core.masking import MaskedKinds
from tunesmith.core.operation import Operation
from tunesmith.core.reliability import Demands
from tunesmith.core.serving import BatchRecipe, RayRecipe, ServiceLimits

if TYPE_CHECKING:
    from tunesmith.session import Session
    from tunesmith.stages.serve.deployments import Served
    from tunesmith.stages.serve.fleet import Settings
    from tunesmith.stages.serve.jobs import JobSettings
    from tunesmith.stages.serve.service import Service

WORKER = "tunesmith.operations.serving"
"""The module that a worker process runs."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DEFAULT_NAME = "default"
"""What the only model is called where it was given no name."""


def _read_bundles(value: Any) -> Any:
    """Take one bundle as a list of one, and paths as texts."""
    if isinstance(value, str | PurePath):
        value = (value,)
    if isinstance(value, list | tuple):
        return tuple(str(item) if isinstance(item, PurePath) else item for item in value)
    return value


Beside = Annotated[tuple[str, ...], BeforeValidator(_read_bundles)]
Bundles = Annotated[Beside, Field(min_length=1)]


class ServeSpec(Demands):
    """Answer requests over HTTP with one or more bundles."""

    bundles: Bundles = Field(json_schema_extra={"positional": True})
    """The bundles to answer with, `NAME=PATH` or `NAME=@ALIAS` each; the name may be left out where
    there is one."""

    host: str = "127.0.0.1"
    """Address to listen on; others than this machine's own need a key."""

    port: int = Field(8000, ge=0, le=65_535)
    """Port to listen on; 0 takes one that is free."""

    admin_port: int | None = Field(None, ge=0, le=65_535)
    """Port of this machine for figures, which are at no other then; none gives them beside the
    answers, to keys of the scope `admin`."""

    workers: int = Field(1, ge=1, le=256)
    """Processes that compute, each with all models."""

    spares: int = Field(1, ge=0, le=16)
    """Processes without a model that stand ready to take the place of a lost worker."""

    candidate: Beside = ()
    """Bundles that answer a share of a model's requests in its place, `NAME=PATH` or `NAME=@ALIAS`
    each."""

    candidate_share: float = Field(0.05, ge=0, le=1)
    """Share of the requests that a candidate answers, chosen by conversation or request id."""

    shadow: Beside = ()
    """Bundles that are asked what a model was asked, for figures alone, `NAME=PATH` or
    `NAME=@ALIAS` each."""

    follow_seconds: float = Field(5.0, ge=0)
    """Seconds between two looks whether an alias came to mean another bundle, which takes the
    place of the first then; 0 never looks."""

    threads: int | None = Field(None, ge=1)
    """Threads a worker; none shares the cores among the workers, and takes one with Ray."""

    on: Literal["processes", "ray"] = "processes"
    """What keeps the workers: this service, `workers` of them, or Ray, as many as there is work."""

    engine: Literal["auto", "torch", "onnx"] = "auto"
    """What computes: auto takes a usable ONNX export of the bundle, else torch."""

    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    """Number format: auto is that of the export (int8 before fp32), and fp32 in torch."""

    device: str = "auto"
    """Device that computes: auto, cpu, cuda, cuda:1."""

    cache: int = Field(0, ge=0)
    """Answers a worker keeps for inputs that come again (not in bf16); 0 keeps none."""

    keys: OptionalPathText = None
    """The file of the keys; none takes `keys.json` of the workspace."""

    jwt_keys: OptionalPathText = None
    """Public keys of an identity provider (JWKS) whose signed tokens are taken beside keys."""

    jwt_issuer: str | None = None
    """Who must have issued a token: its claim `iss`."""

    jwt_audience: str | None = None
    """Whom a token must be meant for: one of its claim `aud`."""

    rate_store: str = "memory://"
    """Where requests are counted; redis://HOST:PORT shares the counts among services."""

    certfile: OptionalPathText = None
    """Certificate for HTTPS, in PEM."""

    keyfile: OptionalPathText = None
    """Key of the certificate, in PEM."""

    log: OptionalPathText = None
    """File for the log, one JSON object a line; none writes it to standard error."""

    audit_log: OptionalPathText = None
    """File for the audit log, a chain of lines that `tunesmith verify` checks; none keeps none."""

    audit_bytes: int = Field(100_000_000, ge=10_000)
    """Bytes of the audit log after which it goes on in a new file."""

    mask: MaskedKinds = ()
    """Kinds of personal data that are replaced by placeholders before a model reads a text: all, or
    some of email, resident_id, credit_code, iban, card, bank_card, ip, mobile, phone."""

    mask_names: OptionalPathText = None
    """A bundle for ner whose people are masked too."""

    mask_numbered: bool = False
    """Number the placeholders, `[PHONE_1]`: the same value of a row has the same number."""

    trace_endpoint: str | None = None
    """Where traces are sent, by OTLP over HTTP, such as http://HOST:4318/v1/traces; none leaves it
    to OpenTelemetry's own variables, and without these none are kept."""

    check: bool = False
    """Load the models, replay their canary rows by the path of requests, and stop."""

    jobs: bool = False
    """Take long jobs (check, plan, fit, evaluate, predict, export, pretrain, prompt) as runs, from
    keys of the scope `operate`."""

    jobs_root: Annotated[tuple[str, ...], BeforeValidator(_read_bundles)] = ()
    """Folders that all paths of jobs must lie in; relative ones begin in the first."""

    jobs_hub: bool = False
    """Let jobs name models and data sets that are fetched from the hub."""

    job_limits: JobLimits = JobLimits()
    """What jobs may take."""

    limits: ServiceLimits = ServiceLimits()
    """What a request may cost."""

    batch: BatchRecipe = BatchRecipe()
    """How requests that wait are gathered."""

    ray: RayRecipe = RayRecipe()
    """How many workers Ray keeps, with `on` ray."""


@dataclass(frozen=True, slots=True)
class ServeResult:
    """What was served: the models with versions and engines, and how many requests fared how."""

    models: tuple[dict[str, Any], ...]
    answered: int
    refused: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready fields."""
        return {
            "models": list(self.models),
            "answered": self.answered,
            "refused": self.refused,
            "seconds": round(self.seconds, 3),
        }


def run(spec: ServeSpec, session: Session) -> ServeResult:
    """Serve until SIGTERM or Ctrl-C.

    Raises `SpecError` for bundles that cannot stand side by side or an open service on a network,
    `GateError` where `check` finds other answers than those on record.
    """
    from tunesmith.operations.extras import needing

    with needing("serve", "to serve"):
        from tunesmith.stages.serve.keys import Gatekeeper
        from tunesmith.stages.serve.logs import open_log
        from tunesmith.stages.serve.rates import Rates
        from tunesmith.stages.serve.server import Address, check_service, run_service
        from tunesmith.stages.serve.service import Service
    from tunesmith.operations.guarding import open_auditor, token_reader
    from tunesmith.operations.keys import key_path
    from tunesmith.operations.serving_elsewhere import keeping_traces
    from tunesmith.store.keys import KeyFile

    started = time.perf_counter()
    settings = _settings(spec, session)
    keys = KeyFile(key_path(spec.keys, session))
    gatekeeper = Gatekeeper(keys, tokens=token_reader(spec))
    rates = Rates(spec.limits, spec.rate_store)
    with (
        open_log(spec.log) as log,
        open_auditor(spec, keys) as audit,
        keeping_traces(spec, log) as tracing,
    ):
        service = Service(settings, gatekeeper=gatekeeper, rates=rates, log=log, audit=audit)
        service.tracing = tracing
        if spec.check:
            check_service(service)
            if service.problem:
                raise GateError(
                    f"the service must be ready; {service.problem}",
                    hint="copy the bundle again from where it was made, or tune again",
                )
        else:
            _say_who_may_ask(spec, session, is_open=gatekeeper.is_open)
            address = Address(spec.host, spec.port, spec.admin_port, spec.certfile, spec.keyfile)
            versions = {served.name: served.version for served in settings.models}
            audit.started(log, models=versions, limits=spec.limits.model_dump())
            try:
                run_service(service, address, on_listening=lambda url: session.emit(Said(url)))
            finally:
                audit.stopped(log, answered=service.answered, refused=service.refused)
    return _result(service, time.perf_counter() - started)


def _settings(spec: ServeSpec, session: Session) -> Settings:
    from tunesmith.operations import OPERATIONS
    from tunesmith.operations.guarding import masking_settings
    from tunesmith.operations.jobs import OFFERED
    from tunesmith.operations.serving_beside import read_beside
    from tunesmith.runtime.onnx_model import core_count
    from tunesmith.stages.serve.fleet import Settings
    from tunesmith.stages.serve.server import LOOPBACK_NAMES

    models = tuple(_read_served(spec.bundles, session))
    candidates, shadows = read_beside(spec, models, session)
    threads = spec.threads or max(1, core_count() // spec.workers)
    own = {name: getattr(spec, name) for name in ("workers", "engine", "precision", "device")}
    if spec.on == "ray":
        from tunesmith.operations.serving_elsewhere import on_ray

        own |= on_ray(spec)
        threads = spec.threads or 1
    return Settings(
        models=models,
        limits=spec.limits,
        batch=spec.batch,
        demands=Demands(**{name: getattr(spec, name) for name in Demands.model_fields}),
        worker=WORKER,
        worker_settings={
            **own,
            "threads": threads,
            "cache": spec.cache,
            **masking_settings(spec, session),
            "stuck_seconds": spec.batch.stuck_ms / 1000,
            "writing_seconds": spec.limits.writing_ms / 1000,
        },
        operations=tuple(
            {
                "name": row.name,
                "summary": row.summary,
                "schema": row.spec.model_json_schema(),
                "as_run": spec.jobs and row.name in OFFERED,
            }
            for row in OPERATIONS.values()
        ),
        find=session.workspace.bundle,
        peek=lambda word: session.workspace.aliases.find(word).fingerprint,
        candidates=candidates,
        candidate_share=spec.candidate_share,
        shadows=shadows,
        follow_seconds=spec.follow_seconds,
        spares=0 if spec.check else spec.spares,
        is_admin_apart=spec.admin_port is not None,
        only_hosts=LOOPBACK_NAMES,
        jobs=_jobs(spec, session),
    )


def _jobs(spec: ServeSpec, session: Session) -> JobSettings | None:
    """Return what jobs are started with, where they are taken.

    Raises `SpecError` where no folder was named for them, and `NotFoundError` for one that is none.
    """
    if not spec.jobs:
        return None
    if not spec.jobs_root:
        raise SpecError(
            "`jobs` must have a folder that they may touch; got none",
            hint="--jobs --jobs-root FOLDER",
        )
    from tunesmith.operations.jobs import job_settings

    return job_settings(spec.jobs_root, session, hub=spec.jobs_hub, limits=spec.job_limits)


def _read_served(bundles: Iterable[str], session: Session) -> Iterable[Served]:
    """Yield each bundle under its name. Raises `SpecError` where names are not fit or not apart."""
    from tunesmith.stages.serve.deployments import Served

    named = [split_name(item) for item in bundles]
    names = [name for name, _ in named]
    problems = [
        f"the name of a model must be letters, digits, dots and dashes; got {name!r}"
        for name in names
        if not NAME.fullmatch(name)
    ]
    if len(set(names)) < len(names):
        problems.append("each of several bundles must have a name of its own")
    if problems:
        raise SpecError(problems, hint="tunesmith serve one=runs/x/bundle two=runs/y/bundle")
    for name, path in named:
        yield Served(name, session.workspace.bundle(path), path)


def split_name(item: str, default: str = DEFAULT_NAME) -> tuple[str, str]:
    """Return name and path of `NAME=PATH`; what has no name gets the default one."""
    name, equals, path = item.partition("=")
    return (name, path) if equals and "/" not in name else (default, item)


def _say_who_may_ask(spec: ServeSpec, session: Session, *, is_open: bool) -> None:
    from tunesmith.stages.serve.server import is_loopback

    if not is_open:
        return
    if spec.jobs:
        raise SpecError(
            "`jobs` must have keys: nobody may start work without a name; no key was made",
            hint="tunesmith keys add NAME --scope operate",
        )
    if not is_loopback(spec.host):
        raise SpecError(
            f"`host` must be this machine's own address where no key was made; got {spec.host}",
            hint="tunesmith keys add NAME",
        )
    session.emit(
        Warned("no key was made: everybody on this machine may ask, and nobody from elsewhere")
    )


def _result(service: Service, seconds: float) -> ServeResult:
    models = tuple(
        {
            "model": served.name,
            "version": served.version,
            "task": served.bundle.task.kind,
            "engine": service.live.engine(served.name),
        }
        for served in service.models.values()
    )
    return ServeResult(models, service.answered, service.refused, seconds)


OPERATION = Operation(
    "serve", "Answer requests over HTTP with one or more bundles.", ServeSpec, ServeResult, run
)
