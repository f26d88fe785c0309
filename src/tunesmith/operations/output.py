"""Where an operation may write: a folder that is new, empty, or given up by the user."""

from __future__ import annotations

import os
from pathlib import Path

from tunesmith.core.errors import SpecError
from tunesmith.store.atomic import make_folder


def open_output_folder(out: str | None, *, overwrite: bool) -> Path | None:
    """Return the folder `out`, made where it is missing; None stays None.

    Raises `SpecError` where it holds files and `overwrite` is not given, and what `make_folder`
    raises.
    """
    if out is None:
        return None
    folder = Path(out)
    if os.path.exists(folder) and not folder.is_dir():
        raise SpecError(f"`--out` must be a folder; `{out}` is a file", hint=f"--out {out}-report")
    if not overwrite and os.path.isdir(folder) and any(folder.iterdir()):
        raise SpecError(
            f"`--out` must be a new or empty folder; `{out}` exists",
            hint=f"--out {out}-2, or --overwrite",
        )
    make_folder(folder)
    return folder
