"""Each loss against the same in plain steps, one row at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from tunesmith.stages.tune.objectives import (
    binary_cross_entropy,
    choice_cross_entropy,
    cosine_ranking,
    cross_entropy,
    stretch_cross_entropy,
    supervised_contrastive,
)

seeds = st.integers(0, 2**31 - 1)


def drawn(*shape: int, seed: int) -> torch.Tensor:
    values = torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).double()
    return values.requires_grad_()


def mask_of(lengths: list[int]) -> torch.Tensor:
    return (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()


def assert_same(objective, wanted, outputs: torch.Tensor, batch: dict) -> None:
    """Hold a loss and its gradient to those of the plain computation."""
    ours, theirs = objective(outputs, batch), wanted(outputs, batch)
    torch.testing.assert_close(ours, theirs)
    (our_gradient,) = torch.autograd.grad(ours, outputs)
    (their_gradient,) = torch.autograd.grad(theirs, outputs)
    assert torch.isfinite(our_gradient).all()
    assert not theirs.detach().any() or our_gradient.any()
    torch.testing.assert_close(our_gradient, their_gradient)


def plain_stretches(logits: torch.Tensor, batch: dict) -> torch.Tensor:
    losses = []
    for row, (start, end) in enumerate(batch["targets"].tolist()):
        own = logits[batch["word_rows"] == row]
        losses.append(-own[:, 0].log_softmax(0)[start])
        losses.append(-own[:, 1].log_softmax(0)[end])
    return torch.stack(losses).mean()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), seeds)
def test_stretch_loss_is_the_mean_over_windows_of_any_length(counts, seed):
    random = np.random.default_rng(seed)
    targets = [sorted(random.integers(0, count, 2).tolist()) for count in counts]
    batch = {
        "word_rows": torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)),
        "targets": torch.tensor(targets),
    }
    logits = drawn(sum(counts), 2, seed=seed)
    ours = stretch_cross_entropy()(logits, batch)
    torch.testing.assert_close(ours, plain_stretches(logits, batch))
    (gradient,) = torch.autograd.grad(ours, logits)
    (wanted,) = torch.autograd.grad(plain_stretches(logits, batch), logits)
    torch.testing.assert_close(gradient, wanted)


def test_stretch_loss_reaches_the_logits_of_every_window():
    batch = {"word_rows": torch.tensor([0, 0, 0, 1, 1]), "targets": torch.tensor([[1, 2], [0, 0]])}
    logits = drawn(5, 2, seed=0)
    assert_same(stretch_cross_entropy(), plain_stretches, logits, batch)


def plain_choices(logits: torch.Tensor, batch: dict) -> torch.Tensor:
    tokens = batch["attention_mask"].sum(1).double()
    losses = []
    for row in range(int(batch["rows"].max()) + 1):
        scores, target = [], None
        for slot in range(int(batch["slots"][batch["rows"] == row].max()) + 1):
            own = torch.nonzero((batch["rows"] == row) & (batch["slots"] == slot))[:, 0]
            weights = tokens[own] / tokens[own].sum()
            scores.append((logits[own, 0] * weights).sum())
            target = int(batch["targets"][own[0]])
        losses.append(-torch.stack(scores).log_softmax(0)[target])
    return torch.stack(losses).mean()


def choice_batch(seed: int, rows: int) -> dict:
    """Return windows of rows of 2 to 5 choices of one or two windows each, in any order."""
    random = np.random.default_rng(seed)
    windows = []
    for row in range(rows):
        choices = int(random.integers(2, 6))
        target = int(random.integers(choices))
        for slot in range(choices):
            windows += [(row, slot, target)] * int(random.integers(1, 3))
    random.shuffle(windows)
    lengths = random.integers(1, 12, len(windows)).tolist()
    rows_of, slots, targets = (torch.tensor(part) for part in zip(*windows, strict=True))
    return {"rows": rows_of, "slots": slots, "targets": targets, "attention_mask": mask_of(lengths)}


@given(seeds, st.integers(1, 5))
def test_choice_loss_is_the_mean_over_rows_of_any_number_of_choices(seed, rows):
    batch = choice_batch(seed, rows)
    logits = drawn(len(batch["rows"]), 1, seed=seed)
    assert_same(choice_cross_entropy(), plain_choices, logits, batch)


def test_choice_loss_of_equal_choices_is_that_of_a_guess():
    batch = choice_batch(3, 1)
    choices = int(batch["slots"].max()) + 1
    loss = choice_cross_entropy()(torch.zeros(len(batch["rows"]), 1), batch)
    assert float(loss) == pytest.approx(math.log(choices))


def plain_cosines(vectors: torch.Tensor, batch: dict) -> tuple[torch.Tensor, torch.Tensor]:
    tokens = batch["attention_mask"].sum(1).double()
    cosines, targets = [], []
    for row in range(int(batch["rows"].max()) + 1):
        texts = []
        for slot in (0, 1):
            own = torch.nonzero((batch["rows"] == row) & (batch["slots"] == slot))[:, 0]
            weights = tokens[own] / tokens[own].sum()
            texts.append((vectors[own] * weights[:, None]).sum(0))
        cosines.append(functional.cosine_similarity(texts[0], texts[1], dim=0))
        targets.append(batch["targets"][own[0], 0])
    return torch.stack(cosines), torch.stack(targets)


def plain_ranking(vectors: torch.Tensor, batch: dict) -> torch.Tensor:
    cosines, targets = plain_cosines(vectors, batch)
    total = torch.ones((), dtype=torch.float64) + 0.0 * cosines.sum()
    for i in range(len(cosines)):
        for j in range(len(cosines)):
            if targets[i] > targets[j]:
                total = total + torch.exp(20.0 * (cosines[j] - cosines[i]))
    return torch.log(total)


def pair_batch(seed: int, scores: list[float]) -> dict:
    random = np.random.default_rng(seed)
    windows = [
        (row, slot, score)
        for row, score in enumerate(scores)
        for slot in (0, 1)
        for _ in range(int(random.integers(1, 3)))
    ]
    random.shuffle(windows)
    rows_of, slots, targets = (torch.tensor(part) for part in zip(*windows, strict=True))
    return {
        "rows": rows_of.long(),
        "slots": slots.long(),
        "targets": targets.double()[:, None],
        "attention_mask": mask_of(random.integers(1, 9, len(windows)).tolist()),
    }


@given(seeds, st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=6))
def test_ranking_loss_is_over_all_pairs_of_rows_of_different_score(seed, scores):
    batch = pair_batch(seed, scores)
    vectors = drawn(len(batch["rows"]), 5, seed=seed)
    assert_same(cosine_ranking(), plain_ranking, vectors, batch)


def test_ranking_loss_of_equal_scores_is_zero_and_can_still_be_stepped():
    batch = pair_batch(0, [0.5, 0.5, 0.5])
    vectors = drawn(len(batch["rows"]), 5, seed=0).requires_grad_()
    loss = cosine_ranking()(vectors, batch)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert not vectors.grad.any()


def test_ranking_loss_is_smaller_where_the_cosines_are_in_order():
    batch = {
        "rows": torch.tensor([0, 0, 1, 1]),
        "slots": torch.tensor([0, 1, 0, 1]),
        "targets": torch.tensor([[1.0], [1.0], [0.0], [0.0]]),
        "attention_mask": torch.ones(4, 3, dtype=torch.long),
    }
    right = torch.tensor([[1.0, 0], [1, 0], [1, 0], [0, 1]])
    wrong = torch.tensor([[1.0, 0], [0, 1], [1, 0], [1, 0]])
    assert float(cosine_ranking()(right, batch)) < 1e-6
    assert float(cosine_ranking()(wrong, batch)) == pytest.approx(20.0, abs=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_counts_the_windows_of_a_text_as_one_row(smoothing):
    """The first two windows are one text; the rest stand alone."""
    logits = drawn(4, 3, seed=1)
    targets = torch.tensor([2, 2, 0, 1])
    batch = {"targets": targets, "shares": torch.tensor([0.5, 0.5, 1.0, 1.0])}

    def plain(outputs: torch.Tensor, _: dict) -> torch.Tensor:
        log = outputs.log_softmax(1)
        right = -log[torch.arange(4), targets]
        losses = (1 - smoothing) * right - smoothing * log.mean(1)
        return (0.5 * losses[0] + 0.5 * losses[1] + losses[2] + losses[3]) / 3

    assert_same(cross_entropy(label_smoothing=smoothing), plain, logits, batch)


def test_binary_cross_entropy_takes_shares_of_a_scale_as_targets():
    logits = drawn(3, 1, seed=2)
    targets = torch.tensor([[0.0], [0.3], [1.0]], dtype=torch.float64)

    def plain(outputs: torch.Tensor, _: dict) -> torch.Tensor:
        chance = outputs.sigmoid()
        return -(targets * chance.log() + (1 - targets) * (1 - chance).log()).mean()

    assert_same(binary_cross_entropy(), plain, logits, {"targets": targets})


def plain_contrast(vectors: torch.Tensor, batch: dict) -> torch.Tensor:
    units = vectors / vectors.norm(dim=1, keepdim=True)
    targets, losses = batch["targets"].tolist(), []
    for row, label in enumerate(targets):
        others = [other for other in range(len(targets)) if other != row]
        alike = [other for other in others if targets[other] == label]
        if alike:
            scores = torch.stack([units[row] @ units[other] / 0.5 for other in others])
            logs = dict(zip(others, scores.log_softmax(0), strict=True))
            losses.append(-sum(logs[other] for other in alike) / len(alike))
    return sum(losses) / len(losses) if losses else 0.0 * vectors.sum()


@given(st.lists(st.integers(0, 3), min_size=2, max_size=9), seeds)
def test_contrastive_loss_is_the_mean_over_texts_with_company(classes, seed):
    vectors = drawn(len(classes), 5, seed=seed)
    batch = {"targets": torch.tensor(classes)}
    ours = supervised_contrastive(temperature=0.5)(vectors, batch).double()
    theirs = plain_contrast(vectors, batch)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    (gradient,) = torch.autograd.grad(ours, vectors)
    (wanted,) = torch.autograd.grad(theirs, vectors)
    torch.testing.assert_close(gradient, wanted, atol=1e-5, rtol=1e-5)
