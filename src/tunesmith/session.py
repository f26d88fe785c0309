"""What an operation may touch while it runs.

That is the workspace, the device, models, data, the bundle writer and the listener.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.events import Event
from tunesmith.store.workspace import Workspace, default_workspace

if TYPE_CHECKING:
    import torch

    from tunesmith.data.splits import Splits
    from tunesmith.model.backbones import Backbone
    from tunesmith.store.bundles import Bundle
    from tunesmith.tasks.task import Task


class Session:
    """What one or many operations of one user share: workspace, device and listener.

    Nothing heavy is loaded before it is asked for.
    """

    def __init__(
        self,
        *,
        workspace: Workspace | None = None,
        device: str = "auto",
        listener: Callable[[Event], None] | None = None,
    ) -> None:
        """Use the default workspace, the best device and nobody listening, where none is given."""
        self.workspace = workspace or default_workspace()
        self._device_name = device
        self._listener = listener

    @cached_property
    def device(self) -> torch.device:
        """The device that computes."""
        from tunesmith.model.device import choose_device  # noqa: PLC0415 (imports torch)

        return choose_device(self._device_name)

    def backbone(self, name: str, *, revision: str | None = None, writes: bool = False) -> Backbone:
        """Return a fresh copy of a pretrained model, free to be changed."""
        from tunesmith.model.backbones import load_backbone  # noqa: PLC0415 (imports torch)

        return load_backbone(name, revision=revision, writes=writes)

    def examples(self, data: str, task: Task, **how: Any) -> Splits:
        """Return the rows of a data argument; `how` is what `load_splits` takes."""
        from tunesmith.data.splits import load_splits  # noqa: PLC0415 (kept off the start of `--help`)

        return load_splits(data, task, **how)

    def save(self, path: Path, manifest: Mapping[str, Any], fill: Callable[[Path], None]) -> Bundle:
        """Write a bundle whole or not at all."""
        from tunesmith.store.bundles import write_bundle  # noqa: PLC0415 (kept off the start of `--help`)

        return write_bundle(path, manifest, fill)

    def emit(self, event: Event) -> None:
        """Tell whoever listens."""
        if self._listener is not None:
            self._listener(event)
