"""Optional parts: a clear word where one is not installed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tunesmith.core.errors import MissingExtraError


@contextlib.contextmanager
def needing(extra: str, purpose: str) -> Iterator[None]:
    """Import what an extra brings. Raises `MissingExtraError` where it is not there.

    `purpose` is what needs it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("tunesmith"):
            raise
        raise MissingExtraError(
            f"{purpose} needs the package {error.name}, which is not installed",
            hint=f"pip install 'tunesmith[{extra}]'",
        ) from error
