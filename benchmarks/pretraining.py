"""Pretraining against transformers' Trainer: tokens a second on the same model and packed windows.

Usage: TUNESMITH_DATA=… python benchmarks/pretraining.py [--size mini] [--pairs 5] [--steps 40]

Text is the Chinese classics. Each round gives every side the same windows, in turn, one pass, from
the same random weights. Rivals: `trainer` (transformers' Trainer with the collator its guides name
for masked text, float32) and `best` (the same in bf16).
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from compare import Slice, interleave, pin_processors, rate_ratios, tell_sides
from record import data_folder, tell
from rivals import named
from rivals.rows import RivalModel
from rivals.trainer import TrainerSettings, run_trainer
from transformers import DataCollatorForLanguageModeling

from tunesmith.core.events import Event, Step
from tunesmith.core.pretraining import MaskedText, PretrainingRecipe, TokenizerRecipe
from tunesmith.data.corpus import CorpusLog, find_corpus_files, read_passages
from tunesmith.model.device import choose_precision
from tunesmith.model.pretraining import new_text_model
from tunesmith.model.pretraining.presets import SHAPES
from tunesmith.model.pretraining.vocabulary import Vocabulary, train_vocabulary
from tunesmith.stages.tune.pretraining.corpus import gather_corpus
from tunesmith.stages.tune.pretraining.run import PretrainingJob, pretrain
from tunesmith.stages.tune.pretraining.windows import TextWindows, encode_passages, make_windows

RIVALS = {"trainer": TrainerSettings(), "best": TrainerSettings(bf16=True)}
WARM_UP_STEPS = 3


@dataclass(slots=True)
class Clock:
    """A listener that notes when the first step began and the last one ended."""

    began: float = 0.0
    ended: float = 0.0
    tokens: int = 0

    def __call__(self, event: Event) -> None:
        """Take note of one event."""
        if isinstance(event, Step):
            self.ended = time.perf_counter()
            self.began = self.began or self.ended - event.seconds
            self.tokens += event.tokens


def main() -> None:
    """Measure both sides in turn and print their rates and the ratio to each rival."""
    wanted = _arguments()
    torch.set_num_threads(pin_processors(wanted.threads))
    shape = SHAPES[wanted.size]
    vocabulary, windows = _read_windows(wanted)
    torch.manual_seed(0)
    model = new_text_model(MaskedText(), shape, vocabulary, window_tokens=shape.window_tokens)
    rows = wanted.batch_tokens // shape.window_tokens * wanted.steps

    def ours(number: int, *, steps: int = wanted.steps) -> Slice:
        part = replace(windows, starts=windows.starts[: steps * rows // wanted.steps],
                       lengths=windows.lengths[: steps * rows // wanted.steps])  # fmt: skip
        return _run_ours(copy.deepcopy(model), part, vocabulary, wanted, seed=number)

    def rival(settings: TrainerSettings, number: int, *, steps: int = wanted.steps) -> Slice:
        return _run_rival(
            copy.deepcopy(model).whole, vocabulary, windows, settings,
            rows=steps * rows // wanted.steps, seed=number,
        )  # fmt: skip

    batch_rows = wanted.batch_tokens // shape.window_tokens
    settings = {name: replace(each, batch_rows=batch_rows) for name, each in RIVALS.items()}
    sides: dict[str, Callable[[int], Slice]] = {"ours": ours}
    for name in wanted.rivals:
        sides[name] = lambda number, chosen=settings[name]: rival(chosen, number)
        rival(settings[name], 0, steps=WARM_UP_STEPS)
    ours(0, steps=WARM_UP_STEPS)
    slices = interleave(sides, pairs=wanted.pairs)
    tell_sides("pretraining", slices, unit="tokens/s")
    for name in wanted.rivals:
        tell(
            "pretraining",
            row=f"pretraining.mlm.{name}",
            measure=f"tokens/s, ours / {name}",
            unit="ratio",
            rival=named("transformers"),
            size=wanted.size,
            window_tokens=shape.window_tokens,
            batch_tokens=wanted.batch_tokens,
            threads=torch.get_num_threads(),
            **rate_ratios(slices["ours"], slices[name]).to_json(),
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=SHAPES, default="mini")
    parser.add_argument("--rivals", nargs="+", choices=RIVALS, default=list(RIVALS))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40, help="batches of a round")
    parser.add_argument("--batch-tokens", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def _read_windows(wanted: argparse.Namespace) -> tuple[Vocabulary, TextWindows]:
    log = CorpusLog()
    files = find_corpus_files(str(data_folder("chinese_classics")), log)
    corpus = gather_corpus(read_passages(files, log), valid_ratio=0.05, drop_repeats=True)
    shape = SHAPES[wanted.size]
    vocabulary = train_vocabulary(
        corpus.passages(corpus.train),
        TokenizerRecipe(name="character"),
        objective="mlm",
        size=shape.vocabulary,
    )
    tokens = encode_passages(corpus, corpus.train, vocabulary, ending="", separates=True)
    windows = make_windows(
        tokens, vocabulary, window_tokens=shape.window_tokens, is_joined=True, seed=None
    )
    return vocabulary, windows


def _run_ours(
    model: torch.nn.Module,
    windows: TextWindows,
    vocabulary: Vocabulary,
    wanted: argparse.Namespace,
    *,
    seed: int,
) -> Slice:
    """Return the loop of one pass: no validation and no checkpoint stands between its steps."""
    clock = Clock()
    device = torch.device("cpu")
    with tempfile.TemporaryDirectory() as folder:
        pretrain(
            PretrainingJob(
                model=model,
                objective=MaskedText(),
                vocabulary=vocabulary,
                train=windows,
                valid=replace(windows, starts=windows.starts[:1], lengths=windows.lengths[:1]),
                recipe=PretrainingRecipe(epochs=1, batch_tokens=wanted.batch_tokens),
                device=device,
                precision=choose_precision("auto", device).value,
                seed=seed,
                out=Path(folder),
                resume=False,
                emit=clock,
            )
        )
    return Slice(clock.tokens, clock.ended - clock.began)


def _run_rival(
    model: torch.nn.Module,
    vocabulary: Vocabulary,
    windows: TextWindows,
    settings: TrainerSettings,
    *,
    rows: int,
    seed: int,
) -> Slice:
    encoded = [{"input_ids": windows.window(number).tolist()} for number in range(rows)]
    hidden = MaskedText().mask_ratio
    collator = DataCollatorForLanguageModeling(vocabulary.tokenizer, mlm_probability=hidden)
    rival = RivalModel(model, vocabulary.tokenizer, collator, task=None)
    return run_trainer(rival, encoded, settings=settings, seed=seed)


if __name__ == "__main__":
    main()
