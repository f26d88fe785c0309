"""Each text tokenised once: for the check, for tuning, and for the runs to come.

What the check counts and what tuning reads come out of one pass, and of the cache where an earlier
run made them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tunesmith.core.errors import DataError, TunesmithError
from tunesmith.core.events import Event, Progress, Said, Warned
from tunesmith.core.examples import Example, taught_inputs
from tunesmith.data.splits import Splits
from tunesmith.model.backbones import Backbone
from tunesmith.model.framing import Reading, Window
from tunesmith.model.windows import FlatWindows, pack_windows, token_type, window_key
from tunesmith.stages.check.tokens import (
    FIGURES,
    TokenFigures,
    count_frame,
    find_losses,
    join_figures,
    read_tokens,
)
from tunesmith.store.scratch import ScratchArrays
from tunesmith.store.token_cache import TokenCache

FEWEST_CACHED_ROWS = 10_000
"""Fewer rows are tokenised in half a second (20,000 to 30,000 short ones a second on one core): a
cache would save nothing that anybody notices, and fill the folder with small trials."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The wish to keep what is tokenised, who is told of it, and where an earlier run's may be."""

    emit: Callable[[Event], None]
    cache: TokenCache | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """What tokenising gave: the figures of all rows, and the windows that were kept, by split."""

    figures: TokenFigures
    windows: Mapping[str, FlatWindows]


def read_splits(
    splits: Splits, backbone: Backbone, reading: Reading, *, tokens: Tokens | None = None
) -> Read:
    """Return the figures of all rows in the order train, valid, test.

    With `tokens`, the windows of train and valid are kept. There are none where they would be
    smaller than their overlap, which the check calls a fault.
    """
    figures: list[TokenFigures] = []
    windows: dict[str, FlatWindows] = {}
    for split in ("train", "valid", "test"):
        examples = getattr(splits, split)
        if tokens is None or split == "test":
            figures.append(read_tokens(backbone.tokenizer, examples, reading))
            continue
        own, windows[split] = _read_split(examples, backbone, reading, tokens, split)
        figures.append(own)
    return Read(join_figures(figures), windows)


def _read_split(
    examples: Sequence[Example], backbone: Backbone, reading: Reading, tokens: Tokens, split: str
) -> tuple[TokenFigures, FlatWindows]:
    """Return figures and windows of one split: the cache's, or new ones that the cache then has."""
    tokenizer = backbone.tokenizer
    if tokens.cache is None or len(examples) < FEWEST_CACHED_ROWS:
        return _tokenise(examples, tokenizer, reading, tokens, split)
    inputs = map(taught_inputs, examples) if reading.writing else (row.inputs for row in examples)
    key = window_key(tokenizer, inputs, reading)
    try:
        arrays = tokens.cache.read(key)
    except DataError as error:
        tokens.emit(Warned(f"{error.problems[0]}; the rows are tokenised again"))
        arrays = None
    if arrays is not None:
        tokens.emit(Said(f"{split}: {len(examples):,} rows tokenised by an earlier run"))
        return _restore(arrays, examples, tokenizer, reading)
    figures, windows = _tokenise(examples, tokenizer, reading, tokens, split)
    if len(windows) >= len(examples):
        _remember(tokens, key, figures, windows)
    return figures, windows


def _tokenise(
    examples: Sequence[Example], tokenizer: Any, reading: Reading, tokens: Tokens, split: str
) -> tuple[TokenFigures, FlatWindows]:
    kept = ScratchArrays()
    kind = token_type(tokenizer)
    kept.append(pack_windows([], token_type=kind))

    def keep(first: int, windows: Sequence[Window]) -> None:
        kept.append(pack_windows(windows, token_type=kind, first_row=first))
        if len(examples) >= FEWEST_CACHED_ROWS:
            done = first + windows[-1].row + 1
            tokens.emit(Progress(f"tokenising {split}", done, len(examples)))

    figures = read_tokens(tokenizer, examples, reading, keep=keep)
    return figures, FlatWindows(kept.finish())


def _restore(
    arrays: Mapping[str, np.ndarray], examples: Sequence[Example], tokenizer: Any, reading: Reading
) -> tuple[TokenFigures, FlatWindows]:
    """Return what an earlier run kept; which entities are lost depends on this run's answers."""
    windows = FlatWindows({name: array for name, array in arrays.items() if name not in FIGURES})
    figures = TokenFigures(
        frame=count_frame(tokenizer, examples, reading),
        losses=tuple(find_losses(examples, windows, reading)) if windows.has_words else (),
        **{name: np.array(arrays[name]) for name in FIGURES},
    )
    return figures, windows


def _remember(tokens: Tokens, key: str, figures: TokenFigures, windows: FlatWindows) -> None:
    """Keep the tokens for the next run; that they cannot be kept stops nothing."""
    if tokens.cache is None:
        return
    try:
        tokens.cache.write(key, {**windows.arrays, **figures.to_arrays()})
    except (TunesmithError, OSError) as error:
        found = error.problems[0] if isinstance(error, TunesmithError) else error
        tokens.emit(Warned(f"the tokens are not kept for the next run: {found}"))
