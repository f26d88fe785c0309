"""Averages of the weights: they are validated and saved, and training goes on from its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch
from torch import nn

from tunesmith.core.boosters import Ema, Swa
from tunesmith.stages.tune.loop import Average

Share: TypeAlias = Callable[[int], float]
"""From the number of the steps seen, this one included, to the new weights' share of the average.
"""

SEEN = "steps_seen"
"""The name of a count in a checkpoint; no parameter has a name without a dot."""


class WeightAverage:
    """An average of the weights that are trained in a model.

    It begins, at the weights as they are, with the first step behind which more than `start` of the
    training lies. While it stands in the model, the trained weights are kept here.
    """

    def __init__(self, model: nn.Module, share: Share, *, start: float = 0.0) -> None:
        """Average what is trained in `model`; it is not yet begun."""
        self._names = [name for name, weight in model.named_parameters() if weight.requires_grad]
        self._weights = [weight for weight in model.parameters() if weight.requires_grad]
        self._share, self._start = share, start
        self._seen = 0
        self._mean: list[torch.Tensor] = []
        self._trained: list[torch.Tensor] = []

    @torch.no_grad()
    def after_step(self, done: float) -> None:
        """Take in the weights of a step; `done` is the share of training behind it."""
        if done <= self._start:
            return
        self._seen += 1
        if not self._mean:
            self._mean = [weight.detach().clone() for weight in self._weights]
        elif share := self._share(self._seen):
            torch._foreach_lerp_(self._mean, [weight.detach() for weight in self._weights], share)

    @torch.no_grad()
    def enter(self) -> None:
        """Put the average into the model; training must not go on before it leaves."""
        self._trained = [weight.detach().clone() for weight in self._weights if self._mean]
        self._put(self._mean)

    @torch.no_grad()
    def leave(self) -> None:
        """Put the trained weights back, bit for bit."""
        self._put(self._trained)
        self._trained = []

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the trained weights by name, once the average stands in for them, and a count."""
        kept = zip(self._names, self._trained, strict=False)
        trained = {name: weight.contiguous().cpu() for name, weight in kept}
        return {**trained, SEEN: torch.tensor(self._seen)}

    @torch.no_grad()
    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take over what `tensors` gave, with the average in the model.

        Raises `KeyError` where a tensor is missing.
        """
        self._seen = int(tensors[SEEN])
        self._mean = [weight.detach().clone() for weight in self._weights if self._seen]
        self._put([tensors[name] for name in self._names] if self._seen else [])

    def _put(self, values: list[torch.Tensor]) -> None:
        """Write values into the weights; none leave them as they are."""
        for weight, value in zip(self._weights, values, strict=False):
            weight.copy_(value)


def average_of(model: nn.Module, recipe: Ema | Swa) -> WeightAverage:
    """Return the average of a model's weights that a recipe asks for."""
    match recipe:
        case Ema(decay=decay):
            return WeightAverage(model, lambda seen: 1.0 - min(decay, seen / (9 + seen)))
        case Swa(start=start, every=every):
            return WeightAverage(model, lambda seen: mean_share(seen, every), start=start)


def mean_share(seen: int, every: int) -> float:
    """Return the share of the weights of a step in the mean of each `every`-th, 0 between.

    Source: Izmailov et al. 2018, algorithm 1.

    >>> [mean_share(seen, 2) for seen in (1, 2, 3, 4, 5)]
    [1.0, 0.0, 0.5, 0.0, 0.3333333333333333]
    """
    taken, between = divmod(seen - 1, every)
    return 0.0 if between else 1.0 / (taken + 1)


@contextlib.contextmanager
def stood_in(average: Average | None) -> Iterator[None]:
    """Let an average, where there is one, stand in for the trained weights."""
    if average is None:
        yield
        return
    average.enter()
    try:
        yield
    finally:
        average.leave()
