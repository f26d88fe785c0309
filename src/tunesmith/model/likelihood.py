"""How probable given answers are behind a prompt, or in its gap: in batches counted in tokens.

What stands before every question is computed once where the model keeps keys and values, and a
question's own tokens once for all its answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tunesmith.model.batching import plan_batches
from tunesmith.model.device import autocast
from tunesmith.model.heads.generate import only_at
from tunesmith.model.heads.speak import DynamicCache, Speaker, repeat_cache, take_cache

LIKELIHOOD_TOKENS = 4096
"""Tokens of a batch of questions, shared beginnings left out."""


@dataclass(frozen=True, slots=True)
class AskedIds:
    """A question as token ids: `own` up to where an answer stands, `after` what follows a gap.

    `answers` are the ids of each answer; none is empty.
    """

    own: np.ndarray
    after: np.ndarray
    answers: tuple[np.ndarray, ...]


@dataclass(frozen=True, slots=True)
class Weigher:
    """What weighs answers: a model, its special ids, and where and how it computes.

    `end` are the ids around what a masked or seq2seq model reads; `start` those that a seq2seq
    model has written before an answer.
    """

    speaker: Speaker
    pad_id: int
    mask_id: int | None
    end: tuple[int, ...]
    start: tuple[int, ...]
    device: Any
    precision: str
    cached: bool = True


def weigh_answers(
    weigher: Weigher, prefix: np.ndarray, asked: Sequence[AskedIds]
) -> list[np.ndarray]:
    """Return (A, 2) for each question: the summed log-probability of each answer, its tokens.

    `prefix` (P,) stands before every question. In a gap, an answer of k tokens is read off k masks
    at once. Source: answers of several tokens in a gap, Schick & Schütze 2021, §3.1 (the parallel
    approximation of their eq. 4).
    """
    found: list[np.ndarray] = [np.zeros((len(each.answers), 2)) for each in asked]
    lengths = np.array([_cost(weigher, each) for each in asked], dtype=np.int64)
    was_training = weigher.speaker.training
    weigher.speaker.eval()
    weigh = {"causal": _go_on, "seq2seq": _answer, "masked": _fill}[weigher.speaker.speaking]
    try:
        with torch.inference_mode(), autocast(weigher.device, weigher.precision):
            past = _remember(weigher, prefix)
            for indices in plan_batches(lengths, batch_tokens=LIKELIHOOD_TOKENS):
                chosen = [asked[index] for index in indices]
                for index, scores in zip(
                    indices, weigh(weigher, prefix, past, chosen), strict=True
                ):
                    found[index] = scores
    finally:
        weigher.speaker.train(was_training)
    return found


def _cost(weigher: Weigher, asked: AskedIds) -> int:
    """Return the tokens a question costs, all its answers counted."""
    own = len(asked.own) + len(asked.after)
    if weigher.speaker.speaking == "masked":
        kinds = {len(answer) for answer in asked.answers}
        return sum(own + size for size in kinds)
    return own + sum(len(answer) for answer in asked.answers)


def _remember(weigher: Weigher, prefix: np.ndarray) -> DynamicCache | None:
    """Return keys and values of what stands before all questions; None to compute without them."""
    if not weigher.cached:
        return None
    ids = prefix if len(prefix) else np.array([weigher.pad_id])
    read = torch.from_numpy(ids.astype(np.int64))[None].to(weigher.device)
    past = weigher.speaker.remember(read)
    return DynamicCache() if past is not None and not len(prefix) else past


def _go_on(
    weigher: Weigher, prefix: np.ndarray, past: Any, asked: Sequence[AskedIds]
) -> list[np.ndarray]:
    if past is None:
        return _go_on_whole(weigher, prefix, asked)
    ids, mask = _padded([each.own for each in asked], weigher.pad_id, left=True)
    shared = torch.ones(len(asked), len(prefix), dtype=torch.long)
    mask = torch.cat([shared, mask], dim=1).to(weigher.device)
    places = (mask.cumsum(dim=1) - 1).clamp(min=0)
    output = weigher.speaker.whole(
        input_ids=ids.to(weigher.device),
        attention_mask=mask,
        position_ids=places[:, len(prefix) :],
        past_key_values=repeat_cache(past, len(asked)),
        use_cache=True,
        logits_to_keep=1,
    )
    firsts = output.logits[:, -1].float().log_softmax(dim=-1)
    found = [
        np.array([[float(row[answer[0]]), len(answer)] for answer in each.answers])
        for row, each in zip(firsts.cpu(), asked, strict=True)
    ]
    longer = [
        (row, at)
        for row, each in enumerate(asked)
        for at, answer in enumerate(each.answers)
        if len(answer) > 1
    ]
    for group in _grouped(longer, tokens=mask.shape[1]):
        rows = torch.tensor([row for row, _ in group], device=weigher.device)
        own = [asked[row].answers[at] for row, at in group]
        read, is_read = _padded([answer[:-1] for answer in own], weigher.pad_id)
        whole_mask = torch.cat([mask[rows], is_read.to(weigher.device)], dim=1)
        behind = (whole_mask.cumsum(dim=1) - 1).clamp(min=0)[:, mask.shape[1] :]
        logits = weigher.speaker.whole(
            input_ids=read.to(weigher.device),
            attention_mask=whole_mask,
            position_ids=behind,
            past_key_values=take_cache(output.past_key_values, rows),
            use_cache=True,
        ).logits
        sums = _sum_of(logits, [answer[1:] for answer in own])
        for (row, at), value in zip(group, sums, strict=True):
            found[row][at, 0] += value
    return found


def _go_on_whole(
    weigher: Weigher, prefix: np.ndarray, asked: Sequence[AskedIds]
) -> list[np.ndarray]:
    """Do what `_go_on` does for a model without a cache: every answer behind the whole prompt."""
    found = [np.zeros((len(each.answers), 2)) for each in asked]
    pairs = [(row, at) for row, each in enumerate(asked) for at in range(len(each.answers))]
    longest = len(prefix) + max(len(each.own) for each in asked)
    for group in _grouped(pairs, tokens=longest):
        texts = [
            np.concatenate([prefix, asked[row].own, asked[row].answers[at][:-1]])
            for row, at in group
        ]
        ids, mask = _padded(texts, weigher.pad_id)
        own = [asked[row].answers[at] for row, at in group]
        places = [
            number * ids.shape[1] + len(text) - len(answer) + np.arange(len(answer))
            for number, (text, answer) in enumerate(zip(texts, own, strict=True))
        ]
        flat = torch.from_numpy(np.concatenate(places)).to(weigher.device)
        with only_at(weigher.speaker.linear, flat):
            logits = weigher.speaker.whole(
                input_ids=ids.to(weigher.device),
                attention_mask=mask.to(weigher.device),
                use_cache=False,
            )[0]
        for (row, at), value in zip(group, _flat_sums(logits, own), strict=True):
            found[row][at] = value, len(asked[row].answers[at])
    return found


def _answer(
    weigher: Weigher,
    prefix: np.ndarray,
    past: Any,  # noqa: ARG001 (an encoder sees both sides and keeps nothing)
    asked: Sequence[AskedIds],
) -> list[np.ndarray]:
    """Return what a decoder gives to answers beside what its encoder read, once a question."""
    whole = weigher.speaker.whole
    texts = [np.concatenate([prefix, each.own, each.after, weigher.end]) for each in asked]
    ids, mask = _padded(texts, weigher.pad_id)
    ids, mask = ids.to(weigher.device), mask.to(weigher.device)
    read = whole.get_encoder()(input_ids=ids, attention_mask=mask)
    found = [np.zeros((len(each.answers), 2)) for each in asked]
    pairs = [(row, at) for row, each in enumerate(asked) for at in range(len(each.answers))]
    first = whole.config.decoder_start_token_id
    for group in _grouped(pairs, tokens=ids.shape[1]):
        rows = torch.tensor([row for row, _ in group], device=weigher.device)
        own = [asked[row].answers[at] for row, at in group]
        begun = [np.array([first, *weigher.start, *answer[:-1]]) for answer in own]
        written, _ = _padded(begun, weigher.pad_id)
        states = type(read)(last_hidden_state=read[0][rows])
        logits = whole(
            encoder_outputs=states,
            attention_mask=mask[rows],
            decoder_input_ids=written.to(weigher.device),
            use_cache=False,
        ).logits[:, len(weigher.start) :]
        for (row, at), value in zip(group, _sum_of(logits, own), strict=True):
            found[row][at] = value, len(asked[row].answers[at])
    return found


def _fill(
    weigher: Weigher,
    prefix: np.ndarray,
    past: Any,  # noqa: ARG001 (an encoder sees both sides and keeps nothing)
    asked: Sequence[AskedIds],
) -> list[np.ndarray]:
    """Return what a masked model gives to answers: each length of them has as many masks."""
    found = [np.zeros((len(each.answers), 2)) for each in asked]
    kinds = [
        (row, size)
        for row, each in enumerate(asked)
        for size in sorted({len(answer) for answer in each.answers})
    ]
    for group in _grouped(kinds, tokens=len(prefix) + max(len(each.own) for each in asked)):
        texts = []
        places = []
        for row, size in group:
            before = np.concatenate([prefix, asked[row].own])
            gap = np.full(size, weigher.mask_id)
            texts.append(np.concatenate([before, gap, asked[row].after, weigher.end]))
            places.append(np.arange(len(before), len(before) + size))
        ids, mask = _padded(texts, weigher.pad_id)
        flat = np.concatenate([row * ids.shape[1] + own for row, own in enumerate(places)])
        batch = {"input_ids": ids.to(weigher.device), "attention_mask": mask.to(weigher.device)}
        logits = weigher.speaker.gaps(batch, torch.from_numpy(flat).to(weigher.device))
        values = logits.log_softmax(dim=-1).double().cpu().numpy()
        edges = np.cumsum([size for _, size in group])[:-1]
        for (row, size), own in zip(group, np.split(values, edges), strict=True):
            for at, answer in enumerate(asked[row].answers):
                if len(answer) == size:
                    found[row][at] = own[np.arange(size), answer].sum(), size
    return found


def _grouped(pairs: Sequence[Any], *, tokens: int) -> list[Sequence[Any]]:
    """Return the pairs in groups that are small enough to be computed at once."""
    size = max(1, LIKELIHOOD_TOKENS // max(1, tokens))
    return [pairs[start : start + size] for start in range(0, len(pairs), size)]


def _sum_of(logits: torch.Tensor, answers: Sequence[np.ndarray]) -> np.ndarray:
    """Return (N,) the summed log-probabilities of answers that begin at place 0 of (N, S, V)."""
    rows = np.repeat(np.arange(len(answers)), [len(answer) for answer in answers])
    places = np.concatenate([np.arange(len(answer)) for answer in answers])
    at = torch.from_numpy(rows).to(logits.device), torch.from_numpy(places).to(logits.device)
    return _flat_sums(logits[at], answers)


def _flat_sums(logits: torch.Tensor, answers: Sequence[np.ndarray]) -> np.ndarray:
    """Return (N,) the summed log-probabilities of answers, whose logits stand end to end."""
    flat = logits.reshape(-1, logits.shape[-1]).float()
    ids = torch.from_numpy(np.concatenate(answers).astype(np.int64)).to(flat.device)
    values = flat.gather(1, ids[:, None])[:, 0] - flat.logsumexp(dim=1)
    edges = np.cumsum([len(answer) for answer in answers])[:-1]
    return np.array([part.sum() for part in np.split(values.double().cpu().numpy(), edges)])


def _padded(
    rows: Sequence[np.ndarray], pad_id: int, *, left: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (B, T) ids and mask, padded at the right, or at the left."""
    longest = max(1, max(len(row) for row in rows))
    ids = np.full((len(rows), longest), pad_id, dtype=np.int64)
    mask = np.zeros((len(rows), longest), dtype=np.int64)
    for number, row in enumerate(rows):
        where = slice(longest - len(row), longest) if left else slice(0, len(row))
        ids[number, where] = row
        mask[number, where] = 1
    return torch.from_numpy(ids), torch.from_numpy(mask)
