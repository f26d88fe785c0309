"""Averages of weights: what they are, and that training goes on as if there were none."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tunesmith.core.boosters import Ema, Swa
from tunesmith.stages.tune.boosters.averages import SEEN, average_of, stood_in


def run(recipe, values, *, total=None):
    """Return the average after steps that set the one weight to `values`, and its holder."""
    model = nn.Linear(1, 1, bias=False)
    average = average_of(model, recipe)
    for step, value in enumerate(values, start=1):
        with torch.no_grad():
            model.weight.fill_(value)
        average.after_step(step / (total or len(values)))
    with stood_in(average):
        mean = model.weight.item()
    return mean, model, average


def test_moving_average_begins_fast_and_is_bounded_by_its_decay():
    mean, first, second = 1.0, min(0.5, 2 / 11), min(0.5, 3 / 12)
    mean = first * mean + (1 - first) * 2.0
    mean = second * mean + (1 - second) * 5.0
    assert run(Ema(decay=0.5), [1.0, 2.0, 5.0])[0] == pytest.approx(mean, rel=1e-6)
    assert run(Ema(decay=0.1), [4.0, 2.0])[0] == pytest.approx(0.1 * 4 + 0.9 * 2, rel=1e-6)
    assert run(Ema(decay=0.0), [4.0, 2.0])[0] == pytest.approx(2.0, rel=1e-6)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (Swa(start=0.5), (6 + 7 + 8 + 9 + 10) / 5),
        (Swa(start=0.5, every=2), (6 + 8 + 10) / 3),
        (Swa(start=0.0), 5.5),
        (Swa(start=0.9), 10.0),
    ],
)
def test_mean_is_that_of_the_weights_after_the_start(recipe, expected):
    assert run(recipe, range(1, 11))[0] == pytest.approx(expected, rel=1e-6)


def test_weights_stay_as_they_are_before_the_mean_begins():
    mean, model, average = run(Swa(start=0.5), [1.0, 2.0], total=10)
    assert (mean, model.weight.item()) == (2.0, 2.0)
    with stood_in(average):
        assert average.tensors() == {SEEN: torch.tensor(0)}


@pytest.mark.parametrize("recipe", [Ema(), Swa(start=0.0, every=2)])
def test_trained_weights_come_back_bit_for_bit_and_a_restored_average_goes_on(recipe):
    values = [0.1, 0.7, -0.3]
    _, model, average = run(recipe, values)
    before = model.weight.item()
    assert before == torch.tensor(values[-1]).item()
    other = nn.Linear(1, 1, bias=False)
    with stood_in(average):
        other.load_state_dict(model.state_dict())
        tensors = average.tensors()
    again = average_of(other, recipe)
    again.restore(tensors)
    assert torch.equal(other.weight, model.weight)
    for value in (0.9, 0.4):
        for each, network in ((average, model), (again, other)):
            with torch.no_grad():
                network.weight.fill_(value)
            each.after_step(1.0)
    with stood_in(average), stood_in(again):
        assert torch.equal(other.weight, model.weight)
        assert model.weight.item() != pytest.approx(0.4, abs=1e-6)


def test_restoring_what_lacks_a_weight_is_noticed():
    _, model, average = run(Ema(), [1.0, 2.0])
    with stood_in(average):
        tensors = average.tensors()
    del tensors["weight"]
    with pytest.raises(KeyError, match="weight"):
        average_of(model, Ema()).restore(tensors)


def test_frozen_weights_are_not_averaged():
    model = nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    average = average_of(model, Ema())
    average.after_step(0.5)
    with stood_in(average):
        assert average.tensors().keys() == {"weight", SEEN}
