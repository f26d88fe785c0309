"""Adversarial training: the gradients by hand, the norms, padding, and which passes drop what."""

from __future__ import annotations

import pytest
import torch
from accelerate import Accelerator
from torch.nn import functional

from tunesmith.core.boosters import Fgm, FreeLb, Pgd
from tunesmith.core.recipe import ModelRecipe, TrainingRecipe
from tunesmith.model import averaging
from tunesmith.model.backbones import load_backbone
from tunesmith.model.heads import new_head
from tunesmith.model.word_shift import WordShift
from tunesmith.stages.tune.boosters.adversarial import Climb, climb_of, learn_uphill
from tunesmith.stages.tune.loop import Feed, Lesson
from tunesmith.stages.tune.objectives import cross_entropy
from tunesmith.stages.tune.watched import make_tuning

BATCH = {
    "input_ids": torch.tensor([[2, 8, 9, 14, 3], [2, 20, 3, 0, 0], [2, 31, 32, 3, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]),
    "targets": torch.tensor([0, 1, 1]),
}
MASK = BATCH["attention_mask"].bool()


@pytest.fixture(params=["packed", "padded"])
def layout(request, monkeypatch):
    """Let the encoder compute packed tokens, or padded rows as on other devices."""
    if request.param == "padded":
        monkeypatch.setattr("tunesmith.model.hidden.can_pack", lambda _: False)
    return request.param


def classifier(tiny_model, dropout):
    torch.manual_seed(0)
    recipe = ModelRecipe(pooling="mean", dropout=dropout)
    backbone = load_backbone(str(tiny_model))
    model = new_head("classify", backbone, outputs=2, recipe=recipe, case_shape=False)
    torch.nn.init.normal_(model.linear.weight, std=1.0)
    return model


def lesson_of(model):
    feed = Feed(cross_entropy(), lambda _: [0], lambda _: BATCH)
    tuning = make_tuning(
        model, TrainingRecipe(), feed, accelerator=Accelerator(cpu=True), precision="fp32"
    )
    tuning.model.train()
    return Lesson(tuning, BATCH, 1)


def loss_at(model, words):
    """Return the loss of embedded words, by transformers' own forward pass."""
    mask = BATCH["attention_mask"]
    hidden = model.encoder(inputs_embeds=words, attention_mask=mask)[0]
    logits = model.linear(averaging.normalised_mean(hidden, mask))
    return functional.cross_entropy(logits, BATCH["targets"])


def unit_rows(gradient):
    flat = gradient.masked_fill(~MASK[..., None], 0.0)
    return flat / flat.flatten(1).norm(dim=1)[:, None, None]


def gradients(model):
    return {
        name: weight.grad.clone()
        for name, weight in model.named_parameters()
        if weight.grad is not None and not name.endswith("word_embeddings.weight")
    }


@pytest.mark.usefixtures("layout")
@pytest.mark.parametrize(
    ("recipe", "steps"),
    [(Fgm(epsilon=0.3, weight=3.0), 1), (Pgd(epsilon=0.3, step_size=0.2, steps=3, weight=1.0), 3)],
)
def test_gradients_and_loss_are_those_of_both_ends_of_the_climb(tiny_model, recipe, steps):
    model = classifier(tiny_model, 0.0)
    lesson = lesson_of(model)
    words = WordShift(model)
    with words.attached():
        loss = learn_uphill(words, climb_of(recipe))(lesson)
    found = gradients(model)

    model.zero_grad()
    size = getattr(recipe, "step_size", recipe.epsilon)
    embedded = model.encoder.get_input_embeddings()(BATCH["input_ids"]).detach()
    shift = torch.zeros_like(embedded)
    for _ in range(steps):
        leaf = shift.clone().requires_grad_()
        (slope,) = torch.autograd.grad(loss_at(model, embedded + leaf), leaf)
        shift = shift + size * unit_rows(slope)
        norms = shift.flatten(1).norm(dim=1)[:, None, None]
        shift = shift * (recipe.epsilon / norms).clamp(max=1.0)
    share = recipe.weight / (1 + recipe.weight)
    clean, uphill = loss_at(model, embedded), loss_at(model, embedded + shift)
    expected = (1 - share) * clean + share * uphill
    expected.backward()
    assert uphill.item() > clean.item()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    by_hand = gradients(model)
    assert len(found) > 20
    assert found.keys() == by_hand.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, by_hand[name], atol=2e-5, rtol=2e-3)


