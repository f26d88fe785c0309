"""Whether there are rows, with answers, and how long they are for this model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tunesmith.core.examples import ChatInput
from tunesmith.stages.check.context import SPLITS, Context
from tunesmith.stages.check.findings import Finding
from tunesmith.stages.check.wording import show_count, show_part, show_share

FAULT_TOKENS_LOST = 0.5
LONG_CHARACTERS = 20_000
LENGTH_STEP = 32


def check_sizes(context: Context) -> Iterator[Finding]:
    """Yield the rows of each split, and what is missing among them."""
    sizes = {split: len(context.spans[split]) for split in SPLITS}
    if not context.rows:
        yield Finding(
            "fault",
            "no_rows",
            "There is no row at all. Name a file or folder that holds rows.",
            figures=sizes,
        )
        return
    lengths = _length_figures(context)
    yield Finding(
        "note",
        "size",
        f"{sizes['train']:,} train, {sizes['valid']:,} valid and {sizes['test']:,} test rows; "
        f"a text has {_show_lengths(lengths)}.",
        figures={**sizes, **lengths},
    )
    yield from _check_gold(context)
    if not sizes["valid"] and sizes["train"]:
        yield Finding(
            "warning",
            "no_valid_rows",
            "There is no valid row, so nothing can choose the best checkpoint or stop training in "
            "time. Name a file that holds some: --valid FILE",
            figures=sizes,
        )


def check_reading(context: Context) -> Iterator[Finding]:
    """Yield where the wished window does not fit the model, or not its own overlap."""
    reading, card = context.reading, context.card
    if reading.max_length > card.context:
        yield Finding(
            "fault",
            "max_length_above_context",
            f"`model.max_length` must be at most {card.context:,}, the longest input {card.name} "
            f"can read; got {reading.max_length:,}. --set model.max_length={card.context}",
            figures={"max_length": reading.max_length, "context": card.context},
        )
    room = reading.max_length - context.tokens.frame
    if reading.long_text == "windows" and room <= reading.stride:
        yield Finding(
            "fault",
            "stride_above_window",
            f"`model.stride` must be below {room:,}, the tokens of a window; "
            f"got {reading.stride:,}. --set model.stride={max(0, room // 4)}",
            figures={"stride": reading.stride, "room": room},
        )


def check_truncation(context: Context) -> Iterator[Finding]:
    """Yield how many rows are longer than the model reads at once, and what becomes of the rest."""
    reading, counts = context.reading, context.tokens.counts
    room = reading.max_length - context.tokens.frame
    long_rows = np.flatnonzero(counts > room)
    if not len(long_rows) or room <= 0:
        return
    lengths = _length_figures(context)
    figures: dict[str, float | int | str] = {
        **lengths,
        "max_length": reading.max_length,
        "rows": len(counts),
        "long_rows": len(long_rows),
    }
    part = show_part(len(long_rows), len(counts), "row")
    places = context.places(long_rows[np.argsort(-counts[long_rows], kind="stable")])
    if reading.long_text == "windows":
        yield Finding(
            "warning" if isinstance(context.rows[0].inputs, ChatInput) else "note",
            "windows",
            f"Longer than `model.max_length` = {reading.max_length:,} tokens: {part}; each is read "
            f"{_how_long_is_read(context)}. "
            f"A text has {_show_lengths(lengths)}.",
            places,
            figures,
        )
        return
    lost, total = int((counts[long_rows] - room).sum()), int(counts.sum())
    figures |= {"tokens": total, "lost_tokens": lost, "lost_share": round(lost / total, 6)}
    yield Finding(
        "fault" if lost / total > FAULT_TOKENS_LOST else "warning",
        "truncation",
        f"Cut at `model.max_length` = {reading.max_length:,} tokens: {part}; with their ends "
        f"{show_share(lost, total)} of all tokens are never read. A text has "
        f"{_show_lengths(lengths)}. "
        f"Read everything: --set model.long_text=windows{_longer_window(context, lengths)}",
        places,
        figures,
    )


def check_long_texts(context: Context) -> Iterator[Finding]:
    """Yield rows so long that one of them may be a whole file."""
    lengths = context.characters
    rows = np.flatnonzero(lengths > LONG_CHARACTERS)
    if len(rows):
        yield Finding(
            "note",
            "long_texts",
            f"Longer than {LONG_CHARACTERS:,} characters: "
            f"{show_part(len(rows), len(lengths), 'row')}, the longest with "
            f"{lengths.max():,}. See that each of them is one text and not many.",
            context.places(rows[np.argsort(-lengths[rows], kind="stable")]),
            {"rows": len(rows), "longest_characters": int(lengths.max())},
        )


def _check_gold(context: Context) -> Iterator[Finding]:
    role = context.task.gold_roles[0]
    column = context.task.columns.get(role, role)
    for split in SPLITS:
        rows = context.spans[split]
        without = np.flatnonzero(~context.has_gold[rows.start : rows.stop]) + rows.start
        if not len(without) and (rows or split != "train"):
            continue
        if not rows:
            name = "no_train_rows"
            message = (
                "There is no train row, so there is nothing to learn. Name a file that has some."
            )
        elif split == "train" and len(without) == len(rows):
            name = "no_gold"
            message = (
                f"None of the {show_count(len(rows), 'train row')} has an answer, so there is "
                f"nothing to learn. Name the column that holds it: --column {role}=NAME"
            )
        else:
            name = "rows_without_gold"
            message = (
                f"Without an answer in `{column}`: "
                f"{show_part(len(without), len(rows), f'{split} row')}. Fill it in or delete them."
            )
        yield Finding(
            "fault",
            name,
            message,
            context.places(without),
            {"split": split, "rows": len(rows), "without_gold": len(without)},
        )


def _length_figures(context: Context) -> dict[str, int]:
    """Return token lengths with special tokens: median, 95th and 99th percentile, maximum."""
    lengths = context.tokens.counts + context.tokens.frame
    median, high, higher = np.percentile(lengths, [50, 95, 99], method="higher").tolist()
    return {
        "median_tokens": int(median),
        "p95_tokens": int(high),
        "p99_tokens": int(higher),
        "max_tokens": int(lengths.max()),
    }


def _show_lengths(lengths: dict[str, int]) -> str:
    return (
        f"{show_count(lengths['median_tokens'], 'token')} in the median, 95% have at most "
        f"{lengths['p95_tokens']:,}, 99% at most {lengths['p99_tokens']:,}, the longest has "
        f"{lengths['max_tokens']:,}"
    )


def _how_long_is_read(context: Context) -> str:
    if context.task.head == "relate":
        return "around its two stretches, and what lies far from both is left out"
    if isinstance(context.rows[0].inputs, ChatInput):
        return "without its oldest turns, and not learned from where its last turn does not fit"
    if context.task.head == "generate":
        return "in stretches, each with a text of its own, and none of them is learned from"
    return "in overlapping windows whose answers are merged"


def _longer_window(context: Context, lengths: dict[str, int]) -> str:
    """Return the second way out, where the model itself could read further."""
    wanted = -(-lengths["max_tokens"] // LENGTH_STEP) * LENGTH_STEP
    reach = min(wanted, context.card.context)
    if reach <= context.reading.max_length:
        return ""
    whole = "" if reach >= lengths["max_tokens"] else f" reads the first {reach:,} tokens of each"
    return f", or --set model.max_length={reach}{whole}"
