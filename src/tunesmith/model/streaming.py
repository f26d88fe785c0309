"""A text while it is written: the ids of one row, token by token, out of transformers' `generate`.

`generate` runs in a thread and is told to stop when nobody listens any more.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer


def stream_ids(generate: Callable[..., Any]) -> Generator[int]:
    """Yield each id that `generate` writes, as soon as it is known.

    `generate` takes a `streamer` and `stopping_criteria`. What it raises is raised here. Where the
    caller stops asking, it stops writing before this generator is closed.
    """
    written: queue.SimpleQueue[int | BaseException | None] = queue.SimpleQueue()
    is_closed = threading.Event()

    def work() -> None:
        try:
            stop = stop_unless(lambda: not is_closed.is_set())
            generate(streamer=_Queue(written), stopping_criteria=stop)
        except BaseException as error:  # noqa: BLE001 (raised again where the ids are asked for)
            written.put(error)
        written.put(None)

    thread = threading.Thread(target=work, name="writing", daemon=True)
    thread.start()
    try:
        while (item := written.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        is_closed.set()
        thread.join()


class _Queue(BaseStreamer):
    """Hands on the ids of one row; the first call, what was read, is left out."""

    def __init__(self, written: queue.SimpleQueue[Any]) -> None:
        self._written = written
        self._is_prompt = True

    def put(self, value: torch.Tensor) -> None:
        """Hand on the ids of a step."""
        if not self._is_prompt:
            for token in value.flatten().tolist():
                self._written.put(token)
        self._is_prompt = False

    def end(self) -> None:
        """Do nothing: the thread says when it is done."""


def stop_unless(is_wanted: Callable[[], bool]) -> StoppingCriteriaList:
    """Return what makes `generate` stop at the next token once nobody wants the text any more."""
    return StoppingCriteriaList([_Unwanted(is_wanted)])


class _Unwanted(StoppingCriteria):
    """Says that all rows are done once nobody wants them."""

    def __init__(self, is_wanted: Callable[[], bool]) -> None:
        self._is_wanted = is_wanted

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:  # noqa: ARG002
        """Return (B,) whether each row is done."""
        return torch.full((len(input_ids),), not self._is_wanted(), device=input_ids.device)