@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_each_row_has_its_own_norm_and_padding_is_left_alone(tiny_model, layout, noise):
    model = classifier(tiny_model, 0.0)
    lesson = lesson_of(model)
    words = WordShift(model)
    generator = torch.Generator().manual_seed(1)
    with words.attached(), words.on(noise=noise):
        lesson.losses()
        first = words.leaf().detach().clone()
        assert by_rows(first, layout).max().item() <= noise
        assert (by_rows(first, layout).min().item() > 0) == (noise > 0)
        gradient = torch.randn(first.shape, generator=generator)
        words.climb(gradient, size=0.25, most=10.0)
        moved = by_rows(words.leaf() - first, layout)
        assert moved.tolist() == pytest.approx([0.25] * 3, rel=1e-5)
        words.climb(gradient, size=5.0, most=0.5)
        assert by_rows(words.leaf(), layout).tolist() == pytest.approx([0.5] * 3, rel=1e-5)
        if layout == "padded":
            assert words.leaf()[~MASK].abs().max().item() == 0.0
        else:
            assert len(words.leaf()) == MASK.sum().item()


def by_rows(shift, layout):
    """Return the norm of each row of a shift."""
    if layout == "padded":
        return shift.flatten(1).norm(dim=1)
    return torch.stack([row.norm() for row in shift.split(MASK.sum(dim=1).tolist())])


def test_a_row_without_a_slope_stays_where_it_is(tiny_model):
    model = classifier(tiny_model, 0.0)
    words = WordShift(model)
    lesson = lesson_of(model)
    with words.attached(), words.on():
        lesson.losses()
        words.climb(torch.zeros_like(words.leaf()), size=1.0, most=1.0)
        assert torch.equal(words.leaf(), torch.zeros_like(words.leaf()))


@pytest.mark.usefixtures("layout")
@pytest.mark.parametrize("same", [True, False])
def test_passes_of_freelb_drop_the_same(tiny_model, same):
    """On a climb that does not move, passes can differ by nothing but dropout."""
    model = classifier(tiny_model, 0.3)
    words, losses = WordShift(model), []
    lesson = lesson_of(model)
    objective = lesson.tuning.feed.objective

    def told(outputs, batch):
        losses.append(objective(outputs, batch))
        return losses[-1]

    lesson.tuning.feed = Feed(told, lambda _: [0], lambda _: BATCH)
    climb = Climb((0.25,) * 4, size=0.0, most=9.0, noise=0.2, same_dropout=same)
    torch.manual_seed(3)
    with words.attached():
        learn_uphill(words, climb)(lesson)
    values = {loss.item() for loss in losses}
    assert len(losses) == 4
    assert len(values) == (1 if same else 4)
    after = torch.rand(1)
    torch.manual_seed(3)
    assert after.item() != torch.rand(1).item()  # the next batch draws other numbers


def test_freelb_averages_the_gradients_of_all_its_places():
    assert climb_of(FreeLb(steps=4, epsilon=0.7, step_size=0.1)) == Climb(
        (0.25,) * 4, size=0.1, most=0.7, noise=0.7, same_dropout=True
    )


def test_words_are_as_they_are_where_the_shift_is_off_or_detached(tiny_model):
    model = classifier(tiny_model, 0.0)
    lesson = lesson_of(model)
    plain = lesson.losses()
    words = WordShift(model)
    with words.attached():
        assert torch.equal(lesson.losses(), plain)
        with words.on():
            assert torch.equal(lesson.losses(), plain)
            words.climb(torch.ones_like(words.leaf()), size=1.0, most=1.0)
            assert not torch.equal(lesson.losses(), plain)
        assert torch.equal(lesson.losses(), plain)
    assert not model._forward_hooks
    assert not model._forward_pre_hooks
    assert not words.table._forward_hooks
