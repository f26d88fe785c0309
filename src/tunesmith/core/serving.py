"""What a service grants a request, and how requests are gathered into batches."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tunesmith.core.spec import Part

Scope = Literal["predict", "operate", "admin"]
"""What a key opens, each all that stands before it: answers and what describes them; long jobs; the
figures of the service."""


class ServiceLimits(Part):
    """Bounds on what a request may cost; what is beyond them is refused before it is computed."""

    body_bytes: int = Field(1_000_000, ge=1_000, le=1_000_000_000)
    """Bytes of a request's body."""

    rows: int = Field(256, ge=1, le=100_000)
    """Rows of a request."""

    characters: int = Field(50_000, ge=1)
    """Characters of a row, all its texts together."""

    requests_a_minute: int = Field(6_000, ge=1)
    """Requests in any sixty seconds of a key, or of an address where no key was made."""

    failed_keys_a_minute: int = Field(30, ge=1)
    """Keys an address may get wrong in any sixty seconds."""

    connections: int = Field(1_000, ge=1)
    """Connections that stand open at once."""

    queue_requests: int = Field(512, ge=1)
    """Requests that wait for an answer at once; one more is sent away with 503."""

    queue_rows: int = Field(8_192, ge=1)
    """Rows that wait for an answer at once."""

    deadline_ms: int = Field(10_000, ge=1)
    """Milliseconds from a request's last byte to its answer, or to the first token of a chat reply;
    later it gets 504, uncomputed."""

    written_tokens: int = Field(1_024, ge=1)
    """Tokens that one chat reply may have, whatever its request asks for."""

    writing_ms: int = Field(60_000, ge=1)
    """Milliseconds from a chat request to the end of its reply; what is written later is not."""

    token_ms: int = Field(10_000, ge=1)
    """Milliseconds that may pass between two tokens of a reply."""

    read_ms: int = Field(10_000, ge=1)
    """Milliseconds that a client may take to send a head, and again to send a body."""


class BatchRecipe(Part):
    """How requests that wait are gathered into one batch. An idle worker never waits for more."""

    tokens: int = Field(4_096, ge=1)
    """Tokens of a batch, guessed from the texts' bytes; a larger request stands alone."""

    bound_ms: int = Field(50, ge=1)
    """Milliseconds that a batch may take to compute, at the speed measured so far."""

    stuck_ms: int = Field(120_000, ge=1)
    """Milliseconds after which a batch is given up, and the worker that holds it replaced."""


class RayRecipe(Part):
    """How many replicas Ray Serve keeps of the models, on this machine."""

    min_replicas: int = Field(1, ge=1, le=1_024)
    """Replicas that are always there."""

    max_replicas: int = Field(4, ge=1, le=1_024)
    """Replicas that are never exceeded."""

    ongoing: float = Field(1.0, gt=0)
    """Batches a replica, computed or waiting, that call for no other replica."""

    upscale_seconds: float = Field(10.0, ge=0)
    """Seconds that more work must last before a replica is added."""

    downscale_seconds: float = Field(300.0, ge=0)
    """Seconds that less work must last before a replica is taken away."""
