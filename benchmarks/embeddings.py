"""Sentence vectors against sentence-transformers' `encode`: sentences a second and their cosine.

Usage: TUNESMITH_DATA=… python benchmarks/embeddings.py [--texts 2000] [--pairs 5]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from bundles import distinct_texts, tuned_bundle
from compare import Slice, interleave, pin_processors, rate_ratios, tell_sides
from forms import Form, offered_forms, open_form
from record import tell
from rivals import named

from tunesmith.model.encoding import encode_windows
from tunesmith.model.sources import find_model
from tunesmith.runtime.engine import Engine, window_vectors

PROBE_ROWS = 1000
"""Rows of the probe whose bundle gives the vectors; a probe leaves the encoder as it was."""
WARM_UP_TEXTS = 64


def main() -> None:
    """Measure every form of an untuned encoder against its own library."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    wanted = parser.parse_args()
    torch.set_num_threads(pin_processors(wanted.threads))
    with tuned_bundle(method="probe", pooling="mean", rows=PROBE_ROWS) as bundle:
        _tell_speed(bundle, wanted)


def _tell_speed(bundle: Path, wanted: argparse.Namespace) -> None:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 (an extra, and 7 s)

    texts = distinct_texts("test", wanted.texts)
    warm_up = distinct_texts("train", WARM_UP_TEXTS)
    rival = SentenceTransformer(str(find_model("minilm", revision=None).path), device="cpu")
    vectors: dict[str, np.ndarray] = {}

    def theirs(_: int) -> Slice:
        rival.encode(warm_up)
        started = time.perf_counter()
        vectors["encode"] = rival.encode(texts)
        return Slice(len(texts), time.perf_counter() - started)

    def ours(form: Form) -> Slice:
        engine = open_form(bundle, form)
        embed(engine, warm_up)
        started = time.perf_counter()
        vectors[form.name] = embed(engine, texts)
        return Slice(len(texts), time.perf_counter() - started)

    forms = offered_forms(bundle, benchmark="embeddings")
    sides = {form.name: lambda _, form=form: ours(form) for form in forms}
    slices = interleave({**sides, "encode": theirs}, pairs=wanted.pairs)
    tell_sides("embeddings", slices, unit="sentences/s")
    for name in sides:
        tell(
            "embeddings",
            row=f"embeddings.{name}",
            measure=f"sentences/s, {name} / encode",
            unit="ratio",
            rival=named("sentence-transformers"),
            texts=len(texts),
            lowest_cosine=round(lowest_cosine(vectors[name], vectors["encode"]), 5),
            **rate_ratios(slices[name], slices["encode"]).to_json(),
        )


def embed(engine: Engine, texts: list[str]) -> np.ndarray:
    """Return (N, H): the normalised mean of each text's tokens. Texts fit one window each."""
    inputs = [engine.task.inputs_of(text) for text in texts]
    return window_vectors(engine, list(encode_windows(engine.tokenizer, inputs, engine.reading)))


def lowest_cosine(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the smallest cosine between two (N, H) arrays of vectors, row by row.

    Ours are centred by their layer norm, so theirs are centred too before they are compared.
    """
    ours, theirs = (each - each.mean(axis=1, keepdims=True) for each in (ours, theirs))
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return float(((ours * theirs).sum(axis=1) / lengths).min())


if __name__ == "__main__":
    main()
