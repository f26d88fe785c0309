"""transformers' `Trainer`, with its defaults or at its best. Only its loop is on the clock."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compare import Slice
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from rivals.rows import RivalModel, count_real_tokens


@dataclass(frozen=True, slots=True)
class TrainerSettings:
    """What differs between a `Trainer` as it comes and one at its best.

    `sampling` is its `train_sampling_strategy`: "random" or "group_by_length".
    """

    batch_rows: int = 16
    sampling: str = "random"
    bf16: bool = False
    learning_rate: float = 5e-5
    epochs: int = 1


def run_trainer(
    rival: RivalModel, rows: Sequence[dict[str, Any]], *, settings: TrainerSettings, seed: int
) -> Slice:
    """Train `rival.model` in place; return the real tokens read and the seconds of the loop.

    Loading, tokenising, checkpoints and reports are switched off or not on the clock. That is in
    the rival's favour: by default it saves every 500 steps.
    """
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=settings.batch_rows,
            learning_rate=settings.learning_rate,
            num_train_epochs=settings.epochs,
            train_sampling_strategy=settings.sampling,
            bf16=settings.bf16,
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=seed,
        )
        trainer = Trainer(
            model=rival.model,
            args=arguments,
            train_dataset=rows,
            data_collator=rival.collator,
            processing_class=rival.tokenizer,
            callbacks=[clock],
        )
        trainer.pop_callback(PrinterCallback)  # standard output holds JSON lines only
        trainer.train()
    return Slice(count_real_tokens(rows) * settings.epochs, clock.seconds)


class _Clock(TrainerCallback):
    """Seconds from the first batch of the first epoch to the end of the last."""

    def __init__(self) -> None:
        self._started = 0.0
        self.seconds = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._started = time.perf_counter()

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        self.seconds = time.perf_counter() - self._started
