"""Public Chinese text and rows: what an encoder of our own is pretrained and tuned on.

Nothing of a test split is read as text. The reviews name no splits, so a hash of each makes them.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from record import data_folder
from task_rows import Row, write_rows

LABELLED = 500
"""Reviews whose labels are learned from."""

VALID = 500
"""Reviews that choose the settings; they are not learned from either."""

ENTITY_FILES = {
    split: f"{name}.char.bmes" for split, name in (("train", "train"), ("valid", "dev"))
}
TEST_ENTITIES = "test.char.bmes"


def write_texts(folder: Path) -> None:
    """Write the text without labels: novels, articles, posts, captions, résumés, reviews."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(data_folder("chinese_classics").glob("*.txt")):
        _write(folder / path.name, (line.strip() for line in path.read_text("utf-8").split("\n")))
    for name, texts in (
        ("articles", _articles()),
        ("posts", _column("cold", "train.csv", "TEXT")),
        ("captions", _captions()),
        ("resumes", resume_sentences()),
        ("reviews", (row["text"] for row in review_rows("train"))),
    ):
        _write(folder / f"{name}.txt", texts)


def resume_sentences() -> Iterator[str]:
    """Yield the sentences of the résumés' train split."""
    lines = (data_folder("resume_ner") / ENTITY_FILES["train"]).read_text("utf-8").split("\n")
    letters: list[str] = []
    for line in lines:
        if line.strip():
            letters.append(line.split()[0])
        elif letters:
            yield "".join(letters)
            letters = []


def review_rows(split: str) -> Iterator[Row]:
    """Yield reviews of a food delivery: a fifth of them, by their hash, is test."""
    path = data_folder("waimai_10k") / "waimai_10k.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            number = int(hashlib.sha256(row["review"].encode()).hexdigest(), 16)
            if (number % 5 == 0) == (split == "test"):
                yield {"text": row["review"], "label": ("negative", "positive")[int(row["label"])]}


def write_reviews(folder: Path, *, seed: int) -> None:
    """Write 500 labelled reviews, 500 to choose by and the test, as a seed draws them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = sorted(review_rows("train"), key=lambda row: _drawn(row, seed))
    write_rows(rows[:LABELLED], folder / "train.jsonl")
    write_rows(rows[LABELLED : LABELLED + VALID], folder / "valid.jsonl")
    write_rows(review_rows("test"), folder / "test.jsonl")


def _articles() -> Iterator[str]:
    """Yield the contexts of CMRC, each once."""
    for name in ("cmrc2018_trial.json", "cmrc2018_dev.json"):
        articles = json.loads((data_folder("cmrc2018") / name).read_text("utf-8"))
        found = articles["data"] if isinstance(articles, dict) else articles
        for article in found:
            paragraphs = article.get("paragraphs", [article])
            yield from (
                paragraph.get("context") or paragraph["context_text"] for paragraph in paragraphs
            )


def _captions() -> Iterator[str]:
    path = data_folder("stsb_multi_mt") / "stsb-zh-train.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        for first, second, _ in csv.reader(stream):
            yield from (first, second)


def _column(folder: str, file: str, column: str) -> Iterator[str]:
    with (data_folder(folder) / file).open(encoding="utf-8-sig", newline="") as stream:
        yield from (row[column] for row in csv.DictReader(stream))


def _write(path: Path, texts: Iterable[str]) -> None:
    """Write texts as paragraphs, those of several lines as one each."""
    kept = (" ".join(text.split()) for text in texts)
    path.write_text("\n\n".join(text for text in kept if text) + "\n", encoding="utf-8")


def _drawn(row: Row, seed: int) -> str:
    return hashlib.sha256(f"{seed} {row['text']} {row['label']}".encode()).hexdigest()
