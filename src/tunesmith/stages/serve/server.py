"""Sockets, protocol and signals: a service on the network, from its first to its last connection.

What the HTTP library leaves open is closed here: heads that come too slowly, too many connections,
and refusals of its own that were no JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from tunesmith.core.errors import ResourceError, SpecError
from tunesmith.stages.serve.app import make_admin_app, make_app, replay_canary
from tunesmith.stages.serve.gate import SECURITY_HEADERS
from tunesmith.stages.serve.problems import Refusal, problem_json
from tunesmith.stages.serve.service import Service

BACKLOG = 1024
LARGEST_HEAD_BYTES = 32_768
KEEP_ALIVE_SECONDS = 30
STOPPING_SECONDS = 5
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service listens; port 0 takes a free one. Without a certificate it speaks plainly."""

    host: str
    port: int
    admin_port: int | None = None
    certfile: str | None = None
    keyfile: str | None = None

    @property
    def scheme(self) -> str:
        """`https` where there is a certificate."""
        return "https" if self.certfile else "http"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a host name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def run_service(service: Service, address: Address, *, on_listening: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C, answer what was accepted, and return.

    `on_listening` is told the address. Raises `ResourceError` where a port is taken, and
    `SpecError` where certificate and key are none.
    """
    _check_certificate(address)
    with contextlib.ExitStack() as stack:
        public = stack.enter_context(_listen(address.host, address.port, "port"))
        admin = None
        if address.admin_port is not None:
            admin = stack.enter_context(_listen("127.0.0.1", address.admin_port, "admin_port"))
        asyncio.run(_serve(service, address, public, admin, on_listening))


def check_service(service: Service) -> None:
    """Load the models and replay their canary rows by the path of requests, and return."""
    asyncio.run(_check(service))


async def _check(service: Service) -> None:
    app = make_app(service)
    try:
        await service.start(lambda side: replay_canary(service, app, side))
        service.problem = "; ".join([*service.reasons, *service.warnings])
    finally:
        await service.stop()


async def _serve(
    service: Service,
    address: Address,
    public: socket.socket,
    admin: socket.socket | None,
    on_listening: Callable[[str], None],
) -> None:
    app = make_app(service)
    servers = [_Server(_config(service, app, address))]
    sockets = [public]
    if admin is not None:
        plain = Address("127.0.0.1", 0)
        servers.append(_Server(_config(service, make_admin_app(service), plain)))
        sockets.append(admin)
    if service.jobs is not None:
        await service.jobs.start()
    stopping = asyncio.Event()
    host, port = public.getsockname()[:2]
    url = f"{address.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    with _signals(service, stopping):
        tasks = [
            asyncio.create_task(server.serve([own]))
            for server, own in zip(servers, sockets, strict=True)
        ]
        admin_port = admin.getsockname()[1] if admin else None
        service.log.write("listening", url=url, port=port, admin_port=admin_port)
        on_listening(url)
        starting = asyncio.create_task(
            service.start(lambda side: replay_canary(service, app, side))
        )
        following = asyncio.create_task(service.follow())
        waiting = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({*tasks, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            service.abandon()
            service.log.write("stopping")
            for server in servers:
                server.should_exit = True
            for task in (starting, following, waiting):
                task.cancel()
            if service.jobs is not None:  # its readers leave when it is over
                await service.jobs.stop()
            await asyncio.gather(*tasks, starting, following, waiting, return_exceptions=True)
            await service.stop()
            service.log.write("stopped", answered=service.answered, refused=service.refused)


def _config(service: Service, app: ASGIApp, address: Address) -> uvicorn.Config:
    limits = service.settings.limits
    return uvicorn.Config(
        app,
        http=_bounded(limits.read_ms / 1000, limits.connections),
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=LARGEST_HEAD_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(max(limits.deadline_ms, limits.writing_ms) / 1000)
        + STOPPING_SECONDS,
        ssl_certfile=address.certfile,
        ssl_keyfile=address.keyfile,
    )


class _Server(uvicorn.Server):
    """A server that leaves signals to the service."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def _bounded(head_seconds: float, connections: int) -> type[H11Protocol]:
    """Return the protocol with a bound on the time a head may take, and on open connections."""

    class BoundedProtocol(H11Protocol):
        """HTTP/1.1 as uvicorn speaks it; its own refusals are JSON too."""

        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            """Begin the time of the first head, or refuse the connection."""
            super().connection_made(transport)
            if len(self.connections) > connections:
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "at most so many connections stand")
                return
            self._start_timer()

        def data_received(self, data: bytes) -> None:
            """Read on; a head that is complete stops the time, one that has begun starts it."""
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:
                self._stop_timer()
            elif self._head_timer is None:
                self._start_timer()

        def connection_lost(self, exc: Exception | None) -> None:
            """Stop the time."""
            self._stop_timer()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            """Refuse what is no HTTP."""
            del msg
            self._refuse(HTTPStatus.BAD_REQUEST, "a request must be HTTP/1.1")

        def _start_timer(self) -> None:
            self._head_timer = self.loop.call_later(head_seconds, self._give_up)

        def _stop_timer(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _give_up(self) -> None:
            self._head_timer = None
            if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
                self._refuse(
                    HTTPStatus.REQUEST_TIMEOUT,
                    f"a head must be sent within {head_seconds:g} seconds",
                )

        def _refuse(self, status: HTTPStatus, must: str) -> None:
            """Write a refusal past the state of the protocol, and close."""
            if self.transport.is_closing():
                return
            body = problem_json(Refusal(status, must), request_id="")
            lines = [
                f"HTTP/1.1 {status.value} {status.phrase}".encode(),
                b"content-type: application/json",
                f"content-length: {len(body)}".encode(),
                b"connection: close",
                *(b": ".join(header) for header in SECURITY_HEADERS),
            ]
            self.transport.write(b"\r\n".join([*lines, b"", body]))
            self.transport.close()

    return BoundedProtocol


@contextlib.contextmanager
def _listen(host: str, port: int, setting: str) -> Iterator[socket.socket]:
    """Give a socket that listens. Raises `ResourceError` where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small writes at once only on sockets that say they speak TCP: without the
    # protocol a body waits for the client to acknowledge its head, 40 ms later.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((host, port))
            made.listen(BACKLOG)
        except (OSError, OverflowError) as error:
            flag = f"--{setting.replace('_', '-')}"
            raise ResourceError(
                f"`{setting}` {port} of `{host}` must be free for this service; "
                f"{getattr(error, 'strerror', error)}",
                hint=f"{flag} 0 takes any port that is free",
            ) from error
        made.setblocking(False)
        yield made


@contextlib.contextmanager
def _signals(service: Service, stopping: asyncio.Event) -> Iterator[None]:
    """Set the event at SIGTERM and Ctrl-C, where this is the thread that hears of them.

    SIGHUP reads all models again; where it says that the terminal is gone, it stops the service.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    had_terminal = _has_terminal()
    reloading: set[asyncio.Task] = set()

    def hang_up() -> None:
        if had_terminal and not _has_terminal():
            stopping.set()
            return
        task = asyncio.create_task(_reload(service))
        reloading.add(task)
        task.add_done_callback(reloading.discard)

    heard = {signal.SIGTERM: stopping.set, signal.SIGINT: stopping.set, signal.SIGHUP: hang_up}
    for kind, hear in heard.items():
        loop.add_signal_handler(kind, hear)
    try:
        yield
    finally:
        for kind in heard:
            loop.remove_signal_handler(kind)


async def _reload(service: Service) -> None:
    with contextlib.suppress(Refusal):  # it is being stopped
        await service.refresh(service.models)


def _has_terminal() -> bool:
    """Tell whether this process belongs to a terminal that is there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def _check_certificate(address: Address) -> None:
    if (address.certfile is None) != (address.keyfile is None):
        raise SpecError(
            "`certfile` and `keyfile` must be given together",
            hint="--certfile CERT.pem --keyfile KEY.pem",
        )
    if address.certfile is None or address.keyfile is None:
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(Path(address.certfile), Path(address.keyfile), password=lambda: "")
    except (OSError, ssl.SSLError, ValueError) as error:
        raise SpecError(
            f"`certfile` and `keyfile` must be a certificate and its key, in PEM; {error}",
            hint="--certfile CERT.pem --keyfile KEY.pem",
        ) from error
