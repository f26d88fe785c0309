"""A few held-out passages as the model reads or continues them: for eyes, not for numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tunesmith.core.pretraining import CausalText, ContrastedText, DenoisedText, MaskedText
from tunesmith.model.encoding_writing import close_gaps
from tunesmith.stages.tune.pretraining.batches import make_loader
from tunesmith.stages.tune.pretraining.run import PretrainingJob

SAMPLES = 5
PROMPT_TOKENS = 24
WRITTEN_TOKENS = 60
SHOWN_TOKENS = 64
TEMPERATURE, CHOICES = 0.8, 50
NEIGHBOUR_TEXTS = 256


def make_samples(job: PretrainingJob) -> list[dict[str, Any]]:
    """Return up to five samples as JSON-ready records; their fields depend on the objective."""
    numbers = job.valid.sample(SAMPLES)[:SAMPLES]
    model = job.model
    was_training = model.training
    model.eval()
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(job.seed)
        match job.objective:
            case MaskedText():
                samples = [_fill(job, number) for number in numbers]
            case CausalText():
                samples = [_continue(job, number) for number in numbers]
            case DenoisedText():
                samples = [_mend(job, number) for number in numbers]
            case ContrastedText():
                samples = _neighbours(job)
    model.train(was_training)
    return samples


def _fill(job: PretrainingJob, number: int) -> dict[str, Any]:
    """Return a passage with masks, what stood there and what the model puts there."""
    batch = make_loader(job.objective, job.valid, job.vocabulary, seed=job.seed)(np.array([number]))
    guesses = job.model(batch).argmax(dim=-1)
    shown = batch["places"] < SHOWN_TOKENS
    filled = batch["input_ids"].flatten().clone()
    filled[batch["places"]] = guesses
    return {
        "shown": _text(job, batch["input_ids"].flatten()[:SHOWN_TOKENS]),
        "filled": _text(job, filled[:SHOWN_TOKENS]),
        "gold": _words(job, batch["targets"][shown]),
        "guess": _words(job, guesses[shown]),
    }


def _continue(job: PretrainingJob, number: int) -> dict[str, Any]:
    prompt = torch.from_numpy(job.valid.window(int(number)))[None, :PROMPT_TOKENS]
    written = _generate(job, input_ids=prompt, attention_mask=torch.ones_like(prompt))
    return {
        "prompt": _text(job, prompt[0]),
        "written": _text(job, written[0, prompt.shape[1] :]),
    }


def _mend(job: PretrainingJob, number: int) -> dict[str, Any]:
    batch = make_loader(job.objective, job.valid, job.vocabulary, seed=job.seed)(np.array([number]))
    read = {name: batch[name] for name in ("input_ids", "attention_mask")}
    return {
        "shown": _text(job, batch["input_ids"][0]),
        "written": _text(job, _generate(job, **read)[0]),
        "gold": _text(job, batch["targets"]),
    }


def _generate(job: PretrainingJob, **inputs: torch.Tensor) -> torch.Tensor:
    model: Any = job.model
    longest = model.whole.config.max_position_embeddings - inputs["input_ids"].shape[1]
    return model.whole.generate(
        **inputs,
        max_new_tokens=max(1, min(WRITTEN_TOKENS, longest)),
        do_sample=True,
        temperature=TEMPERATURE,
        top_k=CHOICES,
        pad_token_id=job.vocabulary.pad_id,
    )


def _neighbours(job: PretrainingJob) -> list[dict[str, Any]]:
    """Return passages, each with the one of the sample that the model holds to be nearest."""
    numbers = job.valid.sample(NEIGHBOUR_TEXTS)
    load = make_loader(job.objective, job.valid, job.vocabulary, seed=job.seed)
    model: Any = job.model
    vectors = torch.cat([model.vectors(load(np.array([number]))) for number in numbers])
    cosines = vectors @ vectors.t()
    cosines.fill_diagonal_(-1.0)
    texts = [torch.from_numpy(job.valid.window(int(number)))[:SHOWN_TOKENS] for number in numbers]
    return [
        {
            "text": _text(job, texts[row]),
            "nearest": _text(job, texts[int(cosines[row].argmax())]),
            "cosine": round(float(cosines[row].max()), 4),
        }
        for row in range(min(SAMPLES, len(texts)))
        if len(texts) > 1
    ]


def _text(job: PretrainingJob, ids: torch.Tensor) -> str:
    """Return ids as text; masks stay visible, other special tokens do not."""
    tokenizer = job.vocabulary.tokenizer
    hidden = [number for number in tokenizer.all_special_ids if number != tokenizer.mask_token_id]
    kept = [number for number in ids.tolist() if number not in hidden]
    return close_gaps(tokenizer.decode(kept, skip_special_tokens=False)).strip()


def _words(job: PretrainingJob, ids: torch.Tensor) -> list[str]:
    return [job.vocabulary.tokenizer.decode([number]) for number in ids.tolist()]
