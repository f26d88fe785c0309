"""Contrastive tuning: texts of a class are drawn together, then a linear head is fitted.

No pair is ever listed: all pairs of a batch are compared at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from tunesmith.core.errors import SpecError
from tunesmith.core.events import Said
from tunesmith.core.methods import Contrastive
from tunesmith.core.recipe import TrainingRecipe
from tunesmith.model.batching import Batch, collate, join_batches, split_batch, split_lengths
from tunesmith.model.framing import Window
from tunesmith.model.heads import linear_of
from tunesmith.runtime.engine import window_vectors
from tunesmith.stages.tune.class_batches import plan_by_class
from tunesmith.stages.tune.job import Fitted, Job, selection_score
from tunesmith.stages.tune.label_names import are_words, text_windows
from tunesmith.stages.tune.linear import Outputs, fit_linear, set_linear
from tunesmith.stages.tune.loop import Feed, Tuning, train
from tunesmith.stages.tune.objectives import supervised_contrastive
from tunesmith.stages.tune.rowwise import make_rowwise
from tunesmith.stages.tune.watched import Watch, make_tuning, run_watched
from tunesmith.tasks.labels import spoken_label

HEAD_ITERATIONS = 300
CHECKPOINT_STEPS = 50
"""Steps between checkpoints where the recipe names none: nothing but the end is validated."""


class VectorView(nn.Module):
    """The vectors that a model's head would read, as outputs to be trained on."""

    def __init__(self, model: Any) -> None:
        """View `model`; its weights are shared."""
        super().__init__()
        self.model = model

    @property
    def encoder(self) -> Any:
        """The backbone below."""
        return self.model.encoder

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (B, H) vectors of a joined batch, part after part."""
        return torch.cat([self.model.vectors(part) for part in split_batch(batch)])


@dataclass(frozen=True, slots=True)
class Pool:
    """The texts that are drawn together: windows of rows, and behind them the names of classes.

    `classes` (N,) are the indices of their labels; the last `names` windows are names.
    """

    windows: list[Window]
    classes: np.ndarray
    names: int
    pad_id: int

    def plan(self, epoch: int, *, batch_tokens: int, seed: int) -> list[np.ndarray]:
        """Return the batches of an epoch."""
        lengths = np.array([len(window.ids) for window in self.windows])
        always = np.arange(len(self.windows)) >= len(self.windows) - self.names
        return plan_by_class(
            self.classes, lengths, batch_tokens=batch_tokens, seed=(seed, epoch), always=always
        )

    def load(self, indices: np.ndarray) -> Batch:
        """Return the joined tensors of a batch, with the class of each text as `targets`.

        Texts of like length are read together: neighbours of a class differ in length, and
        attention would be computed for what pads them.
        """
        lengths = np.array([len(self.windows[index].ids) for index in indices])
        parts = [indices[places] for places in split_lengths(lengths)]
        read = [collate([self.windows[at] for at in part], pad_id=self.pad_id) for part in parts]
        return join_batches(read, targets=torch.from_numpy(self.classes[np.concatenate(parts)]))


def fit_contrastive(job: Job, method: Contrastive) -> Fitted:
    """Draw the vectors of each class together, and apart from the others'; then fit the head.

    Training rows alone do it first, so that the validation rows measure what it is worth; `finish`
    then begins anew and does the same with all rows. Where labels are words, each is one more text
    of its class. Raises `SpecError` for tasks whose rows have not one label each.
    Source: supervised contrastive loss, Khosla et al. 2020, equation 2; tuning a sentence encoder
    by pairs before a linear head is fitted, Tunstall et al. 2022 (SetFit).
    """
    if job.task.head not in ("classify", "relate") or job.train.flat_targets().ndim > 1:
        raise SpecError(
            f"contrastive tuning needs rows of one label each; {job.task.kind} has other answers",
            hint="--method full",
        )
    start = {name: value.clone() for name, value in job.model.state_dict().items()}
    names = _name_windows(job, method)
    pool = _make_pool(job, names, splits=("train",))
    view = VectorView(job.model)
    watch = Watch(
        model=view,
        measure=partial(_measure, job, method, pool),
        name=job.task.selection,
        lower_is_better=False,
        out=job.out,
        resume=job.resume,
        emit=job.emit,
    )
    reasons = [f"the names of the {len(names)} labels are texts too"] if names else []
    fitted = run_watched(_prepare(job, method, pool, view), watch, Fitted(reasons=reasons))
    fitted.chosen_on_valid = len(fitted.validations) > 1
    _fit_head(job, method, pool)
    if method.refit:
        both = partial(_make_pool, job, names, splits=("train", "valid"))
        fitted.finish = partial(_fit_all, job, method, start, both)
    return fitted


def _name_windows(job: Job, method: Contrastive) -> list[Window]:
    """Return a window a label, its beginning where it is long; none where names say nothing."""
    labels = job.task.labels
    wanted = method.names == "always" or (method.names == "auto" and are_words(labels))
    if not wanted or job.task.kind != "classification":
        return []
    windows = text_windows(job.engine, [spoken_label(label) for label in labels])
    first = {window.row: window for window in reversed(windows)}
    return [first[row] for row in range(len(labels))]


def _make_pool(job: Job, names: list[Window], *, splits: tuple[str, ...]) -> Pool:
    rows = [getattr(job, split) for split in splits]
    windows = [window for own in rows for window in own.windows]
    classes = [own.flat_targets() for own in rows]
    return Pool(
        [*windows, *names],
        np.concatenate([*classes, np.arange(len(names))]).astype(np.int64),
        len(names),
        job.train.pad_id,
    )


def _prepare(job: Job, method: Contrastive, pool: Pool, view: Any) -> Tuning:
    """Return the run at its beginning: only the end is validated, unless the recipe says more."""
    linear_of(job.model).requires_grad_(False)
    is_on_cpu = job.engine.device.type == "cpu"
    accelerator = Accelerator(cpu=is_on_cpu)
    if accelerator.num_processes == 1 and is_on_cpu:
        make_rowwise(view, job.recipe)
    feed = Feed(
        supervised_contrastive(temperature=method.temperature),
        partial(pool.plan, batch_tokens=job.recipe.batch_tokens, seed=job.seed),
        pool.load,
    )
    tuning = make_tuning(
        view, job.recipe, feed, accelerator=accelerator, precision=job.engine.precision
    )
    tuning.recipe = _watched_at_the_end(tuning.recipe, tuning.total_steps)
    return tuning


def _watched_at_the_end(recipe: TrainingRecipe, steps: int) -> TrainingRecipe:
    changes = {
        "evaluate_every": recipe.evaluate_every or steps,
        "checkpoint_steps": recipe.checkpoint_steps or CHECKPOINT_STEPS,
    }
    return recipe.model_copy(update=changes)


def _measure(job: Job, method: Contrastive, pool: Pool) -> float:
    _fit_head(job, method, pool)
    return selection_score(job)


def _fit_head(job: Job, method: Contrastive, pool: Pool) -> None:
    """Fit the head on the vectors of `pool`, as the model makes them now."""
    weight, bias = fit_linear(
        window_vectors(replace(job.engine, precision="fp32"), pool.windows),
        pool.classes,
        outputs=Outputs.of(linear_of(job.model)),
        strength=method.strength,
        max_iterations=HEAD_ITERATIONS,
    )
    set_linear(linear_of(job.model), weight, bias)


def _fit_all(job: Job, method: Contrastive, start: dict[str, torch.Tensor], both: Any) -> str:
    """Begin anew and tune on train and validation rows together."""
    job.emit(Said("once more, on the train and valid rows together"))
    job.model.load_state_dict(start)
    torch.manual_seed(job.seed)
    pool: Pool = both()
    tuning = _prepare(job, method, pool, VectorView(job.model))
    started = time.perf_counter()
    for step in train(tuning):
        job.emit(step)
    _fit_head(job, method, pool)
    linear_of(job.model).requires_grad_(True)
    rows = len(job.train.examples) + len(job.valid.examples)
    return (
        f"The bundle was tuned once more on the train and valid rows together ({rows:,}), in "
        f"{time.perf_counter() - started:.0f} s."
    )
