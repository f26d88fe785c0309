"""What a masked language model would write in the place of a text's words.

Words are asked about that are one token of its vocabulary, and answered by others of that kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from tunesmith.core.errors import SpecError
from tunesmith.measure.scripts import ends_unspaced
from tunesmith.model.backbones import load_config, load_tokenizer, longest_context
from tunesmith.model.batching import move, plan_batches
from tunesmith.model.pretraining.masked import MaskedModel, load_masked
from tunesmith.model.sources import find_model

BATCH_TOKENS = 2048
LOOKED_AT = 4
"""Times as many of the best tokens are looked at as words are wanted: many are no words."""

JOINTS = ("##", "▁", "Ġ")
"""How tokens begin that go on with a word, or that begin one."""


@dataclass(frozen=True, slots=True)
class Guesser:
    """A masked language model with its tokenizer; `context` is what it reads in tokens."""

    model: MaskedModel
    tokenizer: Any
    context: int
    device: Any


@dataclass(frozen=True, slots=True)
class ReadText:
    """A text's tokens, cut to what the model reads, and the place of each that is a whole word.

    `places` has the token of each (start, end) of the text that one token stands for.
    """

    ids: np.ndarray
    places: Mapping[tuple[int, int], int]


class Guess(NamedTuple):
    """A word that could stand there, and its probability."""

    word: str
    probability: float


def load_guesser(name: str, *, revision: str | None, device: Any) -> Guesser:
    """Return the masked language model of a folder or hub id.

    Raises what `find_model` raises, and `SpecError` where it was not trained to fill in words.
    """
    folder = find_model(name, revision=revision)
    made = load_config(folder.path).architectures or ()
    tokenizer = load_tokenizer(folder.path)
    is_masked = any(kind.endswith(("ForMaskedLM", "ForPreTraining")) for kind in made)
    if not is_masked or tokenizer.mask_token_id is None:
        found = ", ".join(made) or "a model that does not say"
        raise SpecError(
            f"`augmentation.model` must be a masked language model; `{name}` holds {found}",
            hint="make one with `tunesmith pretrain TEXT --objective mlm --out runs/mlm`, then "
            "--set augmentation.model=runs/mlm/backbone",
        )
    model = load_masked(folder.path).to(device).eval()
    return Guesser(model, tokenizer, longest_context(folder.path, tokenizer), device)


def read_texts(guesser: Guesser, texts: Sequence[str]) -> list[ReadText]:
    """Return the tokens of each text."""
    read = guesser.tokenizer(
        list(texts),
        truncation=True,
        max_length=guesser.context,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
    )
    unknown = guesser.tokenizer.unk_token_id
    found = []
    columns = (read["input_ids"], read["offset_mapping"], read["special_tokens_mask"])
    for ids, offsets, special in zip(*columns, strict=True):
        places = {
            (start, end): place
            for place, (start, end) in enumerate(offsets)
            if start < end and not special[place] and ids[place] != unknown
        }
        found.append(ReadText(np.array(ids, dtype=np.int64), places))
    return found


@torch.inference_mode()
def guess_words(
    guesser: Guesser, texts: Sequence[ReadText], hidden: Sequence[Sequence[int]], *, count: int
) -> list[list[list[Guess]]]:
    """Return at most `count` guesses for each hidden place of each text, the best first.

    `hidden` are the places of the tokens; all of a text are hidden at once. The word that stood
    there is no guess.
    """
    found: list[list[list[Guess]]] = [[] for _ in texts]
    asked = [number for number, places in enumerate(hidden) if places]
    lengths = np.array([len(texts[number].ids) for number in asked], dtype=np.int64)
    for indices in plan_batches(lengths, batch_tokens=BATCH_TOKENS):
        numbers = [asked[index] for index in indices]
        logits = _answers(guesser, [texts[n].ids for n in numbers], [hidden[n] for n in numbers])
        looked_at = min(LOOKED_AT * count, logits.shape[1])
        best = torch.softmax(logits, dim=-1).topk(looked_at, dim=-1)
        rows = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        for number in numbers:
            for place in hidden[number]:
                old = int(texts[number].ids[place])
                found[number].append(_words(guesser, old, *next(rows))[:count])
    return found


def _answers(
    guesser: Guesser, texts: Sequence[np.ndarray], hidden: Sequence[Sequence[int]]
) -> torch.Tensor:
    """Return (N, V) float32 logits of the hidden places, text after text."""
    longest = max(map(len, texts))
    ids = np.full((len(texts), longest), guesser.tokenizer.pad_token_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    places = []
    for row, (own, chosen) in enumerate(zip(texts, hidden, strict=True)):
        ids[row, : len(own)] = own
        ids[row, list(chosen)] = guesser.tokenizer.mask_token_id
        mask[row, : len(own)] = 1
        places += [row * longest + place for place in chosen]
    batch = {"input_ids": ids, "attention_mask": mask, "places": np.array(places)}
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    return guesser.model(move(tensors, guesser.device))


def _words(guesser: Guesser, old: int, ids: Sequence[int], shares: Sequence[float]) -> list[Guess]:
    """Return those of the tokens that are words as the hidden one was."""
    tokenizer = guesser.tokenizer
    special = set(tokenizer.all_special_ids)
    was = tokenizer.decode([old]).strip()
    joint = _joint(tokenizer.convert_ids_to_tokens(old))
    guesses = []
    for number, share in zip(ids, shares, strict=True):
        word = tokenizer.decode([number]).strip()
        if (
            number not in special
            and _joint(tokenizer.convert_ids_to_tokens(number)) == joint
            and word.isalnum()
            and ends_unspaced(word) == ends_unspaced(was)
            and word.casefold() != was.casefold()
        ):
            guesses.append(Guess(word, share))
    return guesses


def _joint(token: str) -> str:
    return next((joint for joint in JOINTS if token.startswith(joint)), "")
