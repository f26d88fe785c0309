"""The page that shows the API: three files of ours, and nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files

KINDS = {"/docs.js": "text/javascript", "/docs.css": "text/css", "/docs": "text/html"}


def read_page(path: str) -> tuple[bytes, str]:
    """Return a file of the page and its media type."""
    name = "docs.html" if path == "/docs" else path.removeprefix("/")
    content = files("tunesmith.stages.serve").joinpath("page", name).read_bytes()
    return content, f"{KINDS[path]}; charset=utf-8"
