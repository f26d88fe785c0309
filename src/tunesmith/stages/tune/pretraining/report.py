"""The report of a pretraining: one JSON for programs, one page of Markdown for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.core.measures import Measure
from tunesmith.core.pretraining import CausalText, ContrastedText
from tunesmith.data.corpus import CorpusLog
from tunesmith.model.pretraining import count_parameters
from tunesmith.stages.tune.job import Fitted
from tunesmith.stages.tune.pretraining.corpus import Corpus
from tunesmith.stages.tune.pretraining.held_out import HeldOut, make_measures, xz_bits_per_byte
from tunesmith.stages.tune.pretraining.run import PretrainingJob
from tunesmith.stages.tune.pretraining.windows import Tokens

FORMAT_VERSION = 1
CURVE_POINTS = 400
HEADLINES = {
    "mlm": ["masked_accuracy", "pseudo_bits_per_byte"],
    "causal": ["bits_per_byte"],
    "seq2seq": ["pseudo_bits_per_byte"],
    "contrastive": ["accuracy"],
}
PSEUDO = (
    "Pseudo perplexity and pseudo bits a byte guess a token with text on both sides in view: they "
    "compare models of one kind and vocabulary, and are no compression."
)
LOSSY = (
    "The vocabulary does not keep every character (white space, rare letters): bits a byte count "
    "bytes that it never writes. A bpe vocabulary keeps all."
)
UNSEEN_CONTEXT = (
    "Each window of held-out text is read by itself: its first tokens are guessed from little."
)


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run has to tell beside its settings."""

    corpus: Corpus
    log: CorpusLog
    tokens: Mapping[str, Tokens]
    fitted: Fitted
    held_out: HeldOut
    samples: list[dict[str, Any]]


def make_pretraining_report(
    job: PretrainingJob, findings: Findings, *, title: str
) -> dict[str, Any]:
    """Return everything that is known of a run as JSON-ready fields."""
    measures = make_measures(job.objective, findings.held_out, findings.tokens["valid"])
    fitted = findings.fitted
    return {
        "format_version": FORMAT_VERSION,
        "title": title,
        "objective": job.objective.model_dump(mode="json"),
        "headline": HEADLINES[job.objective.name],
        "measures": {name: measure.to_json() for name, measure in measures.items()},
        "xz_bits_per_byte": round(xz_bits_per_byte(findings.corpus), 4),
        "model": {
            "architecture": job.model.encoder.config.model_type,
            "parameters": count_parameters(job.model),
            "window_tokens": int(job.train.framed_lengths.max()),
        },
        "tokenizer": {
            "size": len(job.vocabulary),
            "is_lossless": job.vocabulary.is_lossless,
        },
        "corpus": _corpus_facts(findings),
        "training": {
            "steps": fitted.steps,
            "best_step": fitted.best_step,
            "tokens": fitted.tokens,
            "seconds": round(fitted.seconds, 2),
            "tokens_per_second": round(fitted.tokens / max(fitted.seconds, 1e-9)),
            "precision": job.precision,
            "device": str(job.device),
            "seed": job.seed,
            "reasons": fitted.reasons,
        },
        "curve": {
            "losses": _thinned(fitted.losses),
            "validations": [list(point) for point in fitted.validations],
        },
        "samples": findings.samples,
        "notes": _notes(job),
    }


def write_pretraining_report(folder: Path, report: Mapping[str, Any]) -> None:
    """Write `pretraining.json` and `pretraining.md` into a folder."""
    text = json.dumps(report, ensure_ascii=False, indent=1)
    (folder / "pretraining.json").write_text(text + "\n", encoding="utf-8")
    (folder / "pretraining.md").write_text(_page(report), encoding="utf-8")


def _corpus_facts(findings: Findings) -> dict[str, Any]:
    corpus, tokens = findings.corpus, findings.tokens
    sides = {
        name: {
            "passages": len(numbers),
            "bytes": corpus.bytes_of(numbers),
            "tokens": len(tokens[name].ids),
            "unknown_tokens": tokens[name].unknown,
        }
        for name, numbers in (("train", corpus.train), ("valid", corpus.valid))
    }
    return {
        **sides,
        "repeats": corpus.repeats,
        "unreadable_lines": findings.log.unreadable,
        "files_left_out": len(findings.log.left_out),
        "sha256": corpus.sha256,
    }


def _notes(job: PretrainingJob) -> list[str]:
    notes = []
    if isinstance(job.objective, CausalText):
        notes.append(UNSEEN_CONTEXT)
        if not job.vocabulary.is_lossless:
            notes.append(LOSSY)
    elif not isinstance(job.objective, ContrastedText):
        notes.append(PSEUDO)
    return notes


def _thinned(points: list[tuple[int, float]]) -> list[list[float]]:
    """Return at most so many points of a curve, each the mean of its stretch."""
    width = max(1, -(-len(points) // CURVE_POINTS))
    stretches = [points[start : start + width] for start in range(0, len(points), width)]
    return [
        [stretch[-1][0], round(sum(loss for _, loss in stretch) / len(stretch), 5)]
        for stretch in stretches
    ]


def _page(report: Mapping[str, Any]) -> str:
    model, training, corpus = report["model"], report["training"], report["corpus"]
    lines = [
        f"# {report['title']}: {report['objective']['name']}",
        "",
        f"{model['architecture']}, {model['parameters']:,} parameters, "
        f"{report['tokenizer']['size']:,} tokens in the vocabulary, "
        f"windows of {model['window_tokens']} tokens.",
        "",
        "| on held-out text | value | unit | n |",
        "|---|---|---|---|",
    ]
    for name, fields in report["measures"].items():
        measure = Measure.from_json(fields)
        lines.append(f"| {name} | {measure} | {measure.unit} | {measure.count:,} |")
    lines.append(f"| xz -9 on the same text | {report['xz_bits_per_byte']:.3f} | bits/byte | |")
    lines += [
        "",
        f"{corpus['train']['passages']:,} passages ({corpus['train']['bytes']:,} bytes, "
        f"{corpus['train']['tokens']:,} tokens) trained, {corpus['valid']['passages']:,} "
        f"({corpus['valid']['bytes']:,} bytes) were held out; {corpus['repeats']:,} repeats and "
        f"{corpus['unreadable_lines']:,} unreadable lines were left out.",
        "",
        f"{training['steps']:,} steps, {training['tokens']:,} tokens in "
        f"{training['seconds']:,.0f} seconds ({training['tokens_per_second']:,} tokens/s, "
        f"{training['precision']}, {training['device']}, seed {training['seed']}); "
        f"the state after step {training['best_step']:,} is kept.",
        "",
        "| step | held-out loss |",
        "|---:|---:|",
        *(f"| {step:,} | {loss:.4f} |" for step, loss in report["curve"]["validations"]),
        "",
    ]
    lines += [f"- {note}" for note in report["notes"]]
    for number, sample in enumerate(report["samples"], start=1):
        lines += ["", f"## Sample {number}", ""]
        for name, value in sample.items():
            text = " ".join(value) if isinstance(value, list) else str(value)
            lines.append(f"- {name}: {' '.join(text.split())}")
    return "\n".join(lines) + "\n"
