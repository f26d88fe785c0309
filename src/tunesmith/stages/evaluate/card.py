"""The model card of a bundle: README.md with the Hugging Face header.

It is written from the report and the manifest alone; nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

PIPELINE_TAGS = {
    "classification": "text-classification",
    "multilabel": "text-classification",
    "ner": "token-classification",
    "matching": "sentence-similarity",
    "relation": "text-classification",
    "qa": "question-answering",
    "choice": "multiple-choice",
    "recommendation": "sentence-similarity",
    "summarization": "summarization",
    "translation": "translation",
    "generation": "text-generation",
}
SHOWN_CLASSES = 50
ABSTAINING = (
    "`tunesmith predict . TEXT --abstain-below 0.7` marks answers that are less sure; where the "
    "answer is one label, `--coverage 0.9` gives a set of labels, and `--outside` tells texts that "
    "are unlike those it was taught."
)


def make_card(report: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Return the card as Markdown: what the model does, the evidence, its weak spots, its use."""
    return "\n".join(
        [
            "---",
            yaml.safe_dump(_header(report), sort_keys=False, allow_unicode=True).strip(),
            "---",
            "",
            f"# {_plain(report['title'])}: {report['task']['kind']}",
            "",
            _summary(report),
            "",
            "## What it can do",
            "",
            *measure_rows(report),
            "",
            *[f"> {note}\n" for note in report["notes"]],
            *class_rows(report),
            *limit_lines(report.get("reliability") or {}),
            "",
            "## Use",
            "",
            "```sh",
            'tunesmith predict . "some text"',
            "```",
            "",
            manifest["plain_transformers"]["note"],
            "",
            "## Provenance",
            "",
            f"- Base model: {manifest['model']['name']} ({manifest['model']['source']}), "
            f"sha256 `{manifest['model']['sha256']}`",
            *[f"- Rows, {name}: sha256 `{digest}`" for name, digest in manifest["data"].items()],
            f"- Versions: {', '.join(f'{name} {v}' for name, v in manifest['packages'].items())}",
            f"- Seed {manifest['seed']}",
            "",
        ]
    )


def _header(report: Mapping[str, Any]) -> dict[str, Any]:
    metrics = [
        {"type": name, "value": round(report["measures"][name]["value"], 4)}
        for name in report["headline"]
    ]
    tag = PIPELINE_TAGS[report["task"]["kind"]]
    result = {
        "task": {"type": tag},
        "dataset": {
            "name": report["data"]["name"],
            "type": "local",
            "split": report["data"]["split"],
        },
        "metrics": metrics,
    }
    return {
        "library_name": "transformers",
        "pipeline_tag": tag,
        "base_model": report["model"]["name"],
        "tags": ["tunesmith"],
        "model-index": [{"name": report["title"], "results": [result]}],
    }


def _summary(report: Mapping[str, Any]) -> str:
    data, labels = report["data"], report["task"]["labels"]
    return (
        f"{report['model']['name']} tuned by the method `{report['method']['name']}` on "
        f"{data['train_rows']:,} rows of `{_plain(data['name'])}`"
        + (f" with {len(labels)} labels." if labels else ".")
    )


def measure_rows(report: Mapping[str, Any]) -> list[str]:
    """Return a table of all measures."""
    rows = [
        "| measure | value | 95 % interval | n |",
        "|---|---|---|---|",
    ]
    for name, measure in report["measures"].items():
        low, high = measure["low"], measure["high"]
        interval = "" if low is None else f"{low:.3f} to {high:.3f}"
        rows.append(f"| {name} | {measure['value']:.3f} | {interval} | {measure['count']:,} |")
    return rows


def limit_lines(reliability: Mapping[str, Any]) -> list[str]:
    """Return how far its answers can be relied on, where that was measured."""
    calibration = reliability.get("calibration")
    if not calibration:
        return []
    before, after = calibration["before"], calibration["after"]
    is_folds = calibration["basis"] == "folds"
    how = "each judged by a fit of the others" if is_folds else "which nothing was fitted on"
    return [
        "",
        "## How far to rely on it",
        "",
        f"Calibration of the probabilities: `{calibration['name']}`. "
        f"On {calibration['rows']:,} rows, {how}:",
        "",
        "| | before | after |",
        "|---|---|---|",
        *[f"| {name} | {before[name]:.3f} | {after[name]:.3f} |" for name in before],
        *(["", ABSTAINING] if reliability.get("selective") else []),
    ]


def class_rows(report: Mapping[str, Any], *, most: int = SHOWN_CLASSES) -> list[str]:
    """Return a table of the classes, at most so many, the weakest first."""
    if not report["classes"]:
        return []
    weakest = sorted(report["classes"], key=lambda score: score["f1"])[:most]
    rows = [
        "",
        "Weakest first:",
        "",
        "| label | precision | recall | F1 | n |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {_plain(score['label'])} | {score['precision']:.3f} | {score['recall']:.3f} | "
        f"{score['f1']:.3f} | {score['support']:,} |"
        for score in weakest
    ]
    return rows


def _plain(text: str) -> str:
    """Return text that cannot break a table or start markup."""
    return text.replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")
