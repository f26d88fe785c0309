"""Where the user keeps things, and which versions are at work: what bundles and `env` show."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

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


def home_folder() -> Path:
    """Return the folder of the default workspace: `$TUNESMITH_HOME`, else `~/.tunesmith`."""
    return Path(os.environ.get("TUNESMITH_HOME") or Path.home() / ".tunesmith")
