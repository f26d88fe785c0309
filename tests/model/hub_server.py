"""A server on loopback that speaks the hub's routes for models, written for these tests.

It serves what a test gives it, can break off in the middle of a file, and notes what was asked for.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

COMMIT = "c0ffee" + "0" * 34
LARGE = (".safetensors", ".bin")


@dataclass
class Hub:
    """The repositories that are served, how they misbehave, and the requests that came.

    `cut_at` breaks a file off after so many bytes, `cuts` times; `announced` gives a file another
    size or digest than it has.
    """

    address: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    announced: dict[str, dict[str, Any]] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)
    cut_at: int = 0
    cuts: int = 0
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def offer(self, name: str, folder: Path) -> None:
        """Serve a folder as the repository `name`."""
        paths = [path for path in folder.rglob("*") if path.is_file()]
        self.files[name] = {str(path.relative_to(folder)): path.read_bytes() for path in paths}

    def gets(self, name: str) -> list[str]:
        """Return the ranges with which a file was asked for, empty for the whole of it."""
        return [span for method, path, span in self.asked if method == "GET" and name in path]

    def facts(self, repository: str, name: str) -> dict[str, Any]:
        """Return what the hub says of a file."""
        content = self.files[repository][name]
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        digest = hashlib.sha256(content).hexdigest()
        stated = {"size": len(content), "sha256": digest, **self.announced.get(name, {})}
        said = {"rfilename": name, "size": stated["size"], "blobId": blob.hexdigest()}
        if name.endswith(LARGE):
            said["lfs"] = {"sha256": stated["sha256"], "size": stated["size"], "pointerSize": 1}
        return said


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_HEAD(self) -> None:  # noqa: N802 (the library's name)
        self._answer()

    def do_GET(self) -> None:  # noqa: N802
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        self.hub.asked.append((self.command, path, self.headers.get("Range", "")))
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._describe("/".join(parts[2:4]))
        elif parts[2:3] == ["resolve"]:
            self._serve("/".join(parts[:2]), "/".join(parts[4:]))
        else:
            self._refuse()

    def _describe(self, repository: str) -> None:
        if repository not in self.hub.files:
            self._refuse()
            return
        facts = {
            "id": repository,
            "sha": COMMIT,
            "private": False,
            "gated": False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "cardData": self.hub.card,
            "siblings": [
                self.hub.facts(repository, name) for name in sorted(self.hub.files[repository])
            ],
        }
        self._send(json.dumps(facts).encode(), {"Content-Type": "application/json"})

    def _serve(self, repository: str, name: str) -> None:
        if name not in self.hub.files.get(repository, {}):
            self._refuse(code="EntryNotFound")
            return
        facts = self.hub.facts(repository, name)
        etag = facts["lfs"]["sha256"] if "lfs" in facts else facts["blobId"]
        headers = {
            "ETag": f'"{etag}"',
            "X-Repo-Commit": COMMIT,
            "Accept-Ranges": "bytes",
            "X-Linked-Size": str(facts["size"]),
        }
        self._send(self.hub.files[repository][name], headers)

    def _send(self, content: bytes, headers: dict[str, str]) -> None:
        span = self.headers.get("Range", "")
        first = int(span.removeprefix("bytes=").partition("-")[0]) if span else 0
        rest = content[first:]
        self.send_response(206 if span else 200)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.hub.cuts and len(rest) > self.hub.cut_at:
            self.hub.cuts -= 1
            self.wfile.write(rest[: self.hub.cut_at])
            self.close_connection = True
            return
        self.wfile.write(rest)

    def _refuse(self, code: str = "RepoNotFound") -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def start(hub: Hub) -> ThreadingHTTPServer:
    """Start serving on a free port of loopback; `shutdown` and `server_close` end it."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server
