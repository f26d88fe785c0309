"""Adversarial training: a batch is read again where its word embeddings raise the loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from tunesmith.core.boosters import Fgm, FreeLb, Pgd
from tunesmith.model.word_shift import WordShift
from tunesmith.stages.tune.loop import Lesson


@dataclass(frozen=True, slots=True)
class Climb:
    """Passes over a batch with a step uphill between two, and what the gradients of each weigh.

    The weights sum to 1; a pass that weighs nothing only finds the next step. `noise` is the norm
    of what the words begin at; `same_dropout` lets all passes drop the same.
    """

    weights: tuple[float, ...]
    size: float
    most: float
    noise: float = 0.0
    same_dropout: bool = False


def climb_of(recipe: Fgm | Pgd | FreeLb) -> Climb:
    """Return the passes of a recipe.

    >>> climb_of(Pgd(steps=2, weight=3.0)).weights
    (0.25, 0.0, 0.75)
    """
    match recipe:
        case Fgm(epsilon=epsilon, weight=weight):
            return Climb(_ends(weight, steps=1), epsilon, epsilon)
        case Pgd(epsilon=epsilon, step_size=size, steps=steps, weight=weight):
            return Climb(_ends(weight, steps=steps), size, epsilon)
        case FreeLb(epsilon=epsilon, step_size=size, steps=steps):
            weights = (1.0 / steps,) * steps
            return Climb(weights, size, epsilon, noise=epsilon, same_dropout=True)


def _ends(weight: float, *, steps: int) -> tuple[float, ...]:
    """Return the weights where the first pass, on the text as it is, and the last are learned."""
    last = weight / (1.0 + weight)
    return (1.0 - last, *[0.0] * (steps - 1), last)


def learn_uphill(words: WordShift, climb: Climb) -> Callable[[Lesson], torch.Tensor]:
    """Return how a batch is learned: the gradients and the loss are the weighted means of passes.

    Source: Miyato et al. 2017, eq. 5; Madry et al. 2018, §2.1; Zhu et al. 2020, algorithm 1.
    """
    last = len(climb.weights) - 1

    def learn(lesson: Lesson) -> torch.Tensor:
        learned: list[torch.Tensor] = []
        device = lesson.tuning.accelerator.device
        devices = [device] if device.type == "cuda" else []
        with words.on(noise=climb.noise):
            for number, weight in enumerate(climb.weights):
                is_repeated = climb.same_dropout and number < last
                with torch.random.fork_rng(devices, enabled=is_repeated):
                    gradient = _read(lesson, words, weight, learned)
                if number < last:
                    words.climb(gradient, size=climb.size, most=climb.most)
        return torch.stack(learned).sum(dim=0)

    return learn


def _read(
    lesson: Lesson, words: WordShift, weight: float, learned: list[torch.Tensor]
) -> torch.Tensor:
    """Return the gradient of the words in one pass; what is learned of it goes to `learned`."""
    if not weight:
        return lesson.look(words.leaf)
    losses = lesson.losses() * weight
    leaf = words.leaf()
    lesson.backward(losses)
    learned.append(losses.detach())
    gradient = leaf.grad
    return torch.zeros_like(leaf) if gradient is None else gradient
