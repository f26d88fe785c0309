"""The curve of a run mirrored to TensorBoard while it grows, where the recipe asks for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tunesmith.core.errors import MissingExtraError
from tunesmith.core.events import Event, Step, Validated


@contextlib.contextmanager
def tracked(
    emit: Callable[[Event], None], *, tracker: str, folder: Path
) -> Iterator[Callable[[Event], None]]:
    """Give a listener that passes events on to `emit` and, for "tensorboard", into `folder`.

    Raises `MissingExtraError` where TensorBoard is not installed.
    """
    if tracker == "none":
        yield emit
        return
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise MissingExtraError(
            "`training.track` tensorboard needs the package tensorboard, which is not installed",
            hint="pip install 'tunesmith[track]'",
        ) from error
    writer = SummaryWriter(str(folder))

    def listen(event: Event) -> None:
        match event:
            case Step():
                writer.add_scalar("train/loss", event.loss, event.index)
                for name, loss in event.parts.items():
                    writer.add_scalar(f"train/loss/{name}", loss, event.index)
                writer.add_scalar("train/learning_rate", event.learning_rate, event.index)
                speed = event.tokens / max(event.seconds, 1e-9)
                writer.add_scalar("train/tokens_per_second", speed, event.index)
            case Validated():
                writer.add_scalar(f"valid/{event.measure}", event.value, event.index)
        emit(event)

    try:
        yield listen
    finally:
        writer.close()
