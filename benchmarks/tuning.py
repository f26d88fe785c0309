"""Tuning against its rivals: real tokens a second, or wall time to the rival's test score.

Usage: TUNESMITH_DATA=… python benchmarks/tuning.py [--data wnut17] [--pairs 5] [--rows 4000]
       TUNESMITH_DATA=… python benchmarks/tuning.py --to-score [--seeds 0 1 2 3 4]

Each round gives every side the same rows, in turn, one epoch from the pretrained weights. Rivals:
`trainer` (transformers' Trainer as it comes, batches of 16), `best` (the same with group_by_length,
bf16 and the fastest batch of 16, 32 and 64) and `padded` (a plain loop, every row 128 tokens).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import torch
from compare import Slice, interleave, pin_processors, rate_ratios, spread, tell_sides
from ours import run_ours, tune_with_marks
from public_rows import DATA_SETS, DataSet
from record import tell
from rivals import named
from rivals.padded_loop import run_padded_loop
from rivals.rows import encode_for, load_rival, score_of
from rivals.trainer import TrainerSettings, run_trainer

from tunesmith.core.examples import Example
from tunesmith.data.splits import sample_examples
from tunesmith.tasks.task import Task

Side: TypeAlias = Callable[[int], Slice]
RIVALS = ("trainer", "best", "padded")
AT_ITS_BEST = TrainerSettings(sampling="group_by_length", bf16=True)
PADDED_SHARE = 8
"""The padded loop gets every eighth row: its batches cost the same whatever the rows are, and five
epochs of it would take an hour."""
WARM_UP_ROWS = 160


def main() -> None:
    """Measure each data set in the chosen mode."""
    wanted = _arguments()
    torch.set_num_threads(pin_processors(wanted.threads))
    for name in wanted.data:
        if wanted.to_score:
            _tell_time_to_score(DATA_SETS[name], wanted)
        else:
            _tell_speed(DATA_SETS[name], wanted)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+", choices=DATA_SETS, default=list(DATA_SETS))
    parser.add_argument("--rivals", nargs="+", choices=RIVALS, default=RIVALS)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=4000, help="rows of a round")
    parser.add_argument("--batch-rows", type=int, default=16, help="batch of trainer and padded")
    parser.add_argument("--best-batches", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--to-score", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=int, default=3, help="of both sides, with --to-score")
    parser.add_argument("--every", type=int, default=10, help="our steps between two test scores")
    parser.add_argument(
        "--learning-rate",
        type=float,
        default=1e-4,
        help="of the rivals; ours by default, Trainer's own default is 5e-5",
    )
    return parser.parse_args()


def _tell_speed(data: DataSet, wanted: argparse.Namespace) -> None:
    """Print real tokens a second of every side and the ratio to each rival."""
    examples = data.read("train")
    rounds = [sample_examples(examples, wanted.rows, seed=number) for number in range(wanted.pairs)]
    _warm_up(data, examples, settings=_as_it_comes(wanted))
    sides: dict[str, Side] = {
        "ours": lambda number: run_ours(data, rounds[number], seed=number),
        **{name: _rival_side(name, data.task(examples), rounds, wanted) for name in wanted.rivals},
    }
    slices = interleave(sides, pairs=wanted.pairs)
    tell_sides(f"tuning {data.name}", slices, unit="real tokens/s")
    for rival in wanted.rivals:
        tell(
            "tuning",
            row=f"tuning.{data.name}.{rival}",
            measure=f"real tokens/s, ours / {rival}",
            unit="ratio",
            rival=named("torch" if rival == "padded" else "transformers"),
            rows=len(rounds[0]),
            threads=torch.get_num_threads(),
            **rate_ratios(slices["ours"], slices[rival]).to_json(),
        )


def _as_it_comes(wanted: argparse.Namespace, *, epochs: int = 1) -> TrainerSettings:
    return TrainerSettings(
        batch_rows=wanted.batch_rows, learning_rate=wanted.learning_rate, epochs=epochs
    )


def _rival_side(
    name: str, task: Task, rounds: list[list[Example]], wanted: argparse.Namespace
) -> Side:
    """Return what runs the rival `name` on the rows of a round."""
    settings = _as_it_comes(wanted)
    match name:
        case "padded":
            return lambda number: _run_padded(task, rounds[number], wanted, seed=number)
        case "best":
            settings = _fastest(task, rounds[0], settings=settings, batches=wanted.best_batches)
            tell("tuning", side="best", measure="settings", value=str(settings))
    return lambda number: _run_rival(task, rounds[number], settings=settings, seed=number)


def _warm_up(data: DataSet, examples: list[Example], *, settings: TrainerSettings) -> None:
    """Let both sides tune on a few rows, so that neither pays for what the first one loads."""
    rows = sample_examples(examples, WARM_UP_ROWS, seed=0)
    run_ours(data, rows, seed=0)
    _run_rival(data.task(rows), rows, settings=replace(settings, epochs=1), seed=0)


def _run_rival(
    task: Task, examples: list[Example], *, settings: TrainerSettings, seed: int
) -> Slice:
    rival = load_rival(task, seed=seed)
    return run_trainer(rival, encode_for(rival, examples), settings=settings, seed=seed)


def _run_padded(
    task: Task, examples: list[Example], wanted: argparse.Namespace, *, seed: int
) -> Slice:
    rival = load_rival(task, seed=seed, padding="max_length")
    return run_padded_loop(
        rival,
        encode_for(rival, examples[::PADDED_SHARE]),
        batch_rows=wanted.batch_rows,
        learning_rate=wanted.learning_rate,
        seed=seed,
    )


def _fastest(
    task: Task, examples: list[Example], *, settings: TrainerSettings, batches: list[int]
) -> TrainerSettings:
    """Return the rival at its best: the batch with most real tokens a second on `examples`."""
    tried = [
        replace(AT_ITS_BEST, batch_rows=batch, learning_rate=settings.learning_rate)
        for batch in batches
    ]
    if len(tried) == 1:
        return tried[0]
    rates = [_run_rival(task, examples, settings=each, seed=0).rate for each in tried]
    return tried[rates.index(max(rates))]


def _tell_time_to_score(data: DataSet, wanted: argparse.Namespace) -> None:
    """Print how much sooner ours has the test score that the rival ends with.

    That score is the mean over the seeds, as a seed alone moves either side by more than they
    differ. Both clocks start at the files and leave evaluations and checkpoints out.
    """
    settings = _as_it_comes(wanted, epochs=wanted.epochs)
    _warm_up(data, data.read("train"), settings=settings)
    ends, timelines = [], []
    for seed in wanted.seeds:
        ends.append(_rival_to_end(data, settings=settings, seed=seed))
        timelines.append(tune_with_marks(data, epochs=wanted.epochs, every=wanted.every, seed=seed))
    target = statistics.mean(score for score, _ in ends)
    ratios = []
    for seed, (score, theirs), timeline in zip(wanted.seeds, ends, timelines, strict=True):
        ours = timeline.seconds_to(target)
        tell(
            f"tuning {data.name}",
            measure="seconds to the rival's mean test score",
            value=None if ours is None else round(ours, 2),
            unit="seconds",
            rival_mean=round(target, 4),
            rival_score=round(score, 4),
            rival_seconds=round(theirs, 2),
            our_last_score=round(timeline.validations[-1].value, 4),
            our_steps=len(timeline.steps),
            seconds_before_our_first_step=round(timeline.prepared, 2),
            seed=seed,
        )
        if ours is not None:
            ratios.append(theirs / ours)
    if len(ratios) == len(wanted.seeds):
        tell(
            "tuning",
            row=f"tuning.{data.name}.to_score",
            measure="wall time to the rival's final test score, theirs / ours",
            unit="ratio",
            rival=named("transformers"),
            threads=torch.get_num_threads(),
            **spread(ratios).to_json(),
        )


def _rival_to_end(data: DataSet, *, settings: TrainerSettings, seed: int) -> tuple[float, float]:
    """Return the rival's final test score, and its seconds from the files to that model."""
    started = time.perf_counter()
    examples = data.read("train")
    rival = load_rival(data.task(examples), seed=seed)
    run_trainer(rival, encode_for(rival, examples), settings=settings, seed=seed)
    seconds = time.perf_counter() - started
    return score_of(rival, data.read("test")), seconds


if __name__ == "__main__":
    main()
