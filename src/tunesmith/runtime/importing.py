"""Importing ahead what an engine will need, before it is known which weights it is to hold."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tunesmith.core.errors import TunesmithError
from tunesmith.store.bundles import Bundle, read_bundle


def import_ahead(engine: str, path: str) -> None:
    """Import what `onnx` or `torch` needs for the bundle at `path`, none of whose weights is read.

    What is not there to be imported is left to the loading, which names it.
    """
    with contextlib.suppress(ImportError, OSError, TunesmithError):
        if engine == "onnx":
            import onnxruntime  # noqa: F401, PLC0415 (an extra)

            import tunesmith.model.tokenizers  # noqa: PLC0415 (imports tokenizers)
            import tunesmith.runtime.loading  # noqa: F401, PLC0415
        else:
            _import_torch(read_bundle(path, verify=False))


def _import_torch(bundle: Bundle) -> None:
    import tunesmith.model.deltas  # noqa: PLC0415 (imports torch)
    import tunesmith.model.heads  # noqa: PLC0415 (imports transformers)
    import tunesmith.runtime.torch_model  # noqa: F401, PLC0415
    from tunesmith.model.backbones import import_architecture  # noqa: PLC0415

    folder = (bundle.members or (bundle.path,))[0] / "model"
    if Path(folder).is_dir():
        import_architecture(folder)
