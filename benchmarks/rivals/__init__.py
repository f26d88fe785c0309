"""The libraries that Tunesmith is measured against, set up as their own documents say.

Benchmark-only: nothing in the package imports them for this.
"""

from __future__ import annotations

from importlib.metadata import version


def named(library: str) -> str:
    """Return the library with the version that is installed: `transformers 5.23.0`."""
    return f"{library} {version(library)}"
