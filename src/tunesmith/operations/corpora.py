"""Text without labels for `pretrain` and for joint training: files to a corpus, then to windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tunesmith.core.errors import DataError
from tunesmith.core.events import Event, Said, Warned
from tunesmith.core.pretraining import TextReading
from tunesmith.data.corpus import CorpusLog, Passage, find_corpus_files, read_passages
from tunesmith.model.pretraining.vocabulary import Vocabulary
from tunesmith.stages.tune.pretraining.corpus import Corpus, gather_corpus
from tunesmith.stages.tune.pretraining.windows import (
    TextWindows,
    Tokens,
    encode_passages,
    make_windows,
)

LARGEST_UNKNOWN = 0.3
"""Share of unreadable tokens above which a model would learn to say nothing."""
NOTED_UNKNOWN = 0.01


@dataclass(frozen=True, slots=True)
class Source:
    """Where text comes from, and which of it is held out.

    `data` is a file or folder; `held_out` another, else `valid_ratio` of the text, which may be 0.
    `setting` is the path below which the spec has the settings of reading.
    """

    data: str
    column: Mapping[str, str]
    held_out: str | None = None
    valid_ratio: float = 0.0
    setting: str = "reading"


@dataclass(frozen=True, slots=True)
class Text:
    """The encoded sides of a corpus, by name: `train`, and `valid` where any of it is held out."""

    tokens: dict[str, Tokens]
    windows: dict[str, TextWindows]


def read_corpus(
    source: Source, reading: TextReading, *, emit: Callable[[Event], None]
) -> tuple[Corpus, CorpusLog]:
    """Return the corpus and what was met on the way.

    Raises `NotFoundError` where there is no file, and `DataError` where a side is empty or too much
    cannot be read.
    """
    emit(Said(f"reading {source.data}"))
    log = CorpusLog()
    column = source.column.get("text", "text")
    files = find_corpus_files(source.data, log)
    held_out: Iterator[Passage] = iter(())
    if source.held_out is not None:
        held_out = read_passages(find_corpus_files(source.held_out, log), log, column=column)
    try:
        corpus = gather_corpus(
            read_passages(files, log, column=column),
            held_out=held_out,
            valid_ratio=source.valid_ratio,
            drop_repeats=reading.repeats == "drop",
        )
    except DataError:
        log.refuse_beyond(reading.unreadable, setting=source.setting)
        raise
    log.refuse_beyond(reading.unreadable, setting=source.setting)
    if log.unreadable:
        first = log.problems.kept[0].problem
        emit(Warned(f"{log.unreadable:,} unreadable lines are skipped, such as: {first}"))
    if log.left_out:
        shown = ", ".join(log.left_out[:3]) + (", …" if len(log.left_out) > 3 else "")
        emit(Warned(f"{len(log.left_out):,} files that are no text are left out: {shown}"))
    emit(
        Said(
            f"{len(corpus.train):,} passages train "
            f"({corpus.bytes_of(corpus.train) / 1e6:,.1f} MB), {len(corpus.valid):,} are held out, "
            f"{corpus.repeats:,} repeats dropped"
        )
    )
    return corpus, log


def encode_corpus(
    corpus: Corpus,
    vocabulary: Vocabulary,
    reading: TextReading,
    *,
    objective: str,
    seed: int,
    emit: Callable[[Event], None],
) -> Text:
    """Return tokens and windows of both sides; `reading.window_tokens` must be a number.

    Raises `DataError` where the vocabulary can read too little.
    """
    if reading.window_tokens is None:
        raise ValueError("the length of a window must be known")
    is_joined = reading.packing == "joined" or (
        reading.packing == "auto" and objective != "contrastive"
    )
    is_framed = bool(vocabulary.frame.after)
    tokens, windows = {}, {}
    for name, numbers in (("train", corpus.train), ("valid", corpus.valid)):
        if not len(numbers):
            continue
        tokens[name] = encode_passages(
            corpus,
            numbers,
            vocabulary,
            ending="\n" if vocabulary.is_lossless else "",
            separates=vocabulary.end_id is not None and (is_joined or not is_framed),
        )
        windows[name] = make_windows(
            tokens[name],
            vocabulary,
            window_tokens=reading.window_tokens,
            is_joined=is_joined,
            seed=seed if name == "train" else None,
        )
    unknown = tokens["train"].unknown / max(1, len(tokens["train"].ids))
    if unknown > LARGEST_UNKNOWN:
        raise DataError(
            f"at most {LARGEST_UNKNOWN:.0%} of the tokens may be unknown to the vocabulary; "
            f"got {unknown:.1%}",
            hint="tunesmith pretrain CORPUS without --model makes a vocabulary from the text",
        )
    if unknown > NOTED_UNKNOWN:
        emit(Warned(f"{unknown:.1%} of the tokens are unknown to the vocabulary"))
    emit(
        Said(
            f"{len(tokens['train'].ids):,} tokens train in {len(windows['train']):,} windows of "
            f"at most {reading.window_tokens}"
        )
    )
    return Text(tokens, windows)
