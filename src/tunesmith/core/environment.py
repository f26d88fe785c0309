"""Which versions are at work: what a lock file and a bundle record, and `env` shows."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

RECORDED = (
    "tunesmith",
    "torch",
    "transformers",
    "tokenizers",
    "accelerate",
    "safetensors",
    "numpy",
    "scikit-learn",
)


def package_versions(names: tuple[str, ...] = RECORDED) -> dict[str, str]:
    """Return the installed version of each package, Python's first.

    Packages that are not installed are left out.
    """
    found = {"python": platform.python_version()}
    for name in names:
        if installed := installed_version(name):
            found[name] = installed
    return found


def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
